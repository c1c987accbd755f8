// Redirects that are followed inside (envoy-behaviour §3.9).
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';
import {
  INSIDE_CLIENTS,
  OK,
  QUICK,
  STATS,
  answer,
  get,
  whateverIsLeft,
} from './timeouts-retries.ts';

const PREDICATE = 'type.googleapis.com/envoy.extensions.internal_redirect';
const PREVIOUS_ROUTES = {
  name: 'p',
  typed_config: { '@type': `${PREDICATE}.previous_routes.v3.PreviousRoutesConfig` },
};
const SAFE_CROSS_SCHEME = {
  name: 's',
  typed_config: { '@type': `${PREDICATE}.safe_cross_scheme.v3.SafeCrossSchemeConfig` },
};
const allowListed = (...names: string[]): Json => ({
  name: 'a',
  typed_config: {
    '@type': `${PREDICATE}.allow_listed_routes.v3.AllowListedRoutesConfig`,
    allowed_route_names: names,
  },
});

const to = (location: string, status = '302 Found', ...lines: string[]): string =>
  answer(status, `location: ${location}`, ...lines);

/** The answer sends elsewhere; is it followed? */
const redirected = (location: string, policy: Json = {}, status?: string): Omit<Row, 'name'> => ({
  config: { route: { internal_redirect_policy: policy } },
  client: get(),
  upstream: { answers: [to(location, status), OK] },
});

const post = 'POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello';

