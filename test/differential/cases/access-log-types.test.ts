// When log lines come: ends, starts, tunnels, intervals, of HTTP streams, TCP sessions and listeners' connections.
import { differential } from '../differential.ts';
import type { CaseConfig, Json } from '../row.ts';

const get = (target = '/', ...lines: readonly string[]): string =>
  `GET ${target} HTTP/1.1\r\nHost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const upgrade = get('/ws', 'connection: upgrade', 'upgrade: websocket');

const LOG =
  '%ACCESS_LOG_TYPE% code=%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% in=%BYTES_RECEIVED% ' +
  'out=%BYTES_SENT% %REQ(:METHOD)% %REQ(:PATH)% st=%RESP(:STATUS)% ' +
  'cluster=%UPSTREAM_CLUSTER% host=%UPSTREAM_HOST% local=%UPSTREAM_LOCAL_ADDRESS% ' +
  'route=%ROUTE_NAME% tries=%UPSTREAM_REQUEST_ATTEMPT_COUNT% up=%UPSTREAM_PROTOCOL% down=%PROTOCOL% ' +
  'wire=%DOWNSTREAM_WIRE_BYTES_RECEIVED%/%UPSTREAM_WIRE_BYTES_SENT%/%UPSTREAM_WIRE_BYTES_RECEIVED% ' +
  'heads=%REQUEST_HEADERS_BYTES% id=%STREAM_ID% %CONNECTION_TERMINATION_DETAILS% ' +
  'expects=%REQ(x-envoy-expected-rq-timeout-ms)% fail=%UPSTREAM_TRANSPORT_FAILURE_REASON% ' +
  'chain=%FILTER_CHAIN_NAME% listener=%LISTENER_NAME% ' +
  'close=%DOWNSTREAM_DETECTED_CLOSE_TYPE%/%UPSTREAM_DETECTED_CLOSE_TYPE% ' +
  'why=%DOWNSTREAM_LOCAL_CLOSE_REASON%/%UPSTREAM_LOCAL_CLOSE_REASON%';
/** Numbers there at all, without their values. */
const DURATIONS =
  '%ACCESS_LOG_TYPE% [%DURATION%] [%REQUEST_DURATION%] [%REQUEST_TX_DURATION%] [%RESPONSE_DURATION%] ' +
  '[%RESPONSE_TX_DURATION%] [%COMMON_DURATION(DS_RX_BEG:DS_TX_END)%] [%COMMON_DURATION(US_CX_BEG:US_CX_END)%]';
const TIMES: readonly (readonly [RegExp, string])[] = [[/\[[0-9]+\]/g, '[N]']];

const options = (fields: Json): CaseConfig => ({ hcm: { access_log_options: fields } });
const ON_START = options({ flush_access_log_on_new_request: true });
const EACH = options({ access_log_flush_interval: '0.4s' });
const ON_TUNNEL = {
  hcm: {
    access_log_options: {
      flush_access_log_on_new_request: true,
      flush_log_on_tunnel_successfully_established: true,
    },
    upgrade_configs: [{ upgrade_type: 'websocket' }],
  },
};

const fileLog = (format: string): Json => ({
  name: 'envoy.access_loggers.file',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
    path: 'LOG',
    log_format: { text_format_source: { inline_string: `${format}\n` } },
  },
});
/** A filter chain of its own, with a log of the listener where that is asked for. */
const tcp = (proxy: Json, listenerLog: string | null = null): CaseConfig => ({
  listener: {
    filter_chains: [
      {
        name: 'tcp-chain',
        filters: [
          {
            name: 'envoy.filters.network.tcp_proxy',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
              stat_prefix: 'CASE',
              cluster: 'CASE-up',
              ...(listenerLog === null ? { access_log: [fileLog(LOG)] } : {}),
              ...proxy,
            },
          },
        ],
      },
    ],
    ...(listenerLog === null ? {} : { access_log: [fileLog(listenerLog)] }),
  },
});
const listenerLog = (format: string, more: Json = {}): CaseConfig => ({
  hcm: { access_log: null },
  listener: { access_log: [fileLog(format)], ...more },
});

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const SLOW = ['HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab', { pauseMs: 560 }, 'cd'] as const;
const ACCEPTS =
  'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';

export const suite = await differential(import.meta.url, { log: LOG }, [
  {
    name: 'a start line before the request goes on',
    client: get(),
    config: ON_START,
    upstream: OK,
  },
  {
    name: 'no start line where options are empty',
    client: get(),
    config: options({}),
    upstream: OK,
  },
  {
    name: 'the old fields do the same',
    client: get(),
    config: { hcm: { flush_access_log_on_new_request: true } },
    upstream: OK,
  },
  {
    name: 'a start line of a request without a route',
    client: get(),
    config: { ...ON_START, routes: [] },
  },
  {
    name: 'a start line of a cluster that is not there',
    client: get(),
    config: { ...ON_START, route: { cluster: 'nowhere' } },
  },
  {
    name: 'a start line of a direct response',
    client: get(),
    config: {
      ...ON_START,
      routes: [{ name: 'd', match: { prefix: '/' }, direct_response: { status: 204 } }],
    },
  },
  {
    name: 'no start line of a request that is refused before it has a route',
    client: get('/a%00b'),
    config: {
      hcm: { access_log_options: { flush_access_log_on_new_request: true }, normalize_path: true },
    },
  },
  {
    name: 'start lines of two requests on one connection',
    client: [get('/1'), { responses: 1 }, get('/2'), { responses: 2 }],
    config: ON_START,
    upstream: OK,
  },
  {
    name: 'what a start line has of times',
    client: get(),
    config: ON_START,
    upstream: OK,
    log: DURATIONS,
    mask: TIMES,
  },
  {
    name: 'a line each interval while the answer comes',
    client: [get(), { responses: 1 }],
    config: EACH,
    upstream: SLOW,
  },
  {
    name: 'what an interval line has of times',
    client: [get(), { responses: 1 }],
    config: EACH,
    upstream: SLOW,
    log: DURATIONS,
    mask: TIMES,
  },
  {
    name: 'an interval line while nothing is answered',
    client: [get(), { upstreamGets: 'GET' }, { pauseMs: 450 }, { close: true }],
    config: EACH,
    upstream: [],
  },
  {
    name: 'a line when a WebSocket is accepted',
    client: [
      upgrade,
      { heads: 1 },
      'ping',
      { until: 'pong' },
      { close: true },
      { upstreamEnds: true },
    ],
    config: ON_TUNNEL,
    upstream: [ACCEPTS, { tunnel: true }, { until: 'ping' }, 'pong'],
  },
  {
    name: 'no tunnel line when it is refused',
    client: [upgrade, { responses: 1 }],
    config: ON_TUNNEL,
    upstream: 'HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n',
  },
  {
    name: 'a client that resets while it waits',
    client: [get(), { upstreamGets: 'GET' }, { reset: true }, { upstreamEnds: true }],
    upstream: [],
  },
  {
    name: 'an upstream that resets',
    client: [get(), { responses: 1 }],
    upstream: [{ reset: true }],
  },
  {
    name: 'a request that is no HTTP',
    client: ['GET / HTTP/1.1\r\nho st: h\r\n\r\n', { closed: true }],
  },
  {
    name: 'a TCP session that ends',
    client: ['hello', { until: 'HTTP' }, { end: true }, { closed: true }],
    config: tcp({}),
    upstream: { onConnect: ['HTTP/server first', { end: true }], answers: [] },
  },
  {
    name: 'a TCP session whose upstream refuses',
    client: [{ closed: true }],
    config: tcp({}),
    upstream: { refuses: true },
  },
  {
    name: 'a TCP session whose upstream refuses three times',
    client: [{ closed: true }],
    config: tcp({ max_connect_attempts: 3 }),
    upstream: { refuses: true },
  },
  {
    name: 'a TCP session without a cluster',
    client: [{ closed: true }],
    config: tcp({ cluster: 'nowhere' }),
  },
  {
    name: 'a TCP session without a host',
    client: [{ closed: true }],
    config: { ...tcp({ cluster: 'CASE-empty' }), clusters: { empty: {} } },
  },
  {
    name: 'a TCP session tells when it is connected',
    client: ['hello', { until: 'first' }, { close: true }, { upstreamEnds: true }],
    config: tcp({ access_log_options: { flush_access_log_on_connected: true } }),
    upstream: { onConnect: ['first'], answers: [] },
  },
  {
    name: 'a TCP session that is never connected has no such line',
    client: [{ closed: true }],
    config: tcp({ flush_access_log_on_connected: true }),
    upstream: { refuses: true },
  },
  {
    name: 'a TCP session tells each interval',
    client: [
      'hello',
      { until: 'first' },
      { pauseMs: 450 },
      { close: true },
      { upstreamEnds: true },
    ],
    config: tcp({ access_log_options: { access_log_flush_interval: '0.4s' } }),
    upstream: { onConnect: ['first'], answers: [] },
  },
  {
    name: 'a TCP session that is reset by its client',
    client: ['hello', { until: 'first' }, { reset: true }, { upstreamEnds: true }],
    config: tcp({}),
    upstream: { onConnect: ['first'], answers: [] },
  },
  {
    name: 'a TCP session that is reset by its upstream',
    client: ['hello', { closed: true }],
    config: tcp({}),
    upstream: { onConnect: ['first', { until: 'hello' }, { reset: true }], answers: [] },
  },
  {
    name: 'a TCP session that is idle too long',
    client: ['hello', { until: 'first' }, { closed: true }],
    config: tcp({ idle_timeout: '0.2s' }),
    upstream: { onConnect: ['first'], answers: [] },
  },
  {
    name: 'a TCP session that lasts too long',
    client: ['hello', { until: 'first' }, { closed: true }],
    config: tcp({ max_downstream_connection_duration: '0.2s' }),
    upstream: { onConnect: ['first'], answers: [] },
  },
  {
    name: 'a listener tells of a connection, not of its requests',
    client: [
      get('/1'),
      { responses: 1 },
      get('/2'),
      { responses: 2 },
      { close: true },
      { pauseMs: 60 },
    ],
    config: listenerLog(LOG),
    upstream: OK,
    mask: [[/out=\d+/, 'out=N']],
  },
  {
    name: 'a listener tells of a TCP session',
    client: ['hello', { until: 'first' }, { close: true }, { upstreamEnds: true }],
    config: tcp({}, LOG),
    upstream: { onConnect: ['first'], answers: [] },
  },
  {
    name: 'a listener tells of a TCP session whose upstream refuses',
    client: [{ closed: true }],
    config: tcp({}, LOG),
    upstream: { refuses: true },
  },
  {
    name: 'all lines of a TCP session have one id',
    client: ['hello', { until: 'first' }, { close: true }, { upstreamEnds: true }],
    config: tcp({ access_log_options: { flush_access_log_on_connected: true } }),
    upstream: { onConnect: ['first'], answers: [] },
    log: LOG,
  },
  {
    name: 'a listener tells of a connection that no filter chain takes',
    client: [{ closed: true }],
    config: {
      listener: {
        access_log: [fileLog(LOG)],
        filter_chains: [
          {
            name: 'elsewhere',
            filter_chain_match: { destination_port: 1 },
            filters: [
              {
                name: 'envoy.filters.network.tcp_proxy',
                typed_config: {
                  '@type':
                    'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
                  stat_prefix: 'CASE',
                  cluster: 'CASE-up',
                },
              },
            ],
          },
        ],
      },
    },
  },
]);
