// HTTP/1 clients, an HTTP/2 upstream: translation both ways, resets, GOAWAY, broken answers.
import {
  data,
  frame,
  goAway,
  headers,
  ping,
  reset,
  settings,
  windowUpdate,
} from '../../support/http2-frames.ts';
import { differential } from '../differential.ts';
import { end, head, http2Upstream } from '../http2-upstream.ts';
import type { Answer } from '../http2-upstream.ts';
import type { CaseConfig, CustomUpstream, Row } from '../row.ts';

const GET = 'GET /p?q=1 HTTP/1.1\r\nhost: h\r\n\r\n';
const get = (lines: string): string => `GET / HTTP/1.1\r\nhost: h\r\n${lines}\r\n`;
const post = (body: string, lines = ''): string =>
  `POST / HTTP/1.1\r\nhost: h\r\n${lines}content-length: ${body.length}\r\n\r\n${body}`;
const ok: Answer = (id) => [head(id, '200', [['a', 'b']]), end(id, 'ok')];
const one = (answer: Answer): CustomUpstream => http2Upstream({ answers: [answer] });
const retry: CaseConfig = {
  route: { retry_policy: { retry_on: 'reset,refused-stream,5xx', num_retries: 1 } },
};
const CODES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

const SAYS_WHY = {
  envoy: 'closes the connection without a word',
  ours: 'says why: RST_STREAM, GOAWAY',
  reason: "who reads the server's log learns what was wrong",
} as const;
/** Both end the connection, and Envoy, too, says why on the wire. */
const BOTH_SAY = new Set([
  'DATA on a stream that nobody opened',
  'a frame larger than 16384',
  'a header block that does not decode',
]);
const OURS_FAULT = {
  envoy: '503, remote reset',
  ours: '502, protocol error',
  reason: 'it was the answer that broke the rules, nobody reset anything',
  where: ['client', 'upstream', 'log', 'stats'],
} as const;

/** A later try has less time. */
const TRIES_LEFT = [/expected-rq-timeout-ms=\d+/, 'expected-rq-timeout-ms=N'] as const;

