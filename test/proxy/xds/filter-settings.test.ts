// Settings of single HTTP filters: mistakes, with their paths; and what only compiling finds.
import t from 'tap';
import { Runtime } from '../../../proxy/base/runtime.ts';
import { listenerProblem } from '../../../proxy/listener-manager/trial-compile.ts';
import { listener, managerListener, problemsOf, routerFilter } from './decoding.ts';
import type { Json } from './decoding.ts';

const HTTP = 'type.googleapis.com/envoy.extensions.filters.http';
const FIRST = 'http_filters[0].typed_config';

const withFilter = (type: string, fields: Json): Json =>
  managerListener({
    http_filters: [
      { name: 'f', typed_config: { '@type': `${HTTP}.${type}`, ...fields } },
      routerFilter,
    ],
  });
const header = (key: string, value = 'v'): Json => ({ append: { header: { key, value } } });

const FAULT = 'fault.v3.HTTPFault';
const LIMIT = 'local_ratelimit.v3.LocalRateLimit';
const BUCKET = { max_tokens: 1, fill_interval: '1s' };
const AUTHZ = 'ext_authz.v3.ExtAuthz';
const SERVER = { server_uri: { uri: 'http://a', cluster: 'a', timeout: '1s' } };
const RATE_LIMIT = 'ratelimit.v3.RateLimit';
const rateLimit = (grpcService: Json, more: Json = {}): Json => ({
  domain: 'd',
  rate_limit_service: { grpc_service: grpcService },
  ...more,
});
const ENVOY_GRPC = { envoy_grpc: { cluster_name: 'a' } };
const MUTATION = 'header_mutation.v3.HeaderMutation';

const ON_DEMAND = 'on_demand.v3.OnDemand';

