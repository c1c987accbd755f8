// Route tables: what each field means, and that every mistake is told with its path.
import t from 'tap';
import type { RouteActionConfig } from '../../../proxy/config/route-config.ts';
import { problemsOf, routes } from './decoding.ts';
import type { Json } from './decoding.ts';

const host = (route: Json, changes: Json = {}): Json => ({
  name: 'r',
  virtual_hosts: [
    { name: 'h', domains: ['*'], routes: [{ match: { prefix: '/' }, ...route }], ...changes },
  ],
});
const forward = (action: Json, match: Json = { prefix: '/' }): Json =>
  host({ match, route: { cluster: 'c', ...action } });
const ROUTE = 'virtual_hosts[0].routes[0]';

function actionOf(json: Json): RouteActionConfig {
  const action = routes(json).virtualHosts[0]?.routes[0]?.action;
  if (action?.kind !== 'route') throw new Error('not a route action');
  return action;
}

const mistakes: readonly (readonly [what: string, json: Json, problems: readonly string[]])[] = [
  ['a nameless table', { virtual_hosts: [] }, ['name: is required']],
  [
    'a domain claimed twice, whatever its case',
    {
      name: 'r',
      virtual_hosts: [
        { name: 'a', domains: ['x.y'] },
        { name: 'b', domains: ['z', 'X.Y'] },
      ],
    },
    [
      'virtual_hosts[1].domains[1]: Only unique values for domains are permitted. Duplicate entry of domain x.y in route r',
    ],
  ],
  [
    'two catch-all virtual hosts',
    {
      name: 'r',
      virtual_hosts: [
        { name: 'a', domains: ['*'] },
        { name: 'b', domains: ['*'] },
      ],
    },
    ['virtual_hosts[1].domains[0]: Only a single wildcard domain is permitted in route r'],
  ],
  [
    'a virtual host without domains',
    { name: 'r', virtual_hosts: [{ name: 'a' }] },
    ['virtual_hosts[0].domains: at least one is required'],
  ],
  [
    'a route without match or action',
    { name: 'r', virtual_hosts: [{ name: 'h', domains: ['*'], routes: [{}] }] },
    [
      `${ROUTE}.match: is required`,
      `${ROUTE}: one of route, redirect, direct_response is required`,
    ],
  ],
  [
    'a regex RE2 does not know',
    forward({}, { safe_regex: { regex: '(?=x)' } }),
    [
      `${ROUTE}.match.safe_regex.regex: invalid regex '(?=x)': error parsing regexp: invalid or unsupported Perl syntax: \`(?=\``,
    ],
  ],
  [
    'a tree of matchers over what is no request header, without entries, or beside routes',
    host(
      { route: { cluster: 'c' } },
      {
        matcher: {
          matcher_tree: {
            input: {
              name: 'x',
              typed_config: {
                '@type':
                  'type.googleapis.com/envoy.type.matcher.v3.HttpRequestQueryParamMatchInput',
                query_param: 'q',
              },
            },
            exact_match_map: {},
          },
          on_no_match: { keep_matching: true },
        },
      },
    ),
    [
      'virtual_hosts[0].matcher: cannot set both matcher and routes on virtual host',
      'virtual_hosts[0].matcher.matcher_tree.input.typed_config: Route table can only match on request headers, saw type.googleapis.com/envoy.type.matcher.v3.HttpRequestQueryParamMatchInput',
      'virtual_hosts[0].matcher.matcher_tree.exact_match_map.map: at least one entry is required',
      'virtual_hosts[0].matcher.on_no_match.keep_matching: keep_matching is not supported in this context',
      'virtual_hosts[0].matcher.on_no_match: one of matcher, action is required',
    ],
  ],
  [
    'virtual clusters without headers or name',
    host(
      { route: { cluster: 'c' } },
      { virtual_clusters: [{ name: 'v' }, { headers: [{ name: 'a' }] }] },
    ),
    [
      "virtual_hosts[0].virtual_clusters[0].headers: virtual clusters must define 'headers'",
      'virtual_hosts[0].virtual_clusters[1].name: is required',
    ],
  ],
  [
    'an empty match',
    forward({}, {}),
    [
      `${ROUTE}.match: one of prefix, path, safe_regex, path_separated_prefix, connect_matcher, path_match_policy is required`,
    ],
  ],
  [
    'a separated prefix that ends in a slash',
    forward({}, { path_separated_prefix: '/a/' }),
    [`${ROUTE}.match.path_separated_prefix: must not be empty, hold ? or #, or end in /; is '/a/'`],
  ],
  [
    'matches on metadata, filter state and cookies that say too little',
    forward(
      {},
      {
        prefix: '/',
        dynamic_metadata: [{ filter: 'f' }],
        filter_state: [{ key: 'k' }],
        cookies: [{}],
      },
    ),
    [
      `${ROUTE}.match.cookies[0].string_match: is required`,
      `${ROUTE}.match.cookies[0].name: is required`,
      `${ROUTE}.match.dynamic_metadata[0].path: at least one is required`,
      `${ROUTE}.match.dynamic_metadata[0].value: is required`,
      `${ROUTE}.match.filter_state[0]: one of string_match, address_match is required`,
    ],
  ],
  [
    'a header matcher without name, and one with an empty prefix',
    forward(
      {},
      {
        prefix: '/',
        headers: [{ present_match: true }, { name: 'a', string_match: { prefix: '' } }],
      },
    ),
    [
      `${ROUTE}.match.headers[0].name: is required`,
      `${ROUTE}.match.headers[1].string_match.prefix: is required`,
    ],
  ],
  [
    'no cluster',
    host({ route: {} }),
    [`${ROUTE}.route: one of cluster, cluster_header, weighted_clusters is required`],
  ],
  [
    'weights that add up to nothing',
    host({ route: { weighted_clusters: { clusters: [{ name: 'a', weight: 0 }] } } }),
    [
      `${ROUTE}.route.weighted_clusters.clusters: Sum of weights in the weighted_cluster must be greater than 0.`,
    ],
  ],
  [
    'weights beyond 32 bits',
    host({
      route: {
        weighted_clusters: {
          clusters: [
            { name: 'a', weight: 4294967295 },
            { name: 'b', weight: 1 },
          ],
        },
      },
    }),
    [
      `${ROUTE}.route.weighted_clusters.clusters: The sum of weights of all weighted clusters exceeds 4294967295`,
    ],
  ],
  [
    'a negative timeout',
    forward({ timeout: '-1s' }),
    [`${ROUTE}.route.timeout: must be a duration between 0s and 315576000000s, is -1s 0ns`],
  ],
  [
    'two path rewrites',
    forward({ prefix_rewrite: '/', regex_rewrite: { pattern: { regex: 'a' }, substitution: 'b' } }),
    [`${ROUTE}.route: Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy`],
  ],
  [
    'a back-off that shrinks',
    forward({ retry_policy: { retry_back_off: { base_interval: '2s', max_interval: '1s' } } }),
    [
      `${ROUTE}.route.retry_policy.retry_back_off.max_interval: retry_policy.max_interval must greater than or equal to the base_interval`,
    ],
  ],
  [
    'an unknown enum value',
    forward({ priority: 7 }),
    [`${ROUTE}.route.priority: unknown enum value 7`],
  ],
  [
    'a replay guard that is no boolean',
    host({
      route: { cluster: 'c' },
      metadata: { filter_metadata: { outrigger: { guard_replays: 'yes' } } },
    }),
    [`${ROUTE}.metadata.filter_metadata["outrigger"].guard_replays: must be a boolean`],
  ],
  [
    'an internal redirect that would copy the host',
    forward({ internal_redirect_policy: { response_headers_to_copy: ['Host'] } }),
    [
      `${ROUTE}.route.internal_redirect_policy.response_headers_to_copy[0]: :-prefixed headers or Hosts may not be specified here.`,
    ],
  ],
  [
    'a rate-limited back-off without headers',
    forward({ retry_policy: { rate_limited_retry_back_off: {} } }),
    [
      `${ROUTE}.route.retry_policy.rate_limited_retry_back_off.reset_headers: at least one is required`,
    ],
  ],
  [
    'a hedge policy without requests',
    forward({ hedge_policy: { initial_requests: 0 } }),
    [`${ROUTE}.route.hedge_policy.initial_requests: must be at least 1, is 0`],
  ],
  [
    'a redirect to no port',
    host({ redirect: { port_redirect: 70000 } }),
    [`${ROUTE}.redirect.port_redirect: must be between 0 and 65535, is 70000`],
  ],
  [
    'a direct response that is too long',
    host({ direct_response: { status: 200, body: { inline_string: 'x'.repeat(5000) } } }),
    [`${ROUTE}.direct_response.body: response body size is 5000 bytes; maximum is 4096`],
  ],
  [
    'a direct response with status 99',
    host({ direct_response: { status: 99 } }),
    [`${ROUTE}.direct_response.status: must be between 200 and 599, is 99`],
  ],
  [
    'headers that may not be changed',
    host({
      route: { cluster: 'c' },
      request_headers_to_add: [{ header: { key: ':path', value: 'x' } }],
      response_headers_to_remove: ['Host', 'a\nb'],
    }),
    [
      `${ROUTE}.request_headers_to_add[0].header.key: :-prefixed or host headers may not be modified`,
      `${ROUTE}.response_headers_to_remove[0]: :-prefixed or host headers may not be removed`,
      `${ROUTE}.response_headers_to_remove[1]: must not hold NUL, CR or LF`,
    ],
  ],
  [
    'append and append_action at once',
    host({
      route: { cluster: 'c' },
      request_headers_to_add: [
        { header: { key: 'a', value: 'x' }, append: true, append_action: 'ADD_IF_ABSENT' },
      ],
    }),
    [
      `${ROUTE}.request_headers_to_add[0].append: both append and append_action are set; use append_action only`,
    ],
  ],
  [
    'settings of an unknown filter',
    host({
      route: { cluster: 'c' },
      typed_per_filter_config: {
        mine: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer' },
      },
    }),
    [
      `${ROUTE}.typed_per_filter_config["mine"]: Didn't find a registered implementation for 'mine' with type URL: 'envoy.extensions.filters.http.buffer.v3.Buffer'`,
    ],
  ],
  [
    'an impossible fault',
    host({
      route: { cluster: 'c' },
      typed_per_filter_config: {
        f: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault',
          delay: { fixed_delay: '0s' },
          abort: { http_status: 600 },
        },
      },
    }),
    [
      `${ROUTE}.typed_per_filter_config["f"].delay.fixed_delay: must be greater than 0s`,
      `${ROUTE}.typed_per_filter_config["f"].abort.http_status: must be between 200 and 599, is 600`,
    ],
  ],
  [
    'a hash policy of nothing',
    forward({ hash_policy: [{}] }),
    [
      `${ROUTE}.route.hash_policy[0]: one of header, cookie, query_parameter, connection_properties, filter_state is required`,
    ],
  ],
];