const translations: Row[] = [
  { name: 'a request and its answer', client: GET, upstream: one(ok), expect: { status: 200 } },
  { name: 'a body', client: post('hello'), upstream: one(ok) },
  {
    name: 'a chunked body with trailers',
    client:
      'POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ntrailer: t\r\n\r\n3\r\nabc\r\n0\r\nt: v\r\n\r\n',
    upstream: one(ok),
  },
  { name: 'an empty body', client: post(''), upstream: one(ok) },
  {
    name: 'HEAD',
    client: 'HEAD / HTTP/1.1\r\nhost: h\r\n\r\n',
    upstream: one((id) => [head(id, '200', [['content-length', '5']], 5)]),
  },
  {
    name: 'HTTP/1.0',
    client: 'GET / HTTP/1.0\r\n\r\n',
    upstream: one(ok),
    config: {
      hcm: { http_protocol_options: { accept_http_10: true, default_host_for_http_10: 'd' } },
    },
  },
  {
    name: 'headers of the hop',
    client: get(
      'connection: x-a, keep-alive\r\nx-a: 1\r\nkeep-alive: 5\r\nproxy-connection: keep-alive\r\nte: trailers\r\n',
    ),
    upstream: one(ok),
  },
  { name: 'te with more than trailers', client: get('te: trailers, gzip\r\n'), upstream: one(ok) },
  { name: 'cookies', client: get('cookie: a=1; b=2\r\ncookie: c=3\r\n'), upstream: one(ok) },
  { name: 'names in upper case', client: get('X-Upper: V\r\n'), upstream: one(ok) },
  { name: 'a value with bytes above 127', client: get('x-a: \xe9\xff\r\n'), upstream: one(ok) },
  {
    name: 'a refused upgrade',
    client: get('connection: upgrade\r\nupgrade: foo\r\n'),
    upstream: one(ok),
  },
  {
    name: 'Expect: 100-continue',
    client: [
      'POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc',
      { responses: 1 },
    ],
    upstream: one(ok),
  },
  {
    name: 'several set-cookie',
    client: GET,
    upstream: one((id) => [
      head(
        id,
        '200',
        [
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ],
        5,
      ),
    ]),
  },
  {
    name: 'an answer with a length',
    client: GET,
    upstream: one((id) => [head(id, '200', [['content-length', '2']]), end(id, 'ok')]),
  },
  {
    name: 'an answer of headers alone',
    client: GET,
    upstream: one((id) => [head(id, '200', [], 5)]),
  },
  {
    name: 'an answer that ends with an empty frame',
    client: GET,
    upstream: one((id) => [head(id, '200'), data(id, 'ok'), end(id, '')]),
  },
  { name: '204', client: GET, upstream: one((id) => [head(id, '204', [], 5)]) },
  {
    name: '204 with a body',
    client: GET,
    upstream: one((id) => [head(id, '204'), end(id, 'x')]),
    differs: { ...SAYS_WHY, where: ['upstream', 'stats'] },
  },
  { name: '304', client: GET, upstream: one((id) => [head(id, '304', [['etag', '"x"']], 5)]) },
  {
    name: '103 and then the answer',
    client: GET,
    upstream: one((id) => [head(id, '103', [['link', 'l']]), ...ok(id)]),
    config: { hcm: { proxy_100_continue: true } },
  },
  {
    name: '100 that nobody asked for',
    client: GET,
    upstream: one((id) => [head(id, '100'), ...ok(id)]),
  },
  {
    name: 'trailers',
    client: GET,
    upstream: one((id) => [head(id, '200'), data(id, 'ok'), headers(id, [['t', 'v']], 5)]),
    config: { hcm: { http_protocol_options: { enable_trailers: true } } },
  },
  {
    name: 'trailers that the client does not take',
    client: GET,
    upstream: one((id) => [head(id, '200'), data(id, 'ok'), headers(id, [['t', 'v']], 5)]),
  },
  {
    name: 'trailers without body',
    client: GET,
    upstream: one((id) => [head(id, '200'), headers(id, [['t', 'v']], 5)]),
  },
  {
    name: 'two requests on one connection',
    client: [GET, { responses: 1 }, GET, { responses: 2 }],
    upstream: one(ok),
  },
  { name: 'a PING of the upstream', client: GET, upstream: one((id) => [ping(), ...ok(id)]) },
  {
    name: 'SETTINGS in the middle',
    client: GET,
    upstream: one((id) => [settings(3, 50), ...ok(id)]),
  },
  {
    name: 'an early answer',
    client: ['POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nabc', { responses: 1 }],
    upstream: http2Upstream({ atHead: true, answers: [(id) => [head(id, '413', [], 5)]] }),
    differs: {
      envoy: 'ends the request with INTERNAL_ERROR',
      ours: 'with NO_ERROR',
      reason: 'the answer was whole, and nothing went wrong (RFC 9113 §8.1)',
      where: ['upstream'],
    },
  },
  {
    name: 'an early answer with RST NO_ERROR',
    client: ['POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nabc', { responses: 1 }],
    upstream: http2Upstream({
      atHead: true,
      answers: [(id) => [head(id, '413', [], 5), reset(id, 0)]],
    }),
    // Whether the reset is read before the connection is given back is a race.
    stats: [],
    differs: {
      envoy: 'ends the request with INTERNAL_ERROR',
      ours: 'with NO_ERROR',
      reason: 'the answer was whole, and nothing went wrong (RFC 9113 §8.1)',
      where: ['upstream'],
    },
  },
];

