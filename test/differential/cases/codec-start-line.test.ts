// Start lines of requests: methods, targets, versions (RFC 9112 §3; envoy-behaviour §2.1).
import { differential } from '../differential.ts';
import type { Row } from '../row.ts';
import { get, post, request } from '../texts.ts';

const STATS = [
  'http.CASE.downstream_rq_*',
  'http.CASE.downstream_cx_protocol_error',
  'cluster.CASE-up.upstream_rq_*',
];

const start = (name: string, line: string, status: number): Row => ({
  name,
  client: request(line),
  expect: { status },
});

const METHODS =
  'ACL BIND CHECKOUT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY OPTIONS ' +
  'PATCH POST PROPFIND PROPPATCH PURGE PUT REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE';

const CUSTOM = { hcm: { http_protocol_options: { allow_custom_methods: true } } };

export const suite = await differential(import.meta.url, { stats: STATS }, [
  {
    name: 'every known method is proxied as it is',
    client: METHODS.split(' ').flatMap((method, i) => [
      request(`${method} /${i} HTTP/1.1`),
      { responses: i + 1 },
    ]),
    upstream: {
      answers: METHODS.split(' ').map((method) =>
        method === 'HEAD'
          ? 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n'
          : 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
      ),
    },
  },
  start('a plain GET is proxied and the connection stays', 'GET / HTTP/1.1', 200),
  start('an unknown method is refused', 'BREW / HTTP/1.1', 400),
  start('a method in lower case is refused', 'get / HTTP/1.1', 400),
  start('M-SEARCH with its dash is refused', 'M-SEARCH / HTTP/1.1', 400),
  start('a method cut short is refused', 'GE / HTTP/1.1', 400),
  start('a method with more letters is refused', 'GETT / HTTP/1.1', 400),
  start('QUERY without a content type is refused', 'QUERY / HTTP/1.1', 400),
  {
    name: 'QUERY with a content type is proxied',
    client: request('QUERY / HTTP/1.1', ['content-type: text/plain']),
  },
  {
    name: 'a custom method passes where allowed',
    config: CUSTOM,
    client: request('BREW / HTTP/1.1'),
  },
  {
    name: 'a custom method in lower case passes where allowed',
    config: CUSTOM,
    client: request('brew-it / HTTP/1.1'),
  },
  {
    name: 'a custom method must be a token even where allowed',
    config: CUSTOM,
    client: request('BR(EW / HTTP/1.1'),
    expect: { status: 400 },
  },
  start('a target without a slash is refused', 'GET index.html HTTP/1.1', 400),
  start('an empty target is refused', 'GET  HTTP/1.1', 400),
  start('a tab in the target is refused', 'GET /a\tb HTTP/1.1', 400),
  start('tabs may stand for the blanks', 'GET\t/\tHTTP/1.1', 200),
  start('two blanks before the target pass', 'GET  / HTTP/1.1', 200),
  start('two blanks before the version pass', 'GET /  HTTP/1.1', 200),
  start('a blank behind the version passes', 'GET / HTTP/1.1 ', 200),
  start('a blank before the method is refused', ' GET / HTTP/1.1', 400),
  start('a tab before the method is refused', '\tGET / HTTP/1.1', 400),
  start('a carriage return before the method is skipped', '\rGET / HTTP/1.1', 200),
  start('a carriage return behind the method passes', 'GET\r/ HTTP/1.1', 200),
  start('a control byte before the method is refused', '\x01GET / HTTP/1.1', 400),
  start('a control byte behind the method is refused', 'GET\x01/ HTTP/1.1', 400),
  start('a vertical tab instead of a blank is refused', 'GET /\x0bHTTP/1.1', 400),
  start('a form feed behind the version is refused', 'GET / HTTP/1.1\x0c', 400),
  start('a blank in the target is refused', 'GET /a b HTTP/1.1', 400),
  start('DEL in the target is refused', 'GET /a\x7fb HTTP/1.1', 400),
  start('obs-text in the target is refused', 'GET /\xe9 HTTP/1.1', 400),
  start('NUL in the target is refused', 'GET /\0 HTTP/1.1', 400),
  start('quotes and angles in the target pass', 'GET /"<>\\^`{|} HTTP/1.1', 200),
  start('a query with everything legal passes', "GET /a?b=c&d=/?:@!$'()*+,; HTTP/1.1", 200),
  start('percent escapes pass untouched', 'GET /%00%2f%2E%zz HTTP/1.1', 200),
  start('a fragment is refused', 'GET /a#b HTTP/1.1', 400),
  start('an asterisk as the target of OPTIONS has no route', 'OPTIONS * HTTP/1.1', 404),
  start('an asterisk as the target of GET is refused', 'GET * HTTP/1.1', 400),
  start('a long path passes', `GET /${'a'.repeat(8000)} HTTP/1.1`, 200),
  start('a target over 60 KiB is refused', `GET /${'a'.repeat(61_440)} HTTP/1.1`, 431),
  start('HTTP/1.0 is refused by default', 'GET / HTTP/1.0', 426),
  start('HTTP/1.2 is refused', 'GET / HTTP/1.2', 426),
  start('HTTP/2.0 in a request line is refused', 'GET / HTTP/2.0', 426),
  start('HTTP/3.7 is refused', 'GET / HTTP/3.7', 426),
  start('HTTP/0.9 with a version is refused', 'GET / HTTP/0.9', 426),
  start('another protocol is refused', 'GET / HTTQ/1.1', 400),
  start('a protocol in lower case is refused', 'GET / http/1.1', 400),
  start('a version of two digits is refused', 'GET / HTTP/1.32', 400),
  start('a version of two major digits is refused', 'GET / HTTP/11.1', 400),
  start('a version without minor is refused', 'GET / HTTP/1', 400),
  start('a version with a comma is refused', 'GET / HTTP/1,1', 400),
  start('a huge version is refused', 'GET / HTTP/4294967295.255', 400),
  start('carriage returns in the version are refused', 'GET / HTTP/\r\r1.1', 400),
  start('a carriage return instead of a blank passes', 'GET /\rHTTP/1.1', 200),
  start('a start line without blanks is refused', 'GET/HTTP/1.1', 400),
  start('a response instead of a request is refused', 'HTTP/1.1 200 OK', 400),
  { name: 'HTTP/0.9 without version is refused', client: 'GET /\r\n\r\n', expect: { status: 426 } },
  {
    name: 'a TLS hello is refused',
    client: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
  },
  { name: 'an empty line before the request is skipped', client: `\r\n${get()}` },
  { name: 'several empty lines before the request are skipped', client: `\r\n\r\n\n\n${get()}` },
  { name: 'line feeds alone end lines', client: 'GET / HTTP/1.1\nhost: h\nx-a: b\n\n' },
  {
    name: 'line feeds and CRLF mixed end lines',
    client: 'GET / HTTP/1.1\nhost: h\r\nx-a: b\n\r\n',
  },
  {
    name: 'an empty line between two requests is skipped',
    client: `${post('hello')}\r\n${get('/2')}`,
  },
  start('PRI is no method of HTTP/1', 'PRI / HTTP/1.1', 400),
  {
    name: 'the preface of HTTP/2 where only HTTP/1 is spoken',
    config: { hcm: { codec_type: 'HTTP1' } },
    client: ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', { closed: true }],
  },
  {
    name: 'part of the preface of HTTP/2 waits for the rest',
    client: ['PRI * HT', { pauseMs: 100 }, { close: true }],
  },
  {
    name: 'what begins like the preface of HTTP/2 and is none',
    client: ['PRI * HTTP/1.1\r\nhost: h\r\n\r\n', { closed: true }],
  },
  { name: 'a method that begins like the preface', client: request('PROPFIND / HTTP/1.1') },
  {
    name: 'garbage behind a request is refused after its answer',
    client: [`${get()}garbage\r\n\r\n`, { closed: true }],
    expect: { status: [200, 400] },
  },
]);