export const suite = await differential(
  import.meta.url,
  {
    // One request a connection: whether a connection is back in its pool when the target is asked is nobody's business.
    config: { ...INSIDE_CLIENTS, clusters: { up: { max_requests_per_connection: 1 } } },
    stats: STATS,
    log: '%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% in=%BYTES_RECEIVED% out=%BYTES_SENT% %ROUTE_NAME% %UPSTREAM_CLUSTER% %REQ(X-ENVOY-ORIGINAL-URL)% tries=%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  },
  whateverIsLeft([
    {
      name: 'a redirect is followed',
      ...redirected('http://other/new?x=1'),
      expect: { status: 200 },
    },
    {
      name: 'a redirect without a policy goes to the client',
      client: get(),
      upstream: { answers: [to('http://other/new'), OK] },
      expect: { status: 302 },
    },
    {
      name: 'the older fields say the same',
      config: { route: { internal_redirect_action: 'HANDLE_INTERNAL_REDIRECT' } },
      client: get(),
      upstream: { answers: [to('http://other/new'), OK] },
    },
    {
      name: 'the older fields have a limit, too',
      config: {
        route: { internal_redirect_action: 'HANDLE_INTERNAL_REDIRECT', max_internal_redirects: 2 },
      },
      client: get(),
      upstream: { answers: [to('http://b/1'), to('http://c/2'), OK] },
    },
    {
      name: 'a 301 is not followed by default',
      ...redirected('http://other/new', {}, '301 Moved'),
    },
    {
      name: 'a 307 is followed where the policy lists it',
      ...redirected('http://other/new', { redirect_response_codes: [301, 307] }, '307 T'),
    },
    {
      name: 'a 302 is not followed where the policy lists others',
      ...redirected('http://other/new', { redirect_response_codes: [301, 307] }),
    },
    {
      name: 'codes that are no redirects are passed over',
      ...redirected('http://other/new', { redirect_response_codes: [200, 300] }, '200 OK'),
    },
    { name: 'a fragment is cut', ...redirected('http://other/new#frag') },
    { name: 'a target without a path', ...redirected('http://other') },
    { name: 'a target with a query and no path', ...redirected('http://other?x=1') },
    { name: 'a target with a port', ...redirected('http://other:8080/new') },
    { name: 'a target on an IPv6 address', ...redirected('http://[::1]:8080/new') },
    { name: 'a scheme in capitals', ...redirected('HTTP://Other/New') },
    { name: 'a relative target goes to the client', ...redirected('/new') },
    { name: 'a target without a scheme goes to the client', ...redirected('//other/new') },
    { name: 'an empty location goes to the client', ...redirected('') },
    {
      name: 'no location goes to the client',
      config: { route: { internal_redirect_policy: {} } },
      client: get(),
      upstream: { answers: [answer('302 Found'), OK] },
    },
    { name: 'a target with a user goes to the client', ...redirected('http://u:p@other/new') },
    { name: 'a target with a space goes to the client', ...redirected('http://other/n ew') },
    { name: 'a target of another protocol goes to the client', ...redirected('ftp://other/new') },
    {
      name: 'a target with an impossible port goes to the client',
      ...redirected('http://other:99999/new'),
    },
    { name: 'a target with an empty port', ...redirected('http://other:/new') },
    { name: 'a target to https goes to the client', ...redirected('https://other/new') },
    {
      name: 'a target to https is followed where that is allowed',
      ...redirected('https://other/new', { allow_cross_scheme_redirect: true }),
    },
    {
      name: 'a target to https is never safe from http',
      ...redirected('https://other/new', {
        allow_cross_scheme_redirect: true,
        predicates: [SAFE_CROSS_SCHEME],
      }),
    },
    {
      name: 'a target to http is safe from http',
      ...redirected('http://other/new', { predicates: [SAFE_CROSS_SCHEME] }),
    },
    {
      name: 'a second redirect goes to the client',
      config: { route: { internal_redirect_policy: {} } },
      client: get(),
      upstream: { answers: [to('http://b/1'), to('http://c/2'), OK] },
    },
    {
      name: 'two redirects are followed where the policy allows two',
      config: { route: { internal_redirect_policy: { max_internal_redirects: 2 } } },
      client: get(),
      upstream: { answers: [to('http://b/1'), to('http://c/2'), OK] },
    },
    {
      name: 'none is followed where the policy allows none',
      ...redirected('http://other/new', { max_internal_redirects: 0 }),
    },
    {
      name: 'the same target again goes to the client where previous routes are told apart',
      config: {
        route: {
          internal_redirect_policy: { max_internal_redirects: 5, predicates: [PREVIOUS_ROUTES] },
        },
      },
      client: get(),
      upstream: { answers: [to('http://b/1'), to('http://b/1'), OK] },
    },
    {
      name: 'a route that is not on the list goes to the client',
      ...redirected('http://other/new', { predicates: [allowListed('x')] }),
    },
    {
      name: 'a route that is on the list is followed',
      config: {
        routes: [
          { name: 'x', match: { prefix: '/x' }, route: { cluster: 'CASE-other' } },
          {
            name: 'a',
            match: { prefix: '/' },
            route: {
              cluster: 'CASE-up',
              internal_redirect_policy: { predicates: [allowListed('x')] },
            },
          },
        ],
      },
      client: get(),
      upstream: to('http://h/x'),
      upstreams: { other: OK },
    },
    {
      name: 'a target without a route goes to the client',
      config: {
        virtualHosts: [
          {
            name: 'a',
            domains: ['h'],
            routes: [
              {
                match: { prefix: '/' },
                route: { cluster: 'CASE-up', internal_redirect_policy: {} },
              },
            ],
          },
        ],
      },
      client: get(),
      upstream: { answers: [to('http://nowhere/'), OK] },
    },
    {
      name: 'a target that answers by itself',
      config: {
        routes: [
          {
            name: 'x',
            match: { prefix: '/x' },
            direct_response: { status: 201, body: { inline_string: 'direct' } },
          },
          {
            name: 'a',
            match: { prefix: '/' },
            route: { cluster: 'CASE-up', internal_redirect_policy: {} },
          },
        ],
      },
      client: get(),
      upstream: to('http://h/x'),
    },
    {
      name: 'a target whose route redirects the client',
      config: {
        routes: [
          { name: 'x', match: { prefix: '/x' }, redirect: { host_redirect: 'elsewhere' } },
          {
            name: 'a',
            match: { prefix: '/' },
            route: { cluster: 'CASE-up', internal_redirect_policy: {} },
          },
        ],
      },
      client: get(),
      upstream: to('http://h/x'),
    },
    {
      name: 'header changes of both routes',
      config: {
        routes: [
          {
            name: 'x',
            match: { prefix: '/x' },
            route: { cluster: 'CASE-up', prefix_rewrite: '/y' },
            request_headers_to_add: [{ header: { key: 'x-second', value: '%REQ(:PATH)%' } }],
            response_headers_to_add: [{ header: { key: 'x-r', value: 'two' } }],
          },
          {
            name: 'a',
            match: { prefix: '/' },
            route: { cluster: 'CASE-up', prefix_rewrite: '/z/', internal_redirect_policy: {} },
            request_headers_to_add: [{ header: { key: 'x-first', value: '1' } }],
            response_headers_to_add: [{ header: { key: 'x-r', value: 'one' } }],
          },
        ],
      },
      client: get(),
      upstream: { answers: [to('http://h/x/1'), OK] },
    },
    {
      name: 'a body goes along',
      config: { route: { internal_redirect_policy: {} } },
      client: post,
      upstream: { answers: [to('http://other/new'), OK] },
    },
    {
      name: 'a chunked body goes along',
      config: { route: { internal_redirect_policy: {} } },
      client:
        'POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n',
      upstream: { answers: [to('http://other/new'), OK] },
    },
    {
      name: 'a 307 keeps method and body',
      config: { route: { internal_redirect_policy: { redirect_response_codes: [307] } } },
      client: post,
      upstream: { answers: [to('http://other/new', '307 T'), OK] },
    },
    {
      name: 'a 303 makes a POST a GET',
      config: { route: { internal_redirect_policy: { redirect_response_codes: [303] } } },
      client: post,
      upstream: { answers: [to('http://other/new', '303 See'), OK] },
    },
    {
      name: 'a 303 leaves a HEAD alone',
      config: { route: { internal_redirect_policy: { redirect_response_codes: [303] } } },
      client: 'HEAD / HTTP/1.1\r\nhost: h\r\n\r\n',
      upstream: { answers: [to('http://other/new', '303 See'), OK] },
    },
    {
      name: 'a body that is too large to keep',
      config: {
        route: { internal_redirect_policy: {} },
        routeMore: { per_request_buffer_limit_bytes: 3 },
      },
      client: post,
      upstream: { answers: [to('http://other/new'), OK] },
      uncut: 'the limit counts pieces',
    },
    {
      name: 'an answer before the request is complete goes to the client',
      config: { route: { internal_redirect_policy: {} } },
      client: ['POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhe', { responses: 1 }],
      upstream: { answers: [[{ at: 'head' }, to('http://other/new')], OK] },
      uncut: 'never complete',
    },
    {
      name: 'the body of the redirect is thrown away',
      config: { route: { internal_redirect_policy: {} } },
      client: get(),
      upstream: {
        answers: [
          'HTTP/1.1 302 Found\r\nlocation: http://other/new\r\ncontent-length: 5\r\n\r\nmoved',
          OK,
        ],
      },
    },
    {
      name: 'headers of the redirect are copied',
      ...redirected('http://other/new', {
        response_headers_to_copy: ['x-copy', 'x-none', 'x-both'],
      }),
      upstream: {
        answers: [
          to('http://other/new', '302 Found', 'x-copy: 1', 'x-copy: 2', 'x-both: new', 'x-not: 1'),
          OK,
        ],
      },
      client: get('x-both: old', 'x-none: old'),
    },
    {
      name: 'retries come before redirects',
      config: {
        route: {
          internal_redirect_policy: {},
          retry_policy: { retry_on: '5xx', retry_back_off: QUICK },
        },
      },
      client: get(),
      upstream: { answers: [answer('503 No'), to('http://other/new'), answer('503 No'), OK] },
    },
    {
      name: 'attempt counts begin anew',
      config: {
        virtualHost: {
          include_request_attempt_count: true,
          include_attempt_count_in_response: true,
        },
        route: {
          internal_redirect_policy: {},
          retry_policy: { retry_on: '5xx', retry_back_off: QUICK },
        },
      },
      client: get(),
      upstream: { answers: [answer('503 No'), to('http://other/new'), OK] },
    },
    {
      name: 'the connection goes on afterwards',
      config: { route: { internal_redirect_policy: {} } },
      client: [get(), { responses: 1 }, get(), { responses: 2 }],
      upstream: { answers: [to('http://other/new'), OK, to('http://third/'), OK] },
    },
    {
      name: 'a client that wants to close is still told',
      config: { route: { internal_redirect_policy: {} } },
      client: get('connection: close'),
      upstream: { answers: [to('http://other/new'), OK] },
    },
    {
      name: 'a target whose upstream breaks',
      config: { route: { internal_redirect_policy: {} } },
      client: get(),
      upstream: { answers: [to('http://other/new'), [{ close: true }]] },
    },
    {
      name: 'a redirect and a time-out of the target',
      config: { route: { timeout: '0.15s', internal_redirect_policy: {} } },
      client: [get(), { responses: 1 }],
      upstream: { answers: [to('http://other/new'), []] },
    },
    {
      name: 'an HTTP/1.0 client',
      config: {
        hcm: { http_protocol_options: { accept_http_10: true } },
        route: { internal_redirect_policy: {} },
      },
      client: 'GET / HTTP/1.0\r\nhost: h\r\n\r\n',
      upstream: { answers: [to('http://other/new'), OK] },
    },
  ]),
);
