// Authority: Host missing, doubled, odd; absolute targets (RFC 9112 §3.2; envoy-behaviour §2.1, §1.6).
import { differential } from '../differential.ts';
import type { Row } from '../row.ts';
import { request } from '../texts.ts';

const STATS = ['http.CASE.downstream_rq_*', 'http.CASE.downstream_cx_protocol_error'];

const withHost = (...lines: string[]): string =>
  `GET / HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;

const host = (name: string, value: string, status: number): Row => ({
  name,
  client: withHost(`Host: ${value}`),
  expect: { status },
});

const target = (name: string, value: string, status: number): Row => ({
  name,
  client: request(`GET ${value} HTTP/1.1`),
  expect: { status },
});

const NO_ABSOLUTE = { hcm: { http_protocol_options: { allow_absolute_url: false } } };
const EDGE = { hcm: { use_remote_address: true } };

export const suite = await differential(import.meta.url, { stats: STATS }, [
  { name: 'no host is refused', client: withHost(), expect: { status: 400 } },
  { name: 'an empty host', client: withHost('Host:') },
  { name: 'a host of blanks', client: withHost('Host:   ') },
  { name: 'two hosts are joined', client: withHost('Host: a', 'Host: b') },
  { name: 'the same host twice is joined', client: withHost('Host: a', 'Host: a') },
  { name: 'an empty host before another', client: withHost('Host:', 'Host: a') },
  { name: 'a host before an empty one', client: withHost('Host: a', 'Host:') },
  { name: 'a folded host', client: withHost('Host:\r\n a') },
  { name: 'a host over two lines', client: withHost('Host: a\r\n b'), expect: { status: 400 } },
  { name: 'a carriage return within the host', client: withHost('Host: a\rb') },
  host('a port stays', 'h:8080', 200),
  host('a port that is none passes', 'h:port', 200),
  host('upper case stays', 'EXAMPLE.com', 200),
  host('an IPv6 literal passes', '[::1]:80', 200),
  host('a user before the host passes', 'user@host', 200),
  host('a comma in the host passes', 'a,b', 200),
  host('a percent escape in the host passes', 'a%20b', 200),
  host('an underscore in the host passes', 'a_b', 200),
  host('a trailing dot stays', 'h.', 200),
  host('a blank in the host is refused', 'a b', 400),
  host('a tab in the host is refused', 'a\tb', 400),
  host('a slash in the host is refused', 'a/b', 400),
  host('a question mark in the host is refused', 'a?b', 400),
  host('a hash in the host is refused', 'a#b', 400),
  host('a quote in the host is refused', 'a"b', 400),
  host('a brace in the host is refused', 'a{b', 400),
  host('a backslash in the host is refused', 'a\\b', 400),
  host('an angle in the host is refused', 'a<b', 400),
  host('a caret in the host is refused', 'a^b', 400),
  host('a backtick in the host is refused', 'a`b', 400),
  host('a bar in the host is refused', 'a|b', 400),
  host('obs-text in the host is refused', 'a\xe9', 400),
  host('NUL in the host is refused', 'a\0b', 400),
  {
    name: 'two at signs in the host are refused',
    client: withHost('Host: a@b@c'),
    expect: { status: 400 },
    differs: {
      envoy: 'checks this in absolute targets only, and passes it on',
      ours: '400',
      reason: 'no honest authority has two; readers disagree where the host begins (attack 24)',
      where: ['client', 'upstream', 'log', 'stats'],
    },
  },
  target('an absolute target replaces the host', 'http://other/a?b=c', 200),
  target('an absolute target without path', 'http://other', 200),
  target('an absolute target with a slash alone', 'http://other/', 200),
  target('an absolute target with a query alone', 'http://other?a=b', 404),
  target('an absolute target with a fragment alone', 'http://other#a', 400),
  target('an absolute target with a port', 'http://other:81/', 200),
  target('an absolute target with a port that is none is refused', 'http://other:x/', 400),
  target('an absolute target with an empty port', 'http://other:/', 400),
  target('an absolute target with port 65535', 'http://other:65535/', 200),
  target('an absolute target with port 65536', 'http://other:65536/', 400),
  target('an absolute target with port 0', 'http://other:0/', 200),
  target('an absolute target with a long port', 'http://other:000080/', 200),
  target('an absolute target with two ports', 'http://other:1:2/', 400),
  target('an absolute target with an empty user', 'http://@other/', 200),
  target('an absolute target with a user and no host', 'http://user@/', 400),
  target('an absolute target with an unclosed literal', 'http://[::1/', 400),
  target('an absolute target with text behind a literal', 'http://[::1]x/', 400),
  target('an absolute target with a user', 'http://user:pass@other/', 200),
  target('an absolute target in upper case', 'HTTP://OTHER/A', 200),
  target('an absolute target of https', 'https://other/', 200),
  target('an absolute target of another scheme is refused', 'ftp://other/', 400),
  target('an absolute target of ws is refused', 'ws://other/', 400),
  target('an absolute target without host is refused', 'http:///a', 400),
  target('an absolute target of nothing is refused', 'http://', 400),
  target('a scheme with one slash is refused', 'http:/other/', 400),
  target('a scheme alone is refused', 'http:', 400),
  target('a target that begins with a colon is refused', '://other/', 400),
  target('a scheme that begins with a digit', '1http://other/', 400),
  target('two at signs in an absolute target are refused', 'http://a@@b/', 400),
  target('two parted at signs in an absolute target are refused', 'http://a@b@c/', 400),
  target('an odd byte in the host of an absolute target is refused', 'http://a"b/', 400),
  target('an IPv6 host in an absolute target', 'http://[::1]:80/', 200),
  target('an authority as the target of GET is refused', 'other:80', 400),
  target('two slashes at the beginning are a path', '//other/a', 200),
  target('an absolute target behind a slash is a path', '/http://other/', 200),
  {
    name: 'an absolute target without a host field',
    client: 'GET http://other/ HTTP/1.1\r\n\r\n',
    expect: { status: 200 },
  },
  {
    name: 'an absolute target with a bad host field',
    client: 'GET http://other/ HTTP/1.1\r\nHost: a b\r\n\r\n',
  },
  {
    name: 'an absolute target where it is not allowed',
    config: NO_ABSOLUTE,
    client: request('GET http://other/ HTTP/1.1'),
  },
  {
    name: 'a malformed absolute target where it is not allowed',
    config: NO_ABSOLUTE,
    client: request('GET ftp://other/ HTTP/1.1'),
  },
  {
    name: 'an absolute https target on a plain edge listener is refused',
    config: EDGE,
    client: request('GET https://other/ HTTP/1.1'),
    expect: { status: 403 },
  },
  {
    name: 'an absolute http target on an edge listener',
    config: EDGE,
    client: request('GET http://other/ HTTP/1.1'),
    expect: { status: 200 },
  },
  {
    name: 'an absolute https target behind a trusted hop',
    config: { hcm: { use_remote_address: true, xff_num_trusted_hops: 1 } },
    client: request('GET https://other/ HTTP/1.1'),
  },
  {
    name: 'an absolute target of OPTIONS without path',
    client: request('OPTIONS http://other HTTP/1.1'),
  },
]);