const mistakes: readonly (readonly [what: string, type: string, fields: Json, problem: string])[] =
  [
    ['clusters on demand from nowhere', ON_DEMAND, { odcds: {} }, 'odcds.source: is required'],
    [
      'clusters on demand from a file',
      ON_DEMAND,
      { odcds: { source: { path_config_source: { path: '/x' } } } },
      'odcds.source: clusters are asked for by name: use ads, or a stream of type DELTA_GRPC',
    ],
    [
      'clusters on demand by xdstp',
      ON_DEMAND,
      { odcds: { source: { ads: {} }, resources_locator: 'xdstp://a/b' } },
      'odcds.resources_locator: is not supported by this version',
    ],
    [
      'a fault that limits to nothing',
      FAULT,
      { response_rate_limit: { fixed_limit: {} } },
      'response_rate_limit.fixed_limit.limit_kbps: must be at least 1, is 0',
    ],
    [
      'a fault with a limit of no kind',
      FAULT,
      { response_rate_limit: {} },
      'response_rate_limit: one of fixed_limit, header_limit is required',
    ],
    [
      'a mutation that sets the path',
      MUTATION,
      { mutations: { request_mutations: [header(':path')] } },
      'mutations.request_mutations[0].append.header.key: :-prefixed or host headers may not be modified',
    ],
    [
      'a mutation of no kind',
      MUTATION,
      { mutations: { response_mutations: [{}] } },
      'mutations.response_mutations[0]: one of remove, append, remove_on_match is required',
    ],
    [
      'a query parameter without a record',
      MUTATION,
      { mutations: { query_parameter_mutations: [{ append: {} }] } },
      'mutations.query_parameter_mutations[0].append.record: is required',
    ],
    [
      'a rate limit service of Google gRPC',
      RATE_LIMIT,
      rateLimit({ google_grpc: { target_uri: 'a', stat_prefix: 'a' } }),
      'rate_limit_service.grpc_service.google_grpc: is not supported by this version: name a cluster in envoy_grpc',
    ],
    [
      'a rate limit service of no kind',
      RATE_LIMIT,
      rateLimit({}),
      'rate_limit_service.grpc_service: one of envoy_grpc, google_grpc is required',
    ],
    [
      'a rate limit without a service',
      RATE_LIMIT,
      { domain: 'd' },
      'rate_limit_service: is required',
    ],
    [
      'a rate limit without a domain',
      RATE_LIMIT,
      rateLimit(ENVOY_GRPC, { domain: '' }),
      'domain: is required',
    ],
    [
      'a rate limit of strange requests',
      RATE_LIMIT,
      rateLimit(ENVOY_GRPC, { request_type: 'x' }),
      'request_type: must be internal, external or both, is x',
    ],
    [
      'initial metadata that is a pseudo header',
      RATE_LIMIT,
      rateLimit({ ...ENVOY_GRPC, initial_metadata: [{ key: ':path', value: 'x' }] }),
      'rate_limit_service.grpc_service.initial_metadata[0].key: :-prefixed or host headers may not be modified',
    ],
    [
      'a limit once the stream is done',
      RATE_LIMIT,
      rateLimit(ENVOY_GRPC, {
        rate_limits: [{ actions: [{ remote_address: {} }], apply_on_stream_done: true }],
      }),
      'rate_limits[0].apply_on_stream_done: is not supported by this version',
    ],
    [
      'a local rate limit without a stat prefix',
      LIMIT,
      { token_bucket: BUCKET },
      'stat_prefix: is required',
    ],
    [
      'a bucket that fills too often',
      LIMIT,
      { stat_prefix: 'l', token_bucket: { ...BUCKET, fill_interval: '0.049s' } },
      'token_bucket.fill_interval: local rate limit token bucket fill timer must be >= 50ms',
    ],
    [
      'a bucket that never fills',
      LIMIT,
      { stat_prefix: 'l', token_bucket: { ...BUCKET, tokens_per_fill: 0 } },
      'token_bucket.tokens_per_fill: must be at least 1, is 0',
    ],
    [
      'the same descriptor twice',
      LIMIT,
      {
        stat_prefix: 'l',
        descriptors: [
          { entries: [{ key: 'x' }], token_bucket: BUCKET },
          { entries: [{ key: 'x', value: '' }], token_bucket: BUCKET },
        ],
      },
      'descriptors[1]: duplicate descriptor in the local rate descriptor: x=',
    ],
    [
      'rate limits of its own with a stage',
      LIMIT,
      { stat_prefix: 'l', rate_limits: [{ stage: 1, actions: [{ remote_address: {} }] }] },
      "rate_limits[0]: 'stage' field and 'disable_key' field are not supported",
    ],
    [
      'limits that all proxies share',
      LIMIT,
      { stat_prefix: 'l', local_cluster_rate_limit: {} },
      'local_cluster_rate_limit: is not supported by this version',
    ],
    ['authorization by nobody', AUTHZ, {}, ': one of grpc_service, http_service is required'],
    [
      'authorization without a time-out',
      AUTHZ,
      { http_service: { server_uri: { uri: 'http://a', cluster: 'a' } } },
      'http_service.server_uri.timeout: is required',
    ],
    [
      'authorization that only pretends',
      AUTHZ,
      { http_service: SERVER, shadow_mode: true },
      'shadow_mode: is not supported by this version',
    ],
    [
      'a path prefix that is none',
      AUTHZ,
      { http_service: { ...SERVER, path_prefix: 'check' } },
      'http_service.path_prefix: must begin with \'/\', is "check"',
    ],
    [
      'a body of no length',
      AUTHZ,
      { http_service: SERVER, with_request_body: {} },
      'with_request_body.max_request_bytes: must be greater than 0',
    ],
    [
      'allowed headers in two places',
      AUTHZ,
      {
        http_service: { ...SERVER, authorization_request: { allowed_headers: {} } },
        allowed_headers: {},
      },
      'allowed_headers: Invalid duplicate configuration for allowed_headers.',
    ],
  ];

t.test('settings of HTTP filters', async (t) => {
  for (const [what, type, fields, problem] of mistakes) {
    t.test(`refuse ${what}`, async (t) => {
      const problems = problemsOf(() => listener(withFilter(type, fields)));
      t.ok(
        problems.some((text) =>
          text.endsWith(problem.startsWith(':') ? FIRST + problem : `${FIRST}.${problem}`),
        ),
        JSON.stringify(problems),
      );
    });
  }

  t.test('are compiled before workers see them', async (t) => {
    const compiled = (fields: Json): string | undefined =>
      listenerProblem(listener(withFilter(MUTATION, fields)), Runtime.EMPTY);
    t.equal(compiled({ mutations: { request_mutations: [header('a', '%REQ(b)%')] } }), undefined);
    t.match(compiled({ mutations: { request_mutations: [header('a', '%NOPE%')] } }), /NOPE/);
  });
});
