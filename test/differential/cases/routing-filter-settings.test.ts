// What routes say to single filters, at four levels (envoy-behaviour §3.3).
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { CaseConfig, Json, Row } from '../row.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http';
const FAULT = 'envoy.filters.http.fault';
const MUTATION = 'envoy.filters.http.header_mutation';

/** Aborts everything with this status. */
const abort = (status: number): Json => ({
  '@type': `${TYPE}.fault.v3.HTTPFault`,
  abort: { http_status: status, percentage: { numerator: 100 } },
});
const appends = (value: string): Json => ({
  '@type': `${TYPE}.header_mutation.v3.HeaderMutationPerRoute`,
  mutations: {
    request_mutations: [{ append: { header: { key: 'x-level', value } } }],
    response_mutations: [{ append: { header: { key: 'x-level', value } } }],
  },
});
const wrapped = (more: Json): Json => ({
  '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig',
  ...more,
});
const OFF = wrapped({ disabled: true });
const ON = wrapped({ config: {} });

interface Levels {
  readonly table?: Json;
  readonly vhost?: Json;
  readonly route?: Json;
  readonly cluster?: Json;
}

function levels(filter: Json, { table, vhost, route, cluster }: Levels): CaseConfig {
  const name = filter['name'] as string;
  const settings = (level: Json | undefined): Json =>
    level === undefined ? {} : { typed_per_filter_config: { [name]: level } };
  return {
    httpFilters: [filter],
    routes: [
      {
        match: { prefix: '/' },
        route: {
          weighted_clusters: { clusters: [{ name: 'CASE-up', weight: 1, ...settings(cluster) }] },
        },
        ...settings(route),
      },
    ],
    virtualHost: settings(vhost),
    routeConfig: settings(table),
  };
}

const fault = (
  more: Json = {},
  settings: Json = { '@type': `${TYPE}.fault.v3.HTTPFault` },
): Json => ({
  name: FAULT,
  typed_config: settings,
  ...more,
});
const mutation: Json = {
  name: MUTATION,
  typed_config: {
    '@type': `${TYPE}.header_mutation.v3.HeaderMutation`,
    mutations: {
      request_mutations: [{ append: { header: { key: 'x-level', value: 'filter' } } }],
      response_mutations: [{ append: { header: { key: 'x-level', value: 'filter' } } }],
    },
  },
};

const row = (name: string, config: CaseConfig): Row => ({ name, config, client: get('/') });

export const suite = await differential(import.meta.url, {}, [
  row('the filter alone', levels(fault({}, abort(501)), {})),
  row(
    'the route configuration over the filter',
    levels(fault({}, abort(501)), { table: abort(502) }),
  ),
  row(
    'the virtual host over the route configuration',
    levels(fault(), { table: abort(502), vhost: abort(503) }),
  ),
  row('the route over the virtual host', levels(fault(), { vhost: abort(503), route: abort(504) })),
  row(
    'the weighted cluster over the route',
    levels(fault(), { route: abort(504), cluster: abort(505) }),
  ),
  row(
    'settings of no effect over settings that abort',
    levels(fault({}, abort(501)), { route: fault()['typed_config'] as Json }),
  ),
  row('off for the route configuration', levels(fault({}, abort(501)), { table: OFF })),
  row('off for the virtual host', levels(fault({}, abort(501)), { vhost: OFF })),
  row('off for the route', levels(fault({}, abort(501)), { route: OFF })),
  row('off for the weighted cluster', levels(fault({}, abort(501)), { cluster: OFF })),
  row(
    'off for the virtual host, on again for the route',
    levels(fault({}, abort(501)), { vhost: OFF, route: ON }),
  ),
  row(
    'off for the route, settings for the virtual host',
    levels(fault({}, abort(501)), { vhost: abort(503), route: OFF }),
  ),
  row(
    'off for the virtual host, settings for the route',
    levels(fault(), { vhost: OFF, route: abort(504) }),
  ),
  row(
    'off for the route, settings for the weighted cluster',
    levels(fault(), { route: OFF, cluster: abort(505) }),
  ),
  row('disabled as a whole', levels(fault({ disabled: true }, abort(501)), {})),
  row(
    'disabled as a whole, on for the route',
    levels(fault({ disabled: true }, abort(501)), { route: ON }),
  ),
  row(
    'disabled as a whole, settings for the route',
    levels(fault({ disabled: true }, abort(501)), { route: abort(504) }),
  ),
  row(
    'disabled as a whole, on for the virtual host, off for the route',
    levels(fault({ disabled: true }, abort(501)), { vhost: ON, route: OFF }),
  ),
  row(
    'disabled as a whole, on for the table, settings above',
    levels(fault({ disabled: true }, abort(501)), { table: ON, cluster: abort(505) }),
  ),
  row('settings in a wrapper', levels(fault(), { route: wrapped({ config: abort(504) }) })),
  row(
    'settings in a wrapper that is off',
    levels(fault({}, abort(501)), { route: wrapped({ config: abort(504), disabled: true }) }),
  ),
  row('an optional filter that nobody knows', {
    httpFilters: [fault({}, abort(501))],
    virtualHost: {
      typed_per_filter_config: {
        unknown: wrapped({
          is_optional: true,
          config: { '@type': 'type.googleapis.com/google.protobuf.Empty' },
        }),
      },
    },
  }),
  row('settings of a filter that is not there', {
    virtualHost: { typed_per_filter_config: { [FAULT]: abort(503) } },
  }),
  row('settings under the type of the filter do not reach an entry of another name', {
    httpFilters: [{ ...fault({}, abort(501)), name: 'mine' }],
    virtualHost: { typed_per_filter_config: { [FAULT]: abort(503) } },
  }),
  row('settings under the name of the entry', {
    httpFilters: [{ ...fault({}, abort(501)), name: 'mine' }],
    virtualHost: { typed_per_filter_config: { mine: abort(503) } },
  }),
  row(
    'a filter that takes the settings of all levels',
    levels(mutation, {
      table: appends('table'),
      vhost: appends('vhost'),
      route: appends('route'),
      cluster: appends('cluster'),
    }),
  ),
  row(
    'a filter that takes the settings of all levels, one of them off',
    levels(mutation, {
      table: appends('table'),
      vhost: OFF,
      route: appends('route'),
    }),
  ),
  row(
    'a filter that takes the settings of all levels, off at last',
    levels(mutation, {
      table: appends('table'),
      route: appends('route'),
      cluster: OFF,
    }),
  ),
  {
    name: 'settings reach filters of direct responses and redirects',
    config: {
      httpFilters: [fault()],
      routes: [
        {
          match: { path: '/d' },
          direct_response: { status: 200 },
          typed_per_filter_config: { [FAULT]: abort(504) },
        },
        {
          match: { path: '/r' },
          redirect: { host_redirect: 'x' },
          typed_per_filter_config: { [FAULT]: abort(504) },
        },
      ],
      virtualHost: { typed_per_filter_config: { [FAULT]: abort(503) } },
    },
    client: inTurn(get('/d'), get('/r'), get('/none')),
  },
  {
    name: 'settings reach filters where TLS is required',
    config: {
      httpFilters: [fault()],
      virtualHost: { require_tls: 'ALL', typed_per_filter_config: { [FAULT]: abort(503) } },
    },
    client: get('/'),
  },
]);
