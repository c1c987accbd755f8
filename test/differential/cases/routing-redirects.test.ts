// Redirects and direct responses (envoy-behaviour §3.4).
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { Json, Row } from '../row.ts';

const row = (
  name: string,
  redirect: Json,
  requests: readonly string[],
  match: Json = { prefix: '/' },
): Row => ({ name, config: { routes: [{ match, redirect }] }, client: inTurn(...requests) });

const direct = (
  name: string,
  response: Json,
  requests: readonly string[],
  more: Json = {},
): Row => ({
  name,
  config: { routes: [{ match: { prefix: '/' }, direct_response: response, ...more }] },
  client: inTurn(...requests),
  stats: ['http.CASE.rq_direct_response', 'http.CASE.downstream_rq_*'],
});

const HOSTS = ['h', 'h:80', 'h:443', 'h:8080', '[::1]', '[::1]:80', 'h:', 'h:a', 'h:080'].map(
  (host) => get('/p?q', `host: ${host}`),
);
const head = (path: string, ...lines: readonly string[]): string =>
  get(path, ...lines).replace('GET', 'HEAD');

export const suite = await differential(
  import.meta.url,
  { stats: ['http.CASE.rq_direct_response', 'http.CASE.rq_redirect'] },
  [
    row('https_redirect takes the default port of http away', { https_redirect: true }, HOSTS),
    row('scheme_redirect may be any scheme', { scheme_redirect: 'ftp' }, HOSTS),
    row(
      'scheme_redirect to the scheme that is there changes nothing',
      { scheme_redirect: 'http' },
      HOSTS,
    ),
    row('scheme_redirect is taken as it is written', { scheme_redirect: 'HTTPS' }, [get('/')]),
    row('a redirect from https to http takes port 443 away', { scheme_redirect: 'http' }, [
      get('/', 'host: h:443', 'x-forwarded-proto: https'),
      get('/', 'host: h:80', 'x-forwarded-proto: https'),
      get('/', 'host: h:443'),
    ]),
    row('port_redirect takes the place of any port', { port_redirect: 8443 }, HOSTS),
    row(
      'port_redirect together with https_redirect',
      { port_redirect: 444, https_redirect: true },
      HOSTS,
    ),
    row('host_redirect takes the place of host and port', { host_redirect: 'new' }, HOSTS),
    row(
      'host_redirect keeps a port of its own',
      { host_redirect: 'new:81', port_redirect: 82 },
      HOSTS,
    ),
    row('host_redirect to a v6 host', { host_redirect: '[::2]', port_redirect: 82 }, [get('/')]),
    row('path_redirect keeps the query of the request', { path_redirect: '/np' }, [
      get('/old?q=1'),
      get('/old'),
      get('/old?'),
    ]),
    row('path_redirect with a query drops that of the request', { path_redirect: '/np?z=1' }, [
      get('/old?q=1'),
      get('/old'),
    ]),
    row('path_redirect without a slash gets one', { path_redirect: 'np' }, [get('/old?q')]),
    row('an empty path_redirect keeps the path', { path_redirect: '' }, [get('/old?q')]),
    row('strip_query takes the query away', { strip_query: true }, [get('/old?q=1'), get('/old')]),
    row(
      'strip_query leaves the query of path_redirect',
      { strip_query: true, path_redirect: '/n?z' },
      [get('/old?q=1')],
    ),
    row('strip_query and path_redirect', { strip_query: true, path_redirect: '/n' }, [
      get('/old?q=1'),
    ]),
    row(
      'prefix_rewrite replaces the prefix that matched',
      { prefix_rewrite: '/new' },
      [get('/old'), get('/old/x?q=/old'), get('/older')],
      { prefix: '/old' },
    ),
    row(
      'prefix_rewrite replaces a whole path that matched',
      { prefix_rewrite: '/new' },
      [get('/old?q')],
      { path: '/old' },
    ),
    row(
      'prefix_rewrite replaces all of what a regex matched',
      { prefix_rewrite: '/new' },
      [get('/old/a?q')],
      { safe_regex: { regex: '/old/.*' } },
    ),
    row('prefix_rewrite with a query of its own', { prefix_rewrite: '/new?x' }, [get('/old?q')], {
      prefix: '/old',
    }),
    row(
      'prefix_rewrite and strip_query',
      { prefix_rewrite: '/new', strip_query: true },
      [get('/old/y?q')],
      { prefix: '/old' },
    ),
    row(
      'regex_rewrite replaces every match, not in the query',
      { regex_rewrite: { pattern: { regex: '/(o+)/' }, substitution: '/<\\1>/' } },
      [get('/o/oo/?/o/'), get('/x?q')],
    ),
    row('path_rewrite is a format', { path_rewrite: '/to/%REQ(x-n)%' }, [
      get('/j?q', 'x-n: N'),
      get('/j?q', 'x-n: N?w'),
      get('/j?q'),
    ]),
    row('a path_rewrite that gives nothing keeps the path', { path_rewrite: '%REQ(x-n)%' }, [
      get('/l?q'),
      get('/l?q', 'x-n: rel'),
    ]),
    row(
      'all parts together',
      {
        https_redirect: true,
        host_redirect: 'new',
        port_redirect: 81,
        path_redirect: '/p',
        strip_query: true,
        response_code: 'PERMANENT_REDIRECT',
      },
      [get('/x?y')],
    ),
    ...['FOUND', 'SEE_OTHER', 'TEMPORARY_REDIRECT', 'PERMANENT_REDIRECT', 'MOVED_PERMANENTLY'].map(
      (code) =>
        row(`response_code ${code}`, { response_code: code, path_redirect: '/x' }, [get('/')]),
    ),
    row('a redirect of a HEAD request', { host_redirect: 'new' }, [head('/')]),
    {
      name: 'a redirect of a POST that is not complete',
      config: { routes: [{ match: { prefix: '/' }, redirect: { host_redirect: 'new' } }] },
      client: 'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nab',
    },
    {
      name: 'a redirect carries the response headers of all levels',
      config: {
        routes: [
          {
            match: { prefix: '/' },
            redirect: { host_redirect: 'new' },
            response_headers_to_add: [{ header: { key: 'x-route', value: 'r' } }],
            response_headers_to_remove: ['location'],
          },
        ],
        virtualHost: { response_headers_to_add: [{ header: { key: 'x-vhost', value: 'v' } }] },
        routeConfig: { response_headers_to_add: [{ header: { key: 'x-table', value: 't' } }] },
      },
      client: get('/'),
    },
    row('a redirect for gRPC', { host_redirect: 'new' }, [
      get('/', 'content-type: application/grpc'),
    ]),
    direct(
      'a direct response with response headers',
      { status: 200, body: { inline_string: 'x' } },
      [get('/')],
      {
        response_headers_to_add: [
          {
            header: { key: 'content-type', value: 'text/html' },
            append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
          },
          { header: { key: 'x-code', value: '%RESPONSE_CODE%' } },
        ],
      },
    ),
    direct('a direct response with a body', { status: 200, body: { inline_string: 'hello' } }, [
      get('/'),
      head('/'),
    ]),
    direct(
      'a direct response by a format',
      {
        status: 200,
        body: { inline_string: 'BODY é' },
        body_format: {
          text_format_source: {
            inline_string:
              'hi %REQ(:path)% %REQ(x-n)% %RESPONSE_CODE% [%LOCAL_REPLY_BODY%] %ROUTE_NAME% %PROTOCOL%\n',
          },
        },
      },
      [get('/a?q', 'x-n: N'), get('/'), get('/', 'x-n: a\u00e9'), head('/')],
    ),
    direct(
      'a direct response by a format with a type of its own',
      {
        status: 200,
        body_format: {
          text_format_source: { inline_string: '<%REQ(:path)%>' },
          content_type: 'text/html; charset=UTF-8',
        },
      },
      [get('/')],
    ),
    direct(
      'a direct response by a JSON format',
      {
        status: 403,
        body: { inline_string: 'denied' },
        body_format: {
          json_format: { p: '%REQ(:path)%', c: '%RESPONSE_CODE%', b: '%LOCAL_REPLY_BODY%', n: 'n' },
        },
      },
      [get('/o?q'), get('/', 'content-type: application/grpc')],
    ),
    direct(
      'a direct response by a format that gives nothing',
      {
        status: 200,
        body: { inline_string: 'x' },
        body_format: {
          text_format_source: { inline_string: '%REQ(x-n)%' },
          omit_empty_values: true,
        },
      },
      [get('/'), get('/', 'x-n: N')],
    ),
    direct('a direct response without a body', { status: 403 }, [get('/'), head('/')]),
    direct('a direct response of bytes', { status: 200, body: { inline_bytes: 'iVBORw0KGgo=' } }, [
      get('/'),
    ]),
    direct('a direct response with 201 names its own URL', { status: 201 }, [
      get('/a?b', 'host: h:80'),
    ]),
    direct('a direct response with 3xx names its own URL', { status: 302 }, [get('/a?b')]),
    direct('a direct response with 204', { status: 204 }, [get('/')]),
    direct('a direct response with 304', { status: 304 }, [get('/')]),
    direct('a direct response with 204 and a body', { status: 204, body: { inline_string: 'x' } }, [
      get('/'),
    ]),
    direct('a direct response with an odd status', { status: 299, body: { inline_string: 'x' } }, [
      get('/'),
    ]),
    direct('a direct response of an empty body', { status: 200, body: { inline_string: '' } }, [
      get('/'),
    ]),
    direct('a direct response for gRPC', { status: 503, body: { inline_string: 'sorry' } }, [
      get('/', 'content-type: application/grpc'),
    ]),
    {
      name: 'a direct response to a POST that is not complete ends the connection',
      config: {
        routes: [
          {
            match: { prefix: '/' },
            direct_response: { status: 200, body: { inline_string: 'x' } },
          },
        ],
      },
      client: 'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nabcde' + get('/next'),
    },
    {
      name: 'max_direct_response_body_size_bytes allows larger bodies',
      config: {
        routes: [
          {
            match: { prefix: '/' },
            direct_response: { status: 200, body: { inline_string: 'x'.repeat(5000) } },
          },
        ],
        routeConfig: { max_direct_response_body_size_bytes: 5000 },
      },
      client: get('/'),
    },
    {
      name: 'a route that does not forward',
      config: { routes: [{ match: { prefix: '/' }, non_forwarding_action: {} }] },
      client: get('/'),
      stats: ['http.CASE.no_route', 'http.CASE.rq_direct_response'],
    },
  ],
);
