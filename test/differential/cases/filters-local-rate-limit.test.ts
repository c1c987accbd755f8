// The local rate limit: buckets, descriptors, what is answered and said (envoy-behaviour §10.4).
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { CaseConfig, ClientStep, Json, Row } from '../row.ts';

const NAME = 'envoy.filters.http.local_ratelimit';
const TYPE = 'filters.http.local_ratelimit.v3.LocalRateLimit';
const percent = (numerator: number, more: Json = {}) => ({ default_value: { numerator }, ...more });
const ON = { filter_enabled: percent(100), filter_enforced: percent(100) };
const HEADERS = { enable_x_ratelimit_headers: 'DRAFT_VERSION_03' };

/** A minute is longer than any row. */
const bucket = (max_tokens: number, fill_interval = '60s', tokens_per_fill = 1) => ({
  max_tokens,
  tokens_per_fill,
  fill_interval,
});
const limit = (settings: Json): CaseConfig => ({
  httpFilters: [filterOf(NAME, TYPE, { stat_prefix: 'CASE', ...ON, ...HEADERS, ...settings })],
});
const perRoute = (settings: Json): Json => ({
  typed_per_filter_config: {
    [NAME]: {
      '@type': `type.googleapis.com/envoy.extensions.${TYPE}`,
      stat_prefix: 'CASE.route',
      ...ON,
      ...HEADERS,
      ...settings,
    },
  },
});
const descriptor = (entries: Readonly<Record<string, string>>, token_bucket: Json, more = {}) => ({
  entries: Object.entries(entries).map(([key, value]) => ({ key, ...(value !== '' && { value }) })),
  token_bucket,
  ...more,
});
const BY_X = { actions: [{ request_headers: { header_name: 'x', descriptor_key: 'x' } }] };
const GENERIC = { actions: [{ generic_key: { descriptor_value: 'g' } }] };