t.test('decodeRouteTable', (t) => {
  for (const [what, json, expected] of mistakes) {
    t.test(`refuses ${what}`, (t) => {
      t.strictSame(
        problemsOf(() => routes(json)),
        expected,
      );
      t.end();
    });
  }

  t.test('fills in the defaults', (t) => {
    const table = routes(forward({}));
    t.equal(table.version, 'v1');
    t.equal(table.validateClusters, false, 'RDS does not check clusters');
    const action = actionOf(forward({}));
    t.equal(action.timeoutMs, 15_000);
    t.equal(action.maxGrpcTimeoutMs, undefined);
    t.equal(action.clusterNotFoundStatus, 503);
    t.equal(action.retryPolicy, undefined);
    t.equal(action.idleTimeoutMs, undefined);
    t.equal(table.virtualHosts[0]?.routes[0]?.match.caseSensitive, true);
    t.end();
  });

  t.test('keeps a timeout of zero apart from none', (t) => {
    t.equal(actionOf(forward({ timeout: '0s', max_grpc_timeout: '0s' })).timeoutMs, 0);
    t.equal(actionOf(forward({ max_grpc_timeout: '0s' })).maxGrpcTimeoutMs, 0);
    t.equal(actionOf(forward({ timeout: '1.5s' })).timeoutMs, 1500);
    t.end();
  });

  t.test('reads retries', (t) => {
    const policy = actionOf(
      forward({ retry_policy: { retry_on: '5xx, what-is-this,reset' } }),
    ).retryPolicy;
    t.strictSame(policy?.retryOn, ['5xx', 'reset']);
    t.equal(policy?.numRetries, 1);
    t.equal(policy?.baseIntervalMs, 25);
    t.equal(policy?.maxIntervalMs, 250);
    const zero = actionOf(
      forward({ retry_policy: { num_retries: 0, per_try_timeout: '0s' } }),
    ).retryPolicy;
    t.equal(zero?.numRetries, 0);
    t.equal(zero?.perTryTimeoutMs, undefined);
    t.end();
  });

  t.test('reads header matchers in their old and new forms', (t) => {
    const headers = [
      { name: 'A', exact_match: 'x' },
      { name: 'b', exact_match: '' },
      { name: 'c', string_match: { suffix: 'Z', ignore_case: true }, invert_match: true },
      { name: 'd', range_match: { start: '-5', end: '10' } },
      { name: 'e', present_match: false },
      { name: 'f' },
    ];
    const table = routes(forward({}, { prefix: '/', headers }));
    const tests = table.virtualHosts[0]?.routes[0]?.match.headers;
    t.strictSame(
      tests?.map((header) => [header.name, header.test, header.invert]),
      [
        ['a', { kind: 'string', match: { kind: 'exact', value: 'x', ignoreCase: false } }, false],
        ['b', { kind: 'present', present: true }, false],
        ['c', { kind: 'string', match: { kind: 'suffix', value: 'Z', ignoreCase: true } }, true],
        ['d', { kind: 'range', start: -5, end: 10 }, false],
        ['e', { kind: 'present', present: false }, false],
        ['f', { kind: 'present', present: true }, false],
      ],
    );
    t.end();
  });

  t.test('hands mirrors of the virtual host to routes without their own', (t) => {
    const inherited = routes(
      host({ route: { cluster: 'c' } }, { request_mirror_policies: [{ cluster: 'm' }] }),
    );
    const action = inherited.virtualHosts[0]?.routes[0]?.action;
    t.match(action, { kind: 'route', mirrors: [{ cluster: 'm' }] });
    t.end();
  });

  t.test('keeps a direct response of bytes as bytes', (t) => {
    const table = routes(
      host({ direct_response: { status: 200, body: { inline_bytes: 'iVBORw0KGgo=' } } }),
    );
    const action = table.virtualHosts[0]?.routes[0]?.action;
    if (action?.kind !== 'direct_response') throw new Error('not a direct response');
    t.strictSame([...(action.bodyBytes ?? [])], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    t.end();
  });

  t.test('takes an empty path_redirect as none, as Istio writes it', (t) => {
    const table = routes(
      host({ redirect: { path_redirect: '', https_redirect: true, response_code: 'FOUND' } }),
    );
    t.match(table.virtualHosts[0]?.routes[0]?.action, {
      kind: 'redirect',
      path: undefined,
      status: 302,
      httpsRedirect: true,
    });
    t.end();
  });

  t.test('reads per-filter settings: values, off switches and the deprecated cors field', (t) => {
    const perFilter = (config: Json): unknown =>
      routes(host({ route: { cluster: 'c' }, typed_per_filter_config: config })).virtualHosts[0]
        ?.routes[0]?.perFilter;
    const type = 'type.googleapis.com/envoy.extensions.filters.http';
    t.match(
      perFilter({
        a: { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true },
      }),
      [{ name: 'a', disabled: true, settings: undefined }],
    );
    const wrapper = 'type.googleapis.com/envoy.config.route.v3.FilterConfig';
    t.match(
      perFilter({ a: { '@type': wrapper, config: {} } }),
      [{ name: 'a', disabled: false, settings: undefined }],
      'an empty Any switches it on',
    );
    t.throws(() => perFilter({ a: { '@type': wrapper, disabled: false } }), {
      message: /Empty route\/virtual host per filter configuration for a filter/,
    });
    t.match(perFilter({ a: { '@type': `${type}.rbac.v3.RBACPerRoute` } }), [
      { name: 'a', disabled: true },
    ]);
    t.match(perFilter({ a: { '@type': `${type}.rbac.v3.RBACPerRoute`, rbac: { rules: {} } } }), [
      { name: 'a', disabled: false, settings: { kind: 'refuse' } },
    ]);
    t.match(
      perFilter({ a: { '@type': `${type}.ext_authz.v3.ExtAuthzPerRoute`, disabled: true } }),
      [{ name: 'a', disabled: true }],
    );
    t.match(
      perFilter({
        b: { '@type': `${type}.cors.v3.CorsPolicy` },
        a: { '@type': `${type}.fault.v3.HTTPFault` },
      }),
      [
        { name: 'a', settings: { kind: 'fault', delay: undefined } },
        { name: 'b', settings: { kind: 'cors_policy', forwardNotMatchingPreflights: undefined } },
      ],
    );
    t.match(
      perFilter({
        a: {
          '@type': `${type}.fault.v3.HTTPFault`,
          response_rate_limit: { fixed_limit: { limit_kbps: 5 }, percentage: { numerator: 7 } },
          filter_metadata: { a: { b: [1, 'x'] } },
          abort_percent_runtime: 'mine',
        },
      }),
      [
        {
          settings: {
            responseRateLimit: { limitKbps: 5, percentage: { numerator: 7, denominator: 100 } },
            filterMetadata: new Map([['a', new Map([['b', [1, 'x']]])]]),
            runtime: { abortPercent: 'mine', abortHttpStatus: 'fault.http.abort.http_status' },
          },
        },
      ],
    );
    const legacy = routes(forward({ cors: { allow_methods: 'GET' } }));
    t.match(legacy.virtualHosts[0]?.routes[0]?.perFilter, [
      { name: 'envoy.filters.http.cors', settings: { kind: 'cors_policy', allowMethods: 'GET' } },
    ]);
    t.end();
  });
  t.end();
});

t.test('decodeRouteTable', (t) => {
  t.test('takes hedging, followed redirects, mirrors and the replay guard', (t) => {
    const json = host({
      route: {
        cluster: 'c',
        hedge_policy: { hedge_on_per_try_timeout: true },
        internal_redirect_policy: { redirect_response_codes: [200, 307] },
        request_mirror_policies: [{ cluster_header: 'X-Copy', host_rewrite_literal: 'h' }],
      },
      metadata: { filter_metadata: { outrigger: { guard_replays: true } } },
    });
    t.match(actionOf(json), {
      hedgeOnPerTryTimeout: true,
      internalRedirect: { maxInternalRedirects: 1, statusCodes: [307], allowCrossScheme: false },
      mirrors: [{ cluster: '', clusterHeader: 'x-copy', hostRewriteLiteral: 'h' }],
      guardReplays: true,
    });
    t.equal(actionOf(forward({})).guardReplays, undefined);
    const older = forward({ internal_redirect_action: 'HANDLE_INTERNAL_REDIRECT' });
    t.same(actionOf(older).internalRedirect?.statusCodes, [302]);
    t.end();
  });
  t.end();
});