const resets: Row[] = [
  ...CODES.map((name, code): Row => ({
    name: `RST_STREAM ${name} before the answer`,
    client: GET,
    upstream: one((id) => [reset(id, code)]),
  })),
  {
    name: 'RST_STREAM with a code nobody knows',
    client: GET,
    upstream: one((id) => [reset(id, 99)]),
  },
  {
    name: 'RST_STREAM within the body',
    client: GET,
    upstream: one((id) => [head(id, '200'), data(id, 'half'), reset(id, 2)]),
  },
  {
    name: 'RST_STREAM NO_ERROR within the body',
    client: GET,
    upstream: one((id) => [head(id, '200'), data(id, 'half'), reset(id, 0)]),
  },
  {
    name: 'RST_STREAM within a body with a length',
    client: GET,
    upstream: one((id) => [
      head(id, '200', [['content-length', '9']]),
      data(id, 'half'),
      reset(id, 8),
    ]),
  },
  {
    name: 'REFUSED_STREAM and another try',
    config: retry,
    client: GET,
    upstream: http2Upstream({ answers: [(id) => [reset(id, 7)], ok] }),
    expect: { status: 200 },
  },
  {
    name: 'a reset and another try',
    config: retry,
    client: GET,
    upstream: http2Upstream({ answers: [(id) => [reset(id, 2)], ok] }),
  },
  {
    name: 'a reset after the head is not tried again',
    config: retry,
    client: GET,
    upstream: http2Upstream({ answers: [(id) => [head(id, '200'), reset(id, 2)], ok] }),
  },
  { name: 'a connection closed before the answer', client: GET, upstream: one(() => ['close']) },
  { name: 'a connection reset before the answer', client: GET, upstream: one(() => ['reset']) },
  {
    name: 'a connection closed within the body',
    client: GET,
    upstream: one((id) => [head(id, '200'), data(id, 'half'), 'close']),
  },
  {
    name: 'a connection closed, and another try',
    config: retry,
    client: GET,
    upstream: http2Upstream({ answers: [() => ['close'], ok] }),
  },
  {
    name: 'GOAWAY that covers the request, then its answer',
    client: [GET, { responses: 1 }, GET, { responses: 2 }],
    upstream: http2Upstream({ answers: [(id) => [goAway(id), ...ok(id)], ok] }),
    differs: {
      envoy: 'counts a protocol error of the connection',
      ours: 'does not',
      reason: 'a server that leaves in order broke no rule',
      where: ['stats'],
    },
  },
  {
    name: 'GOAWAY with an error that covers the request, then its answer',
    client: GET,
    upstream: one((id) => [goAway(id, 2), ...ok(id)]),
    differs: {
      envoy: 'counts a protocol error of the connection',
      ours: 'does not',
      reason: 'the error is what the server says of us',
      where: ['stats'],
    },
  },
  {
    name: 'GOAWAY after the answer',
    client: [GET, { responses: 1 }, { pauseMs: 60 }, GET, { responses: 2 }],
    upstream: http2Upstream({ answers: [(id) => [...ok(id), goAway(id)], ok] }),
  },
  {
    name: 'GOAWAY that does not cover the request',
    client: GET,
    upstream: http2Upstream({ answers: [() => [goAway(0)], ok] }),
    differs: {
      envoy: 'answers 503',
      ours: 'sends the request again on another connection, once, and counts it as upstream_rq_stale_replayed',
      reason: 'the server said that it has not looked at it (RFC 9113 §6.8)',
      where: ['client', 'upstream', 'log', 'stats'],
    },
  },
  {
    name: 'GOAWAY that does not cover the request, and another try',
    config: retry,
    client: GET,
    upstream: http2Upstream({ answers: [() => [goAway(0)], ok] }),
    differs: {
      envoy: 'counts a retry',
      ours: 'sends it again before any retry is due',
      reason: 'the server said that it has not looked at it (RFC 9113 §6.8)',
      where: ['log', 'stats'],
    },
  },
];

