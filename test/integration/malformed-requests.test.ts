// @long
// Requests that break the protocol: the right refusal, the connection closed, nothing of it at an upstream, however TCP cut the bytes (envoy-behaviour §2.1, attack checklist A).
import t from 'tap';

import { SeededRandom } from '../../proxy/base/random.ts';
import {
  ProxyProcess,
  bootstrapOf,
  cluster,
  envoyBinary,
  httpListener,
  toCluster,
} from '../support/proxy-process.ts';
import { RawUpstream, answerEach, exchange } from '../support/raw-peers.ts';

interface Row {
  readonly name: string;
  readonly bytes: string;
  readonly status: number;
  /** Default: the reason phrase. */
  readonly body?: string;
  readonly details: string;
  /** The head was fine, so the upstream may have seen it; the body's end never comes. */
  readonly reachesUpstream?: boolean;
}

const BAD = { status: 400, body: 'Bad Request', details: 'http1.codec_error' } as const;
const CHARS = { status: 400, body: 'Bad Request', details: 'http1.invalid_characters' } as const;
const TE = {
  status: 501,
  body: 'Not Implemented',
  details: 'http1.invalid_transfer_encoding',
} as const;
const LOW = { status: 426, body: 'Upgrade Required', details: 'low_version' } as const;
const HOST = { status: 400, body: 'Bad Request', details: 'http.invalid_authority' } as const;
const LARGE = {
  status: 431,
  body: 'Request Header Fields Too Large',
  details: 'http1.headers_too_large',
} as const;
const MANY = { ...LARGE, details: 'http1.too_many_headers' } as const;
const NOMINATED = {
  status: 400,
  body: 'Bad Request',
  details: 'http1.connection_header_rejected',
} as const;

/** One request with these header lines after Host. */
const get = (...lines: string[]): string =>
  `GET / HTTP/1.1\r\nHost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const post = (...lines: string[]): string =>
  `POST / HTTP/1.1\r\nHost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\nhello`;
const start = (line: string): string => `${line}\r\nHost: h\r\n\r\n`;
const chunked = (body: string): string =>
  `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;

