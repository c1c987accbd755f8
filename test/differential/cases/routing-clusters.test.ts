// Which cluster a route sends to: by name, header, weights and hash (envoy-behaviour §3.3, §3.6).
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { CaseConfig, Json, Row } from '../row.ts';

const mark = (name: string): Json => ({
  request_headers_to_add: [{ header: { key: 'x-pick', value: name } }],
  response_headers_to_add: [{ header: { key: 'x-pick', value: name } }],
});

/** `up` and `other` by these weights; each marks what it takes. */
const split = (up: number, other: number, more: Json = {}): Json => ({
  clusters: [
    { name: 'CASE-up', weight: up, ...mark('up') },
    { name: 'CASE-other', weight: other, ...mark('other') },
  ],
  ...more,
});

const OTHER = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother';

const weighted = (
  name: string,
  clusters: Json,
  requests: readonly string[],
  route: Json = {},
): Row => ({
  name,
  config: {
    routes: [{ match: { prefix: '/' }, route: { weighted_clusters: clusters, ...route } }],
  },
  client: inTurn(...requests),
  upstreams: { other: OTHER },
});

const by = (...values: readonly string[]): readonly string[] =>
  values.map((value) => get('/', `x-w: ${value}`));

const forward = (route: Json): CaseConfig => ({ routes: [{ match: { prefix: '/' }, route }] });

/** The weights of 16 entries show four bits of a hash: each entry marks what it takes. */
function hashed(name: string, policies: readonly Json[], requests: readonly string[]): Row {
  const clusters = Array.from({ length: 16 }, (_, i) => ({
    name: 'CASE-up',
    weight: 268_435_455,
    response_headers_to_add: [{ header: { key: 'x-pick', value: String(i) } }],
  }));
  return {
    name: `hash of ${name}`,
    config: forward({
      weighted_clusters: { clusters, use_hash_policy: true },
      hash_policy: policies,
    }),
    client: inTurn(...requests),
  };
}

const header = (name: string, more: Json = {}): Json => ({
  header: { header_name: name, ...more },
});
const LONG = 'abcdefghijklmnopqrstuvwxyz0123456789'.repeat(4);

