// Which virtual host a request belongs to (envoy-behaviour §3.1).
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { Json, Row } from '../row.ts';

/** A virtual host that answers with its own name. */
const host = (name: string, domains: readonly string[], more: Json = {}): Json => ({
  name,
  domains,
  routes: [
    { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: name } } },
  ],
  ...more,
});

const EVERY_FORM = [
  host('exact', ['foo.com', 'Upper.COM', 'foo.com:8080']),
  host('long-suffix', ['*.b.foo.com']),
  host('suffix', ['*.foo.com', '*-bar.foo.com']),
  host('prefix', ['foo.*', 'foo-*']),
  host('long-prefix', ['foo.bar.*']),
  host('any', ['*']),
];

const asked = (...hosts: readonly string[]) =>
  inTurn(...hosts.map((each) => get('/', `host: ${each}`)));

const row = (name: string, virtualHosts: readonly Json[], hosts: readonly string[]): Row => ({
  name,
  config: { virtualHosts },
  client: asked(...hosts),
});

export const suite = await differential(import.meta.url, {}, [
  row('an exact domain wins over wildcards, whatever the case', EVERY_FORM, [
    'foo.com',
    'FOO.com',
    'upper.com',
    'foo.com:8080',
  ]),
  row('the longest suffix wildcard wins', EVERY_FORM, [
    'a.foo.com',
    'a.b.foo.com',
    'b.foo.com',
    'x-bar.foo.com',
    '-bar.foo.com',
  ]),
  row('the longest prefix wildcard wins', EVERY_FORM, [
    'foo.org',
    'foo.bar.org',
    'foo.bar.',
    'foo-x',
    'foo-',
  ]),
  row('a suffix wildcard wins over a prefix wildcard', EVERY_FORM, [
    'foo.x.foo.com',
    'foo.foo.com',
  ]),
  row('a wildcard stands for one character at least', EVERY_FORM, [
    '.foo.com',
    'foo.',
    'x.foo.com',
  ]),
  row('a port belongs to the domain', EVERY_FORM, [
    'foo.com:82',
    'a.foo.com:82',
    'foo.org:82',
    'other:82',
  ]),
  row('without a wildcard for all, other hosts are not found', EVERY_FORM.slice(0, 3), [
    'nobody',
    'foo.com',
    'foo.org',
  ]),
  row('only a wildcard for all takes any host', [host('any', ['*'])], ['a', '[::1]:80', 'a.b:1']),
  row(
    'v6 and v4 literals are domains',
    [host('v6', ['[::1]', '[::1]:81']), host('v4', ['10.0.0.1'])],
    ['[::1]', '[::1]:81', '[::1]:82', '10.0.0.1', '10.0.0.1:80'],
  ),
  row(
    'an asterisk within a domain is a letter',
    [host('mid', ['a*b']), host('two', ['*a*'])],
    ['a*b', 'axb', 'xa*', 'xay'],
  ),
  row('an empty domain is none', [host('empty', ['']), host('any', ['*'])], ['a', 'b']),
  row(
    'one virtual host may have domains of every form',
    [host('all', ['a', '*.b', 'c.*'])],
    ['a', 'x.b', 'c.x', 'd'],
  ),
  row(
    'virtual hosts may share a name',
    [host('same', ['a']), host('same', ['b'])],
    ['a', 'b', 'c'],
  ),
  row('a trailing dot belongs to the host', EVERY_FORM, ['foo.com.', 'a.foo.com.']),
  {
    name: 'ignore_port_in_host_matching cuts the port before any comparison',
    config: { virtualHosts: EVERY_FORM, routeConfig: { ignore_port_in_host_matching: true } },
    client: asked('foo.com:82', 'a.foo.com:82', 'foo.com:8080', 'foo.:82', 'foo.com:', 'foo.com:a'),
  },
  {
    name: 'ignore_port_in_host_matching keeps the colons of a v6 literal',
    config: {
      virtualHosts: [host('v6', ['[::1]']), host('any', ['*'])],
      routeConfig: { ignore_port_in_host_matching: true },
    },
    client: asked('[::1]', '[::1]:80', '::1'),
  },
  {
    name: 'the virtual host is chosen by the stripped host where the port is stripped',
    config: { virtualHosts: EVERY_FORM, hcm: { strip_any_host_port: true } },
    client: asked('foo.com:82', 'foo.com:8080', 'a.foo.com:1'),
  },
  {
    name: 'a virtual host without routes has none',
    config: { virtualHosts: [host('none', ['h'], { routes: [] }), host('any', ['*'])] },
    client: asked('h', 'other'),
  },
  {
    name: 'the virtual host does not fall back to the next one',
    config: {
      virtualHosts: [
        host('narrow', ['h'], {
          routes: [{ match: { path: '/only' }, direct_response: { status: 204 } }],
        }),
        host('any', ['*']),
      ],
    },
    client: inTurn(get('/only'), get('/other')),
  },
  {
    name: 'require_tls redirects plain requests, with path, query and port as they are',
    config: { virtualHost: { require_tls: 'ALL' } },
    client: inTurn(get('/a?b', 'host: h:80'), get('/', 'host: h:8080'), get('/%2f?')),
    stats: ['http.CASE.rq_direct_response', 'http.CASE.rq_redirect', 'http.CASE.no_route'],
  },
  {
    name: 'require_tls lets requests through whose x-forwarded-proto says https',
    config: { virtualHost: { require_tls: 'ALL' } },
    client: inTurn(
      get('/', 'x-forwarded-proto: https'),
      get('/', 'x-forwarded-proto: http'),
      get('/', 'x-forwarded-proto: HTTPS'),
    ),
  },
  {
    name: 'require_tls for external requests leaves internal ones alone',
    config: { virtualHost: { require_tls: 'EXTERNAL_ONLY' } },
    client: inTurn(
      get('/'),
      get('/', 'x-forwarded-for: 10.0.0.1'),
      get('/', 'x-forwarded-for: 8.8.8.8'),
      get('/', 'x-envoy-internal: true'),
    ),
  },
  {
    name: 'a redirect for TLS carries the response headers of the virtual host, not of the route',
    config: {
      virtualHost: {
        require_tls: 'ALL',
        response_headers_to_add: [{ header: { key: 'x-vhost', value: 'v' } }],
      },
      routeMore: { response_headers_to_add: [{ header: { key: 'x-route', value: 'r' } }] },
      routeConfig: { response_headers_to_add: [{ header: { key: 'x-table', value: 't' } }] },
    },
    client: get('/'),
  },
  {
    name: 'an empty x-forwarded-proto finds no route',
    client: get('/', 'x-forwarded-proto:'),
    stats: ['http.CASE.no_route'],
  },
]);
