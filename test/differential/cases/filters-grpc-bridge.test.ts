// The grpc_http1_bridge filter: what HTTP/2 says in trailers stands in the head of an HTTP/1 answer; plain protobuf gets its frame.
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

const bridge = (config: Json = {}): Json =>
  filterOf(
    'envoy.filters.http.grpc_http1_bridge',
    'filters.http.grpc_http1_bridge.v3.Config',
    config,
  );
const LOG =
  '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %GRPC_STATUS% in=%BYTES_RECEIVED% out=%BYTES_SENT%';

const message = (text: string, flag = 0): string =>
  `${String.fromCharCode(flag)}\0\0\0${String.fromCharCode(text.length)}${text}`;
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

function post(body: string, type = 'application/grpc', path = '/pkg.Echo/Say', more = ''): string {
  return `POST ${path} HTTP/1.1\r\nhost: h\r\ncontent-type: ${type}\r\n${more}content-length: ${body.length}\r\n\r\n${body}`;
}
const answer = (body: string[], trailers: string, more = '', status = 200): string =>
  `HTTP/1.1 ${status} OK\r\ncontent-type: application/grpc\r\n${more}transfer-encoding: chunked\r\n\r\n${body.map(chunk).join('')}0\r\n${trailers}\r\n`;
const GOOD = answer([message('hello')], 'grpc-status: 0\r\ngrpc-message: fine\r\nx-other: 1\r\n');
const PROTOBUF = 'application/x-protobuf';

const rows: Row[] = [
  { name: 'a good call', client: post(message('hi')), upstream: GOOD, expect: { status: 200 } },
  {
    name: 'a call that fails',
    client: post(message('hi')),
    upstream: answer([], 'grpc-status: 5\r\ngrpc-message: not%20here\r\n'),
    expect: { status: 503 },
  },
  {
    name: 'a call that fails after a message',
    client: post(message('hi')),
    upstream: answer([message('x')], 'grpc-status: 13\r\n'),
  },
  {
    name: 'a call that fails in its head',
    client: post(message('hi')),
    upstream:
      'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 7\r\ngrpc-message: no\r\ncontent-length: 0\r\n\r\n',
  },
  {
    name: 'an answer without trailers',
    client: post(message('hi')),
    upstream: answer([message('x')], ''),
  },
  {
    name: 'an answer with a length',
    client: post(message('hi')),
    upstream: `HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ncontent-length: 6\r\n\r\n${message('x')}`,
  },
  {
    name: 'a status that is no number',
    client: post(message('hi')),
    upstream: answer([message('x')], 'grpc-status: abc\r\n'),
    differs: {
      envoy: 'logs -1, out of the trailers it has moved',
      ours: 'logs InvalidCode, as both do of a head',
      reason: 'a log line says what the client was told',
      where: ['log'],
    },
  },
  {
    name: 'trailers without a status',
    client: post(message('hi')),
    upstream: answer([message('x')], 'x-a: b\r\n'),
  },
  {
    name: 'an answer 500 with trailers',
    client: post(message('hi')),
    upstream: answer([message('x')], 'grpc-status: 0\r\n', '', 500),
  },
  {
    name: 'an answer in pieces',
    client: post(message('hi')),
    upstream: [
      'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n',
      chunk(message('one')),
      { pauseMs: 60 },
      chunk(message('two')),
      { pauseMs: 60 },
      '0\r\ngrpc-status: 0\r\n\r\n',
    ],
  },
  { name: 'no upstream', client: post(message('hi')), upstream: { refuses: true } },
  { name: 'a request that is no gRPC', client: post('{}', 'application/json'), upstream: GOOD },
  {
    name: 'a type with a suffix',
    client: post(message('hi'), 'application/grpc+proto'),
    upstream: GOOD,
  },
  {
    name: 'a query stays',
    client: post(message('hi'), 'application/grpc', '/pkg.Echo/Say?a=b'),
    upstream: GOOD,
  },
  {
    name: 'a query is taken off where asked',
    config: { httpFilters: [bridge({ ignore_query_parameters: true })] },
    client: post(message('hi'), 'application/grpc', '/pkg.Echo/Say?a=b'),
    upstream: GOOD,
  },
  {
    name: 'protobuf passes where it is not upgraded',
    client: post('hi', PROTOBUF),
    upstream: GOOD,
  },
  ...(
    [
      ['a call', GOOD],
      ['a failing call', answer([], 'grpc-status: 5\r\ngrpc-message: not%20here\r\n')],
      ['a call without message', answer([], 'grpc-status: 0\r\n')],
      ['a call with two messages', answer([message('one'), message('two')], 'grpc-status: 0\r\n')],
      ['a call with half a message', answer(['\0\0\0'], 'grpc-status: 0\r\n')],
      ['a call with a compressed message', answer([message('x', 1)], 'grpc-status: 0\r\n')],
      ['a call without trailers', answer([message('x')], '')],
      [
        'a call that fails in its head',
        'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 7\r\ncontent-length: 0\r\n\r\n',
      ],
    ] as const
  ).map(([name, upstream]): Row => ({
    name: `protobuf is upgraded: ${name}`,
    config: { httpFilters: [bridge({ upgrade_protobuf_to_grpc: true })] },
    client: post('hi', PROTOBUF),
    upstream,
  })),
  {
    name: 'protobuf is upgraded: a body in chunks',
    config: { httpFilters: [bridge({ upgrade_protobuf_to_grpc: true })] },
    client: `POST /pkg.Echo/Say HTTP/1.1\r\nhost: h\r\ncontent-type: ${PROTOBUF}\r\ntransfer-encoding: chunked\r\n\r\n${chunk('ab')}${chunk('cd')}0\r\n\r\n`,
    upstream: GOOD,
  },
  {
    name: 'protobuf is upgraded: an empty body',
    config: { httpFilters: [bridge({ upgrade_protobuf_to_grpc: true })] },
    client: post('', PROTOBUF),
    upstream: GOOD,
  },
  {
    name: 'protobuf is upgraded: no upstream',
    config: { httpFilters: [bridge({ upgrade_protobuf_to_grpc: true })] },
    client: post('hi', PROTOBUF),
    upstream: { refuses: true },
  },
  {
    name: 'gRPC passes as it is where protobuf is upgraded',
    config: { httpFilters: [bridge({ upgrade_protobuf_to_grpc: true })] },
    client: post(message('hi')),
    upstream: GOOD,
  },
];

export const suite = await differential(
  import.meta.url,
  {
    config: {
      hcm: { http_protocol_options: { enable_trailers: true } },
      httpFilters: [bridge()],
      clusters: {
        up: {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http_protocol_options: { enable_trailers: true } },
            },
          },
        },
      },
    },
    log: LOG,
    stats: ['cluster.CASE-up.grpc*'],
  },
  rows,
);
