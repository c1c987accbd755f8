// How much of a head is taken: bytes, lines, underscores (envoy-behaviour §1.14).
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

/** A request whose head has so many bytes, line ends and all. */
function requestOf(bytes: number, path = '/'): string {
  const start = `GET ${path} HTTP/1.1\r\nhost: h\r\na: `;
  return `${start}${'x'.repeat(bytes - start.length - 4)}\r\n\r\n`;
}

function responseOf(bytes: number): string {
  const start = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\na: ';
  return `${start}${'x'.repeat(bytes - start.length - 4)}\r\n\r\n`;
}

const lines = (count: number): string =>
  `GET / HTTP/1.1\r\nhost: h\r\n${Array.from({ length: count }, (_, i) => `a${i}: 1\r\n`).join('')}\r\n`;

const SMALL = { max_request_headers_kb: 1 };
const common = (options: Json): Json => ({ common_http_protocol_options: options });
const upstreamOptions = (options: Json) => ({
  up: {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http_protocol_options: {} },
        ...options,
      },
    },
  },
});
const UNDERSCORES = 'GET / HTTP/1.1\r\nhost: h\r\nx_a: 1\r\nx-b: 2\r\n_c: 3\r\n\r\n';

const rows: readonly Row[] = [
  {
    name: 'a head as long as allowed',
    config: { hcm: SMALL },
    client: requestOf(1024),
    expect: { status: 200 },
  },
  {
    name: 'a head that is one byte longer',
    config: { hcm: SMALL },
    client: requestOf(1025),
    expect: { status: 431, log: /http1\.headers_too_large/ },
  },
  {
    name: 'empty lines before it do not count',
    config: { hcm: SMALL },
    client: `\r\n\r\n${requestOf(1024)}`,
  },
  { name: 'a long path', config: { hcm: SMALL }, client: requestOf(1100, `/${'y'.repeat(1040)}`) },
  {
    name: 'a head that never ends',
    config: { hcm: SMALL },
    client: `GET / HTTP/1.1\r\nhost: h\r\na: ${'x'.repeat(1100)}`,
  },
  {
    name: 'two heads as long as allowed',
    config: { hcm: SMALL },
    client: [requestOf(1024) + requestOf(1024), { responses: 2 }],
  },
  { name: 'the default: sixty kilobytes', client: requestOf(60 * 1024) },
  { name: 'and a byte', client: requestOf(60 * 1024 + 1) },
  {
    name: 'as many lines as allowed',
    config: { hcm: common({ max_headers_count: 5 }) },
    client: lines(4),
    expect: { status: 200 },
  },
  {
    name: 'a line too many',
    config: { hcm: common({ max_headers_count: 5 }) },
    client: lines(5),
    expect: { status: 431, log: /http1\.too_many_headers/ },
  },
  { name: 'a hundred lines by default', client: lines(99) },
  { name: 'a hundred and one', client: lines(100) },
  { name: 'underscores pass', client: UNDERSCORES },
  {
    name: 'or are dropped',
    config: { hcm: common({ headers_with_underscores_action: 'DROP_HEADER' }) },
    client: UNDERSCORES,
  },
  {
    name: 'or refused',
    config: { hcm: common({ headers_with_underscores_action: 'REJECT_REQUEST' }) },
    client: UNDERSCORES,
  },
  {
    name: 'a response head as long as allowed',
    config: {
      clusters: upstreamOptions({ common_http_protocol_options: { max_response_headers_kb: 1 } }),
    },
    client: requestOf(60),
    upstream: responseOf(1024),
  },
  {
    name: 'one that is a byte longer',
    config: {
      clusters: upstreamOptions({ common_http_protocol_options: { max_response_headers_kb: 1 } }),
    },
    client: requestOf(60),
    upstream: responseOf(1025),
  },
  {
    name: 'the default of responses: eighty kilobytes',
    client: requestOf(60),
    upstream: responseOf(80 * 1024),
  },
  { name: 'and one byte', client: requestOf(60), upstream: responseOf(80 * 1024 + 1) },
];

export const suite = await differential(
  import.meta.url,
  { stats: ['http.CASE.downstream_cx_protocol_error', 'http.CASE.downstream_rq_4xx'] },
  rows.map((row) =>
    String(row.client).length > 4096 ? { ...row, uncut: 'tens of kilobytes, byte by byte' } : row,
  ),
);
