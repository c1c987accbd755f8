// External authorization over HTTP: what is asked, and what answers mean (envoy-behaviour §10.3).
import { differential } from '../differential.ts';
import {
  AUTHZ_SUITE,
  DENIAL,
  YES,
  answer,
  authz,
  get,
  names,
  post,
  says,
} from './filters-ext-authz.ts';
import type { Row } from '../row.ts';

const allowed: Row[] = [
  {
    name: 'a request that is allowed goes on',
    config: authz(),
    client: get('/p?q=1', 'x-in: 1'),
    ...says(YES),
    expect: { status: 200, upstream: /GET \/p\?q=1/ },
  },
  {
    name: 'the server is asked with a prefix',
    config: authz({}, { path_prefix: '/check' }),
    client: get('/p?q=1'),
    ...says(YES),
    expect: { upstream: /GET \/check\/p\?q=1/ },
  },
  {
    name: 'the server is asked at one path',
    config: authz({}, { path_override: '/check' }),
    client: get('/p?q=1'),
    ...says(YES),
  },
  {
    name: 'authorization is always sent',
    config: authz(),
    client: get('/', 'authorization: secret', 'cookie: c'),
    ...says(YES),
  },
  {
    name: 'allowed headers are sent, lines of one name joined',
    config: authz({}, { authorization_request: { allowed_headers: names('x-in') } }),
    client: get('/', 'x-in: 1', 'x-out: 2', 'X-In: 3'),
    ...says(YES),
    expect: { upstream: /x-in: 1,3/ },
  },
  {
    name: 'the filter’s own allowed headers',
    config: authz({ allowed_headers: { patterns: [{ prefix: 'x-i' }] } }),
    client: get('/', 'x-in: 1', 'out: 2'),
    ...says(YES),
  },
  {
    name: 'disallowed headers are not sent',
    config: authz({
      allowed_headers: { patterns: [{ prefix: 'x-' }] },
      disallowed_headers: names('x-secret', 'authorization'),
    }),
    client: get('/', 'x-secret: 1', 'authorization: 2'),
    ...says(YES),
  },
  {
    name: 'headers are added to what is asked',
    config: authz(
      {},
      {
        path_prefix: '/check',
        authorization_request: { headers_to_add: [{ key: 'x-path', value: '%REQ(:PATH)%' }] },
      },
    ),
    client: get('/p'),
    ...says(YES),
    expect: { upstream: /x-path: \/p/ },
  },
  {
    name: 'a client cannot say that a body is partial',
    config: authz({ allowed_headers: { patterns: [{ prefix: 'x-' }] } }),
    client: get('/', 'x-envoy-auth-partial-body: true'),
    ...says(YES),
  },
  {
    name: 'a body is not sent by default',
    config: authz(),
    client: post('hello'),
    ...says(YES),
  },
  {
    name: 'headers of the answer replace those of the request',
    config: authz({}, { authorization_response: { allowed_upstream_headers: names('x-a') } }),
    client: get('/', 'x-a: client', 'x-b: client'),
    ...says(answer('200 OK', ['x-a: 1', 'x-b: 2'])),
  },
  {
    name: 'headers of the answer are added to those of the request',
    config: authz(
      {},
      {
        authorization_response: { allowed_upstream_headers_to_append: names('x-a', 'user-agent') },
      },
    ),
    client: get('/', 'x-a: client', 'user-agent: u'),
    ...says(answer('200 OK', ['x-a: 1', 'user-agent: v'])),
  },
  {
    name: 'headers of the answer go to the client of a request that is allowed',
    config: authz(
      {},
      { authorization_response: { allowed_client_headers_on_success: names('x-a', 'set-cookie') } },
    ),
    client: get(),
    ...says(answer('200 OK', ['x-a: 1', 'set-cookie: a', 'set-cookie: b', 'x-b: 2'])),
  },
  {
    name: 'the answer takes headers away',
    config: authz(),
    client: get('/', 'a: 1', 'b: 1', 'c: 1'),
    ...says(answer('200 OK', ['x-envoy-auth-headers-to-remove: A, b ,,host,:path'])),
  },
  {
    name: 'the answer says what the body’s length is',
    config: authz(
      {},
      {
        authorization_response: {
          allowed_upstream_headers: { patterns: [{ prefix: 'content-' }] },
        },
      },
    ),
    client: post('hello'),
    ...says(answer('200 OK', ['content-language: de'])),
    differs: {
      envoy: 'sends `content-length: 0` of the answer with a body of five bytes',
      ours: 'keeps the request’s own length',
      reason: 'a wrong length lets the upstream take the body for the next request',
      where: ['upstream'],
    },
  },
  {
    name: 'headers of the answer become dynamic metadata',
    config: authz({}, { authorization_response: { dynamic_metadata_from_headers: names('x-a') } }),
    client: get(),
    log: '%RESPONSE_CODE% %DYNAMIC_METADATA(envoy.filters.http.ext_authz:x-a)% %DYNAMIC_METADATA(envoy.filters.http.ext_authz:x-b)%',
    ...says(answer('200 OK', ['x-a: 1', 'x-b: 2'])),
    expect: { log: /200 "?1"? -/ },
  },
  {
    name: 'dynamic metadata may be ignored',
    config: authz(
      { enable_dynamic_metadata_ingestion: false },
      { authorization_response: { dynamic_metadata_from_headers: names('x-a') } },
    ),
    client: get(),
    log: '%RESPONSE_CODE% %DYNAMIC_METADATA(envoy.filters.http.ext_authz:x-a)%',
    ...says(answer('200 OK', ['x-a: 1'])),
  },
  ...(['true', 'false'] as const).map((clear) => ({
    name: `a changed request is routed again: ${clear}`,
    config: authz(
      { clear_route_cache: clear === 'true' },
      { authorization_response: { allowed_upstream_headers: names('x-a') } },
      {
        routes: [
          { match: { prefix: '/', headers: [{ name: 'x-a' }] }, direct_response: { status: 418 } },
          { match: { prefix: '/' }, route: { cluster: 'CASE-up' } },
        ],
      },
    ),
    client: get(),
    ...says(answer('200 OK', ['x-a: 1'])),
    expect: { status: clear === 'true' ? 418 : 200 },
  })),
  ...(
    [
      ['a named header is set', ['X-A'], ['x-a: 1'], 418],
      ['another header is set', ['x-a'], ['x-b: 1'], 200],
      ['a named header is added', ['x-c'], ['x-c: 1', 'x-b: 1'], 200],
      ['a named header is taken away', ['gone'], ['x-envoy-auth-headers-to-remove: gone'], 420],
      ['another header is taken away', ['x-a'], ['x-envoy-auth-headers-to-remove: gone'], 200],
    ] as const
  ).map(([what, clear_route_cache_headers, lines, status]) => ({
    name: `routed again for some headers: ${what}`,
    config: authz(
      { clear_route_cache: true, clear_route_cache_headers },
      {
        authorization_response: {
          allowed_upstream_headers: names('x-a', 'x-b'),
          allowed_upstream_headers_to_append: names('x-c'),
        },
      },
      {
        routes: [
          { match: { prefix: '/', headers: [{ name: 'x-a' }] }, direct_response: { status: 418 } },
          { match: { prefix: '/', headers: [{ name: 'x-b' }] }, direct_response: { status: 419 } },
          {
            match: { prefix: '/', headers: [{ name: 'gone', present_match: false }] },
            direct_response: { status: 420 },
          },
          { match: { prefix: '/' }, route: { cluster: 'CASE-up' } },
        ],
      },
    ),
    client: get('/', 'gone: 1'),
    ...says(answer('200 OK', lines)),
    expect: { status },
  })),
  {
    name: 'two requests on one connection, one allowed',
    config: authz(),
    client: [get('/a'), { responses: 1 }, get('/b'), { responses: 2 }],
    ...says({ answers: [YES, answer('403 Forbidden')] }),
    expect: { status: [200, 403] },
  },
];

