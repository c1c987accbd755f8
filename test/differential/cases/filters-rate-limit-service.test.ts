// The rate limit service: what it is asked, what its answers do (envoy-behaviour §10.7).
import { filterOf } from '../../support/proxy-process.ts';
import { framed } from '../../support/unary-grpc-server.ts';
import { differential } from '../differential.ts';
import type { Row } from '../row.ts';
import {
  BY_X,
  GENERIC,
  GRPC,
  NO,
  RATE_LIMIT_SUITE,
  UNIT,
  YES,
  answered,
  get,
  limit,
  over,
  perRoute,
  rateLimit,
  says,
  serviceAt,
} from './filters-rate-limit-service.ts';

const DENY = { failure_mode_deny: true };
const HEADERS = { enable_x_ratelimit_headers: 'DRAFT_VERSION_03' };

const answers: Row[] = [
  {
    name: 'within the limit',
    config: limit(),
    client: get(),
    ...says(YES),
    expect: { status: 200, log: /200 - via_upstream/ },
  },
  {
    name: 'over the limit',
    config: limit(),
    client: get(),
    ...says(NO),
    expect: {
      status: 429,
      client: /x-envoy-ratelimited: true/,
      log: /429 RL request_rate_limited/,
    },
  },
  {
    name: 'over the limit, without a word about it',
    config: limit({ disable_x_envoy_ratelimited_header: true }),
    client: get(),
    ...says(NO),
    expect: { status: 429 },
  },
  {
    name: 'over the limit with another status',
    config: limit({ rate_limited_status: { code: 503 } }),
    client: get(),
    ...says(NO),
    expect: { status: 503 },
  },
  {
    name: 'over the limit with a status that is no refusal',
    config: limit({ rate_limited_status: { code: 200 } }),
    client: get(),
    ...says(NO),
    expect: { status: 429 },
  },
  {
    name: 'a gRPC request over the limit',
    config: limit(),
    client: GRPC,
    ...says(NO),
    expect: { client: /grpc-status: 14/ },
  },
  {
    name: 'a gRPC request over the limit is out of resources',
    config: limit({ rate_limited_as_resource_exhausted: true }),
    client: GRPC,
    ...says(NO),
    expect: { client: /grpc-status: 8/ },
  },
  {
    name: 'the service adds headers to responses',
    config: limit(),
    client: get(),
    ...says(answered({ response: [['X-One', '1'], ['x-one', '2'], ['server', 's']] })), // prettier-ignore
    expect: { client: /x-one: 1/ },
  },
  {
    name: 'the service adds headers to requests',
    config: limit(),
    client: get('/', 'x-one: 0'),
    ...says(answered({ request: [['X-One', '1'], ['user-agent', 'me']] })), // prettier-ignore
    expect: { upstream: /x-one: 1/ },
  },
  {
    name: 'the service writes the refusal',
    config: limit({
      response_headers_to_add: [{ header: { key: 'x-mine', value: '%PROTOCOL%' } }],
    }),
    client: get(),
    ...says(over({ response: [['content-type', 'text/html'], ['x-two', '2']], body: '<b>' })), // prettier-ignore
    expect: { status: 429, client: /text\/html[^]*<b>/ },
  },
  {
    name: 'headers of the filter stand on refusals only',
    config: limit({ response_headers_to_add: [{ header: { key: 'x-mine', value: 'm' } }] }),
    client: get(),
    ...says(YES),
    expect: { status: 200 },
  },
  {
    name: 'metadata of the answer',
    config: limit(),
    client: get(),
    log: '%DYNAMIC_METADATA(envoy.filters.http.ratelimit)%\n',
    ...says(answered({ metadata: { a: 'b' } })),
    expect: { log: /"a":"b"/ },
  },
];

