// External authorization over HTTP: what is asked, what answers mean, what happens when there is none (envoy-behaviour §10.3).
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { CaseConfig, Json, Row, Upstream } from '../row.ts';

const NAME = 'envoy.filters.http.ext_authz';
const PACKAGE = 'filters.http.ext_authz.v3';
const percent = (numerator: number, more: Json = {}) => ({ default_value: { numerator }, ...more });
const names = (...list: readonly string[]) => ({ patterns: list.map((exact) => ({ exact })) });
const uri = (cluster: string, timeout = '5s') => ({
  server_uri: { uri: 'http://authz', cluster, timeout },
});

const authz = (settings: Json = {}, service: Json = {}, more: CaseConfig = {}): CaseConfig => ({
  httpFilters: [
    filterOf(NAME, `${PACKAGE}.ExtAuthz`, {
      http_service: { ...uri('CASE-authz'), ...service },
      ...settings,
    }),
  ],
  ...more,
});
const perRoute = (settings: Json): Json => ({
  typed_per_filter_config: {
    [NAME]: {
      '@type': `type.googleapis.com/envoy.extensions.${PACKAGE}.ExtAuthzPerRoute`,
      ...settings,
    },
  },
});
const retry = (more: Json) => ({
  retry_policy: { retry_back_off: { base_interval: '0.01s', max_interval: '2s' }, ...more },
});
const body = (more: Json = {}) => ({ with_request_body: { max_request_bytes: 5, ...more } });