/** An answer that changes a good deal, under rules. */
const rules: Row[] = (
  [
    ['by default', {}],
    ['allow routing', { allow_all_routing: true }],
    ['allow x-envoy', { allow_envoy: true }],
    ['disallow system', { allow_all_routing: true, disallow_system: true }],
    ['disallow all', { disallow_all: true }],
    ['disallow all but some', { disallow_all: true, allow_expression: { regex: 'x-a' } }],
    ['allow some x-envoy', { allow_expression: { regex: 'x-envoy-a' } }],
    ['allow host', { allow_expression: { regex: 'host' } }],
    ['allow host, disallow system', { allow_expression: { regex: 'host' }, disallow_system: true }],
    ['disallow some', { disallow_expression: { regex: 'x-a' } }],
    [
      'disallow wins',
      { allow_expression: { regex: 'x-.*' }, disallow_expression: { regex: 'x-a' } },
    ],
    ['an error', { disallow_expression: { regex: 'x-a' }, disallow_is_error: true }],
    ['no error', { allow_all_routing: true, allow_envoy: true, disallow_is_error: true }],
  ] as const
).map(([what, settings]) => ({
  name: `rules: ${what}`,
  config: authz(
    { decoder_header_mutation_rules: settings },
    {
      authorization_response: {
        allowed_upstream_headers: names('x-a', 'x-envoy-a', 'host'),
        allowed_upstream_headers_to_append: names('x-b'),
      },
    },
  ),
  client: get('/', 'x-gone: 1', 'x-envoy-gone: 1'),
  ...says(
    answer('200 OK', [
      'x-a: 1',
      'x-envoy-a: 1',
      'x-b: 1',
      'host: other',
      'x-envoy-auth-headers-to-remove: x-gone, x-envoy-gone',
    ]),
  ),
}));

