// One bootstrap for many cases: each has a listener, clusters and an access log of its own, named by its four characters.
import { join } from 'node:path';
import { address, cluster } from '../support/proxy-process.ts';
import { merge } from './merge.ts';
import type { CaseConfig, Json, SuiteOptions } from './row.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.';

export const DEFAULT_LOG =
  '%PROTOCOL% %REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% in=%BYTES_RECEIVED% out=%BYTES_SENT% %UPSTREAM_CLUSTER% ' +
  'tries=%UPSTREAM_REQUEST_ATTEMPT_COUNT% %CONNECTION_TERMINATION_DETAILS%';

/** Short enough that no suite waits for it, long enough to see it. */
const DELAYED_CLOSE = '0.04s';

export interface CaseInput {
  /** Four characters, in place of CASE. */
  readonly id: string;
  readonly config: CaseConfig;
  readonly log: string;
  readonly logPath: string;
  /** Ports by host name: `up`, `up/2`, `other`. */
  readonly ports: ReadonlyMap<string, number>;
}

export const logPathOf = (dir: string, id: string): string => join(dir, `${id}.log`);

export function bootstrapFor(cases: readonly CaseInput[], options: SuiteOptions): Json {
  const base = {
    node: { id: 'n', cluster: 'c' },
    admin: { address: address(0) },
    static_resources: {
      listeners: cases.map((one) => own(one, listenerOf(one))),
      clusters: cases.flatMap((one) => clustersOf(one).map((each) => own(one, each))),
    },
  };
  return merge(base, options.bootstrap);
}

/** `id` for each CASE that is no part of a longer word. */
export const named = (text: string, id: string): string =>
  text.replace(/(?<![A-Z_])CASE(?![A-Z_])/g, id);

/** CASE, LOG and ports of upstreams (`"PORT(up/2)"`) get their values. */
function own(one: CaseInput, config: Json): Json {
  const text = named(JSON.stringify(config), one.id)
    .replaceAll('"LOG"', JSON.stringify(one.logPath))
    .replace(/"PORT\(([^)]+)\)"/g, (_, host: string) => {
      const port = one.ports.get(host);
      if (port === undefined) throw new Error(`no upstream '${host}'`);
      return String(port);
    });
  return JSON.parse(text) as Json;
}

function listenerOf({ config, log }: CaseInput): Json {
  const route = {
    match: { prefix: '/' },
    route: merge({ cluster: 'CASE-up' }, config.route),
    ...config.routeMore,
  };
  const virtualHost = merge(
    { name: 'all', domains: ['*'], routes: config.routes ?? [route] },
    config.virtualHost,
  );
  const manager: Json = {
    '@type': `${TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'CASE',
    generate_request_id: false,
    delayed_close_timeout: DELAYED_CLOSE,
    access_log: [fileLog(log)],
    route_config: merge(
      {
        name: 'CASE',
        validate_clusters: false,
        virtual_hosts: config.virtualHosts ?? [virtualHost],
      },
      config.routeConfig,
    ),
    http_filters: [
      ...(config.httpFilters ?? []),
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${TYPE}filters.http.router.v3.Router` },
      },
    ],
  };
  const filter = {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: merge(manager, config.hcm),
  };
  return merge(
    { name: 'CASE', address: address(0), filter_chains: [{ filters: [filter] }] },
    config.listener,
  );
}

const fileLog = (format: string): Json => ({
  name: 'envoy.access_loggers.file',
  typed_config: {
    '@type': `${TYPE}access_loggers.file.v3.FileAccessLog`,
    path: 'LOG',
    log_format: { text_format_source: { inline_string: `${format}\n` } },
  },
});

function clustersOf({ config, ports }: CaseInput): Json[] {
  const hosts = new Map<string, number[]>();
  for (const name of Object.keys(config.clusters ?? {})) hosts.set(name, []);
  for (const [host, port] of ports) {
    const name = host.split('/')[0]!;
    hosts.set(name, [...(hosts.get(name) ?? []), port]);
  }
  return [...hosts].map(([name, list]) =>
    merge(cluster(`CASE-${name}`, list), config.clusters?.[name]),
  );
}