const get = (path = '/', ...lines: readonly string[]): string =>
  `GET ${path} HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const post = (text: string, ...lines: readonly string[]): string =>
  `POST / HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}content-length: ${text.length}\r\n\r\n${text}`;
const chunked = (...chunks: readonly string[]): string =>
  `POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n${chunks
    .map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
    .join('')}0\r\n\r\n`;
const answer = (status: string, lines: readonly string[] = [], text = ''): string =>
  `HTTP/1.1 ${status}\r\n${lines.map((line) => `${line}\r\n`).join('')}content-length: ${text.length}\r\n\r\n${text}`;
const YES = answer('200 OK');
const says = (upstream: Upstream): { readonly upstreams: Readonly<Record<string, Upstream>> } => ({
  upstreams: { authz: upstream },
});
const DENIAL = answer(
  '401 Unauthorized',
  ['www-authenticate: Basic', 'set-cookie: a=1', 'set-cookie: b=2', 'x-c: 1'],
  'denied!',
);

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
  {
    name: 'two requests on one connection, one allowed',
    config: authz(),
    client: [get('/a'), { responses: 1 }, get('/b'), { responses: 2 }],
    ...says({ answers: [YES, answer('403 Forbidden')] }),
    expect: { status: [200, 403] },
  },
];

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

const errors: Row[] = [
  {
    name: 'an error of the server refuses',
    config: authz(),
    client: get(),
    ...says(answer('503 No', ['x-c: 1'], 'broken')),
    expect: { status: 403, log: /UAEX ext_authz_error/ },
  },
  {
    name: 'an error of the server refuses with another status',
    config: authz({ status_on_error: { code: 503 } }),
    client: get(),
    ...says(answer('500 No')),
    expect: { status: 503 },
  },
  {
    name: 'an error of the server lets pass where asked for',
    config: authz({ failure_mode_allow: true }),
    client: get(),
    ...says(answer('500 No')),
    expect: { status: 200, log: /- via_upstream/ },
  },
  {
    name: 'an error of the server lets pass and says so',
    config: authz({ failure_mode_allow: true, failure_mode_allow_header_add: true }),
    client: get(),
    ...says(answer('500 No')),
    expect: { upstream: /x-envoy-auth-failure-mode-allowed: true/ },
  },
  {
    name: 'a server that hangs up refuses',
    config: authz(),
    client: get(),
    ...says([{ close: true }]),
    expect: { status: 403 },
  },
  {
    name: 'a server that breaks off in its answer refuses',
    config: authz(),
    client: get(),
    ...says(['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab', { close: true }]),
    expect: { status: 403 },
  },
  {
    name: 'a server that speaks no HTTP refuses',
    config: authz(),
    client: get(),
    ...says('garbage\r\n\r\n'),
    expect: { status: 403 },
  },
  {
    name: 'a server that is not there refuses',
    config: authz(),
    client: get(),
    ...says({ refuses: true }),
    expect: { status: 403 },
  },
  {
    name: 'a server that does not answer in time refuses',
    config: authz({}, uri('CASE-authz', '0.1s')),
    client: get(),
    ...says([]),
    expect: { status: 403 },
  },
  {
    name: 'a server that does not answer in time lets pass where asked for',
    config: authz({ failure_mode_allow: true }, uri('CASE-authz', '0.1s')),
    client: get(),
    ...says([]),
    expect: { status: 200 },
  },
  {
    name: 'a cluster that does not exist refuses',
    config: authz({}, uri('CASE-nobody')),
    client: get(),
    expect: { status: 403 },
  },
  {
    name: 'a gRPC request and an error',
    config: authz(),
    client: post('', 'content-type: application/grpc'),
    ...says(answer('500 No')),
    expect: { client: /grpc-status: 7/ },
  },
  {
    name: 'a client that leaves while the server is asked',
    config: authz(),
    client: [get(), { upstreamGets: 'GET / HTTP/1.1', at: 'authz' }, { close: true }],
    ...says([]),
  },
];

const switches: Row[] = [
  {
    name: 'not enabled: nobody is asked',
    config: authz({ filter_enabled: percent(0) }),
    client: get(),
    ...says(DENIAL),
    expect: { status: 200 },
  },
  {
    name: 'not enabled by runtime',
    config: authz({ filter_enabled: percent(100, { runtime_key: 'never' }) }),
    client: get(),
    ...says(DENIAL),
    expect: { status: 200 },
  },
  {
    name: 'not enabled and denied',
    config: authz({
      filter_enabled: percent(0),
      deny_at_disable: { default_value: true, runtime_key: 'none' },
    }),
    client: get(),
    ...says(YES),
    expect: { status: 403, log: /UAEX ext_authz_error/ },
  },
  {
    name: 'not enabled and denied by runtime',
    config: authz({
      filter_enabled: percent(0),
      deny_at_disable: { default_value: false, runtime_key: 'yes' },
      status_on_error: { code: 429 },
    }),
    client: get(),
    ...says(YES),
    expect: { status: 429 },
  },
  {
    name: 'a route that needs no authorization',
    config: { ...authz(), routeMore: perRoute({ disabled: true }) },
    client: get(),
    ...says(DENIAL),
    expect: { status: 200 },
  },
  {
    name: 'a request without a route is not asked about',
    config: { ...authz(), routes: [] },
    client: get(),
    ...says(YES),
    expect: { status: 404 },
  },
  {
    name: 'a direct response is guarded, too',
    config: {
      ...authz(),
      routes: [{ match: { prefix: '/' }, direct_response: { status: 418 } }],
    },
    client: get(),
    ...says(DENIAL),
    expect: { status: 401 },
  },
  {
    name: 'a stat prefix',
    config: authz({ stat_prefix: 'me' }),
    client: get(),
    ...says(YES),
  },
  {
    name: 'a route with context of its own',
    config: {
      ...authz(),
      routeMore: perRoute({ check_settings: { context_extensions: { a: 'b' } } }),
    },
    client: get(),
    ...says(YES),
  },
  {
    name: 'a route with a server of its own',
    config: {
      ...authz(),
      routeMore: perRoute({
        check_settings: { http_service: { ...uri('CASE-more'), path_prefix: '/r' } },
      }),
    },
    client: get('/p', 'authorization: a'),
    upstreams: { authz: DENIAL, more: YES },
    expect: { status: 200 },
  },
  {
    name: 'a retry policy without conditions asks once',
    config: authz({}, retry({ num_retries: 2 })),
    client: get(),
    ...says({ answers: [answer('503 No'), YES] }),
    expect: { status: 403 },
  },
  {
    name: 'a server that is asked again',
    config: authz({}, retry({ retry_on: '5xx', num_retries: 1 })),
    client: get(),
    ...says({ answers: [answer('503 No'), YES] }),
    expect: { status: 200 },
  },
];

const bodies: Row[] = [
  {
    name: 'a body is sent',
    config: authz(body()),
    client: post('abc'),
    ...says(YES),
    expect: { upstream: /x-envoy-auth-partial-body: false/ },
  },
  {
    name: 'a body as long as may be',
    config: authz(body()),
    client: post('abcde'),
    ...says(YES),
  },
  {
    name: 'a body that is too long',
    config: authz(body()),
    client: post('abcdef'),
    ...says(YES),
    expect: { status: 413 },
  },
  {
    name: 'a body in chunks',
    config: authz(body()),
    client: chunked('ab', 'c'),
    ...says(YES),
    expect: { status: 200 },
  },
  {
    name: 'a body in chunks that is too long',
    config: authz(body()),
    client: chunked('abc', 'def'),
    ...says(YES),
    expect: { status: 413 },
  },
  {
    name: 'the beginning of a body is sent',
    config: authz(body({ allow_partial_message: true })),
    client: post('abcdefgh'),
    ...says(YES),
    expect: { upstream: /x-envoy-auth-partial-body: true/ },
  },
  {
    name: 'a body that is short enough is whole',
    config: authz(body({ allow_partial_message: true })),
    client: post('abc'),
    ...says(YES),
  },
  {
    name: 'a body that is refused',
    config: authz(body()),
    client: post('abc'),
    ...says(DENIAL),
    expect: { status: 401 },
  },
  {
    name: 'a body with trailers',
    config: {
      ...authz(body()),
      hcm: { http_protocol_options: { enable_trailers: true } },
    },
    client:
      'POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nt: 1\r\n\r\n',
    ...says(YES),
  },
  {
    name: 'bytes that are no text',
    config: authz(body({ pack_as_bytes: true })),
    client: post('a\xff\xfe'),
    ...says(YES),
  },
  {
    name: 'a route whose bodies are not sent',
    config: {
      ...authz(body()),
      routeMore: perRoute({ check_settings: { disable_request_body_buffering: true } }),
    },
    client: post('abcdefgh'),
    ...says(YES),
    expect: { status: 200 },
  },
  {
    name: 'a route whose bodies are sent',
    config: {
      ...authz(),
      routeMore: perRoute({
        check_settings: {
          with_request_body: { max_request_bytes: 3, allow_partial_message: true },
        },
      }),
    },
    client: post('abcdefgh'),
    ...says(YES),
    expect: { upstream: /x-envoy-auth-partial-body: true/ },
  },
  {
    name: 'the body comes while the server is asked',
    config: authz(),
    client: [
      'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\n',
      { upstreamGets: 'POST / HTTP/1.1', at: 'authz' },
      'hello',
    ],
    ...says([{ pauseMs: 30 }, YES]),
    uncut: 'the steps of the client depend on each other',
  },
];

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'http.CASE.ext_authz.*',
      'cluster.CASE-up.ext_authz.*',
      'cluster.CASE-up.upstream_rq_4xx',
      'cluster.CASE-up.internal.*',
      'cluster.CASE-up.upstream_rq_completed',
      'cluster.CASE-authz.upstream_rq_total',
    ],
    bootstrap: {
      layered_runtime: { layers: [{ name: 'static', static_layer: { never: 0, yes: true } }] },
    },
  },
  [...allowed, ...refused, ...errors, ...switches, ...bodies],
);
