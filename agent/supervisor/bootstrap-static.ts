// [m] Static clusters and listeners of the bootstrap: the doors between proxy and agent (istio-contract §5.1, §5.2).
import type { AgentOptions } from '../options.ts';
import type { JsonObject } from '../proxy-config.ts';

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const HCM_TYPE =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER_TYPE = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
const COMPRESSOR = 'type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor';
const COMPRESSIONS = ['brotli', 'zstd', 'gzip'] as const;
export const LOCAL_CLUSTER = 'local_cluster';
const NO_LIMIT = 100_000;

export function socketAddress(address: string, port: number, withProtocol: boolean): JsonObject {
  const socket = { address, port_value: port };
  return { socket_address: withProtocol ? { protocol: 'TCP', ...socket } : socket };
}

function staticCluster(name: string, connectTimeout: string, address: JsonObject): JsonObject {
  return {
    name,
    // The semicolon ends the name for the tag `cluster_name`.
    alt_stat_name: `${name};`,
    type: 'STATIC',
    connect_timeout: connectTimeout,
    lb_policy: 'ROUND_ROBIN',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
  };
}

export function overHttp2(): JsonObject {
  return {
    [HTTP_OPTIONS]: {
      '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  };
}

function breaker(priority: string): JsonObject {
  return {
    priority,
    max_connections: NO_LIMIT,
    max_pending_requests: NO_LIMIT,
    max_requests: NO_LIMIT,
  };
}

export function staticClusters(options: AgentOptions, filesServed: boolean): JsonObject[] {
  const { addresses, paths } = options;
  const pipe = (path: string): JsonObject => ({ pipe: { path } });
  const secretCluster = (name: string, path: string): JsonObject => ({
    ...staticCluster(name, '1s', pipe(path)),
    typed_extension_protocol_options: overHttp2(),
  });
  return [
    staticCluster(
      'prometheus_stats',
      '0.250s',
      socketAddress(addresses.admin, addresses.adminPort, true),
    ),
    staticCluster('agent', '0.250s', socketAddress(addresses.local, addresses.statusPort, true)),
    secretCluster('sds-grpc', paths.sdsSocket),
    ...(filesServed ? [secretCluster('sds-files-grpc', paths.filesSocket)] : []),
    ...(options.selfDiscovery ? [localCluster()] : []),
    {
      ...staticCluster('xds-grpc', '1s', pipe(paths.xdsSocket)),
      circuit_breakers: { thresholds: [breaker('DEFAULT'), breaker('HIGH')] },
      upstream_connection_options: { tcp_keepalive: { keepalive_time: 300 } },
      max_requests_per_connection: 1,
      typed_extension_protocol_options: overHttp2(),
    },
  ];
}

/** For balancing by zones: the proxy's own service, told by istiod. */
function localCluster(): JsonObject {
  const eds_config = { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' };
  return {
    name: LOCAL_CLUSTER,
    alt_stat_name: `${LOCAL_CLUSTER};`,
    type: 'EDS',
    connect_timeout: '1s',
    eds_cluster_config: { eds_config },
  };
}

interface StaticListener {
  readonly statPrefix: string;
  readonly port: number;
  readonly pathPrefix: string;
  readonly cluster: string;
  readonly compressed: boolean;
}

function compressor(algorithm: (typeof COMPRESSIONS)[number]): JsonObject {
  const library = `envoy.extensions.compression.${algorithm}.compressor.v3`;
  const message = `${algorithm[0]!.toUpperCase()}${algorithm.slice(1)}`;
  return {
    name: `envoy.filters.http.compressor.${algorithm}`,
    typed_config: {
      '@type': COMPRESSOR,
      response_direction_config: {
        common_config: {
          min_content_length: 1024,
          content_type: ['text/plain', 'application/openmetrics-text'],
        },
      },
      compressor_library: {
        name: algorithm,
        typed_config: { '@type': `type.googleapis.com/${library}.${message}` },
      },
    },
  };
}

function connectionManager(listener: StaticListener): JsonObject {
  const route = { match: { prefix: listener.pathPrefix }, route: { cluster: listener.cluster } };
  return {
    '@type': HCM_TYPE,
    codec_type: 'AUTO',
    stat_prefix: listener.statPrefix,
    route_config: { virtual_hosts: [{ name: 'backend', domains: ['*'], routes: [route] }] },
    http_filters: [
      ...(listener.compressed ? COMPRESSIONS.map(compressor) : []),
      { name: 'envoy.filters.http.router', typed_config: { '@type': ROUTER_TYPE } },
    ],
  };
}

function listenerJson(options: AgentOptions, listener: StaticListener): JsonObject {
  const filter = {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: connectionManager(listener),
  };
  return {
    name: `${options.addresses.bind}_${listener.port}`,
    address: socketAddress(options.addresses.bind, listener.port, true),
    ignore_global_conn_limit: true,
    bypass_overload_manager: true,
    filter_chains: [{ filters: [filter] }],
  };
}

export function staticListeners(options: AgentOptions): JsonObject[] {
  const { prometheusPort, readyPort } = options.addresses;
  return [
    {
      statPrefix: 'stats',
      port: prometheusPort,
      pathPrefix: '/stats/prometheus',
      cluster: 'prometheus_stats',
      compressed: options.stats.compression,
    },
    {
      statPrefix: 'agent',
      port: readyPort,
      pathPrefix: '/healthz/ready',
      cluster: 'agent',
      compressed: false,
    },
  ].map((listener) => listenerJson(options, listener));
}
