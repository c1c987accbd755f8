// The grpc_web filter: gRPC-Web requests become gRPC, answers and trailers come back as a body a browser can read.
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { Row } from '../row.ts';

const grpcWeb = filterOf('envoy.filters.http.grpc_web', 'filters.http.grpc_web.v3.GrpcWeb', {});
const LOG =
  '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %GRPC_STATUS% in=%BYTES_RECEIVED% out=%BYTES_SENT%';

/** One gRPC message, as bytes in a latin1 string. */
const message = (text: string, flag = 0): string =>
  `${String.fromCharCode(flag)}\0\0\0${String.fromCharCode(text.length)}${text}`;
const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

function post(body: string, type = 'application/grpc-web+proto', more = ''): string {
  return `POST /pkg.Echo/Say HTTP/1.1\r\nhost: h\r\ncontent-type: ${type}\r\n${more}content-length: ${body.length}\r\n\r\n${body}`;
}
const TEXT = 'application/grpc-web-text+proto';
const acceptText = `accept: ${TEXT}\r\n`;

const answer = (body: string[], trailers: string, more = ''): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\n${more}transfer-encoding: chunked\r\n\r\n${body.map(chunk).join('')}0\r\n${trailers}\r\n`;
const GOOD = answer([message('hello')], 'grpc-status: 0\r\ngrpc-message: fine\r\n');
const only = (lines: string): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\n${lines}content-length: 0\r\n\r\n`;
const other = (status: number, body: string, more = ''): string =>
  `HTTP/1.1 ${status} X\r\n${more}content-length: ${body.length}\r\n\r\n${body}`;

const requests: Row[] = [
  ...[
    'application/grpc-web',
    'application/grpc-web+proto',
    'application/grpc-web-text',
    'application/grpc-web-text+proto',
    'application/grpc-web+json',
    'application/grpc-web; charset=utf-8',
    'APPLICATION/GRPC-WEB',
    'application/grpc',
    'application/json',
  ].map((type): Row => {
    return {
      name: `a request of type ${type}`,
      client: post(type.includes('text') ? base64(message('hi')) : message('hi'), type),
      upstream: GOOD,
    };
  }),
  {
    name: 'its own te and grpc-accept-encoding',
    client: post(
      message('hi'),
      'application/grpc-web',
      'te: gzip\r\ngrpc-accept-encoding: gzip\r\n',
    ),
    upstream: GOOD,
  },
  {
    name: 'no body at all',
    client: 'POST /pkg.Echo/Say HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc-web\r\n\r\n',
    upstream: GOOD,
  },
  {
    name: 'GET',
    client: 'GET /pkg.Echo/Say HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc-web\r\n\r\n',
    upstream: GOOD,
  },
  {
    name: 'a chunked body of text cut within its groups',
    client: `POST /pkg.Echo/Say HTTP/1.1\r\nhost: h\r\ncontent-type: ${TEXT}\r\ntransfer-encoding: chunked\r\n\r\n${base64(message('hello world')).split('').map(chunk).join('')}0\r\n\r\n`,
    upstream: GOOD,
  },
  {
    name: 'two texts with padding after one another',
    client: post(base64(message('h')) + base64(message('hi')), TEXT),
    upstream: GOOD,
  },
  {
    name: 'text that is no base64',
    client: post('%%%%%%%%', TEXT),
    upstream: GOOD,
    expect: { status: 400 },
  },
  {
    name: 'text of a length that is no multiple of four',
    client: post('AAAAAAA', TEXT),
    upstream: GOOD,
  },
  { name: 'text with a newline', client: post('AAAA\r\nAAA', TEXT), upstream: GOOD },
  { name: 'text with padding in its middle', client: post('AA=AAAAA', TEXT), upstream: GOOD },
  { name: 'text with bits behind its end', client: post('AAB=', TEXT), upstream: GOOD },
  { name: 'text of the URL alphabet', client: post('AAAA-_AA', TEXT), upstream: GOOD },
  {
    name: 'bad text after good text in another chunk',
    client: [
      `POST /pkg.Echo/Say HTTP/1.1\r\nhost: h\r\ncontent-type: ${TEXT}\r\ntransfer-encoding: chunked\r\n\r\n${chunk(base64(message('abcd')))}`,
      { upstreamGets: 'abcd' },
      `${chunk('%%%%')}0\r\n\r\n`,
    ],
    upstream: [{ at: 'head' }, { pauseMs: 500 }],
  },
];

