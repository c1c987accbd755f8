// External authorization over HTTP: no answers, switches, bodies (envoy-behaviour §10.3).
import { differential } from '../differential.ts';
import {
  AUTHZ_SUITE,
  DENIAL,
  YES,
  answer,
  authz,
  body,
  chunked,
  get,
  perRoute,
  percent,
  post,
  retry,
  says,
  uri,
} from './filters-ext-authz.ts';
import type { Row } from '../row.ts';

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

export const suite = await differential(import.meta.url, AUTHZ_SUITE, [
  ...errors,
  ...switches,
  ...bodies,
]);
