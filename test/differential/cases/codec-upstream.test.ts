// Answers of servers that break the protocol, and servers that come and go: nothing of them reaches another request
// (RFC 9112 §6.3; envoy-behaviour §2.1; attacks 27 to 30).
import { differential } from '../differential.ts';
import type { Row } from '../row.ts';
import { answer, get, ok, post, request } from '../texts.ts';

const twice = [get('/1'), { responses: 1 }, get('/2'), { responses: 2 }] as const;

/** Two requests one after the other; the second shows whether the connection was used again. */
const server = (name: string, upstream: Row['upstream'], more: Partial<Row> = {}): Row => ({
  name,
  client: twice,
  ...(upstream === undefined ? {} : { upstream }),
  ...more,
});

const fields = (name: string, lines: readonly string[], body = 'ok'): Row =>
  server(name, answer('200 OK', lines, body));

const chunks = (name: string, raw: string): Row =>
  server(name, answer('200 OK', ['transfer-encoding: chunked'], raw));

/** What may come late is looked at once only. */
const once = (name: string, upstream: Row['upstream'], more: Partial<Row> = {}): Row =>
  server(name, upstream, { client: [get(), { responses: 1 }], ...more });

const noStatus = (name: string, line: string): Row => ({
  ...once(name, answer(line, ['content-length: 0']), { client: [get(), { until: '\r\n\r\n' }] }),
  expect: { status: 502 },
  differs: {
    envoy: 'hands the number on to the client',
    ours: '502',
    reason: 'a status is three digits from 100 on (RFC 9110 §15)',
    where: ['client', 'upstream', 'log', 'stats'],
  },
});

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'http.CASE.downstream_rq_*',
      'cluster.CASE-up.upstream_rq_*',
      'cluster.CASE-up.upstream_cx_total',
      'cluster.CASE-up.upstream_cx_protocol_error',
      'cluster.CASE-up.upstream_cx_destroy*',
    ],
  },
  [
    server('a good server is used again', ok()),
    server('a server that says close is not', ok('ok', 'connection: close')),
    server('a server that says Close in another case', ok('ok', 'Connection: CLOSE')),
    server('a server that says close among others', ok('ok', 'connection: x-a, close', 'x-a: 1')),
    server('a server that says proxy-connection: close', ok('ok', 'proxy-connection: close')),
    server(
      'a server that says keep-alive',
      ok('ok', 'connection: keep-alive', 'keep-alive: timeout=5'),
    ),
    server('a server that closes after its answer', [ok(), { close: true }], {
      client: [get('/1'), { responses: 1 }, { pauseMs: 80 }, get('/2'), { responses: 2 }],
    }),
    server('a server that half-closes after its answer', [ok(), { end: true }], {
      client: [get('/1'), { responses: 1 }, { upstreamEnds: true }, get('/2'), { responses: 2 }],
    }),
    // status line
    once('garbage instead of an answer', 'SSH-2.0-OpenSSH\r\n\r\n'),
    once('garbage without a line end', 'SSH-2.0'),
    once('an empty line before the answer', `\r\n${ok()}`),
    once('a blank before the answer', ` ${ok()}`),
    noStatus('a status of two digits', '20 OK'),
    once('a status of three letters', answer('abc OK', ['content-length: 0'])),
    noStatus('a status below 100', '099 OK'),
    noStatus('a status of zero', '000 OK'),
    once('a status of 600', answer('600 OK', ['content-length: 0'])),
    once('a status of 999', answer('999 OK', ['content-length: 0'])),
    once('a negative status', answer('-200 OK', ['content-length: 0'])),
    once('a status without reason', answer('200', ['content-length: 0'])),
    once('a status with a blank and no reason', answer('200 ', ['content-length: 0'])),
    once('a status glued to its reason', answer('200OK', ['content-length: 0'])),
    once('two blanks before the status', answer(' 200 OK', ['content-length: 0'])),
    once('a tab behind the status', answer('200\tOK', ['content-length: 0'])),
    once('obs-text in the reason', answer('200 \xe9', ['content-length: 0'])),
    once('NUL in the reason', answer('200 O\0K', ['content-length: 0'])),
    once('a version that is none', ok().replace('HTTP/1.1', 'HTTQ/1.1')),
    once('a version in lower case', ok().replace('HTTP/1.1', 'http/1.1')),
    once('line feeds alone', 'HTTP/1.1 200 OK\ncontent-length: 2\n\nok'),
    noStatus('a status of four digits', '2000 OK'),
    // fields
    fields('a field without colon', ['nonsense', 'content-length: 2']),
    fields('a field without name', [': a', 'content-length: 2']),
    fields('a blank before the colon', ['content-length : 2']),
    fields('a blank in a name', ['a b: c', 'content-length: 2']),
    fields('NUL in a value', ['x-a: b\0', 'content-length: 2']),
    fields('DEL in a value', ['x-a: b\x7f', 'content-length: 2']),
    fields('obs-text in a value', ['x-a: \xe9', 'content-length: 2']),
    fields('a folded line', ['x-a: b\r\n c', 'content-length: 2']),
    fields('white space before the first field', [' x-a: b', 'content-length: 2']),
    fields('a carriage return in a value', ['x-a: b\rc', 'content-length: 2']),
    fields('cookies stay lines of their own', [
      'set-cookie: a=1',
      'set-cookie: b=2',
      'content-length: 2',
    ]),
    fields('known names are joined', [
      'cache-control: a',
      'cache-control: b',
      'vary: a',
      'vary: b',
      'content-length: 2',
    ]),
    fields('names twice', ['x-a: 1', 'x-a: 2', 'content-length: 2']),
    fields('connection options go with what they name', [
      'connection: x-a',
      'x-a: 1',
      'content-length: 2',
    ]),
    fields('hop-by-hop fields go', [
      'keep-alive: 1',
      'proxy-connection: keep-alive',
      'te: a',
      'trailer: a',
      'upgrade: a',
      'content-length: 2',
    ]),
    fields('a hundred fields', [
      ...Array.from({ length: 99 }, (_, i) => `x-${i}: v`),
      'content-length: 2',
    ]),
    fields('a hundred and one fields', [
      ...Array.from({ length: 100 }, (_, i) => `x-${i}: v`),
      'content-length: 2',
    ]),
    fields('a head near 80 KiB', [`x-a: ${'b'.repeat(81_800)}`, 'content-length: 2']),
    fields('a head over 80 KiB', [`x-a: ${'b'.repeat(82_000)}`, 'content-length: 2']),
    // framing
    fields(
      'length and chunked',
      ['content-length: 2', 'transfer-encoding: chunked'],
      '2\r\nok\r\n0\r\n\r\n',
    ),
    fields(
      'chunked and length',
      ['transfer-encoding: chunked', 'content-length: 2'],
      '2\r\nok\r\n0\r\n\r\n',
    ),
    fields('two lengths', ['content-length: 2', 'content-length: 3']),
    fields('the same length twice', ['content-length: 2', 'content-length: 2']),
    fields('a list of lengths', ['content-length: 2, 2']),
    fields('a signed length', ['content-length: +2']),
    fields('an empty length', ['content-length:']),
    fields('a length of words', ['content-length: two']),
    fields('a length over 2^64', ['content-length: 18446744073709551618']),
    fields('an unknown coding', ['transfer-encoding: gzip']),
    fields('a coding before chunked', ['transfer-encoding: gzip, chunked'], '2\r\nok\r\n0\r\n\r\n'),
    fields('identity', ['transfer-encoding: identity', 'content-length: 2']),
    fields('chunked in another case', ['transfer-encoding: Chunked'], '2\r\nok\r\n0\r\n\r\n'),
    fields('bytes behind the length', ['content-length: 2'], 'okEXTRA'),
    fields('another answer behind the length', ['content-length: 2'], `ok${ok('evil')}`),
    fields('an empty line behind the length', ['content-length: 2'], 'ok\r\n'),
    chunks('a chunked server is used again', '2\r\nok\r\n0\r\n\r\n'),
    chunks('extensions and odd white space', '2 ;a=b\r\nok\r\n0;c\r\n\r\n'),
    chunks('bytes behind the last chunk', '2\r\nok\r\n0\r\n\r\nEXTRA'),
    chunks('another answer behind the last chunk', `2\r\nok\r\n0\r\n\r\n${ok('evil')}`),
    once('a bad first chunk size', answer('200 OK', ['transfer-encoding: chunked'], 'zz\r\n'), {
      client: [get(), { closed: true }],
    }),
    once(
      'a bad second chunk size',
      [answer('200 OK', ['transfer-encoding: chunked'], '2\r\nok\r\n'), { pauseMs: 60 }, 'zz\r\n'],
      { client: [get(), { closed: true }] },
    ),
    chunks('an empty chunked body', '0\r\n\r\n'),
    once(
      'a length that is cut short',
      [answer('200 OK', ['content-length: 10'], 'ok'), { close: true }],
      { client: [get(), { closed: true }] },
    ),
    once(
      'a length that is cut short by a reset',
      [answer('200 OK', ['content-length: 10'], 'ok'), { pauseMs: 50 }, { reset: true }],
      { client: [get(), { closed: true }] },
    ),
    once(
      'chunks that are cut short',
      [answer('200 OK', ['transfer-encoding: chunked'], '2\r\nok\r\n'), { close: true }],
      { client: [get(), { closed: true }] },
    ),
    once('a head that is cut short', ['HTTP/1.1 200 OK\r\ncontent-le', { close: true }]),
    once('a head that is cut short by a reset', [
      'HTTP/1.1 200 OK\r\ncontent-le',
      { pauseMs: 50 },
      { reset: true },
    ]),
    once('a body until the end', [answer('200 OK', [], 'hello'), { end: true }]),
    once('a body until the end, that is empty', [answer('200 OK'), { end: true }]),
    once(
      'a body until a reset',
      [answer('200 OK', [], 'hello'), { pauseMs: 50 }, { reset: true }],
      { client: [get(), { until: 'hello' }, { pauseMs: 100 }] },
    ),
    once('no answer but an end', [{ close: true }]),
    once('no answer but a reset', [{ reset: true }]),
    once('no answer but a half close', [{ end: true }]),
    once(
      'a greeting before the request',
      { onConnect: [ok('evil')], answers: [ok()] },
      { log: '%RESPONSE_CODE%', stats: [] },
    ),
    // no body by definition
    server('204', answer('204 No Content')),
    server('204 with length 0', answer('204 No Content', ['content-length: 0'])),
    server('204 with a length', answer('204 No Content', ['content-length: 2'], 'ok')),
    server('204 chunked', answer('204 No Content', ['transfer-encoding: chunked'], '0\r\n\r\n')),
    server('205 with a body', answer('205 Reset Content', ['content-length: 2'], 'ok')),
    server('304', answer('304 Not Modified')),
    server('304 with a length', answer('304 Not Modified', ['content-length: 5'])),
    server('304 chunked', answer('304 Not Modified', ['transfer-encoding: chunked'])),
    server('304 with a body', answer('304 Not Modified', ['content-length: 2'], 'ok')),
    ...['content-length: 5', 'transfer-encoding: chunked', 'x-a: 1'].map((line): Row =>
      server(`HEAD answered with ${line}`, answer('200 OK', [line]), {
        client: [request('HEAD / HTTP/1.1'), { responses: 1 }, get('/2'), { heads: 2 }],
      }),
    ),
    server('HEAD answered with a body', answer('200 OK', ['content-length: 2'], 'ok'), {
      client: [
        request('HEAD / HTTP/1.1'),
        { responses: 1 },
        request('HEAD / HTTP/1.1'),
        { responses: 2 },
      ],
    }),
    server(
      'HEAD answered with length and chunked',
      answer('200 OK', ['content-length: 2', 'transfer-encoding: chunked']),
      {
        client: [request('HEAD / HTTP/1.1'), { responses: 1 }],
      },
    ),
    // what the request was
    server('a POST of a body is answered and the server used again', ok(), {
      client: [post('hello'), { responses: 1 }, post('hello'), { responses: 2 }],
    }),
    server('a server that speaks while nobody asked', [ok(), { pauseMs: 60 }, 'EXTRA'], {
      client: [get('/1'), { responses: 1 }, { upstreamEnds: true }, get('/2'), { responses: 2 }],
    }),
    server('a server that answers twice, the second late', [ok(), { pauseMs: 60 }, ok('evil')], {
      client: [get('/1'), { responses: 1 }, { upstreamEnds: true }, get('/2'), { responses: 2 }],
    }),
  ],
);