const limits: Row[] = [
  {
    name: 'limits are told',
    config: limit(HEADERS),
    client: get(),
    ...says(
      answered({
        limits: [
          { perUnit: 10, unit: UNIT.minute, remaining: 4, reset: 20 },
          { perUnit: 5, unit: UNIT.hour, remaining: 2, reset: 1200, name: 'hourly' },
          { perUnit: 7, unit: UNIT.none, remaining: 3 },
        ],
      }),
    ),
    expect: { client: /x-ratelimit-limit: 5, 10;w=60, 5;w=3600;name="hourly"/ },
  },
  {
    name: 'the tightest limit of units of each kind',
    config: limit(HEADERS),
    client: get(),
    ...says(
      over({
        limits: [UNIT.second, UNIT.day, UNIT.week, UNIT.month, UNIT.year].map((unit) => ({
          perUnit: unit,
          unit,
          remaining: 0,
        })),
      }),
    ),
    expect: { status: 429 },
  },
  {
    name: 'limits are not told where not asked for',
    config: limit(),
    client: get(),
    ...says(answered({ limits: [{ perUnit: 10, unit: UNIT.minute, remaining: 4 }] })),
    expect: { status: 200 },
  },
  {
    name: 'no limits to tell',
    config: limit(HEADERS),
    client: get(),
    ...says(NO),
    expect: { status: 429 },
  },
];

const failures: Row[] = [
  {
    name: 'an error of the service lets pass',
    config: limit(),
    client: get(),
    ...says({ headersOnly: true, grpcStatus: '14' }),
    expect: { status: 200 },
  },
  {
    name: 'an error of the service refuses where asked for',
    config: limit(DENY),
    client: get(),
    ...says({ grpcStatus: '13' }),
    expect: { status: 500, log: /500 RLSE rate_limiter_error/ },
  },
  {
    name: 'an error of the service refuses with another status',
    config: limit({ ...DENY, status_on_error: { code: 503 } }),
    client: get(),
    ...says({ grpcStatus: '13' }),
  },
  {
    name: 'a message and then an error',
    config: limit(DENY),
    client: get(),
    ...says({ ...YES, grpcStatus: '2' }),
    expect: { status: 500 },
  },
  {
    name: 'no message',
    config: limit(DENY),
    client: get(),
    ...says({}),
    expect: { status: 500 },
  },
  {
    name: 'a message that is none',
    config: limit(DENY),
    client: get(),
    ...says({ message: Buffer.from('\x12\xff', 'latin1') }),
    expect: { status: 500 },
  },
  {
    name: 'half a message',
    config: limit(DENY),
    client: get(),
    ...says({ raw: framed(Buffer.from('\x08\x01')).subarray(0, 6) }),
    expect: { status: 500 },
  },
  {
    name: 'a compressed message',
    config: limit(DENY),
    client: get(),
    ...says({ raw: Buffer.from('\x01\0\0\0\x02\x08\x01', 'latin1') }),
    expect: { status: 500 },
  },
  {
    name: 'two messages: the last one counts',
    config: limit(DENY),
    client: get(),
    ...says({ raw: Buffer.concat([framed(Buffer.from('\x08\x01')), framed(NO.message!)]) }),
    expect: { status: 429 },
  },
  {
    name: 'an empty message is fine',
    config: limit(DENY),
    client: get(),
    ...says({ message: Buffer.alloc(0) }),
    expect: { status: 200 },
  },
  {
    name: 'no trailers',
    config: limit(DENY),
    client: get(),
    ...says({ ...YES, cut: true }),
    expect: { status: 500 },
  },
  {
    name: 'trailers without a status',
    config: limit(DENY),
    client: get(),
    ...says({ ...YES, grpcStatus: null }),
    expect: { status: 500 },
  },
  {
    name: 'another HTTP status',
    config: limit(DENY),
    client: get(),
    ...says({ ...YES, status: 404 }),
    expect: { status: 500 },
  },
  {
    name: 'the stream is cut',
    config: limit(DENY),
    client: get(),
    ...says('reset'),
    expect: { status: 500 },
  },
  {
    name: 'nobody listens',
    config: limit(DENY),
    client: get(),
    upstreams: { rls: { refuses: true } },
    expect: { status: 500 },
  },
  {
    name: 'a cluster that does not exist',
    config: limit({ ...DENY, ...serviceAt('CASE-nobody') }),
    client: get(),
    expect: { status: 500 },
  },
  {
    name: 'a cluster that does not exist lets pass',
    config: limit(serviceAt('CASE-nobody')),
    client: get(),
    expect: { status: 200 },
  },
  {
    name: 'no answer in time',
    config: limit({ ...DENY, timeout: '0.1s' }),
    client: get(),
    ...says('silence'),
    expect: { status: 500 },
  },
  {
    name: 'the time-out of the service itself does not count',
    config: limit({ ...DENY, timeout: '0.1s', ...serviceAt('CASE-rls', { timeout: '9s' }) }),
    client: get(),
    ...says('silence'),
    expect: { status: 500 },
  },
  {
    name: 'an answer that is longer than allowed',
    config: limit({
      ...DENY,
      ...serviceAt('CASE-rls', {}, { max_receive_message_length: 4 }),
    }),
    client: get(),
    ...says(over({ body: 'abcdef' })),
    expect: { status: 500 },
  },
  {
    name: 'a gRPC request about which nothing was said',
    config: limit(DENY),
    client: GRPC,
    ...says({ grpcStatus: '13' }),
  },
  {
    name: 'a client that leaves while the service is asked',
    config: limit(),
    client: [get(), { pauseMs: 150 }, { close: true }],
    ...says('silence'),
  },
];

