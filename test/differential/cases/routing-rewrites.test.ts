// What a route makes of path and host (envoy-behaviour §3.4).
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { Json, Row } from '../row.ts';

const row = (
  name: string,
  route: Json,
  requests: readonly string[],
  match: Json = { prefix: '/' },
): Row => ({
  name,
  config: { routes: [{ match, route: { cluster: 'CASE-up', ...route } }] },
  client: inTurn(...requests),
});

const regex = (pattern: string, substitution: string): Json => ({
  pattern: { regex: pattern },
  substitution,
});

const template = (path: string): Json => ({
  path_match_policy: {
    name: 'envoy.path.match.uri_template.uri_template_matcher',
    typed_config: {
      '@type':
        'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig',
      path_template: path,
    },
  },
});
const rewriteTemplate = (path: string): Json => ({
  path_rewrite_policy: {
    name: 'envoy.path.rewrite.uri_template.uri_template_rewriter',
    typed_config: {
      '@type':
        'type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig',
      path_template_rewrite: path,
    },
  },
});

const PATHS = ['/p', '/p?q', '/p/', '/px', '/p/p?/p', '/P'].map((path) => get(path));

export const suite = await differential(import.meta.url, {}, [
  row('prefix_rewrite keeps what follows the prefix', { prefix_rewrite: '/new' }, PATHS, {
    prefix: '/p',
  }),
  row('prefix_rewrite to a slash may double it', { prefix_rewrite: '/' }, PATHS, { prefix: '/p' }),
  row('prefix_rewrite of a prefix that ignores case', { prefix_rewrite: '/new' }, PATHS, {
    prefix: '/p',
    case_sensitive: false,
  }),
  row('prefix_rewrite replaces a whole path', { prefix_rewrite: '/new' }, [get('/p?q')], {
    path: '/p',
  }),
  row('prefix_rewrite keeps what follows a separated prefix', { prefix_rewrite: '/new' }, PATHS, {
    path_separated_prefix: '/p',
  }),
  row('prefix_rewrite replaces all that a regex matched', { prefix_rewrite: '/new' }, PATHS, {
    safe_regex: { regex: '/p.*' },
  }),
  row('prefix_rewrite of everything', { prefix_rewrite: '/new' }, [get('/'), get('/a?q')], {
    prefix: '/',
  }),
  row(
    'prefix_rewrite with a query of its own',
    { prefix_rewrite: '/new?x=' },
    [get('/p'), get('/p?q')],
    {
      prefix: '/p',
    },
  ),
  row('regex_rewrite replaces every match, not in the query', { regex_rewrite: regex('a', 'b') }, [
    get('/a/aa?a'),
    get('/c'),
  ]),
  row('regex_rewrite knows groups', { regex_rewrite: regex('^/(\\w+)/(\\w+)', '/\\2/\\1/\\0') }, [
    get('/one/two/three'),
    get('/one'),
  ]),
  row('regex_rewrite with an escaped backslash', { regex_rewrite: regex('b', '\\\\') }, [
    get('/abc'),
  ]),
  row('regex_rewrite with a group that does not exist', { regex_rewrite: regex('b', '<\\5>') }, [
    get('/abcb'),
  ]),
  row('regex_rewrite with an escape that does not exist', { regex_rewrite: regex('b', 'x\\y') }, [
    get('/abcb'),
  ]),
  row('regex_rewrite of empty matches', { regex_rewrite: regex('b*', '-') }, [
    get('/fbbcb'),
    get('/'),
  ]),
  row(
    'regex_rewrite of a group that took no part',
    { regex_rewrite: regex('(b)|(c)', '[\\1\\2]') },
    [get('/abcd')],
  ),
  row('regex_rewrite ignoring case by a flag', { regex_rewrite: regex('(?i)ABC', 'x') }, [
    get('/aBc/abc'),
  ]),
  row('regex_rewrite to nothing', { regex_rewrite: regex('.*', '') }, [get('/abc?q')]),
  row(
    'regex_rewrite together with a regex match',
    { regex_rewrite: regex('/', '_') },
    [get('/a/b?c/d')],
    {
      safe_regex: { regex: '/a/.*' },
    },
  ),
  row('a rewrite by template', rewriteTemplate('/re/{b}/{a}'), [get('/three/A/x/B/c?z=1')], {
    ...template('/three/{a}/{b=x/*}/c'),
  }),
  row(
    'a rewrite by template with a suffix',
    rewriteTemplate('/5{p}'),
    [get('/five/a/b.mpd'), get('/five/.mpd?q'), get('/five/x.mpd.mpd')],
    { ...template('/five/{p=**}.mpd') },
  ),
  row(
    'templates match whole paths',
    {},
    [
      ...[
        '/one/a',
        '/one/',
        '/one',
        '/one/a/b',
        '/one/%41?q=/x',
        '/one/a*',
        '/one/a|b',
        '/one/a.b',
      ].map((path) => get(path)),
    ],
    { ...template('/one/*') },
  ),
  row(
    'two asterisks match any number of segments',
    {},
    [...['/two', '/two/', '/two/a', '/two/a/b/', '/two//a', '/twoa'].map((path) => get(path))],
    { ...template('/two/**') },
  ),
  row('path_rewrite is a format and keeps the query', { path_rewrite: '/new/%REQ(x-n)%' }, [
    get('/a?q=1', 'x-n: N'),
    get('/a?q=1'),
  ]),
  row('path_rewrite that gives nothing rewrites nothing', { path_rewrite: '%REQ(x-n)%' }, [
    get('/a?q=1', 'x-n: /N?w'),
    get('/a?q=1'),
  ]),
  row('host_rewrite_literal', { host_rewrite_literal: 'new.host:81' }, [get('/', 'host: old:80')]),
  row('host_rewrite_literal, also with the same host', { host_rewrite_literal: 'h' }, [get('/')]),
  row('host_rewrite_header takes the first value', { host_rewrite_header: 'x-h' }, [
    get('/', 'x-h: a', 'x-h: b'),
    get('/', 'x-h:'),
    get('/'),
  ]),
  row(
    'host_rewrite_path_regex takes the path apart',
    {
      host_rewrite_path_regex: regex('^/(.+)/.+$', '\\1'),
    },
    [get('/tenant/x?q=/a/b'), get('/tenant')],
  ),
  row('host_rewrite is a format', { host_rewrite: '%REQ(x-n)%.com' }, [
    get('/', 'x-n: N'),
    get('/'),
  ]),
  row(
    'append_x_forwarded_host keeps the old host',
    {
      host_rewrite_literal: 'new',
      append_x_forwarded_host: true,
    },
    [
      get('/'),
      get('/', 'x-forwarded-host: a'),
      get('/', 'x-forwarded-host: a,h'),
      get('/', 'x-forwarded-host: a, h'),
      get('/', 'x-forwarded-host: h'),
      get('/', 'x-forwarded-host: h,a'),
      get('/', 'x-forwarded-host: H'),
      get('/', 'x-forwarded-host: a', 'x-forwarded-host: b'),
      get('/', 'x-forwarded-host:'),
    ],
  ),
  row('append_x_forwarded_host without a rewrite', { append_x_forwarded_host: true }, [
    get('/', 'x-forwarded-host: a'),
  ]),
  row(
    'host and path together',
    { host_rewrite_literal: 'new', prefix_rewrite: '/n' },
    [get('/p/x')],
    {
      prefix: '/p',
    },
  ),
  {
    name: 'prefix_rewrite where path parameters are ignored',
    config: {
      routes: [
        { match: { prefix: '/pre/x' }, route: { cluster: 'CASE-up', prefix_rewrite: '/new' } },
        { match: { path: '/p' }, route: { cluster: 'CASE-up', prefix_rewrite: '/whole' } },
        {
          match: { prefix: '/r' },
          route: { cluster: 'CASE-up', regex_rewrite: regex('/r(.*)', '/s\\1') },
        },
      ],
      routeConfig: { ignore_path_parameters_in_path_matching: true },
    },
    client: inTurn(
      ...['/pre/x;a=b/y', '/pre;a=b/x/y?q', '/pre/xyz;c', '/p;a=b?q;r', '/r;a/b;c?d'].map((path) =>
        get(path),
      ),
    ),
  },
  {
    name: 'auto_host_rewrite takes the hostname of the endpoint',
    config: {
      routes: [
        {
          match: { prefix: '/' },
          route: { cluster: 'CASE-up', auto_host_rewrite: true, append_x_forwarded_host: true },
        },
      ],
      clusters: {
        up: {
          load_assignment: {
            cluster_name: 'CASE-up',
            endpoints: [
              {
                lb_endpoints: [
                  {
                    endpoint: {
                      hostname: 'named.host',
                      address: { socket_address: { address: '127.0.0.1', port_value: 'PORT(up)' } },
                    },
                  },
                ],
              },
            ],
          },
        },
      },
    },
    client: get('/'),
  },
  row('auto_host_rewrite without a hostname keeps the host', { auto_host_rewrite: true }, [
    get('/'),
  ]),
  {
    name: 'suppress_envoy_headers keeps the originals to itself',
    config: {
      routes: [
        {
          match: { prefix: '/p' },
          route: {
            cluster: 'CASE-up',
            host_rewrite_literal: 'new',
            prefix_rewrite: '/n',
            append_x_forwarded_host: true,
          },
        },
      ],
      hcm: {
        http_filters: [
          {
            name: 'envoy.filters.http.router',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
              suppress_envoy_headers: true,
            },
          },
        ],
      },
    },
    client: get('/p/x'),
  },
  {
    name: 'a client cannot say what its original path and host were',
    config: {
      routes: [
        {
          match: { prefix: '/p' },
          route: { cluster: 'CASE-up', prefix_rewrite: '/n', host_rewrite_literal: 'new' },
        },
      ],
    },
    client: inTurn(
      get('/p', 'x-envoy-original-path: /lie', 'x-envoy-original-host: lie'),
      get('/p', 'x-envoy-original-path: /lie', 'x-forwarded-for: 10.0.0.1'),
    ),
  },
  {
    name: 'header formats see the path before it is rewritten, responses after it',
    config: {
      routes: [
        {
          match: { prefix: '/p' },
          route: { cluster: 'CASE-up', prefix_rewrite: '/n', host_rewrite_literal: 'new' },
          request_headers_to_add: [
            { header: { key: 'x-path', value: '%REQ(:path)% %REQ(:authority)%' } },
          ],
          response_headers_to_add: [
            {
              header: {
                key: 'x-path',
                value: '%REQ(:path)% %REQ(:authority)% %REQ(x-envoy-original-path)%',
              },
            },
          ],
        },
      ],
    },
    client: get('/p/x?q'),
    log: '%REQ(:PATH)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %REQ(:AUTHORITY)% %PATH(NQ:ORIG)%',
  },
]);