const rows: readonly Row[] = [
  // start line
  { name: 'an unknown method', bytes: start('BREW / HTTP/1.1'), ...BAD },
  { name: 'a method in lower case', bytes: start('get / HTTP/1.1'), ...BAD },
  { name: 'M-SEARCH with its dash', bytes: start('M-SEARCH / HTTP/1.1'), ...BAD },
  { name: 'a target without a slash', bytes: start('GET index.html HTTP/1.1'), ...BAD },
  { name: 'an empty target', bytes: start('GET  HTTP/1.1'), ...BAD },
  { name: 'a tab in the target', bytes: start('GET /a\tb HTTP/1.1'), ...BAD },
  { name: 'DEL in the target', bytes: start('GET /a\x7fb HTTP/1.1'), ...CHARS },
  { name: 'obs-text in the target', bytes: start('GET /\xe9 HTTP/1.1'), ...BAD },
  { name: 'a version that is none', bytes: start('GET / HTTQ/1.1'), ...BAD },
  { name: 'a version of two digits', bytes: start('GET / HTTP/1.32'), ...BAD },
  { name: 'a huge version', bytes: start('GET / HTTP/4294967295.255'), ...BAD },
  { name: 'carriage returns in the version', bytes: start('GET / HTTP/\r\r1.1'), ...BAD },
  { name: 'HTTP/1.0', bytes: start('GET / HTTP/1.0'), ...LOW },
  { name: 'HTTP/1.2', bytes: start('GET / HTTP/1.2'), ...LOW },
  { name: 'HTTP/2.0 in a request line', bytes: start('GET / HTTP/2.0'), ...LOW },
  { name: 'HTTP/0.9', bytes: 'GET /\r\n\r\n', ...LOW },
  {
    name: 'an absolute target with another scheme',
    bytes: start('GET ftp://h/ HTTP/1.1'),
    status: 400,
    body: 'Bad Request',
    details: 'http1.invalid_scheme',
  },
  {
    name: 'an absolute target with a bad host',
    bytes: start('GET http://h@@x/ HTTP/1.1'),
    ...BAD,
  },
  { name: 'no blank at all', bytes: start('GET/HTTP/1.1'), ...BAD },
  // fields
  { name: 'a line without colon', bytes: get('nonsense'), ...BAD },
  { name: 'an empty field name', bytes: get(': x'), ...BAD },
  { name: 'a space before the colon', bytes: get('Content-Length : 5'), ...BAD },
  { name: 'a blank in a field name', bytes: get('a b: c'), ...BAD },
  {
    name: 'white space before the first field',
    bytes: 'GET / HTTP/1.1\r\n Host: h\r\n\r\n',
    ...BAD,
  },
  { name: 'NUL in a value', bytes: get('A: b\0c'), ...CHARS },
  { name: 'DEL in a value', bytes: get('A: b\x7fc'), ...CHARS },
  { name: 'a control byte in a value', bytes: get('A: b\x01c'), ...CHARS },
  { name: 'NUL in a name', bytes: get('A\0: b'), ...CHARS },
  { name: 'a value over 60 KiB', bytes: get(`A: ${'b'.repeat(61 * 1024)}`), ...LARGE },
  {
    name: 'a target over 60 KiB',
    bytes: start(`GET /${'b'.repeat(61 * 1024)} HTTP/1.1`),
    ...LARGE,
  },
  { name: 'a line without end over 60 KiB', bytes: 'A'.repeat(70 * 1024), ...LARGE },
  { name: '101 fields', bytes: get(...Array.from({ length: 101 }, (_, i) => `A${i}: b`)), ...MANY },
  // length
  { name: 'two different lengths', bytes: post('Content-Length: 5', 'Content-Length: 6'), ...BAD },
  { name: 'the same length twice', bytes: post('Content-Length: 5', 'Content-Length: 5'), ...BAD },
  ...[
    '5, 5',
    '+5',
    '-5',
    '0x5',
    '1_0',
    '5 5',
    '',
    '5,',
    '99999999999999999999',
    '18446744073709551621',
    '5.0',
    '1e1',
    '\xa05',
  ].map((value) => ({
    name: `Content-Length: '${value}'`,
    bytes: post(`Content-Length: ${value}`),
    ...BAD,
  })),
  {
    name: 'an empty length before a valid one',
    bytes: post('Content-Length:', 'Content-Length: 5'),
    ...BAD,
  },
  {
    name: 'length and chunked',
    bytes: post('Content-Length: 5', 'Transfer-Encoding: chunked'),
    status: 400,
    body: 'Bad Request',
    details: 'http1.content_length_and_chunked_not_allowed',
  },
  // transfer coding
  ...[
    'gzip, chunked',
    'identity',
    'chunked, chunked',
    ',chunked',
    'xchunked',
    'chunked;a=b',
    '',
    '"chunked"',
  ].map((value) => ({
    name: `Transfer-Encoding: '${value}'`,
    bytes: post(`Transfer-Encoding: ${value}`),
    ...TE,
  })),
  { name: 'chunked and a vertical tab', bytes: post('Transfer-Encoding: chunked\x0b'), ...CHARS },
  {
    name: 'two codings in two lines',
    bytes: post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
    ...TE,
  },
  {
    name: 'a coding on CONNECT',
    bytes: 'CONNECT h:1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n',
    ...TE,
  },
  {
    name: 'a length on CONNECT',
    bytes: 'CONNECT h:1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc',
    status: 400,
    body: 'Bad Request',
    details: 'http1.body_disallowed',
  },
  // chunks
  ...['zz', '0x2', '+2', '-2', ' 2', '', '0_2e', 'g', '11111111111111111'].map((size) => ({
    name: `a chunk of size '${size}'`,
    bytes: chunked(`${size}\r\nab\r\n0\r\n\r\n`),
    reachesUpstream: true,
    ...BAD,
  })),
  {
    name: 'a chunk longer than its size',
    bytes: chunked('3\r\nhello\r\n0\r\n\r\n'),
    reachesUpstream: true,
    ...BAD,
  },
  {
    name: 'a chunk shorter than its size',
    bytes: chunked('3\r\na\r\n0\r\n\r\n'),
    reachesUpstream: true,
    ...BAD,
  },
  {
    name: 'a chunk size ended by LF',
    bytes: chunked('2\nab\r\n0\r\n\r\n'),
    reachesUpstream: true,
    ...BAD,
  },
  {
    name: 'a chunk ended by LF',
    bytes: chunked('2\r\nab\n0\r\n\r\n'),
    reachesUpstream: true,
    ...BAD,
  },
  {
    name: 'a lone CR in a chunk extension',
    bytes: chunked('2;a\rb\r\nab\r\n0\r\n\r\n'),
    reachesUpstream: true,
    ...BAD,
  },
  {
    name: 'a LF in a chunk extension',
    bytes: chunked('2;a\nb\r\nab\r\n0\r\n\r\n'),
    reachesUpstream: true,
    ...BAD,
  },
  // authority and path
  {
    name: 'no host',
    bytes: 'GET / HTTP/1.1\r\n\r\n',
    status: 400,
    body: '',
    details: 'missing_host_header',
  },
  { name: 'a blank in the host', bytes: 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', ...HOST },
  { name: 'a slash in the host', bytes: 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', ...HOST },
  { name: 'two at signs in the host', bytes: 'GET / HTTP/1.1\r\nHost: a@b@c\r\n\r\n', ...HOST },
  { name: 'NUL in the host', bytes: 'GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n', ...CHARS },
  {
    name: 'a fragment',
    bytes: start('GET /a#b HTTP/1.1'),
    status: 400,
    body: '',
    details: 'path_normalization_failed',
  },
  {
    name: 'QUERY without a content type',
    bytes: start('QUERY / HTTP/1.1'),
    status: 400,
    body: '',
    details: 'query_missing_content_type',
  },
  // connection options
  {
    name: 'ten connection options',
    bytes: get(`Connection: ${'abcdefghij'.split('').join(', ')}`),
    ...NOMINATED,
  },
  {
    name: 'x-forwarded-for as a connection option',
    bytes: get('Connection: x-forwarded-for', 'X-Forwarded-For: 1.2.3.4'),
    ...NOMINATED,
  },
  {
    name: 'x-forwarded-proto as a connection option',
    bytes: get('Connection: close, X-Forwarded-Proto'),
    ...NOMINATED,
  },
  { name: 'a pseudo header as a connection option', bytes: get('Connection: :path'), ...NOMINATED },
];

/** The differential suite (codec-lengths, codec-host) says how and why. */
const DIFFERING = new Set([
  'a chunk longer than its size',
  'a chunk ended by LF',
  'two at signs in the host',
]);

const random = new SeededRandom(7);

function randomParts(text: string): string[] {
  const parts: string[] = [];
  let at = 0;
  while (at < text.length) {
    const most = text.length > 2000 ? 8000 : 12;
    const length = 1 + (random.nextUint32() % most);
    parts.push(text.slice(at, at + length));
    at += length;
  }
  return parts;
}

/** What may differ between two runs of one row: the clock. */
const comparable = (text: string): string => text.replace(/date: [^\r]*/g, 'date: ');

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

t.setTimeout(120_000);

t.test('malformed requests', async (t) => {
  // Answers nothing: what follows the head is what counts.
  const upstream = await RawUpstream.start(t, () => {});
  const bootstrap = bootstrapOf(
    [httpListener('l', [toCluster('up')], { hcm: { delayed_close_timeout: '0.05s' } })],
    [cluster('up', [upstream.port])],
  );
  const proxy = await ProxyProcess.start(t, bootstrap);
  if (envoyBinary === undefined) t.comment('SKIPPED: comparison with Envoy, ENVOY_BIN is not set');
  const envoy =
    envoyBinary === undefined ? null : await ProxyProcess.start(t, bootstrap, envoyBinary);
  let logged = 0;

  for (const row of rows) {
    await t.test(`refuses ${row.name}`, async (t) => {
      upstream.forget();
      const whole = await exchange(proxy.port('l'), [row.bytes]);
      const [head = '', body] = whole.text.split('\r\n\r\n');
      t.match(head, new RegExp(`^HTTP/1\\.1 ${row.status} `));
      t.equal(body, row.body ?? '');
      t.match(head, /\r\nconnection: close/);
      t.match((await proxy.log(++logged)).at(-1), row.details);
      const parts = await exchange(proxy.port('l'), randomParts(row.bytes));
      logged++;
      t.equal(comparable(parts.text), comparable(whole.text), 'in parts');
      if (row.reachesUpstream !== true)
        t.equal(upstream.connections.length, 0, 'nothing at the upstream');
      else t.notMatch(upstream.text, /\r\n0\r\n\r\n$/, 'the body is not completed');
      if (envoy === null || DIFFERING.has(row.name)) return;
      const theirs = await exchange(envoy.port('l'), [row.bytes]);
      t.equal(comparable(whole.text), comparable(theirs.text), 'as Envoy');
    });
  }

  await t.test('answers a valid request, then refuses the garbage behind it', async (t) => {
    const answering = await RawUpstream.start(t, answerEach(OK));
    const other = await ProxyProcess.start(
      t,
      bootstrapOf([httpListener('l', [toCluster('up')])], [cluster('up', [answering.port])]),
    );
    const { text } = await exchange(other.port('l'), [`${get()}garbage\r\n\r\n`]);
    t.match(
      text,
      /^HTTP\/1\.1 200 OK[^]*ok(HTTP\/1\.1 400 Bad Request)[^]*connection: close[^]*Bad Request$/,
    );
    t.notMatch(answering.text, /garbage/);
  });

  t.ok(proxy.alive);
});
