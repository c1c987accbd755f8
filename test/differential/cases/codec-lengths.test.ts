// Where a request's body ends: Content-Length, Transfer-Encoding, chunks (RFC 9112 §6, §7; attacks 1 to 10, 17 to 19).
import { differential } from '../differential.ts';
import type { Row } from '../row.ts';
import { chunked, get, post, request } from '../texts.ts';

const STATS = ['http.CASE.downstream_rq_*', 'http.CASE.downstream_cx_protocol_error'];

const length = (value: string, status = 400): Row => ({
  name: `Content-Length: ${JSON.stringify(value)}`,
  client: request('POST / HTTP/1.1', [`content-length: ${value}`], 'hello'),
  expect: { status },
});

const coding = (value: string, status = 501): Row => ({
  name: `Transfer-Encoding: ${JSON.stringify(value)}`,
  client: request('POST / HTTP/1.1', [`transfer-encoding: ${value}`], '5\r\nhello\r\n0\r\n\r\n'),
  expect: { status },
});

const size = (value: string, status = 400): Row => ({
  name: `a chunk of size ${JSON.stringify(value)}`,
  client: chunked(`${value}\r\nhello\r\n0\r\n\r\n`),
  expect: { status },
});

const everywhere = ['client', 'upstream', 'log', 'stats'] as const;

/** Beyond what a JavaScript number counts exactly; no honest body is that long. */
const huge = (value: string): Row => ({
  ...length(value),
  differs: {
    envoy: 'takes any number below 2^64 and waits for the body',
    ours: '400',
    reason:
      'nobody sends 9 PB; a length that is not counted exactly must not be trusted (attack 6)',
    where: everywhere,
  },
});

const refusedChunk = (name: string, raw: string, envoy: string, reason: string): Row => ({
  name,
  client: chunked(raw),
  expect: { status: 400 },
  differs: { envoy, ours: '400, connection closed', reason, where: everywhere },
});

/** How much of a body was counted before a mistake in it depends on what Envoy read at once. */
const CODES = '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%';

const both = ['content-length: 5', 'transfer-encoding: chunked'];
const BODY = '5\r\nhello\r\n0\r\n\r\n';
const MERGED = { hcm: { http_protocol_options: { allow_chunked_length: true } } };