const refused: Row[] = [
  {
    name: 'a refusal goes to the client as it is',
    config: authz(),
    client: get(),
    ...says(DENIAL),
    expect: { status: 401, client: /denied!/, log: /UAEX ext_authz_denied/ },
  },
  {
    name: 'a refusal with few headers',
    config: authz({}, { authorization_response: { allowed_client_headers: names('x-c') } }),
    client: get(),
    ...says(DENIAL),
    expect: { client: /x-c: 1/ },
  },
  {
    name: 'a refusal of HEAD',
    config: authz(),
    client: 'HEAD / HTTP/1.1\r\nhost: h\r\n\r\n',
    ...says(answer('401 Unauthorized', ['x-c: 1'])),
  },
  {
    name: 'a refusal of gRPC',
    config: authz(),
    client: post('', 'content-type: application/grpc'),
    ...says(DENIAL),
    expect: { client: /grpc-status: 16/ },
  },
  {
    name: 'a redirect to the login',
    config: authz({}, { authorization_response: { allowed_client_headers: names('x-c') } }),
    client: get(),
    ...says(answer('302 Found', ['location: /login', 'x-d: 1'])),
    expect: { status: 302, client: /location: \/login/ },
  },
  {
    name: 'a refusal in chunks',
    config: authz(),
    client: get(),
    ...says(
      'HTTP/1.1 403 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
    ),
    expect: { client: /abcde/ },
  },
  {
    name: 'a refusal without a body',
    config: authz(),
    client: get(),
    ...says(answer('403 Forbidden', ['content-type: text/html'])),
  },
  {
    name: 'a refusal with 200-something that is not 200',
    config: authz(),
    client: get(),
    ...says(answer('204 No Content')),
    expect: { status: 204 },
  },
  {
    name: 'a refusal does not say what to remove',
    config: authz(),
    client: get(),
    ...says(answer('403 Forbidden', ['x-envoy-auth-headers-to-remove: a'])),
  },
  {
    name: 'a refusal while the body still comes',
    config: authz(),
    client: ['POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\n', { responses: 1 }],
    ...says(answer('403 Forbidden')),
    uncut: 'whether the body has come when the reply is written',
  },
  {
    name: 'refusals are not charged to the route’s cluster where that is off',
    config: authz({ charge_cluster_response_stats: false }),
    client: get(),
    ...says(answer('403 Forbidden')),
  },
  {
    name: 'a long refusal is cut where asked for',
    config: authz({ max_denied_response_body_bytes: 3 }),
    client: get(),
    ...says(DENIAL),
  },
  {
    name: 'headers of a refusal replace those of the route',
    config: {
      ...authz(),
      routeMore: { response_headers_to_add: [{ header: { key: 'x-c', value: 'route' } }] },
    },
    client: get(),
    ...says(DENIAL),
  },
];

export const suite = await differential(import.meta.url, AUTHZ_SUITE, [
  ...allowed,
  ...rules,
  ...refused,
]);
