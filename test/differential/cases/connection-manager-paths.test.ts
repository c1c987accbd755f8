// Paths and hosts before a route is looked for (envoy-behaviour §1.2, §1.5, §1.6).
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

const get = (path: string, ...lines: readonly string[]): string =>
  `GET ${path} HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const post = (path: string): string =>
  get(path, 'content-type: application/grpc', 'content-length: 0').replace('GET', 'POST');
const hostOf = (host: string): string => `GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
const row = (name: string, hcm: Json, client: Row['client']): Row => ({
  name,
  config: { hcm },
  client,
});

const NORMALIZE = { normalize_path: true };
const MERGE = { merge_slashes: true };

const NORMALIZED = [
  '/a/../b/./c//d?x=/../',
  '/%2e%2e/a',
  '/a%2fb%5Cc',
  '/a\\b',
  '/%41%7e',
  '/a"b<c>d{e}f|g^h`i',
  "/a'b[c]",
  '/a%zz',
  '/a%2',
  '/a%00b',
  '/a;x=1/../b',
  '/..;/a',
  '/a/..;x/b',
  '/a/.;x/b',
  '/a/%2E%2E;x/b',
  '/a\\..;x/b',
  '/a/..;x\\b/c',
  '/a/.;%2f/b',
  '/a/b..;x/c',
  '/../../a',
  '/a/..',
  '/a/.',
  '/.',
  '/a/.hidden/...',
  '/a#b',
  '/a?b#c',
  '/?/../a',
  '/a//../b',
  '/%252e',
];

const MERGED = ['/a//b', '//a//', '/a?b//c', '///', '//?//', '/a%2f/b'];

const ACTIONS = ['REJECT_REQUEST', 'UNESCAPE_AND_REDIRECT', 'UNESCAPE_AND_FORWARD'];
const ESCAPED = ['/a%2fb', '/a%5Cb?x=%2f', '/a?%2f', '/a%2f..%2fb', '/%2f%2fevil/x'];

const paths: readonly Row[] = [
  ...NORMALIZED.map((path) => row(`${path} normalised`, NORMALIZE, get(path))),
  ...MERGED.map((path) => row(`${path} merged`, MERGE, get(path))),
  row('dots, then slashes', { ...NORMALIZE, ...MERGE }, get('/a/..//b\\/c')),
  ...ACTIONS.flatMap((action) =>
    ESCAPED.map((path) =>
      row(
        `${path} with ${action}`,
        { ...NORMALIZE, ...MERGE, path_with_escaped_slashes_action: action },
        get(path),
      ),
    ),
  ),
  row(
    'escaped slashes kept',
    { path_with_escaped_slashes_action: 'KEEP_UNCHANGED' },
    get('/a%2fb'),
  ),
  row(
    'escaped slashes without normalisation',
    { path_with_escaped_slashes_action: 'UNESCAPE_AND_FORWARD' },
    get('/%2f%5cevil/../x'),
  ),
  row(
    'a redirect keeps the connection',
    { path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT' },
    [get('/a%2fb') + get('/ok'), { responses: 2 }],
  ),
  row(
    'gRPC is not redirected',
    { path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT' },
    post('/a%2fb'),
  ),
  row('gRPC is refused as gRPC', NORMALIZE, post('/a%00b')),
  row('a fragment is refused in any case', {}, get('/a#b')),
  row('an asterisk is no path', {}, 'OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n'),
  row('no host', {}, 'GET / HTTP/1.1\r\n\r\n'),
  row('no host, for gRPC', {}, 'POST / HTTP/1.1\r\ncontent-type: application/grpc\r\n\r\n'),
  row('an empty host', {}, 'GET / HTTP/1.1\r\nhost:\r\n\r\n'),
];

const HOSTS = [
  'a.',
  'a.:8080',
  'a:8080',
  '[::1]:80',
  '[::1]',
  '.',
  'a..',
  'a:',
  'a:b',
  'a:99999',
  'a:123456',
  'a:+1',
  '::1',
];

const hosts: readonly Row[] = [
  ...HOSTS.map((host) =>
    row(`${host} without its dot`, { strip_trailing_host_dot: true }, hostOf(host)),
  ),
  ...HOSTS.map((host) =>
    row(`${host} without its port`, { strip_any_host_port: true }, hostOf(host)),
  ),
  row(
    'dot and port',
    { strip_any_host_port: true, strip_trailing_host_dot: true },
    hostOf('a.:80'),
  ),
  row('only the port of the listener', { strip_matching_host_port: true }, hostOf('a:80')),
];

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'http.CASE.downstream_rq_failed_path_normalization',
      'http.CASE.downstream_rq_redirected_with_normalized_path',
      'http.CASE.downstream_rq_non_relative_path',
    ],
  },
  [...paths, ...hosts],
);
