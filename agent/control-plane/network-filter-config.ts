// [m] Network filters of istiod's chains: HTTP connection manager, tcp_proxy, Istio's own. Istio: core/listener_builder.go.
import { accessLog, tracing } from './access-log-config.ts';
import { anyOf, typedStruct } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import type { MeshConfig } from './mesh-config.ts';
import type { ProxyView } from './push-context.ts';

export type Direction = 'inbound' | 'outbound';

/** TCP metadata exchange: inbound chains, also in front of HTTP, and outbound clusters. */
export const metadataExchange: JsonObject = {
  name: 'istio.metadata_exchange',
  typed_config: typedStruct('envoy.tcp.metadataexchange.config.MetadataExchange', {
    protocol: 'istio-peer-exchange',
    enable_discovery: true,
  }),
};

/** Always the same three: which ALPN names to offer for the protocol in use. */
const alpnFilter: JsonObject = {
  name: 'istio.alpn',
  typed_config: anyOf('istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig', {
    alpn_override: [
      { alpn_override: ['istio-http/1.0', 'istio', 'http/1.0'] },
      { upstream_protocol: 'HTTP11', alpn_override: ['istio-http/1.1', 'istio', 'http/1.1'] },
      { upstream_protocol: 'HTTP2', alpn_override: ['istio-h2', 'istio', 'h2'] },
    ],
  }),
};

function peerMetadata(direction: Direction): JsonObject {
  const discovery = [{ istio_headers: {} }, { workload_discovery: {} }];
  const propagation = [{ istio_headers: {} }];
  return {
    name: 'istio.metadata_exchange',
    typed_config: typedStruct(
      'io.istio.http.peer_metadata.Config',
      direction === 'inbound'
        ? { downstream_discovery: discovery, downstream_propagation: propagation }
        : { upstream_discovery: discovery, upstream_propagation: propagation },
    ),
  };
}

function statsFilters(mesh: MeshConfig, direction: Direction): JsonObject[] {
  if (!mesh.metrics) return [];
  const config = direction === 'inbound' ? { disable_host_header_fallback: true } : {};
  return [{ name: 'istio.stats', typed_config: anyOf('stats.PluginConfig', config) }];
}

function httpFilters(mesh: MeshConfig, direction: Direction, grpcWeb: boolean): Json[] {
  const filter = (name: string, type: string, config: JsonObject = {}): JsonObject => ({
    name,
    typed_config: anyOf(`envoy.extensions.filters.http.${type}`, config),
  });
  return [
    peerMetadata(direction),
    ...(grpcWeb ? [filter('envoy.filters.http.grpc_web', 'grpc_web.v3.GrpcWeb')] : []),
    filter('envoy.filters.http.grpc_stats', 'grpc_stats.v3.FilterConfig', {
      emit_filter_state: true,
      stats_for_all_methods: false,
    }),
    ...(direction === 'outbound' ? [alpnFilter] : []),
    filter('envoy.filters.http.fault', 'fault.v3.HTTPFault'),
    filter('envoy.filters.http.cors', 'cors.v3.Cors'),
    ...statsFilters(mesh, direction),
    filter('envoy.filters.http.router', 'router.v3.Router'),
  ];
}

export interface ConnectionManagerOptions {
  readonly mesh: MeshConfig;
  readonly view: ProxyView;
  readonly direction: Direction;
  readonly statPrefix: string;
  /** Inline routes of inbound chains; outbound ones name an RDS resource instead. */
  readonly routes: { readonly routeConfig: JsonObject } | { readonly routeConfigName: string };
  readonly http2: boolean;
  readonly grpcWeb: boolean;
}

export const ADS_SOURCE: JsonObject = {
  ads: {},
  initial_fetch_timeout: '0s',
  resource_api_version: 'V3',
};

export function httpConnectionManager(options: ConnectionManagerOptions): JsonObject {
  const { mesh, view, direction, routes } = options;
  const inbound = direction === 'inbound';
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: anyOf(
      'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      {
        stat_prefix: options.statPrefix,
        ...('routeConfig' in routes
          ? { route_config: routes.routeConfig }
          : { rds: { config_source: ADS_SOURCE, route_config_name: routes.routeConfigName } }),
        http_filters: httpFilters(mesh, direction, options.grpcWeb),
        tracing: tracing(mesh, view),
        http2_protocol_options: options.http2 && inbound ? {} : undefined,
        server_name: inbound ? 'istio-envoy' : undefined,
        access_log: accessLog(mesh),
        use_remote_address: false,
        forward_client_cert_details: inbound ? 'APPEND_FORWARD' : undefined,
        set_current_client_cert_details: inbound
          ? { subject: true, dns: true, uri: true }
          : undefined,
        proxy_100_continue: true,
        upgrade_configs: [{ upgrade_type: 'websocket' }],
        stream_idle_timeout: '0s',
        normalize_path: true,
        request_id_extension: {
          typed_config: anyOf('envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig', {
            use_request_id_for_trace_sampling: true,
          }),
        },
        path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
      },
    ),
  };
}

export interface TcpProxyOptions {
  readonly mesh: MeshConfig;
  readonly direction: Direction;
  readonly cluster: string;
  readonly idleTimeout?: string | undefined;
  readonly maxConnectionDuration?: string | undefined;
  readonly hashSourceIp?: boolean | undefined;
  /** False for the chains of connections that come back to the sidecar's own port: they would fill the log. */
  readonly logged?: boolean | undefined;
}

/** istio.stats where metrics are on, then tcp_proxy. */
export function tcpFilters(options: TcpProxyOptions): Json[] {
  const { mesh, direction, cluster } = options;
  return [
    ...(direction === 'inbound' ? [metadataExchange] : []),
    ...statsFilters(mesh, direction),
    {
      name: 'envoy.filters.network.tcp_proxy',
      typed_config: anyOf('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
        stat_prefix: cluster,
        cluster,
        idle_timeout: options.idleTimeout,
        max_downstream_connection_duration: options.maxConnectionDuration,
        hash_policy: options.hashSourceIp === true ? [{ source_ip: {} }] : undefined,
        access_log: options.logged === false ? undefined : accessLog(mesh),
      }),
    },
  ];
}