const get = (...lines: readonly string[]): string =>
  `GET / HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
/** One request after the other, on one connection. */
const each = (...requests: readonly string[]): ClientStep[] =>
  requests.flatMap((text, i) => [text, { responses: i + 1 }]);
const grpc =
  'POST /s/m HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n';
const a = get('x: a');
const b = get('x: b');

const buckets: Row[] = [
  {
    name: 'an empty bucket answers 429',
    config: limit({ token_bucket: bucket(2) }),
    client: each(get(), get(), get()),
    expect: { status: [200, 200, 429], log: /429 RL local_rate_limited/ },
  },
  {
    name: 'tokens come back evenly',
    config: limit({ token_bucket: bucket(2, '1.6s', 2) }),
    client: [...each(get(), get(), get()), { pauseMs: 900 }, get(), { responses: 4 }, get()],
    mask: [[/x-ratelimit-(remaining|reset): \d+/g, 'x-ratelimit-$1: N']],
    uncut: 'bytes that come late find more tokens',
    expect: { status: [200, 200, 429, 200, 429] },
  },
  {
    name: 'a bucket without room limits everybody',
    config: limit({ token_bucket: bucket(0) }),
    client: get(),
    expect: { status: 429 },
  },
  {
    name: 'without a bucket nobody is limited, but all are counted',
    config: limit({}),
    client: each(get(), get()),
    expect: { status: [200, 200] },
  },
  {
    name: 'by default the filter is off',
    config: limit({ token_bucket: bucket(0), filter_enabled: null, filter_enforced: null }),
    client: get(),
    expect: { status: 200 },
  },
  {
    name: 'on, but not enforced',
    config: limit({
      token_bucket: bucket(0),
      filter_enforced: null,
      request_headers_to_add_when_not_enforced: [
        { header: { key: 'x-limited', value: '%REQ(:PATH)%' } },
      ],
    }),
    client: get(),
    expect: { status: 200, upstream: /x-limited: \// },
  },
  {
    name: 'runtime switches it on and enforces it',
    config: limit({
      token_bucket: bucket(1),
      filter_enabled: percent(0, { runtime_key: 'always' }),
      filter_enforced: percent(0, { runtime_key: 'always' }),
    }),
    client: each(get(), get()),
    expect: { status: [200, 429] },
  },
  {
    name: 'runtime switches it off',
    config: limit({
      token_bucket: bucket(0),
      filter_enabled: percent(100, { runtime_key: 'never' }),
    }),
    client: get(),
    expect: { status: 200 },
  },
  {
    name: 'a bucket for each connection',
    config: limit({ token_bucket: bucket(1), local_rate_limit_per_downstream_connection: true }),
    client: [...each(get(), get()), { connect: true }, ...each(get(), get())],
    expect: { status: [200, 429, 200, 429] },
  },
  {
    name: 'one bucket for all connections',
    config: limit({ token_bucket: bucket(1) }),
    client: [...each(get(), get()), { connect: true }, ...each(get())],
    expect: { status: [200, 429, 429] },
  },
  {
    name: 'requests without a route pay, too',
    config: { ...limit({ token_bucket: bucket(1) }), routes: [] },
    client: each(get(), get()),
    expect: { status: [404, 429] },
  },
];

const answers: Row[] = [
  ...[400, 503].map((code) => ({
    name: `a status of ${code}`,
    config: limit({ token_bucket: bucket(0), status: { code } }),
    client: get(),
    expect: { status: code },
  })),
  {
    name: 'a status below 400 is 429',
    config: limit({ token_bucket: bucket(1), status: { code: 302 } }),
    client: each(get(), get()),
    expect: { status: [200, 429] },
  },
  {
    name: 'no x-ratelimit headers by default',
    config: limit({ token_bucket: bucket(1), enable_x_ratelimit_headers: 'OFF' }),
    client: each(get(), get()),
  },
  {
    name: 'response headers are added to what is refused only',
    config: limit({
      token_bucket: bucket(1),
      response_headers_to_add: [
        { header: { key: 'x-path', value: '%REQ(:PATH)%' } },
        { header: { key: 'x-two', value: '2' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
      ],
    }),
    client: each(get(), get()),
  },
  {
    name: 'retry-after says when the next token comes',
    config: limit({ token_bucket: bucket(1), enable_retry_after_header: true }),
    client: each(get(), get()),
    expect: { client: /retry-after: 60/ },
  },
  {
    name: 'gRPC clients are told 14',
    config: limit({ token_bucket: bucket(1), enable_x_ratelimit_headers: 'OFF' }),
    client: each(grpc, grpc),
    expect: { client: /grpc-status: 14/ },
  },
  {
    name: 'gRPC clients are told 8 where asked for',
    config: limit({ token_bucket: bucket(1), rate_limited_as_resource_exhausted: true }),
    client: each(grpc, grpc),
    expect: { client: /grpc-status: 8/ },
  },
  {
    name: 'gRPC clients are told what the status means',
    config: limit({ token_bucket: bucket(1), status: { code: 400 } }),
    client: each(grpc, grpc),
    expect: { client: /grpc-status: 13/ },
  },
  {
    name: 'a route’s settings replace the filter’s whole',
    config: {
      ...limit({ token_bucket: bucket(0) }),
      routeMore: perRoute({ token_bucket: bucket(1) }),
    },
    client: each(get(), get()),
    expect: { status: [200, 429] },
  },
  {
    name: 'a route that is not switched on is not limited',
    config: {
      ...limit({ token_bucket: bucket(0) }),
      routeMore: perRoute({ token_bucket: bucket(0), filter_enabled: null }),
    },
    client: get(),
    expect: { status: 200 },
  },
];

const limited = (settings: Json, ...rate_limits: readonly Json[]): CaseConfig => ({
  ...limit(settings),
  route: { rate_limits },
});

const descriptors: Row[] = [
  {
    name: 'a descriptor has a bucket of its own',
    config: limited(
      { token_bucket: bucket(100), descriptors: [descriptor({ x: 'a' }, bucket(1))] },
      BY_X,
    ),
    client: each(a, a, b, get()),
    expect: { status: [200, 429, 200, 200] },
  },
  {
    name: 'the default bucket is paid, too',
    config: limited(
      { token_bucket: bucket(2), descriptors: [descriptor({ x: 'a' }, bucket(3))] },
      BY_X,
    ),
    client: each(a, a, a, a, b),
    expect: { status: [200, 200, 429, 429, 429] },
  },
  {
    name: 'the default bucket is not paid where a descriptor matched',
    config: limited(
      {
        token_bucket: bucket(1),
        descriptors: [descriptor({ x: 'a' }, bucket(2))],
        always_consume_default_token_bucket: false,
      },
      BY_X,
    ),
    client: each(a, a, a, b, b),
    expect: { status: [200, 200, 429, 200, 429] },
  },
  {
    name: 'descriptors without a default bucket',
    config: limited({ descriptors: [descriptor({ x: 'a' }, bucket(1))] }, BY_X),
    client: each(a, a, b),
    expect: { status: [200, 429, 200] },
  },
  {
    name: 'of two that match, the slower one is paid first',
    config: limited(
      {
        token_bucket: bucket(100),
        descriptors: [
          descriptor({ x: 'a' }, bucket(1)),
          descriptor({ generic_key: 'g' }, bucket(2, '120s')),
        ],
      },
      BY_X,
      GENERIC,
    ),
    client: each(a, a, b, b),
    expect: { status: [200, 429, 429, 429] },
  },
  {
    name: 'a descriptor of two entries',
    config: limited(
      {
        token_bucket: bucket(100),
        descriptors: [descriptor({ x: 'a', generic_key: 'g' }, bucket(1))],
      },
      { actions: [...BY_X.actions, ...GENERIC.actions] },
    ),
    client: each(a, a, b),
    expect: { status: [200, 429, 200] },
  },
  {
    name: 'entries in another order are another descriptor',
    config: limited(
      {
        token_bucket: bucket(100),
        descriptors: [descriptor({ generic_key: 'g', x: 'a' }, bucket(0))],
      },
      { actions: [...BY_X.actions, ...GENERIC.actions] },
    ),
    client: a,
    expect: { status: 200 },
  },
  {
    name: 'a wildcard has a bucket for each value',
    config: limited(
      { token_bucket: bucket(100), descriptors: [descriptor({ x: '' }, bucket(1))] },
      BY_X,
    ),
    client: each(a, a, b, b, get()),
    expect: { status: [200, 429, 200, 429, 200] },
  },
  {
    name: 'an exact value wins over a wildcard',
    config: limited(
      {
        token_bucket: bucket(100),
        descriptors: [descriptor({ x: '' }, bucket(1)), descriptor({ x: 'a' }, bucket(2))],
      },
      BY_X,
    ),
    client: each(a, a, a, b, b),
    expect: { status: [200, 200, 429, 200, 429] },
  },
  {
    name: 'a wildcard forgets the value that was not used for longest',
    config: limited(
      {
        token_bucket: bucket(100),
        descriptors: [descriptor({ x: '' }, bucket(1))],
        max_dynamic_descriptors: 1,
      },
      BY_X,
    ),
    client: each(a, a, b, a),
    expect: { status: [200, 429, 200, 200] },
  },
  {
    name: 'a shadow descriptor counts and lets pass',
    config: limited(
      {
        token_bucket: bucket(100),
        descriptors: [descriptor({ x: 'a' }, bucket(1), { shadow_mode: true })],
      },
      BY_X,
    ),
    client: each(a, a, b),
    expect: { status: [200, 200, 200] },
  },
  {
    name: 'the virtual host’s descriptors count where the route has none',
    config: {
      ...limit({ token_bucket: bucket(100), descriptors: [descriptor({ x: 'a' }, bucket(1))] }),
      virtualHost: { rate_limits: [BY_X] },
    },
    client: each(a, a),
    expect: { status: [200, 429] },
  },
  {
    name: 'the virtual host’s descriptors do not count where the route has its own',
    config: {
      ...limited(
        { token_bucket: bucket(100), descriptors: [descriptor({ x: 'a' }, bucket(0))] },
        GENERIC,
      ),
      virtualHost: { rate_limits: [BY_X] },
    },
    client: a,
    expect: { status: 200 },
  },
  {
    name: 'the virtual host’s descriptors count, too, where asked for',
    config: {
      ...limited(
        {
          token_bucket: bucket(100),
          descriptors: [descriptor({ x: 'a' }, bucket(1))],
          vh_rate_limits: 'INCLUDE',
        },
        GENERIC,
      ),
      virtualHost: { rate_limits: [BY_X] },
    },
    client: each(a, a),
    expect: { status: [200, 429] },
  },
  {
    name: 'only descriptors of the filter’s stage count',
    config: limited(
      {
        token_bucket: bucket(100),
        descriptors: [
          descriptor({ x: 'a' }, bucket(0)),
          descriptor({ generic_key: 'g' }, bucket(1)),
        ],
        stage: 1,
      },
      BY_X,
      { ...GENERIC, stage: 1 },
    ),
    client: each(a, a),
    expect: { status: [200, 429] },
  },
  {
    name: 'the filter’s own rate_limits count instead of the route’s',
    config: limited(
      {
        token_bucket: bucket(100),
        rate_limits: [GENERIC],
        descriptors: [
          descriptor({ generic_key: 'g' }, bucket(1)),
          descriptor({ x: 'a' }, bucket(0)),
        ],
      },
      BY_X,
    ),
    client: each(a, a),
    expect: { status: [200, 429] },
  },
  {
    name: 'a request may count for several in the filter’s own rate_limits',
    config: limit({
      token_bucket: bucket(100),
      rate_limits: [{ ...BY_X, hits_addend: { number: 2 } }],
      descriptors: [descriptor({ x: 'a' }, bucket(3))],
    }),
    client: each(a, a),
    expect: { status: [200, 429] },
  },
  {
    name: 'what a request counts for is not asked of the route',
    config: limited(
      { token_bucket: bucket(100), descriptors: [descriptor({ x: 'a' }, bucket(3))] },
      { ...BY_X, hits_addend: { number: 2 } },
    ),
    client: each(a, a),
    expect: { status: [200, 200] },
  },
  ...(['OFF', 'DRAFT_VERSION_03'] as const).flatMap((option) => [
    {
      name: `a route’s descriptor says whether limits are told: ${option}`,
      config: limited(
        {
          token_bucket: bucket(100),
          descriptors: [descriptor({ x: 'a' }, bucket(1))],
          enable_x_ratelimit_headers: option === 'OFF' ? 'DRAFT_VERSION_03' : 'OFF',
        },
        { ...BY_X, x_ratelimit_option: option },
      ),
      client: each(a, a, b),
      expect: { status: [200, 429, 200] },
    },
    {
      name: `the filter’s own descriptor says whether limits are told: ${option}`,
      config: limit({
        token_bucket: bucket(1),
        rate_limits: [{ ...BY_X, x_ratelimit_option: option }],
        descriptors: [descriptor({ x: 'a' }, bucket(3))],
        enable_x_ratelimit_headers: option === 'OFF' ? 'DRAFT_VERSION_03' : 'OFF',
      }),
      client: each(a, a),
      expect: { status: [200, 429] },
    },
  ]),
  {
    name: 'rate_limits without descriptors: the default bucket',
    config: limit({ token_bucket: bucket(1), rate_limits: [GENERIC] }),
    client: each(a, a),
    expect: { status: [200, 429] },
  },
];

export const suite = await differential(
  import.meta.url,
  {
    stats: ['CASE.http_local_rate_limit.*', 'CASE.route.http_local_rate_limit.*'],
    bootstrap: {
      layered_runtime: { layers: [{ name: 'static', static_layer: { always: 100, never: 0 } }] },
    },
  },
  [...buckets, ...answers, ...descriptors],
);