export const suite = await differential(
  import.meta.url,
  {
    bootstrap: {
      layered_runtime: {
        layers: [{ name: 's', static_layer: { w: { nobody: 1 } } }],
      },
    },
    stats: ['http.CASE.no_cluster', 'http.CASE.no_route', 'cluster.CASE-up.upstream_rq_total'],
  },
  [
    {
      name: 'a cluster that does not exist',
      config: forward({ cluster: 'CASE-none' }),
      client: inTurn(get('/'), get('/', 'content-type: application/grpc')),
    },
    ...['NOT_FOUND', 'INTERNAL_SERVER_ERROR', 'SERVICE_UNAVAILABLE'].map((code) => ({
      name: `a cluster that does not exist, to be answered ${code}`,
      config: forward({ cluster: 'CASE-none', cluster_not_found_response_code: code }),
      client: get('/'),
    })),
    {
      name: 'cluster_header names the cluster',
      config: forward({ cluster_header: 'x-c' }),
      client: inTurn(
        get('/', 'x-c: CASE-up'),
        get('/', 'x-c: CASE-other'),
        get('/', 'X-C: CASE-up', 'x-c: CASE-other'),
        get('/', 'x-c: nobody'),
        get('/', 'x-c:'),
        get('/'),
      ),
      upstreams: { other: OTHER },
    },
    {
      name: 'cluster_header may be a pseudo header',
      config: forward({ cluster_header: ':authority' }),
      client: inTurn(get('/', 'host: CASE-up'), get('/', 'host: x')),
    },
    {
      name: 'cluster_header that the route removes still names the cluster',
      config: {
        routes: [
          {
            match: { prefix: '/' },
            route: { cluster_header: 'x-c' },
            request_headers_to_remove: ['x-c'],
          },
        ],
      },
      client: get('/', 'x-c: CASE-up'),
    },
    ...(['cluster', 'weight'] as const).map((what): Row => ({
      name: `a filter that changes the header of the ${what} comes too late`,
      config: {
        httpFilters: [
          {
            name: 'envoy.filters.http.header_mutation',
            typed_config: {
              '@type':
                'type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation',
              mutations: {
                request_mutations: [
                  {
                    append: {
                      header: { key: 'x-c', value: what === 'cluster' ? 'CASE-other' : '60' },
                      append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
                    },
                  },
                ],
              },
            },
          },
        ],
        ...forward(
          what === 'cluster'
            ? { cluster_header: 'x-c' }
            : { weighted_clusters: split(50, 50, { header_name: 'x-c' }) },
        ),
      },
      client: get('/', what === 'cluster' ? 'x-c: CASE-up' : 'x-c: 1'),
      upstreams: { other: OTHER },
    })),
    {
      name: 'a missing cluster has the response headers of its route, not of its upstream',
      config: {
        routes: [{ match: { prefix: '/' }, route: { cluster: 'CASE-none' }, ...mark('route') }],
      },
      client: get('/'),
    },
    weighted('all to one', split(0, 100), [get('/'), get('/')]),
    weighted('all to the other', split(1, 0), [get('/'), get('/')]),
    weighted(
      'a header decides',
      split(50, 50, { header_name: 'x-w' }),
      by('49', '50', '149', '0', '049', '+49', '99', '18446744073709551615'),
    ),
    weighted(
      'a header decides, with odd weights',
      split(3, 4, { header_name: 'x-w' }),
      by('0', '2', '3', '6', '7', '9', '10', '18446744073709551614'),
    ),
    weighted(
      'total_weight has no say',
      split(1, 0, { total_weight: 7, header_name: 'x-w' }),
      by('0', '6'),
    ),
    weighted(
      'a header that the entry removes decides once',
      {
        header_name: 'x-w',
        clusters: ['up', 'other'].map((name) => ({
          name: `CASE-${name}`,
          weight: 50,
          request_headers_to_remove: ['x-w'],
          ...mark(name),
        })),
      },
      by('0', '60'),
    ),
    weighted('a header without sense leaves it to chance', split(100, 0, { header_name: 'x-w' }), [
      ...by('x', '-1', '1.5', '', '99999999999999999999'),
      get('/'),
      get('/', 'x-w: 1', 'x-w: 2'),
    ]),
    weighted(
      'an entry may take its cluster from a header',
      {
        clusters: [{ cluster_header: 'x-c', weight: 1, ...mark('header') }],
      },
      [get('/', 'x-c: CASE-up'), get('/', 'x-c: CASE-other'), get('/', 'x-c: nobody'), get('/')],
    ),
    weighted(
      'an entry rewrites the host',
      {
        clusters: [{ name: 'CASE-up', weight: 1, host_rewrite_literal: 'entry' }],
      },
      [get('/')],
      { host_rewrite_literal: 'route', append_x_forwarded_host: true },
    ),
    weighted(
      'an entry rewrites the host before headers are formatted',
      {
        clusters: [
          {
            name: 'CASE-up',
            weight: 1,
            host_rewrite_literal: 'entry',
            request_headers_to_add: [{ header: { key: 'x-host', value: '%REQ(:authority)%' } }],
          },
        ],
      },
      [get('/')],
    ),
    weighted(
      'runtime keys without values change nothing',
      split(1, 0, { runtime_key_prefix: 'w.x' }),
      [get('/')],
    ),
    weighted(
      'a missing cluster among weights',
      {
        clusters: [{ name: 'CASE-none', weight: 1, ...mark('none') }],
      },
      [get('/')],
    ),
    hashed('nothing', [header('x-none')], []),
    hashed(
      'a header',
      [header('x-h')],
      [
        ...['a', 'b', 'c', 'd', 'value', 'another value', LONG, LONG.slice(1), 'é', ''].map(
          (value) => get('/', `x-h: ${value}`),
        ),
      ],
    ),
    hashed(
      'a header with several values, in any order',
      [header('x-h')],
      [get('/', 'x-h: a', 'x-h: b'), get('/', 'x-h: b', 'x-h: a'), get('/', 'x-h: ab')],
    ),
    hashed(
      'a header that is rewritten',
      [
        header('x-h', {
          regex_rewrite: { pattern: { regex: '^(\\w+)-.*$' }, substitution: '\\1' },
        }),
      ],
      [get('/', 'x-h: a-1'), get('/', 'x-h: a-2'), get('/', 'x-h: a'), get('/', 'x-h: b-1')],
    ),
    hashed(
      'several values that are rewritten',
      [header('x-h', { regex_rewrite: { pattern: { regex: '-.*' }, substitution: '' } })],
      [
        get('/', 'x-h: b-1', 'x-h: a-2'),
        get('/', 'x-h: a-9', 'x-h: b-8'),
        get('/', 'x-h: b', 'x-h: a'),
      ],
    ),
    hashed(
      'pseudo headers',
      [header(':path'), header(':authority')],
      [get('/a'), get('/b'), get('/a', 'host: x')],
    ),
    hashed(
      'a cookie',
      [{ cookie: { name: 'ck' } }],
      [
        get('/', 'cookie: ck=abc'),
        get('/', 'cookie: x=y; ck=abc'),
        get('/', 'cookie: ck="abc"'),
        get('/', 'cookie: ck=b; ck=abc'),
      ],
    ),
    hashed(
      'a query parameter',
      [{ query_parameter: { name: 'q' } }],
      [get('/?q=a'), get('/?q=b'), get('/?x&q=a'), get('/?q='), get('/?q'), get('/?q=%61')],
    ),
    hashed(
      'the client address',
      [{ connection_properties: { source_ip: true } }],
      [get('/'), get('/')],
    ),
    hashed(
      'the client address that x-forwarded-for names',
      [{ connection_properties: { source_ip: true } }],
      [
        get('/', 'x-forwarded-for: 1.2.3.4'),
        get('/', 'x-forwarded-for: 1.2.3.5'),
        get('/', 'x-forwarded-for: 2001:db8::1'),
        get('/'),
      ],
    ),
    hashed(
      'several things',
      [header('x-a'), header('x-b'), { query_parameter: { name: 'q' } }],
      [
        get('/', 'x-a: 1', 'x-b: 2'),
        get('/', 'x-a: 2', 'x-b: 1'),
        get('/?q=z', 'x-b: 1'),
        get('/?q=z', 'x-a: 1'),
        get('/?q=1', 'x-a: 1'),
      ],
    ),
    hashed(
      'the first of several that is terminal',
      [{ ...header('x-a'), terminal: true }, header('x-b')],
      [get('/', 'x-a: 1', 'x-b: 2'), get('/', 'x-a: 1'), get('/', 'x-b: 2')],
    ),
    hashed(
      'two equal things',
      [header('x-a'), header('x-a')],
      [get('/', 'x-a: 1'), get('/', 'x-a: 2')],
    ),
  ],
);
