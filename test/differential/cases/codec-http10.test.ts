// HTTP/1.0 and 0.9 where a listener takes them, and servers that answer so (envoy-behaviour §2.1, §1.10).
import { differential } from '../differential.ts';
import { answer, get } from '../texts.ts';

const TEN = { hcm: { http_protocol_options: { accept_http_10: true } } };
const TEN_WITH_HOST = {
  hcm: { http_protocol_options: { accept_http_10: true, default_host_for_http_10: 'fallback' } },
};

const ten = (method: string, lines: readonly string[] = [], body = ''): string =>
  `${method} / HTTP/1.0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`;

const CHUNKED = answer('200 OK', ['transfer-encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n');

export const suite = await differential(
  import.meta.url,
  { config: TEN, stats: ['http.CASE.downstream_rq_*', 'http.CASE.downstream_cx_protocol_error'] },
  [
    { name: 'HTTP/1.0 without host is refused', client: ten('GET'), expect: { status: 400 } },
    {
      name: 'HTTP/1.0 without host gets the default host',
      config: TEN_WITH_HOST,
      client: [ten('GET'), { closed: true }],
      expect: { status: 200, upstream: /host: fallback/ },
    },
    {
      name: 'HTTP/1.0 with a host keeps it',
      config: TEN_WITH_HOST,
      client: [ten('GET', ['Host: h']), { closed: true }],
      expect: { upstream: /host: h/ },
    },
    {
      name: 'HTTP/1.0 with an empty host',
      config: TEN_WITH_HOST,
      client: ten('GET', ['Host:']),
    },
    {
      name: 'HTTP/1.1 without host gets no default',
      config: TEN_WITH_HOST,
      client: 'GET / HTTP/1.1\r\n\r\n',
    },
    {
      name: 'HTTP/1.0 is closed after its answer',
      client: [ten('GET', ['Host: h']), { closed: true }],
    },
    {
      name: 'HTTP/1.0 with keep-alive stays',
      client: [
        ten('GET', ['Host: h', 'Connection: keep-alive']),
        { responses: 1 },
        ten('GET', ['Host: h']),
        { closed: true },
      ],
      expect: { status: [200, 200] },
    },
    {
      name: 'HTTP/1.0 with Keep-Alive in another case',
      client: ten('GET', ['Host: h', 'Connection: Keep-Alive']),
    },
    {
      name: 'HTTP/1.0 with keep-alive among others',
      client: ten('GET', ['Host: h', 'Connection: x-a, keep-alive', 'x-a: 1']),
    },
    {
      name: 'HTTP/1.0 with close',
      client: [ten('GET', ['Host: h', 'Connection: close']), { closed: true }],
    },
    {
      name: 'HTTP/1.0 with keep-alive and close',
      client: [ten('GET', ['Host: h', 'Connection: keep-alive, close']), { responses: 1 }],
    },
    {
      name: 'HTTP/1.0 with proxy-connection: keep-alive',
      client: ten('GET', ['Host: h', 'Proxy-Connection: keep-alive']),
    },
    {
      name: 'HTTP/1.0 posts a body of known length',
      client: [ten('POST', ['Host: h', 'Content-Length: 5'], 'hello'), { closed: true }],
    },
    {
      name: 'HTTP/1.0 posts without length',
      client: [ten('POST', ['Host: h'], 'hello'), { closed: true }],
    },
    {
      name: 'HTTP/1.0 HEAD',
      client: [ten('HEAD', ['Host: h']), { closed: true }],
      upstream: answer('200 OK', ['content-length: 5']),
    },
    {
      name: 'HTTP/1.0 gets a chunked answer as bytes until the end',
      client: [ten('GET', ['Host: h']), { closed: true }],
      upstream: CHUNKED,
      expect: { client: /\r\n\r\nhello<fin>$/ },
    },
    {
      name: 'HTTP/1.0 with keep-alive gets a chunked answer and is closed',
      client: [ten('GET', ['Host: h', 'Connection: keep-alive']), { closed: true }],
      upstream: CHUNKED,
    },
    {
      name: 'HTTP/1.0 HEAD of a chunked answer',
      client: ten('HEAD', ['Host: h', 'Connection: keep-alive']),
      upstream: answer('200 OK', ['transfer-encoding: chunked']),
    },
    {
      name: 'HTTP/1.0 and an answer without body',
      client: ten('GET', ['Host: h', 'Connection: keep-alive']),
      upstream: answer('204 No Content'),
    },
    {
      name: 'HTTP/1.0 and an answer of length 0',
      client: ten('GET', ['Host: h', 'Connection: keep-alive']),
      upstream: answer('200 OK', ['content-length: 0']),
    },
    {
      name: 'HTTP/1.0 and a local reply',
      config: { route: { cluster: 'nonesuch' } },
      client: ten('GET', ['Host: h', 'Connection: keep-alive']),
    },
    {
      name: 'HTTP/1.0 and a local reply with a body',
      client: ten('GET', ['Host: h', 'Connection: keep-alive']),
      upstream: { refuses: true },
      log: '%PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS%',
    },
    {
      name: 'HTTP/1.0 chunked',
      client: [
        ten(
          'POST',
          ['Host: h', 'Connection: keep-alive', 'Transfer-Encoding: chunked'],
          '5\r\nhello\r\n0\r\n\r\n',
        ),
        { responses: 1 },
      ],
      differs: {
        envoy: 'keeps the connection',
        ours: 'takes the body and closes after the answer',
        reason:
          'RFC 9112 §6.1 calls this framing faulty; whoever forwarded it may see the end elsewhere (attack 9)',
        where: ['client'],
      },
    },
    {
      name: 'HTTP/1.0 with length and chunked is refused',
      client: ten(
        'POST',
        ['Host: h', 'Content-Length: 5', 'Transfer-Encoding: chunked'],
        '5\r\nhello\r\n0\r\n\r\n',
      ),
      expect: { status: 400 },
    },
    {
      name: 'HTTP/1.0 with upgrade',
      config: { hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] } },
      client: ten('GET', ['Host: h', 'Connection: upgrade', 'Upgrade: websocket']),
    },
    {
      name: 'HTTP/1.0 that expects 100',
      client: [
        ten('POST', ['Host: h', 'Expect: 100-continue', 'Content-Length: 5'], 'hello'),
        { closed: true },
      ],
      differs: {
        envoy: 'sends HTTP/1.0 100 Continue',
        ours: 'sends no interim answer',
        reason:
          'HTTP/1.0 knows none (RFC 9110 §15.2): its client takes it for the answer, and the answer for the next',
        where: ['client'],
      },
    },
    {
      name: 'HTTP/1.0 with an absolute target',
      client: ['GET http://other/ HTTP/1.0\r\n\r\n', { closed: true }],
    },
    { name: 'HTTP/1.0 refused for a bad field', client: ten('GET', ['Host: h', 'a b: c']) },
    { name: 'HTTP/0.9 without version', client: 'GET /\r\n\r\n' },
    {
      name: 'HTTP/0.9 gets the default host',
      config: TEN_WITH_HOST,
      client: ['GET /\r\n\r\n', { closed: true }],
    },
    { name: 'HTTP/0.9 with a version', client: 'GET / HTTP/0.9\r\nHost: h\r\n\r\n' },
    {
      name: 'HTTP/1.2 passes for 1.0 where that is accepted',
      client: 'GET / HTTP/1.2\r\nHost: h\r\n\r\n',
    },
    {
      name: 'HTTP/2.0 passes for 1.0 where that is accepted',
      client: 'GET / HTTP/2.0\r\nHost: h\r\n\r\n',
    },
    {
      name: 'a server that answers HTTP/1.0 is not used again',
      client: [get(), { responses: 1 }, get(), { responses: 2 }],
      upstream: 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok',
    },
    {
      name: 'a server that answers HTTP/1.0 with keep-alive is used again',
      client: [get(), { responses: 1 }, get(), { responses: 2 }],
      upstream: 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok',
    },
    {
      name: 'a server that answers HTTP/1.0 until it closes',
      client: get(),
      upstream: ['HTTP/1.0 200 OK\r\n\r\nhello', { end: true }],
    },
    {
      name: 'a server that answers HTTP/1.0 chunked',
      client: get(),
      upstream: 'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    },
    { name: 'a server that answers HTTP/0.9', client: get(), upstream: ['hello', { end: true }] },
    {
      name: 'a server that answers HTTP/1.2',
      client: [get(), { responses: 1 }, get(), { responses: 2 }],
      upstream: 'HTTP/1.2 200 OK\r\ncontent-length: 2\r\n\r\nok',
    },
    {
      name: 'a server that answers HTTP/2.0',
      client: [get(), { responses: 1 }, get(), { responses: 2 }],
      upstream: 'HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok',
    },
  ],
);
