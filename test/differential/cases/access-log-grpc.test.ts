// The gRPC access log service: what its stream carries, entry by entry (envoy.service.accesslog.v3).
import type { Socket } from 'node:net';
import { accessLogServer } from '../../support/access-log-server.ts';
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { CaseConfig, Json, Row } from '../row.ts';

const EXTENSIONS = 'type.googleapis.com/envoy.extensions.';

/** Varies from run to run, or with the width of a number that does. */
const VARIES =
  /^(start_time|time_to_.*|duration|downstream_wire_bytes_sent|response_headers_bytes|downstream_header_bytes_sent)$/;

function tidy(key: string, value: unknown): unknown {
  if (VARIES.test(key)) return 'N';
  if (key === 'node') return { id: (value as { id: string }).id };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  // Maps have no order.
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Answers streams of an access log service and notes what they carry. */
function service(socket: Socket, note: (line: string) => void): void {
  const server = accessLogServer({
    onStream(headers) {
      const names = [':path', ':authority', 'content-type', 'x-meta'];
      note(names.map((name) => `${name}=${String(headers[name])}`).join(' '));
    },
    onMessage({ identifier, ...logs }) {
      if (identifier !== undefined) note(JSON.stringify(identifier, tidy));
      for (const [kind, entries] of Object.entries(logs as Record<string, Json>))
        for (const entry of entries['log_entry'] as readonly Json[])
          note(`${kind} ${JSON.stringify(entry, tidy)}`);
    },
  });
  server.emit('connection', socket);
}

const als = (kind: 'Http' | 'Tcp', common: Json = {}, more: Json = {}): Json => ({
  name: 'envoy.access_loggers.grpc',
  typed_config: {
    '@type': `${EXTENSIONS}access_loggers.grpc.v3.${kind}GrpcAccessLogConfig`,
    common_config: {
      log_name: 'the-log',
      grpc_service: { envoy_grpc: { cluster_name: 'CASE-als' } },
      transport_api_version: 'V3',
      buffer_flush_interval: '0.02s',
      ...common,
    },
    ...more,
  },
});
const HTTP2 = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${EXTENSIONS}upstreams.http.v3.HttpProtocolOptions`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};
const logged = (...logs: readonly Json[]): CaseConfig => ({
  hcm: { access_log: logs },
  clusters: { als: HTTP2 },
});
const SERVICE = { upstreams: { als: { serve: service } }, log: '' };
const tcp = (proxy: Json): CaseConfig => ({
  clusters: { als: HTTP2 },
  listener: {
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.tcp_proxy',
            typed_config: {
              '@type': `${EXTENSIONS}filters.network.tcp_proxy.v3.TcpProxy`,
              stat_prefix: 'CASE',
              cluster: 'CASE-up',
              access_log: [als('Tcp')],
              ...proxy,
            },
          },
        ],
      },
    ],
  },
});

const get = (target = '/', ...lines: readonly string[]): string =>
  `GET ${target} HTTP/1.1\r\nHost: shop:8080\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-up: a\r\n\r\nhello';
/** The entry has reached the service. */
const SENT = { upstreamGets: /_logs/, at: 'als' } as const;
const BOTH_SENT = { upstreamGets: /_logs[^]*_logs/, at: 'als' } as const;

const rows: readonly Row[] = [
  {
    name: 'an answered request',
    client: [get('/p?q=1', 'user-agent: agent', 'x-request-id: mine'), { responses: 1 }, SENT],
    upstream: OK,
    config: logged(als('Http')),
    expect: {
      upstream:
        /"log_name":"the-log"[^]*http_logs .*"stream_id":"mine".*"response_code_details":"via_upstream"/,
    },
  },
  {
    name: 'headers, trailers and texts of every kind',
    client: [
      get(
        '/p',
        'referer: http://r/',
        'x-forwarded-for: 1.2.3.4',
        'X-A: 1',
        'x-dup: 1',
        'x-dup: 2',
        'x-envoy-original-path: /o',
      ),
      { responses: 1 },
      SENT,
    ],
    upstream:
      'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-up: a\u00ff\u00c3\u00a9\r\nx-dup: 1\r\nx-dup: 2\r\n\r\n',
    config: logged(
      als(
        'Http',
        {},
        {
          additional_request_headers_to_log: ['x-a', 'X-Dup', 'none'],
          additional_response_headers_to_log: ['x-up', 'x-dup', 'none'],
          additional_response_trailers_to_log: ['none'],
        },
      ),
    ),
  },
  {
    name: 'a request with a body',
    client: ['POST /x HTTP/1.1\r\nHost: h\r\ncontent-length: 3\r\n\r\nabc', { responses: 1 }, SENT],
    upstream: OK,
    config: logged(als('Http')),
  },
  {
    name: 'a host that refuses',
    client: [get(), { responses: 1 }, SENT],
    upstream: { refuses: true },
    config: logged(als('Http')),
  },
  {
    name: 'a request without a route',
    client: [get(), { responses: 1 }, SENT],
    config: { ...logged(als('Http')), routes: [] },
  },
  {
    name: 'a request that is no HTTP',
    client: ['GET / HTTP/1.1\r\nho st: h\r\n\r\n', { closed: true }, SENT],
    config: logged(als('Http')),
  },
  {
    name: 'initial metadata and another authority',
    client: [get(), { responses: 1 }, SENT],
    upstream: OK,
    config: logged(
      als('Http', {
        grpc_service: {
          envoy_grpc: { cluster_name: 'CASE-als', authority: 'logs.example' },
          initial_metadata: [{ key: 'x-meta', value: 'data' }],
        },
      }),
    ),
  },
  {
    name: 'custom tags',
    client: [get('/', 'x-h: value'), { responses: 1 }, SENT],
    upstream: OK,
    config: {
      ...logged(
        als('Http', {
          custom_tags: [
            { tag: 'literal', literal: { value: 'text' } },
            { tag: 'header', request_header: { name: 'X-H', default_value: 'none' } },
            { tag: 'missing', request_header: { name: 'x-none', default_value: 'default' } },
            { tag: 'left out', request_header: { name: 'x-none' } },
            {
              tag: 'variable',
              environment: { name: 'NOT_SET_ANYWHERE', default_value: 'unset' },
            },
            {
              tag: 'route',
              metadata: {
                kind: { route: {} },
                metadata_key: { key: 'space', path: [{ key: 'a' }, { key: 'b' }] },
              },
            },
            {
              tag: 'number',
              metadata: {
                kind: { route: {} },
                metadata_key: { key: 'space', path: [{ key: 'n' }] },
              },
            },
            {
              tag: 'cluster',
              metadata: {
                kind: { cluster: {} },
                metadata_key: { key: 'none', path: [{ key: 'a' }] },
                default_value: 'nowhere',
              },
            },
          ],
        }),
      ),
      routeMore: { metadata: { filter_metadata: { space: { a: { b: 'deep' }, n: 1.5 } } } },
    },
  },
  {
    name: 'dynamic metadata and filter state',
    client: [get(), { responses: 1 }, SENT],
    upstream: OK,
    config: {
      ...logged(als('Http', { filter_state_objects_to_log: ['mine', 'none'] })),
      httpFilters: [
        filterOf('envoy.filters.http.set_metadata', 'filters.http.set_metadata.v3.Config', {
          metadata: [
            { metadata_namespace: 'space', value: { a: 'text', b: [1, { c: true }], d: null } },
          ],
        }),
        filterOf('envoy.filters.http.set_filter_state', 'filters.http.set_filter_state.v3.Config', {
          on_request_headers: [
            {
              object_key: 'mine',
              factory_key: 'envoy.string',
              format_string: { text_format_source: { inline_string: 'state' } },
            },
          ],
        }),
      ],
    },
  },
  {
    name: 'two entries in one stream, the identifier once',
    client: [get('/1'), { responses: 1 }, SENT, get('/2'), { responses: 2 }, BOTH_SENT],
    upstream: OK,
    config: logged(als('Http')),
  },
  {
    name: 'entries that pass a filter only',
    client: [get('/1'), { responses: 1 }, get('/2'), { responses: 2 }, SENT],
    upstream: OK,
    config: logged({
      ...als('Http'),
      filter: { header_filter: { header: { name: ':path', string_match: { exact: '/2' } } } },
    }),
  },
  {
    name: 'an entry when the request begins, and one when it ends',
    client: [get(), { responses: 1 }, BOTH_SENT],
    upstream: OK,
    config: {
      hcm: {
        access_log: [als('Http')],
        access_log_options: { flush_access_log_on_new_request: true },
      },
      clusters: { als: HTTP2 },
    },
  },
  {
    name: 'a full buffer is sent before its time',
    client: [get(), { responses: 1 }, SENT],
    upstream: OK,
    config: logged(als('Http', { buffer_flush_interval: '30s', buffer_size_bytes: 1 })),
  },
  {
    name: 'a TCP session',
    client: ['hello', { until: 'first' }, { end: true }, { closed: true }, SENT],
    upstream: { onConnect: ['first', { until: 'hello' }, { end: true }], answers: [] },
    config: tcp({}),
  },
  {
    name: 'a TCP session whose upstream refuses',
    client: [{ closed: true }, SENT],
    upstream: { refuses: true },
    config: tcp({}),
  },
];

export const suite = await differential(
  import.meta.url,
  {},
  rows.map((row) => ({ ...row, ...SERVICE })),
);
