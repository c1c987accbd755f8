// Helpers of the decoder tests: protobuf JSON in, configuration or the list of problems out.
import { ConfigError } from '../../../proxy/config/config-error.ts';
import type { ClusterConfig } from '../../../proxy/config/cluster-config.ts';
import type { ListenerConfig } from '../../../proxy/config/listener-config.ts';
import type { HttpConnectionManagerConfig } from '../../../proxy/config/http-connection-manager-config.ts';
import type { RouteConfig } from '../../../proxy/config/route-config.ts';
import { decodeCluster } from '../../../proxy/xds/cluster-decoder.ts';
import { decodeListener } from '../../../proxy/xds/listener-decoder.ts';
import { routeType } from '../../../proxy/xds/resource-types.ts';
import { encode } from '../../../xds-protos/codec.ts';
import { fromJson } from '../../../xds-protos/proto-json.ts';

export type Json = Readonly<Record<string, unknown>>;

const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

export const listener = (json: Json): ListenerConfig =>
  decodeListener(fromJson('envoy.config.listener.v3.Listener', json), 'v1');

export const cluster = (json: Json): ClusterConfig =>
  decodeCluster(fromJson('envoy.config.cluster.v3.Cluster', json), {
    version: 'v1',
    addedViaApi: true,
  });

const ROUTES = 'envoy.config.route.v3.RouteConfiguration';
export const routes = (json: Json): RouteConfig =>
  routeType.parse(encode(ROUTES, fromJson(ROUTES, json))).toConfig('v1');

/** `path: message` of every problem; empty when none. */
export function problemsOf(decode: () => unknown): readonly string[] {
  try {
    decode();
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((p) => `${p.path}: ${p.message}`);
  }
}

export const routerFilter: Json = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': `${EXTENSIONS}.filters.http.router.v3.Router` },
};

export const managerFilter = (changes: Json = {}): Json => ({
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'test',
    route_config: { name: 'local', virtual_hosts: [] },
    http_filters: [routerFilter],
    ...changes,
  },
});

export const tcpProxyFilter = (changes: Json = {}): Json => ({
  name: 'envoy.filters.network.tcp_proxy',
  typed_config: {
    '@type': `${EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'test',
    cluster: 'c',
    ...changes,
  },
});

export const socketAddress = (address: string, port: number): Json => ({
  socket_address: { address, port_value: port },
});

export const listenerJson = (changes: Json = {}): Json => ({
  name: 'l',
  address: socketAddress('127.0.0.1', 80),
  filter_chains: [{ filters: [tcpProxyFilter()] }],
  ...changes,
});

/** A listener with one HTTP connection manager. */
export const managerListener = (changes: Json = {}): Json =>
  listenerJson({ filter_chains: [{ filters: [managerFilter(changes)] }] });

export function managerOf(config: ListenerConfig): HttpConnectionManagerConfig {
  const filter = config.filterChains[0]?.networkFilters.at(-1);
  if (filter?.kind !== 'http_connection_manager')
    throw new Error('no connection manager in the first chain');
  return filter.settings;
}

export const MANAGER_PATH = 'filter_chains[0].filters[0].typed_config';