const broken: Row[] = (
  [
    ['no :status', (id) => [headers(id, [['a', 'b']], 5)]],
    [
      'two :status',
      (id) => [
        headers(
          id,
          [
            [':status', '200'],
            [':status', '200'],
          ],
          5,
        ),
      ],
    ],
    [':status that is no number', (id) => [head(id, 'abc', [], 5)]],
    [':status of two digits', (id) => [head(id, '20', [], 5)]],
    ['another pseudo header', (id) => [head(id, '200', [[':path', '/']], 5)]],
    [
      ':status behind a line',
      (id) => [
        headers(
          id,
          [
            ['a', 'b'],
            [':status', '200'],
          ],
          5,
        ),
      ],
    ],
    ['a name in upper case', (id) => [head(id, '200', [['Ab', 'c']], 5)]],
    ['a value with LF', (id) => [head(id, '200', [['a', 'b\nc']], 5)]],
    ['a connection header', (id) => [head(id, '200', [['connection', 'close']], 5)]],
    [
      'a transfer-encoding header',
      (id) => [head(id, '200', [['transfer-encoding', 'chunked']], 5)],
    ],
    ['101', (id) => [head(id, '101', [], 4), end(id, 'x')]],
    ['an interim answer that is the last', (id) => [head(id, '103', [], 5)]],
    [
      'fewer bytes than content-length',
      (id) => [head(id, '200', [['content-length', '9']]), end(id, 'abc')],
    ],
    [
      'more bytes than content-length',
      (id) => [head(id, '200', [['content-length', '2']]), end(id, 'abc')],
    ],
    [
      'content-length that is no number',
      (id) => [head(id, '200', [['content-length', 'x']]), end(id, 'abc')],
    ],
    [
      'two different content-lengths',
      (id) => [
        head(id, '200', [
          ['content-length', '3'],
          ['content-length', '4'],
        ]),
        end(id, 'abc'),
      ],
    ],
    ['DATA before HEADERS', (id) => [end(id, 'abc')]],
    ['trailers that do not end', (id) => [head(id, '200'), headers(id, [['t', 'v']], 4)]],
    [
      'trailers with a pseudo header',
      (id) => [head(id, '200'), headers(id, [[':status', '200']], 5)],
    ],
    ['DATA on a stream that nobody opened', (id) => [end(id + 2, 'abc')]],
    ['HEADERS on an even stream', () => [head(2, '200', [], 5)]],
    ['PUSH_PROMISE', (id) => [frame(5, 4, id, Buffer.from([0, 0, 0, 2]))]],
    ['a frame larger than 16384', (id) => [head(id, '200'), frame(0, 0, id, Buffer.alloc(16_385))]],
    ['WINDOW_UPDATE of 0 on the stream', (id) => [windowUpdate(id, 0)]],
    ['WINDOW_UPDATE beyond 2^31', (id) => [windowUpdate(id, 0x7fffffff)]],
    [
      'a header block that does not decode',
      (id) => [frame(1, 5, id, Buffer.from([0xff, 0xff, 0xff, 0xff]))],
    ],
    [
      'too many lines',
      (id) => [
        head(
          id,
          '200',
          Array.from({ length: 101 }, (_, i) => [`a${i}`, 'b'] as const),
          5,
        ),
      ],
    ],
  ] as readonly [string, Answer][]
).map(([what, answer]) => ({
  name: `an answer with ${what}`,
  client: GET,
  upstream: one(answer),
  differs:
    what === 'too many lines'
      ? OURS_FAULT
      : { ...SAYS_WHY, where: BOTH_SAY.has(what) ? ['stats'] : ['upstream', 'stats'] },
}));

/** Both let it pass. */
const strange: Row = {
  name: 'an answer with :status 600',
  client: GET,
  upstream: one((id) => [head(id, '600', [], 5)]),
};

export const suite = await differential(
  import.meta.url,
  {
    config: {
      clusters: {
        up: {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        },
      },
    },
    wholeAnswers: 'frames are written as they are',
    stats: [
      'cluster.CASE-up.upstream_rq_*',
      'cluster.CASE-up.http2.rx_*',
      'cluster.CASE-up.http2.tx_*',
      'cluster.CASE-up.http2.goaway_sent',
      'cluster.CASE-up.http2.header_overflow',
      'cluster.CASE-up.http2.trailers',
      'cluster.CASE-up.upstream_cx_protocol_error',
      'cluster.CASE-up.upstream_cx_close_notify',
    ],
  },
  [...translations, ...resets, ...broken, strange].map((row) => ({ ...row, mask: [TRIES_LEFT] })),
);