const answers: Row[] = [
  ...(
    [
      ['no accept', ''],
      ['accept of text', acceptText],
      ['accept of short text', 'accept: application/grpc-web-text\r\n'],
      ['accept of several', `accept: */*, ${TEXT}\r\n`],
      ['accept of binary', 'accept: application/grpc-web\r\n'],
    ] as const
  ).map(([name, more]): Row => {
    return {
      name: `an answer with ${name}`,
      client: post(message('hi'), 'application/grpc-web', more),
      upstream: GOOD,
    };
  }),
  {
    name: 'an answer of several messages in text',
    client: post(message('hi'), 'application/grpc-web', acceptText),
    upstream: answer(
      [message('one'), message('four')],
      'grpc-status: 0\r\nx-Other: v\r\n',
      'x-up: 1\r\n',
    ),
  },
  {
    name: 'an answer that ends within a message, in text',
    client: post(message('hi'), 'application/grpc-web', acceptText),
    upstream: answer([message('one'), '\0\0'], 'grpc-status: 0\r\n'),
  },
  {
    name: 'an answer whose messages come in pieces, in text',
    client: [post(message('hi'), 'application/grpc-web', acceptText), { responses: 1 }],
    upstream: [
      'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n',
      chunk(message('hello').slice(0, 3)),
      { pauseMs: 60 },
      chunk(message('hello').slice(3, 7)),
      { pauseMs: 60 },
      chunk(message('hello').slice(7)),
      '0\r\ngrpc-status: 5\r\n\r\n',
    ],
  },
  {
    name: 'an answer with an error in its trailers',
    client: post(message('hi')),
    upstream: answer([], 'grpc-status: 7\r\ngrpc-message: no\r\n'),
  },
  {
    name: 'an answer of headers only',
    client: post(message('hi')),
    upstream: only('grpc-status: 12\r\ngrpc-message: unknown%20method\r\n'),
  },
  {
    name: 'an answer of headers only with no status',
    client: post(message('hi')),
    upstream: only(''),
  },
  {
    name: 'an answer without trailers',
    client: post(message('hi')),
    upstream: answer([message('hi')], ''),
  },
  {
    name: 'an answer with a length',
    client: post(message('hi')),
    upstream: `HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 0\r\ncontent-length: 6\r\n\r\n${message('x')}`,
  },
  ...(
    [
      ['503 with a text', other(503, 'no way', 'content-type: text/plain\r\n')],
      ['503 without body', other(503, '')],
      ['404 with a text', other(404, 'not here')],
      ['200 with a text', other(200, 'plain words', 'content-type: text/plain\r\n')],
      ['200 with newlines and percent', other(200, 'a\r\nb 100% ü', 'content-type: text/html\r\n')],
      ['401', other(401, 'who')],
      ['429', other(429, 'slow')],
      [
        '200 of type application/grpc+proto',
        `HTTP/1.1 200 OK\r\ncontent-type: application/grpc+proto\r\ntransfer-encoding: chunked\r\n\r\n${chunk(message('x'))}0\r\ngrpc-status: 0\r\n\r\n`,
      ],
      [
        '200 of type application/grpc-web',
        `HTTP/1.1 200 OK\r\ncontent-type: application/grpc-web+proto\r\ntransfer-encoding: chunked\r\n\r\n${chunk(message('x'))}0\r\n\r\n`,
      ],
      ['200 with a long text', other(200, 'y'.repeat(20_000), 'content-type: text/plain\r\n')],
      [
        '200 with a text and trailers',
        `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n${chunk('words')}0\r\nx-t: 1\r\n\r\n`,
      ],
      [
        '200 with a grpc-status and a text',
        other(200, 'words', 'content-type: text/plain\r\ngrpc-status: 3\r\ngrpc-message: mine\r\n'),
      ],
    ] as const
  ).map(([name, upstream]): Row => {
    return { name: `an answer ${name}`, client: post(message('hi')), upstream };
  }),
  {
    name: 'an answer 500 of type application/grpc',
    client: post(message('hi')),
    upstream: `HTTP/1.1 500 No\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n${chunk(message('x'))}0\r\ngrpc-status: 0\r\n\r\n`,
    differs: {
      envoy: 'logs the status of the trailers that it drops',
      ours: 'logs the status that the client is told',
      reason: 'a log line says what happened to the client',
      where: ['log'],
    },
  },
  {
    name: 'an answer 503 with a text to a request for text',
    client: post(message('hi'), 'application/grpc-web', acceptText),
    upstream: other(503, 'no way', 'content-type: text/plain\r\n'),
  },
  {
    name: 'no upstream',
    client: post(message('hi')),
    upstream: { refuses: true },
  },
  {
    name: 'no upstream, in text',
    client: post(base64(message('hi')), TEXT, acceptText),
    upstream: { refuses: true },
  },
  {
    name: 'a route that answers by itself',
    config: {
      routes: [
        {
          match: { prefix: '/' },
          direct_response: { status: 403, body: { inline_string: 'go away' } },
        },
      ],
    },
    client: post(message('hi')),
  },
  {
    name: 'an upstream that breaks off within its answer',
    client: post(message('hi')),
    upstream: [
      'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n',
      chunk(message('x')),
      { pauseMs: 60 },
      { reset: true },
    ],
  },
];

export const suite = await differential(
  import.meta.url,
  {
    config: {
      hcm: { http_protocol_options: { enable_trailers: true } },
      httpFilters: [grpcWeb],
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
  [...requests, ...answers],
);
