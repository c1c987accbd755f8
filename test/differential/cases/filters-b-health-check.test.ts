// The health_check filter: who answers, and what.
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { Json } from '../row.ts';

const NAME = 'envoy.filters.http.health_check';
const check = (config: Json): Json =>
  filterOf(NAME, 'filters.http.health_check.v3.HealthCheck', {
    headers: [{ name: ':path', string_match: { exact: '/hc' } }],
    ...config,
  });
const own = (config: Json = {}): Json => check({ pass_through_mode: false, ...config });
const clusters = (percents: Readonly<Record<string, number>>): Json =>
  own({
    cluster_min_healthy_percentages: Object.fromEntries(
      Object.entries(percents).map(([name, value]) => [`CASE-${name}`, { value }]),
    ),
  });
/** A cluster `CASE-other` whose hosts have these states. */
const other = (...states: string[]): Readonly<Record<string, Json>> => ({
  other: {
    load_assignment: {
      cluster_name: 'CASE-other',
      endpoints: [
        {
          lb_endpoints: states.map((health_status, i) => ({
            health_status,
            endpoint: {
              address: { socket_address: { address: `127.0.0.${i + 1}`, port_value: 1 } },
            },
          })),
        },
      ],
    },
  },
});
const get = (path = '/hc', more = ''): string => `GET ${path} HTTP/1.1\r\nhost: h\r\n${more}\r\n`;
const DEGRADED = 'HTTP/1.1 201 Created\r\nx-envoy-degraded: 1\r\ncontent-length: 2\r\n\r\nok';

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'http.CASE.health_check.*',
      'http.CASE.downstream_rq_2xx',
      'http.CASE.downstream_rq_5xx',
      'http.CASE.downstream_rq_total',
    ],
  },
  [
    {
      name: 'the filter answers itself',
      config: { httpFilters: [own()] },
      client: get(),
      expect: { status: 200, upstream: /^$/ },
    },
    {
      name: 'other requests pass',
      config: { httpFilters: [own()] },
      client: get('/other'),
      expect: { status: 200, upstream: /GET \/other/ },
    },
    {
      name: 'without header matchers every request is a health check',
      config: { httpFilters: [own({ headers: [] })] },
      client: get('/other'),
      expect: { upstream: /^$/ },
    },
    {
      name: 'the answer waits for the end of the body',
      config: { httpFilters: [own()] },
      client: [
        'POST /hc HTTP/1.1\r\nhost: h\r\ncontent-length: 6\r\n\r\nabc',
        { pauseMs: 60 },
        'def',
      ],
      expect: { status: 200 },
    },
    {
      name: 'a large body is thrown away',
      config: { httpFilters: [own()], listener: { per_connection_buffer_limit_bytes: 1024 } },
      client: `POST /hc HTTP/1.1\r\nhost: h\r\ncontent-length: 5000\r\n\r\n${'x'.repeat(5000)}`,
      expect: { status: 200 },
    },
    {
      name: 'trailers end a health check',
      config: { httpFilters: [own()], hcm: { http_protocol_options: { enable_trailers: true } } },
      client:
        'POST /hc HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: v\r\n\r\n',
      expect: { status: 200 },
    },
    {
      name: 'HEAD',
      config: { httpFilters: [own()] },
      client: 'HEAD /hc HTTP/1.1\r\nhost: h\r\n\r\n',
      expect: { status: 200 },
    },
    {
      name: 'a gRPC request is answered with a gRPC status',
      config: { httpFilters: [own()] },
      client: get('/hc', 'content-type: application/grpc\r\n'),
    },
    {
      name: 'two health checks and a request on one connection',
      config: { httpFilters: [own()] },
      client: [get(), { responses: 1 }, get(), { responses: 2 }, get('/other'), { responses: 3 }],
      expect: { status: [200, 200, 200] },
    },
    {
      name: 'health checks are left out of the log where asked',
      config: {
        httpFilters: [own()],
        hcm: {
          access_log: [
            {
              name: 'f',
              filter: { not_health_check_filter: {} },
              typed_config: {
                '@type':
                  'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
                path: 'LOG',
                log_format: { text_format_source: { inline_string: '%REQ(:PATH)%\n' } },
              },
            },
          ],
        },
      },
      client: [get(), { responses: 1 }, get('/other'), { responses: 2 }],
      expect: { log: /^\/other\n?$/ },
    },
    {
      name: 'passed through, the upstream answers and our cluster is told',
      config: { httpFilters: [check({ pass_through_mode: true })] },
      client: get(),
      upstream: DEGRADED,
      expect: { status: 201, client: /x-envoy-upstream-healthchecked-cluster: c\r\n/ },
    },
    {
      name: 'passed through, the answer is kept and given again',
      config: { httpFilters: [check({ pass_through_mode: true, cache_time: '100s' })] },
      client: [get(), { responses: 1 }, get(), { responses: 2 }],
      upstream: DEGRADED,
      uncut: 'what is kept outlives the play',
      expect: { status: [201, 201] },
    },
    {
      name: 'passed through, a bad answer is kept, too',
      config: { httpFilters: [check({ pass_through_mode: true, cache_time: '100s' })] },
      client: [get(), { responses: 1 }, get(), { responses: 2 }],
      upstream: 'HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n',
      uncut: 'what is kept outlives the play',
      expect: { status: [500, 500], log: /LH health_check_cached/ },
    },
    {
      name: 'a cluster with enough healthy hosts',
      config: { httpFilters: [clusters({ other: 50 })], clusters: other('HEALTHY', 'UNHEALTHY') },
      client: get(),
      expect: { status: 200 },
    },
    {
      name: 'a cluster with too few healthy hosts',
      config: { httpFilters: [clusters({ other: 51 })], clusters: other('UNKNOWN', 'DRAINING') },
      client: get(),
      expect: { status: 503 },
    },
    {
      name: 'degraded hosts are healthy enough',
      config: { httpFilters: [clusters({ other: 100 })], clusters: other('DEGRADED') },
      client: get(),
      expect: { status: 200 },
    },
    {
      name: 'percents are cut to whole ones',
      config: { httpFilters: [clusters({ other: 50.9 })], clusters: other('HEALTHY', 'TIMEOUT') },
      client: get(),
      expect: { status: 200 },
    },
    {
      name: 'an empty cluster fails',
      config: { httpFilters: [clusters({ other: 1 })], clusters: other() },
      client: get(),
      expect: { status: 503 },
    },
    {
      name: 'an empty cluster of which nothing is asked does not fail',
      config: { httpFilters: [clusters({ other: 0.5 })], clusters: other() },
      client: get(),
      expect: { status: 200 },
    },
    {
      name: 'a cluster that does not exist fails',
      config: { httpFilters: [clusters({ gone: 0 })] },
      client: get(),
      expect: { status: 503 },
    },
    {
      name: 'one of two clusters fails',
      config: { httpFilters: [clusters({ up: 100, other: 100 })], clusters: other('UNHEALTHY') },
      client: get(),
      expect: { status: 503 },
    },
  ],
);
