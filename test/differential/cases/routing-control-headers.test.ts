// Headers that steer the proxy, and from whom it takes them (envoy-behaviour §1.3, §3.8).
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { CaseConfig, Row } from '../row.ts';

const CONTROL = [
  'x-envoy-retry-on: 5xx',
  'x-envoy-retry-grpc-on: cancelled',
  'x-envoy-max-retries: 1',
  'x-envoy-retriable-status-codes: 503',
  'x-envoy-retriable-header-names: x-r',
  'x-envoy-upstream-alt-stat-name: alt',
  'x-envoy-upstream-rq-timeout-ms: 5000',
  'x-envoy-upstream-rq-per-try-timeout-ms: 100',
  'x-envoy-upstream-rq-timeout-alt-response: 1',
  'x-envoy-expected-rq-timeout-ms: 77',
  'x-envoy-force-trace: 1',
  'x-envoy-ip-tags: t',
  'x-envoy-original-url: http://lie/',
  'x-envoy-hedge-on-per-try-timeout: true',
  'x-envoy-upstream-stream-duration-ms: 5000',
  'x-envoy-decorator-operation: op',
  'x-envoy-downstream-service-cluster: sc',
  'x-envoy-downstream-service-node: sn',
  'x-envoy-original-path: /lie',
  'x-envoy-original-host: lie',
  'x-envoy-internal: true',
  'x-envoy-external-address: 9.9.9.9',
  'x-envoy-attempt-count: 5',
  'x-envoy-is-timeout-retry: true',
  'x-envoy-whatever: x',
];

const INTERNAL = 'x-forwarded-for: 10.0.0.1';
const OWN_ONLY = ['x-own: 1', 'X-Own: 2', 'x-more: 3', 'x-kept: 4'];

const row = (name: string, config: CaseConfig, ...requests: readonly string[]): Row => ({
  name,
  config,
  client: inTurn(...requests),
});

export const suite = await differential(import.meta.url, {}, [
  row('of a client without x-forwarded-for nothing is taken', {}, get('/', ...CONTROL)),
  row('of an internal client everything is taken', {}, get('/', ...CONTROL, INTERNAL)),
  row(
    'of an external client nothing is taken',
    {},
    get('/', ...CONTROL, 'x-forwarded-for: 8.8.8.8'),
  ),
  row('at the edge nothing is taken', { hcm: { use_remote_address: true } }, get('/', ...CONTROL)),
  row(
    'at the edge nothing is taken, whatever x-forwarded-for says',
    { hcm: { use_remote_address: true } },
    get('/', ...CONTROL, INTERNAL),
  ),
  row(
    'at the edge an internal address is taken for internal where ranges say so',
    {
      hcm: {
        use_remote_address: true,
        internal_address_config: {
          cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }],
        },
      },
    },
    get('/', ...CONTROL),
    get('/', ...CONTROL, INTERNAL),
  ),
  row(
    'internal_only_headers are taken from external requests',
    { routeConfig: { internal_only_headers: ['x-own', 'X-More'] } },
    get('/', ...OWN_ONLY),
    get('/', ...OWN_ONLY, INTERNAL),
  ),
  row(
    'internal_only_headers are gone before the route is chosen',
    {
      routeConfig: { internal_only_headers: ['x-own'] },
      routes: [
        {
          match: { prefix: '/', headers: [{ name: 'x-own', present_match: true }] },
          direct_response: { status: 200, body: { inline_string: 'own' } },
        },
        { match: { prefix: '/' }, route: { cluster: 'CASE-up' } },
      ],
    },
    get('/', 'x-own: 1'),
    get('/', 'x-own: 1', INTERNAL),
  ),
  row(
    'the time-out header wins over the route, from internal clients',
    { route: { timeout: '7s' } },
    get('/', 'x-envoy-upstream-rq-timeout-ms: 5000', INTERNAL),
    get('/', 'x-envoy-upstream-rq-timeout-ms: 0', INTERNAL),
    get('/', 'x-envoy-upstream-rq-timeout-ms: junk', INTERNAL),
    get('/', 'x-envoy-upstream-rq-timeout-ms: +5', INTERNAL),
    get('/', 'x-envoy-upstream-rq-timeout-ms: -5', INTERNAL),
    get('/', 'x-envoy-upstream-rq-timeout-ms: 5.5', INTERNAL),
    get('/', 'x-envoy-upstream-rq-timeout-ms: 5000'),
  ),
  row(
    'suppress_envoy_headers',
    {
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
    get('/', ...CONTROL, INTERNAL),
    get('/nowhere'),
  ),
  row(
    'strict_check_headers refuses values without sense',
    {
      hcm: {
        http_filters: [
          {
            name: 'envoy.filters.http.router',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
              strict_check_headers: [
                'x-envoy-upstream-rq-timeout-ms',
                'x-envoy-upstream-rq-per-try-timeout-ms',
                'x-envoy-max-retries',
                'x-envoy-retry-on',
                'x-envoy-retry-grpc-on',
              ],
            },
          },
        ],
      },
    },
    get('/', 'x-envoy-retry-on: 5xx,connect-failure', INTERNAL),
    get('/', 'x-envoy-upstream-rq-timeout-ms: 12', INTERNAL),
    get('/', 'x-envoy-max-retries: x'),
  ),
  ...[
    'x-envoy-upstream-rq-timeout-ms: x',
    'x-envoy-max-retries: -1',
    'x-envoy-retry-on: 5xx,junk',
    'x-envoy-retry-grpc-on: junk',
  ].map((line): Row => ({
    name: `strict_check_headers refuses ${line}`,
    config: {
      hcm: {
        http_filters: [
          {
            name: 'envoy.filters.http.router',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
              strict_check_headers: [line.slice(0, line.indexOf(':'))],
            },
          },
        ],
      },
    },
    client: get('/', line, INTERNAL),
  })),
]);