const questions: Row[] = [
  {
    name: 'authority and initial metadata',
    config: limit(
      serviceAt(
        'CASE-rls',
        {
          initial_metadata: [
            { key: 'X-Meta', value: 'm' },
            { key: 'x-path', value: '%REQ(:path)%' },
          ],
        },
        { authority: 'the.service' },
      ),
    ),
    client: get('/here'),
    ...says(YES),
  },
  {
    name: 'no descriptor: nobody is asked',
    config: limit({}, { route: { rate_limits: [BY_X] } }),
    client: get(),
    ...says(NO),
    expect: { status: 200 },
  },
  {
    name: 'descriptors of several kinds',
    config: limit(
      {},
      {
        route: {
          rate_limits: [
            BY_X,
            { actions: [...GENERIC.actions, { destination_cluster: {} }] },
            {
              actions: [{ remote_address: {} }, { source_cluster: {} }],
              hits_addend: { number: 3 },
            },
          ],
        },
      },
    ),
    client: get('/', 'x: \xe9 1'),
    ...says(YES),
  },
  {
    name: 'a descriptor with a limit of its own',
    config: {
      ...limit(
        {},
        {
          route: {
            rate_limits: [
              {
                ...GENERIC,
                limit: { dynamic_metadata: { metadata_key: { key: 'n', path: [{ key: 'l' }] } } },
              },
            ],
          },
        },
      ),
      httpFilters: [
        filterOf('envoy.filters.http.set_metadata', 'filters.http.set_metadata.v3.Config', {
          metadata: [
            { metadata_namespace: 'n', value: { l: { requests_per_unit: 42, unit: 'HOUR' } } },
          ],
        }),
        rateLimit(),
      ],
    },
    client: get(),
    ...says(YES),
  },
  {
    name: 'another stage',
    config: limit({ stage: 2 }, { route: { rate_limits: [GENERIC, { ...BY_X, stage: 2 }] } }),
    client: get('/', 'x: 1'),
    ...says(YES),
  },
  {
    name: 'an entry that runtime switches off',
    config: limit(
      {},
      {
        route: {
          rate_limits: [
            { ...GENERIC, disable_key: 'never' },
            { ...BY_X, disable_key: 'x' },
          ],
        },
      },
    ),
    client: get('/', 'x: 1'),
    ...says(YES),
  },
  {
    name: 'only requests from inside',
    config: limit({ request_type: 'internal' }),
    client: get(),
    ...says(NO),
  },
  {
    name: 'only requests from outside',
    config: limit({ request_type: 'external' }),
    client: get(),
    ...says(NO),
  },
  {
    name: 'only requests from inside, and one is',
    config: limit({ request_type: 'internal' }, { hcm: { use_remote_address: true } }),
    client: get(),
    ...says(NO),
  },
  {
    name: 'the virtual host counts where the route says nothing',
    config: limit({}, { route: {}, virtualHost: { rate_limits: [GENERIC] } }),
    client: get(),
    ...says(YES),
  },
  {
    name: 'the virtual host does not count where the route says something',
    config: limit({}, { virtualHost: { rate_limits: [BY_X] } }),
    client: get('/', 'x: 1'),
    ...says(YES),
  },
  {
    name: 'the virtual host counts, too, where the route is told so',
    config: limit(
      {},
      {
        virtualHost: { rate_limits: [BY_X] },
        routeMore: perRoute({ vh_rate_limits: 'INCLUDE' }),
      },
    ),
    client: get('/', 'x: 1'),
    ...says(YES),
  },
  {
    name: 'the virtual host never counts',
    config: limit(
      {},
      {
        route: {},
        virtualHost: { rate_limits: [GENERIC] },
        routeMore: perRoute({ vh_rate_limits: 'IGNORE' }),
      },
    ),
    client: get(),
    ...says(NO),
  },
  {
    name: 'a route with another domain and limits of its own',
    config: limit(
      {},
      { routeMore: perRoute({ domain: 'other', rate_limits: [BY_X], vh_rate_limits: 'INCLUDE' }) },
    ),
    client: get('/', 'x: 1'),
    ...says(YES),
  },
  {
    name: 'a prefix of the statistics',
    config: limit({ stat_prefix: 'mine' }),
    client: get(),
    ...says(NO),
  },
  {
    name: 'rate limits of the filter itself',
    config: limit({ rate_limits: [BY_X, { ...GENERIC, hits_addend: { number: 2 } }] }),
    client: get('/', 'x: 1'),
    ...says(YES),
  },
  {
    name: 'rate limits of the filter itself, and of its route settings',
    config: limit(
      { rate_limits: [GENERIC] },
      { routeMore: perRoute({ rate_limits: [{ ...BY_X, hits_addend: { number: 7 } }] }) },
    ),
    client: get('/', 'x: 1'),
    ...says(YES),
  },
  {
    name: 'a fixed limit in place of that of the service',
    config: limit(
      {},
      {
        route: {
          rate_limits: [
            { ...GENERIC, limit: { rate_limit: { requests_per_unit: 9, unit: 'DAY' } } },
          ],
        },
      },
    ),
    client: get(),
    ...says(YES),
  },
  {
    name: 'switched off',
    config: limit({ filter_enabled: { default_value: { numerator: 0 } } }),
    client: get(),
    ...says(NO),
  },
  {
    name: 'over the limit, not enforced',
    config: limit({ ...HEADERS, filter_enforced: { default_value: { numerator: 0 } } }),
    client: get(),
    ...says(
      over({
        limits: [{ perUnit: 1, unit: UNIT.second, remaining: 0, reset: 1 }],
        request: [['x-over', '1']],
      }),
    ),
  },
  {
    name: 'failures refuse never, in percent',
    config: limit({ ...DENY, failure_mode_deny_percent: { default_value: { numerator: 0 } } }),
    client: get(),
    ...says({ grpcStatus: '13' }),
  },
  {
    name: 'failures refuse always, in percent',
    config: limit({ failure_mode_deny_percent: { default_value: { numerator: 100 } } }),
    client: get(),
    ...says({ grpcStatus: '13' }),
  },
  {
    name: 'metadata of the answer in another namespace',
    config: limit({ metadata_namespace: 'mine' }),
    client: get(),
    log: '%DYNAMIC_METADATA(mine)% %DYNAMIC_METADATA(envoy.filters.http.ratelimit)%\n',
    ...says(answered({ metadata: { a: 'b' } })),
  },
  {
    name: 'a direct response asks nobody',
    config: limit(
      {},
      {
        routes: [{ match: { prefix: '/' }, direct_response: { status: 204 } }],
        virtualHost: { rate_limits: [GENERIC] },
      },
    ),
    client: get(),
    ...says(NO),
    expect: { status: 204 },
  },
];

export const suite = await differential(import.meta.url, RATE_LIMIT_SUITE, [
  ...answers,
  ...limits,
  ...failures,
  ...questions,
]);
