// Every reply the proxy makes itself: status, body, flag in both forms, details (envoy-behaviour §5.1).
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { CaseConfig, Json, Row } from '../row.ts';

const get = (...lines: readonly string[]): string =>
  `GET / HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const GRPC =
  'POST / HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n';
const once = { responses: 1 } as const;
const closed = { closed: true } as const;

const to = (cluster: string, action: Json = {}): CaseConfig => ({
  routes: [{ match: { prefix: '/' }, route: { cluster: `CASE-${cluster}`, ...action } }],
});
const retry = (retry_on: string): Json => ({
  retry_policy: {
    retry_on,
    num_retries: 1,
    retry_back_off: { base_interval: '0.001s', max_interval: '0.001s' },
  },
});
const REFUSING = { dead: { refuses: true } } as const;
const DEAD = { upstreams: REFUSING } as const;
const INTERNAL = {
  internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] },
};
const fault = (config: Json): CaseConfig => ({
  httpFilters: [filterOf('envoy.filters.http.fault', 'filters.http.fault.v3.HTTPFault', config)],
});
const ALWAYS = { numerator: 100 };

const routing: readonly Row[] = [
  {
    name: 'no route',
    config: { routes: [] },
    client: get(),
    expect: { log: /404 NR NoRouteFound route_not_found/ },
  },
  {
    name: 'no virtual host',
    config: { virtualHosts: [{ name: 'v', domains: ['x'] }] },
    client: get(),
  },
  { name: 'no route, for gRPC', config: { routes: [] }, client: GRPC },
  {
    name: 'no cluster',
    config: to('none'),
    client: get(),
    expect: { log: /503 NC NoClusterFound cluster_not_found/ },
  },
  {
    name: 'no cluster, another status',
    config: to('none', { cluster_not_found_response_code: 'NOT_FOUND' }),
    client: get(),
  },
  {
    name: 'no cluster header',
    config: { routes: [{ match: { prefix: '/' }, route: { cluster_header: 'x-c' } }] },
    client: get(),
  },
  {
    name: 'a direct response',
    config: { routes: [{ match: { prefix: '/' }, direct_response: { status: 418 } }] },
    client: get(),
  },
  {
    name: 'a redirect',
    config: { routes: [{ match: { prefix: '/' }, redirect: { host_redirect: 'x' } }] },
    client: get(),
  },
  {
    name: 'no host',
    config: { ...to('empty'), clusters: { empty: {} } },
    client: get(),
    expect: { log: /503 UH NoHealthyUpstream/ },
  },
  {
    name: 'a refused header value',
    config: {
      hcm: {
        ...INTERNAL,
        http_filters: [
          filterOf('envoy.filters.http.router', 'filters.http.router.v3.Router', {
            strict_check_headers: ['x-envoy-upstream-rq-timeout-ms'],
          }),
        ],
      },
    },
    client: get('x-forwarded-for: 10.0.0.1', 'x-envoy-upstream-rq-timeout-ms: x'),
    expect: { status: 400, log: / IH InvalidEnvoyRequestHeaders / },
  },
];

const upstreams: readonly Row[] = [
  {
    name: 'a refused connection',
    config: to('dead'),
    ...DEAD,
    client: get(),
    expect: { log: /503 UF UpstreamConnectionFailure / },
  },
  { name: 'a refused connection, for gRPC', config: to('dead'), ...DEAD, client: GRPC },
  {
    name: 'refused twice',
    config: to('dead', retry('connect-failure')),
    ...DEAD,
    client: get(),
    expect: { log: /URX,UF/ },
  },
  {
    name: 'a connection that ends',
    upstream: [{ close: true }],
    client: get(),
    expect: { log: /503 UC UpstreamConnectionTermination / },
  },
  {
    name: 'that ends twice',
    config: { route: retry('reset') },
    upstream: [{ close: true }],
    client: get(),
    expect: { log: /URX,UC/ },
  },
  { name: 'a connection that is cut', upstream: [{ reset: true }], client: get() },
  {
    name: 'an answer that is none',
    upstream: ['nonsense\r\n\r\n'],
    client: get(),
    expect: { log: /502 UPE UpstreamProtocolError / },
  },
  {
    name: 'an answer that is cut',
    upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc', { pauseMs: 30 }, { close: true }],
    client: [get(), closed],
  },
  {
    name: 'no answer in time',
    config: { route: { timeout: '0.3s' } },
    upstream: [],
    client: [get(), once],
    expect: { log: /504 UT UpstreamRequestTimeout response_timeout/ },
  },
  {
    name: 'no answer in time, for gRPC',
    config: { route: { timeout: '0.3s' } },
    upstream: [],
    client: [GRPC, once],
  },
  {
    name: 'no answer to each attempt',
    config: {
      route: {
        timeout: '9s',
        retry_policy: {
          retry_on: '5xx',
          num_retries: 1,
          per_try_timeout: '0.3s',
          retry_back_off: { base_interval: '0.001s', max_interval: '0.001s' },
        },
      },
    },
    upstream: [],
    client: [get(), once],
    expect: { log: /504 URX,UT .*upstream_per_try_timeout/ },
  },
  {
    name: 'too many requests for a cluster',
    config: {
      clusters: { up: { circuit_breakers: { thresholds: [{ max_requests: 0 }] } } },
    },
    client: get(),
    expect: { log: /503 UO UpstreamOverflow / },
  },
  {
    name: 'too many that wait',
    config: {
      clusters: { up: { circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] } } },
    },
    client: get(),
  },
  {
    name: 'too many, for gRPC',
    config: {
      clusters: { up: { circuit_breakers: { thresholds: [{ max_requests: 0 }] } } },
    },
    client: GRPC,
  },
];

const filters: readonly Row[] = [
  {
    name: 'an injected abort',
    config: fault({ abort: { http_status: 503, percentage: ALWAYS } }),
    client: get(),
    expect: { log: /503 FI FaultInjected fault_filter_abort/ },
  },
  {
    name: 'an injected gRPC status',
    config: fault({ abort: { grpc_status: 5, percentage: ALWAYS } }),
    client: GRPC,
  },
  {
    name: 'an injected delay',
    config: fault({ delay: { fixed_delay: '0.01s', percentage: ALWAYS } }),
    client: [get(), once],
    expect: { log: /200 DI DelayInjected via_upstream/ },
  },
  {
    name: 'both',
    config: fault({
      abort: { http_status: 503, percentage: ALWAYS },
      delay: { fixed_delay: '0.01s', percentage: ALWAYS },
    }),
    client: [get(), once],
    expect: { log: / DI,FI / },
  },
  {
    name: 'a body too large to hold',
    config: {
      httpFilters: [
        filterOf('envoy.filters.http.buffer', 'filters.http.buffer.v3.Buffer', {
          max_request_bytes: 4,
        }),
      ],
    },
    client: ['POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n123456789', closed],
    expect: { status: 413, log: /request_payload_too_large/ },
  },
  {
    name: 'a rate limit',
    config: {
      httpFilters: [
        filterOf(
          'envoy.filters.http.local_ratelimit',
          'filters.http.local_ratelimit.v3.LocalRateLimit',
          {
            stat_prefix: 'CASE',
            token_bucket: { max_tokens: 1, fill_interval: '100s' },
            filter_enabled: { default_value: ALWAYS },
            filter_enforced: { default_value: ALWAYS },
          },
        ),
      ],
    },
    client: [get() + get(), { responses: 2 }],
    uncut: 'the bucket fills with time',
    expect: { log: /429 RL RateLimited local_rate_limited/ },
  },
];

const clients: readonly Row[] = [
  {
    name: 'bytes that are no request',
    client: ['nonsense\r\n\r\n', closed],
    expect: { log: /400 DPE DownstreamProtocolError http1\.codec_error/ },
  },
  {
    name: 'a client that goes',
    client: [get(), { upstreamGets: 'host' }, { close: true }],
    upstream: [],
    expect: { log: /0 DC DownstreamConnectionTermination downstream_remote_disconnect/ },
  },
  {
    name: 'a client that resets',
    client: [get(), { upstreamGets: 'host' }, { reset: true }],
    upstream: [],
  },
  {
    name: 'a stream that stands still',
    config: { hcm: { stream_idle_timeout: '0.3s' } },
    client: [get(), once],
    upstream: [],
    expect: { log: /504 SI StreamIdleTimeout stream_idle_timeout/ },
  },
  {
    name: 'a stream that lasts too long',
    config: { hcm: { common_http_protocol_options: { max_stream_duration: '0.3s' } } },
    client: [get(), once],
    upstream: [],
  },
  {
    name: 'an upgrade that is not allowed',
    client: [get('connection: upgrade', 'upgrade: x'), closed],
  },
  {
    name: 'an upgrade that the upstream turns down with success',
    config: { hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] } },
    client: [get('connection: upgrade', 'upgrade: websocket'), closed],
    upstream: 'HTTP/1.1 200 OK\r\nx-up: 1\r\ncontent-length: 0\r\n\r\n',
  },
  { name: 'a path that is none', client: 'OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n' },
  { name: 'an unsupported version', client: 'GET / HTTP/1.0\r\nhost: h\r\n\r\n' },
];

export const suite = await differential(
  import.meta.url,
  {
    log: '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%',
    stats: ['http.CASE.downstream_rq_completed'],
  },
  [...routing, ...upstreams, ...filters, ...clients],
);
