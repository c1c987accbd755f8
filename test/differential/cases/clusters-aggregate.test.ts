// Aggregate clusters: the priorities of several clusters, one after the other (envoy-behaviour §7.1).
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { CaseConfig, Json, Row } from '../row.ts';

const OTHER = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother';

const hosts = (name: string, ...endpoints: readonly Json[]): Json => ({
  load_assignment: { cluster_name: name, endpoints },
});
const at = (upstream: string, more: Json = {}, locality: Json = {}): Json => ({
  lb_endpoints: [
    {
      endpoint: {
        address: { socket_address: { address: '127.0.0.1', port_value: `PORT(${upstream})` } },
      },
      ...more,
    },
  ],
  ...locality,
});

const aggregate = (clusters: readonly string[], more: Json = {}): Json => ({
  type: null,
  load_assignment: null,
  lb_policy: 'CLUSTER_PROVIDED',
  cluster_type: {
    name: 'envoy.clusters.aggregate',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig',
      clusters,
    },
  },
  ...more,
});

/** Through `CASE-all`, which is made of `CASE-up` and `CASE-other`. */
const config = (clusters: CaseConfig['clusters'], route: Json = {}): CaseConfig => ({
  clusters: { all: aggregate(['CASE-up', 'CASE-other']), ...clusters },
  routes: [{ match: { prefix: '/' }, route: { cluster: 'CASE-all', ...route } }],
});

const UNHEALTHY = { health_status: 'UNHEALTHY' };
const DEGRADED = { health_status: 'DEGRADED' };
const three = inTurn(get('/1'), get('/2'), get('/3'));

const rows: readonly Row[] = [
  {
    name: 'all requests go to the first cluster while it is healthy',
    config: config({}),
    client: three,
    upstreams: { other: OTHER },
  },
  {
    name: 'requests go on to the next cluster when the first has no healthy host',
    config: config({ up: hosts('CASE-up', at('up', UNHEALTHY)) }),
    client: three,
    upstreams: { other: OTHER },
  },
  {
    name: 'a cluster without hosts is passed over',
    config: config({ up: hosts('CASE-up') }),
    client: three,
    upstreams: { other: OTHER },
  },
  {
    name: 'a cluster that is not there is passed over',
    config: config({ all: aggregate(['CASE-none', 'CASE-other']) }),
    client: three,
    upstreams: { other: OTHER },
  },
  {
    name: 'no host in any cluster',
    config: config({ up: hosts('CASE-up'), other: hosts('CASE-other') }),
    client: [get('/')],
    upstreams: { other: OTHER },
  },
  {
    name: 'the second priority of the first cluster comes before the second cluster',
    config: config({
      up: hosts('CASE-up', at('up', UNHEALTHY), at('third', {}, { priority: 1 })),
    }),
    client: three,
    upstreams: { other: OTHER, third: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthird' },
  },
  {
    name: 'degraded hosts come after all healthy ones',
    config: config({ up: hosts('CASE-up', at('up', DEGRADED)) }),
    client: three,
    upstreams: { other: OTHER },
  },
  {
    name: 'degraded hosts answer when there are no others',
    config: config({
      up: hosts('CASE-up', at('up', UNHEALTHY)),
      other: hosts('CASE-other', at('other', DEGRADED)),
    }),
    client: three,
    upstreams: { other: OTHER },
  },
  {
    name: 'retries choose by the same loads',
    config: config({}, { retry_policy: { retry_on: '5xx', num_retries: 2 } }),
    client: [get('/')],
    upstream: 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n',
    upstreams: { other: OTHER },
  },
  {
    name: 'a retry may go to another cluster by its priority',
    config: config(
      {},
      {
        retry_policy: {
          retry_on: '5xx',
          num_retries: 1,
          retry_priority: {
            name: 'envoy.retry_priorities.previous_priorities',
            typed_config: {
              '@type':
                'type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
              update_frequency: 1,
            },
          },
        },
      },
    ),
    client: [get('/')],
    upstream: 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n',
    upstreams: { other: OTHER },
  },
  {
    name: 'breakers are those of the member',
    config: config({
      up: { circuit_breakers: { thresholds: [{ max_requests: 0 }] } },
    }),
    client: [get('/')],
    upstreams: { other: OTHER },
  },
  {
    name: 'the time-out to connect is that of the member',
    config: config({}),
    client: [get('/')],
    upstream: { refuses: true },
    upstreams: { other: OTHER },
  },
];

export const suite = await differential(
  import.meta.url,
  {
    stats: ['up', 'other', 'all'].flatMap((name) =>
      [
        'upstream_rq_total',
        'upstream_rq_200',
        'upstream_rq_5xx',
        'upstream_cx_total',
        'upstream_rq_retry',
        'upstream_cx_none_healthy',
        'upstream_rq_active_overflow',
        'upstream_rq_completed',
      ].map((stat) => `cluster.CASE-${name}.${stat}`),
    ),
  },
  rows,
);
