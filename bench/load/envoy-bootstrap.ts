// The bootstrap that Envoy and Outrigger both get, byte for byte: one listener, one cluster, the filters of a case.

import type { HopTls } from './tls-material.ts';

/**
 * `router`: nothing but the router. `sidecar`: what Istio puts on an outbound HTTP listener, as far as stock Envoy has it.
 * `tcp`: the TCP proxy, without HTTP.
 */
export type ProxyChain = 'router' | 'sidecar' | 'tcp';

export interface BootstrapInput {
  readonly chain: ProxyChain;
  readonly listenPort: number;
  readonly adminPort: number;
  readonly backendPort: number;
  /** The backend speaks HTTP/2. */
  readonly http2Backend?: boolean;
  /** Written only by the sidecar chain. */
  readonly accessLogPath: string;
  /** Absent: none. */
  readonly tls?: HopTls | undefined;
}

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';

const certificateOf = (certificate: string, key: string): object => ({
  certificate_chain: { filename: certificate },
  private_key: { filename: key },
});

const identities = (ca: string): object => ({
  trusted_ca: { filename: ca },
  match_typed_subject_alt_names: [
    { san_type: 'URI', matcher: { prefix: 'spiffe://cluster.local/' } },
  ],
});

function acceptedTls({ accepts, material }: HopTls): object {
  const mutual = accepts === 'mtls';
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TLS}.DownstreamTlsContext`,
      common_tls_context: {
        alpn_protocols: ['http/1.1'],
        tls_certificates: [certificateOf(material.serverCert, material.serverKey)],
        ...(mutual ? { validation_context: identities(material.ca) } : {}),
      },
      require_client_certificate: mutual,
    },
  };
}

const dialledTls = ({ material }: HopTls): object => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    '@type': `${TLS}.UpstreamTlsContext`,
    sni: 'outbound_.80_._.bench.svc.cluster.local',
    common_tls_context: {
      alpn_protocols: ['http/1.1'],
      tls_params: { tls_maximum_protocol_version: 'TLSv1_3' },
      tls_certificates: [certificateOf(material.clientCert, material.clientKey)],
      validation_context: identities(material.ca),
    },
  },
});

const TYPE = 'type.googleapis.com/envoy.';
const MAX_UINT32 = 4_294_967_295;

/** Istio's default text format. */
export const ISTIO_LOG_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% ' +
  '%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

const loopback = (port: number): object => ({
  socket_address: { address: '127.0.0.1', port_value: port },
});

const httpFilter = (name: string, message: string, fields: object = {}): object => ({
  name: `envoy.filters.http.${name}`,
  typed_config: { '@type': `${TYPE}extensions.filters.http.${name}.v3.${message}`, ...fields },
});

function httpFilters(chain: ProxyChain): object[] {
  const router = httpFilter('router', 'Router');
  if (chain === 'router') return [router];
  return [
    httpFilter('grpc_stats', 'FilterConfig', {
      emit_filter_state: true,
      stats_for_all_methods: false,
    }),
    httpFilter('fault', 'HTTPFault'),
    httpFilter('cors', 'Cors'),
    router,
  ];
}

function route(chain: ProxyChain): object {
  if (chain === 'router') return { match: { prefix: '/' }, route: { cluster: 'backend' } };
  return {
    name: 'default',
    match: { prefix: '/' },
    route: {
      weighted_clusters: {
        clusters: [
          { name: 'backend', weight: 80 },
          { name: 'backend-canary', weight: 20 },
        ],
      },
      timeout: '0s',
      retry_policy: {
        retry_on: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes',
        num_retries: 2,
        retry_host_predicate: [
          {
            name: 'envoy.retry_host_predicates.previous_hosts',
            typed_config: {
              '@type': `${TYPE}extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate`,
            },
          },
        ],
        host_selection_retry_max_attempts: 5,
      },
      max_grpc_timeout: '0s',
    },
  };
}

const accessLog = (path: string): object => ({
  name: 'envoy.access_loggers.file',
  typed_config: {
    '@type': `${TYPE}extensions.access_loggers.file.v3.FileAccessLog`,
    path,
    log_format: { text_format_source: { inline_string: ISTIO_LOG_FORMAT } },
  },
});

function connectionManager(input: BootstrapInput): object {
  const sidecar = input.chain === 'sidecar';
  return {
    '@type': `${TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'bench',
    use_remote_address: false,
    stream_idle_timeout: '0s',
    ...(sidecar ? { normalize_path: true, access_log: [accessLog(input.accessLogPath)] } : {}),
    route_config: {
      name: 'bench',
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [route(input.chain)],
          ...(sidecar ? { include_request_attempt_count: true } : {}),
        },
      ],
      validate_clusters: false,
    },
    http_filters: httpFilters(input.chain),
  };
}

const HTTP2_OPTIONS = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': `${TYPE}extensions.upstreams.http.v3.HttpProtocolOptions`,
    explicit_http_config: { http2_protocol_options: {} },
  },
};

const cluster = (name: string, { backendPort, http2Backend, tls }: BootstrapInput): object => ({
  ...(tls?.dials === true ? { transport_socket: dialledTls(tls) } : {}),
  name,
  type: 'STATIC',
  connect_timeout: '10s',
  lb_policy: 'LEAST_REQUEST',
  circuit_breakers: {
    thresholds: [
      {
        max_connections: MAX_UINT32,
        max_pending_requests: MAX_UINT32,
        max_requests: MAX_UINT32,
        max_retries: MAX_UINT32,
      },
    ],
  },
  ...(http2Backend === true ? { typed_extension_protocol_options: HTTP2_OPTIONS } : {}),
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(backendPort) } }] }],
  },
});

function networkFilter(input: BootstrapInput): object {
  const [name, config] =
    input.chain === 'tcp'
      ? [
          'tcp_proxy',
          {
            '@type': `${TYPE}extensions.filters.network.tcp_proxy.v3.TcpProxy`,
            stat_prefix: 'bench',
            cluster: 'backend',
          },
        ]
      : ['http_connection_manager', connectionManager(input)];
  return { name: `envoy.filters.network.${name as string}`, typed_config: config };
}

export function envoyBootstrap(input: BootstrapInput): string {
  const clusters = [cluster('backend', input)];
  if (input.chain === 'sidecar') clusters.push(cluster('backend-canary', input));
  const { tls } = input;
  const accepted = tls?.accepts === undefined ? {} : { transport_socket: acceptedTls(tls) };
  return JSON.stringify({
    admin: { address: loopback(input.adminPort) },
    static_resources: {
      listeners: [
        {
          name: 'bench',
          address: loopback(input.listenPort),
          filter_chains: [{ filters: [networkFilter(input)], ...accepted }],
        },
      ],
      clusters,
    },
  });
}
