// Field lines of requests: what a name, a colon and a value may be (RFC 9112 §5; envoy-behaviour §2.1).
import { differential } from '../differential.ts';
import type { Row } from '../row.ts';
import { get, ok } from '../texts.ts';

const STATS = ['http.CASE.downstream_rq_*', 'http.CASE.downstream_cx_protocol_error'];

const field = (name: string, line: string, status = 200): Row => ({
  name,
  client: get('/', line),
  expect: { status },
});

const underscores = (action: string): { readonly hcm: Record<string, unknown> } => ({
  hcm: { common_http_protocol_options: { headers_with_underscores_action: action } },
});

const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `x-${i}: v`);

const NOMINATED = [
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'host',
  ':path',
  ':authority',
];

export const suite = await differential(import.meta.url, { stats: STATS }, [
  field('a field passes', 'x-a: b'),
  field('a name is written in lower case', 'X-Foo-BAR: b'),
  field('a field without blank passes', 'x-a:b'),
  field('blanks and tabs around a value go', 'x-a: \t b \t '),
  field('blanks within a value stay', 'x-a: b  c\td'),
  field('an empty value passes', 'x-a:'),
  field('a value of blanks is empty', 'x-a:   '),
  field('obs-text in a value passes', 'x-a: \xe9\xff'),
  field('a no-break space is not trimmed', 'x-a: \xa0b\xa0'),
  field('all token characters make a name', "x!#$%&'*+-.^`|~9: b"),
  field('a line without colon is refused', 'nonsense', 400),
  field('an empty name is refused', ': x', 400),
  field('a blank before the colon is refused', 'x-a : b', 400),
  field('a tab before the colon is refused', 'x-a\t: b', 400),
  field('a blank within a name is refused', 'a b: c', 400),
  field('a parenthesis in a name is refused', 'a(b: c', 400),
  field('a slash in a name is refused', 'a/b: c', 400),
  field('obs-text in a name is refused', 'a\xe9: c', 400),
  field('NUL in a name is refused', 'a\0: b', 400),
  field('NUL in a value is refused', 'x-a: b\0c', 400),
  field('DEL in a value is refused', 'x-a: b\x7fc', 400),
  field('a control byte in a value is refused', 'x-a: b\x01c', 400),
  field('vertical tab in a value is refused', 'x-a: b\x0bc', 400),
  field('form feed behind a value is refused', 'x-a: b\x0c', 400),
  field('a carriage return within a value vanishes', 'x-a: b\rc'),
  field('two carriage returns before the line feed', 'x-a: b\r'),
  field('a blank and two carriage returns before the line feed', 'x-a: b \r'),
  field('a blank around a carriage return', 'x-a: b \r c'),
  field('a carriage return at the beginning of a value', 'x-a: \r b'),
  field('a value of carriage returns', 'x-a: \r\r'),
  field('a folded line is joined', 'x-a: b\r\n  c'),
  field('a line folded with a tab is joined', 'x-a: b\r\n\tc'),
  field('a line folded twice is joined', 'x-a: b\r\n c\r\n d'),
  field('a fold behind an empty value', 'x-a:\r\n b'),
  field('a fold without anything', 'x-a: b\r\n '),
  field('a fold with a control byte is refused', 'x-a: b\r\n \x01c', 400),
  field('a folded content length', 'content-length:\r\n 0'),
  {
    name: 'white space before the first field is refused',
    client: 'GET / HTTP/1.1\r\n host: h\r\n\r\n',
    expect: { status: 400 },
  },
  { name: 'a name twice stays twice', client: get('/', 'x-a: 1', 'x-b: 2', 'x-a: 3') },
  {
    name: 'known names twice are joined',
    client: get('/', 'accept: 1', 'accept: 2', 'via: a', 'via: b'),
  },
  { name: 'cookies stay lines of their own', client: get('/', 'cookie: a=b', 'cookie: c=d') },
  { name: 'two user agents', client: get('/', 'user-agent: a', 'user-agent: b') },
  { name: 'two referers', client: get('/', 'referer: http://a/', 'referer: http://b/') },
  { name: 'a hundred fields pass', client: get('/', ...many(99)), expect: { status: 200 } },
  {
    name: 'a hundred and one fields are refused',
    client: get('/', ...many(100)),
    expect: { status: 431 },
  },
  {
    name: 'the count of fields is configurable',
    config: { hcm: { common_http_protocol_options: { max_headers_count: 5 } } },
    client: get('/', ...many(5)),
    expect: { status: 431 },
  },
  { name: 'a value near 60 KiB passes', client: get('/', `x-a: ${'b'.repeat(61_000)}`) },
  {
    name: 'a head over 60 KiB is refused',
    client: get('/', `x-a: ${'b'.repeat(61_440)}`),
    expect: { status: 431 },
  },
  {
    name: 'a head over the configured size is refused',
    config: { hcm: { max_request_headers_kb: 1 } },
    client: get('/', `x-a: ${'b'.repeat(1000)}`, `x-b: ${'b'.repeat(50)}`),
    expect: { status: 431 },
  },
  {
    name: 'a head under a larger configured size passes',
    config: { hcm: { max_request_headers_kb: 90 } },
    client: get('/', `x-a: ${'b'.repeat(80_000)}`),
    expect: { status: 200 },
  },
  {
    name: 'a line without end is refused at 60 KiB',
    client: ['A'.repeat(70_000), { closed: true }],
    expect: { status: 431 },
  },
  { name: 'underscores in names pass by default', client: get('/', 'x_a: b', '_: c') },
  {
    name: 'names with underscores are dropped where asked',
    config: underscores('DROP_HEADER'),
    client: get('/', 'x_a: b', 'x-b: c', 'x_c: d\r\n e', 'x-d: f'),
    stats: ['http1.dropped_headers_with_underscores'],
    uncut: 'the counter is that of all rows together',
  },
  {
    name: 'names with underscores are refused where asked',
    config: underscores('REJECT_REQUEST'),
    client: get('/', 'x_a: b'),
    expect: { status: 400 },
  },
  ...NOMINATED.map((name): Row => ({
    name: `${name} may not be named by Connection`,
    client: get('/', `connection: ${name}`),
  })),
  { name: 'nine connection options pass', client: get('/', 'connection: a,b,c,d,e,f,g,h,i') },
  {
    name: 'ten connection options are refused',
    client: get('/', 'connection: a,b,c,d,e,f,g,h,i,j'),
  },
  {
    name: 'fields named by Connection go',
    client: get('/', 'connection: x-a, X-B', 'x-a: 1', 'x-b: 2', 'x-c: 3'),
  },
  {
    name: 'te goes with Connection unless it asks for trailers',
    client: get('/', 'connection: te', 'te: gzip'),
  },
  {
    name: 'te stays with Connection where it asks for trailers',
    client: get('/', 'connection: te', 'te: trailers'),
  },
  {
    name: 'te of several codings named by Connection',
    client: get('/', 'connection: te', 'te: gzip, trailers'),
  },
  {
    name: 'a long te named by Connection is refused',
    client: get('/', 'connection: te', `te: ${'a'.repeat(300)}`),
  },
  {
    name: 'a content length named by Connection',
    client: get('/', 'connection: content-length', 'content-length: 0'),
  },
  { name: 'a cookie named by Connection', client: get('/', 'connection: cookie', 'cookie: a') },
  {
    name: 'Connection with close among others',
    client: get('/', 'connection: x-a, Close, x-b', 'x-a: 1'),
  },
  {
    name: 'two Connection lines',
    client: get('/', 'connection: x-a', 'connection: close', 'x-a: 1'),
  },
  { name: 'an empty Connection', client: get('/', 'connection:', 'connection: ,') },
  {
    name: 'Keep-Alive and Proxy-Connection go',
    client: get('/', 'keep-alive: timeout=5', 'proxy-connection: keep-alive'),
  },
  {
    name: 'proxy-connection: close ends the connection',
    client: get('/', 'proxy-connection: close'),
  },
  {
    name: 'connection: close ends the connection',
    client: [get('/', 'connection: close'), { closed: true }],
  },
  {
    name: 'what follows connection: close is never read',
    client: [`${get('/', 'connection: close')}${get('/2')}`, { closed: true }],
    upstream: ok('1'),
    uncut: 'bytes that come behind the end are answered by a reset',
  },
]);