export const suite = await differential(import.meta.url, { stats: STATS }, [
  length('5', 200),
  length('05', 200),
  length('0000000000000000000005', 200),
  length(' 5\t', 200),
  ...[
    '',
    '+5',
    '-5',
    '0x5',
    '1_0',
    '5 5',
    '5, 5',
    '5,',
    ',5',
    '5.0',
    '1e1',
    '\xa05',
    '5;',
    'five',
  ].map((value) => length(value)),
  length('99999999999999999999'),
  length('18446744073709551621'),
  huge('9223372036854775808'),
  huge('9007199254740992'),
  length('9007199254740993x'),
  {
    name: 'the same length twice is refused',
    client: request('POST / HTTP/1.1', ['content-length: 5', 'content-length: 5'], 'hello'),
    expect: { status: 400 },
  },
  {
    name: 'two lengths are refused',
    client: request('POST / HTTP/1.1', ['content-length: 5', 'content-length: 6'], 'hello'),
    expect: { status: 400 },
  },
  {
    name: 'an empty length before a valid one is refused',
    client: request('POST / HTTP/1.1', ['content-length:', 'content-length: 5'], 'hello'),
    expect: { status: 400 },
  },
  {
    name: 'a GET may have a body',
    client: request('GET / HTTP/1.1', ['content-length: 5'], 'hello'),
  },
  {
    name: 'a HEAD may have a body',
    client: request('HEAD / HTTP/1.1', ['content-length: 5'], 'hello'),
    upstream: 'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n',
  },
  {
    name: 'a GET may have a chunked body',
    client: request('GET / HTTP/1.1', ['transfer-encoding: chunked'], BODY),
  },
  { name: 'a body of length 0', client: post('') },
  { name: 'a POST without length has no body', client: request('POST / HTTP/1.1') },
  {
    name: 'what follows the length is the next request',
    client: [`${post('hello')}${get('/2')}`, { responses: 2 }],
  },
  {
    name: 'what follows the last chunk is the next request',
    client: [`${chunked(BODY)}${get('/2')}`, { responses: 2 }],
  },
  {
    name: 'length before chunked is refused',
    client: request('POST / HTTP/1.1', both, BODY),
    expect: { status: 400 },
  },
  {
    name: 'chunked before length is refused',
    client: request('POST / HTTP/1.1', both.toReversed(), BODY),
    expect: { status: 400 },
  },
  {
    name: 'length and chunked, allowed: the length goes',
    config: MERGED,
    client: request('POST / HTTP/1.1', both, BODY),
    expect: { status: 200 },
  },
  {
    name: 'length 0 and chunked, allowed',
    config: MERGED,
    client: request('POST / HTTP/1.1', ['content-length: 0', 'transfer-encoding: chunked'], BODY),
  },
  {
    name: 'a bad length and chunked, allowed',
    config: MERGED,
    client: request('POST / HTTP/1.1', ['content-length: x', 'transfer-encoding: chunked'], BODY),
    expect: { status: 200 },
  },
  {
    name: 'length and another coding, allowed',
    config: MERGED,
    client: request(
      'POST / HTTP/1.1',
      ['content-length: 5', 'transfer-encoding: identity'],
      'hello',
    ),
    expect: { status: 400 },
  },
  coding('chunked', 200),
  coding('Chunked', 200),
  coding('CHUNKED', 200),
  coding(' chunked\t', 200),
  coding('chunked\x0b', 400),
  coding('', 501),
  ...[
    'gzip, chunked',
    'identity',
    'chunked, chunked',
    ',chunked',
    'chunked,',
    'xchunked',
    'chunkedx',
    'chunked;a=b',
    '"chunked"',
    'gzip',
  ].map((value) => coding(value)),
  {
    name: 'chunked on two lines is refused',
    client: chunked(BODY, 'transfer-encoding: chunked'),
    expect: { status: 501 },
  },
  {
    name: 'an unknown coding beside chunked is refused',
    client: chunked(BODY, 'transfer-encoding: gzip'),
    expect: { status: 501 },
  },
  size('5', 200),
  size('05', 200),
  size('0000000000005', 200),
  refusedChunk(
    'a chunk size of many zeros is refused',
    `${'0'.repeat(30)}5\r\nhello\r\n0\r\n\r\n`,
    'skips any number of zeros',
    'a size has at most 13 digits: whatever a peer chooses is bounded (attack 17)',
  ),
  refusedChunk(
    'a chunk of 2^64 - 1 bytes is refused',
    'ffffffffffffffff\r\nhello\r\n0\r\n\r\n',
    'waits for 16 EiB',
    'a size has at most 13 digits, so that it is counted exactly (attack 17)',
  ),
  size('5 ', 200),
  size('5\t', 200),
  size('5;a', 200),
  size('5;a=b', 200),
  size('5 ;a="b;c"', 200),
  size('5;', 200),
  size('5;\xff', 200),
  ...[
    '',
    ' 5',
    '+5',
    '-5',
    '0x5',
    'zz',
    '5g',
    '5,5',
    '0_5',
    '5\r',
    '5\x00',
    '11111111111111111',
  ].map((value) => size(value)),
  {
    name: 'chunk sizes in either case',
    client: chunked(`A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n`),
  },
  { name: 'a last chunk of many zeros', client: chunked('5\r\nhello\r\n000\r\n\r\n') },
  { name: 'a last chunk with an extension', client: chunked('5\r\nhello\r\n0;a=b\r\n\r\n') },
  { name: 'only the last chunk', client: chunked('0\r\n\r\n') },
  {
    name: 'a chunk that never ends waits',
    client: chunked('5\r\nhel'),
    expect: { client: /^<open>$/ },
  },
  refusedChunk(
    'a chunk longer than its size is refused',
    '3\r\nhello\r\n0\r\n\r\n',
    'cuts the chunk to its size and goes on',
    'a proxy behind it may read the rest as chunks: request smuggling (attack 19)',
  ),
  refusedChunk(
    'a chunk ended by LF is refused',
    '5\r\nhello\n0\r\n\r\n',
    'skips to the next line feed whatever is there',
    'the two bytes behind a chunk are CRLF; readers that disagree are smuggled past (attack 19)',
  ),
  refusedChunk(
    'NUL in a chunk extension is refused',
    '5;a\0b\r\nhello\r\n0\r\n\r\n',
    'skips it',
    'control bytes have no place in a head or in chunk framing (attack 18)',
  ),
  {
    ...refusedChunk(
      'an endless chunk extension is refused',
      `5;a=${'b'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n`,
      'skips extensions of any length',
      'all extensions of a message together have at most 16 KiB: nobody uses them, attackers do',
    ),
    uncut: 'the mistake may come before or after the connection to the server',
  },
  {
    name: 'a chunk shorter than its size is refused',
    log: CODES,
    client: chunked('9\r\nhello\r\n0\r\n\r\n'),
    expect: { status: 400 },
  },
  {
    name: 'a chunk size ended by LF',
    client: chunked('5\nhello\r\n0\r\n\r\n'),
    expect: { status: 400 },
  },
  {
    name: 'a chunk ended by CR',
    log: CODES,
    client: chunked('5\r\nhello\r0\r\n\r\n'),
    expect: { status: 400 },
  },
  {
    name: 'a chunk without end',
    log: CODES,
    client: chunked('5\r\nhello0\r\n\r\n'),
    expect: { status: 400 },
  },
  {
    name: 'a last chunk ended by LF',
    client: chunked('5\r\nhello\r\n0\n\n'),
    expect: { status: 400 },
  },
  {
    name: 'a lone CR in a chunk extension',
    client: chunked('5;a\rb\r\nhello\r\n0\r\n\r\n'),
    expect: { status: 400 },
  },
  {
    name: 'a LF in a chunk extension',
    client: chunked('5;a\nb\r\nhello\r\n0\r\n\r\n'),
    expect: { status: 400 },
  },
  {
    name: 'a long chunk extension',
    client: chunked(`5;a=${'b'.repeat(5000)}\r\nhello\r\n0\r\n\r\n`),
  },
]);
