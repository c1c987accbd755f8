// Where retries and time-outs meet other parts: upgrades, early answers, breakers, weights, zones, headers of the router.
import { differential } from '../differential.ts';
import type { CaseConfig, Json, Row } from '../row.ts';
import {
  INSIDE_CLIENTS,
  OK,
  QUICK,
  STATS,
  answer,
  get,
  inside,
  whateverIsLeft,
} from './timeouts-retries.ts';

const retries = (retry_on: string, more: Json = {}): CaseConfig => ({
  route: { retry_policy: { retry_on, retry_back_off: QUICK, ...more } },
});
const AGAIN = { answers: [answer('503 No'), OK] };
const post = (...lines: string[]): string =>
  ['POST / HTTP/1.1', 'host: h', 'content-length: 5', ...lines, '', 'hello'].join('\r\n');
const UPGRADE = get('connection: upgrade', 'upgrade: websocket');
const SWITCH =
  'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
const ZONES: Json = {
  load_assignment: {
    cluster_name: 'CASE-up',
    endpoints: [
      {
        locality: { zone: 'there' },
        lb_endpoints: [
          {
            endpoint: {
              address: { socket_address: { address: '127.0.0.1', port_value: 'PORT(host)' } },
            },
          },
        ],
      },
    ],
  },
};
const quiet = (config: CaseConfig): CaseConfig => ({
  ...config,
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
});
const router = (settings: Json): CaseConfig => ({
  hcm: {
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
          ...settings,
        },
      },
    ],
  },
});

const row = (
  name: string,
  config: CaseConfig,
  upstream: Row['upstream'],
  client: Row['client'] = get(),
): Row => ({
  name,
  config,
  client,
  upstream: upstream!,
});

export const suite = await differential(
  import.meta.url,
  {
    config: INSIDE_CLIENTS,
    stats: STATS,
    bootstrap: { node: { id: 'n', cluster: 'c', locality: { zone: 'here' } } },
  },
  whateverIsLeft([
    row(
      'a HEAD is tried again',
      retries('5xx'),
      {
        answers: [
          'HTTP/1.1 503 No\r\ncontent-length: 5\r\n\r\n',
          'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n',
        ],
      },
      'HEAD / HTTP/1.1\r\nhost: h\r\n\r\n',
    ),
    row('an answer that closes its connection is tried again on another', retries('5xx'), {
      answers: [answer('503 No', 'connection: close'), OK],
    }),
    row('an answer without length is tried again', retries('5xx'), {
      answers: [['HTTP/1.1 503 No\r\n\r\nabc', { end: true }], OK],
    }),
    row('a chunked answer is tried again', retries('5xx'), {
      answers: ['HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n', OK],
    }),
    row('an expectation is met once', retries('5xx'), AGAIN, post('expect: 100-continue')),
    row(
      'an expectation that is passed on',
      { ...retries('5xx'), hcm: { proxy_100_continue: true } },
      { answers: [[{ at: 'head' }, 'HTTP/1.1 100 Continue\r\n\r\n', answer('503 No')], OK] },
      post('expect: 100-continue'),
    ),
    row(
      'a refused upgrade is tried again',
      { ...retries('5xx'), hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] } },
      { answers: [answer('503 No'), [SWITCH, { tunnel: true }]] },
      [UPGRADE, { heads: 1 }],
    ),
    row(
      'an upgrade that is refused for good',
      {
        ...retries('5xx', { num_retries: 0 }),
        hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] },
      },
      answer('503 No'),
      UPGRADE,
    ),
    row(
      'an upgrade whose upstream closes is tried again',
      { ...retries('reset'), hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] } },
      { answers: [[{ close: true }], [SWITCH, { tunnel: true }]] },
      [UPGRADE, { heads: 1 }],
    ),
    row(
      'an upgrade nobody answers',
      { route: { timeout: '0.4s' }, hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] } },
      [],
      [UPGRADE, { responses: 1 }],
    ),
    row(
      'an upgraded connection outlives the time-out',
      { route: { timeout: '0.4s' }, hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] } },
      [SWITCH, { tunnel: true }, { until: 'ping' }, 'pong'],
      [UPGRADE, { heads: 1 }, { pauseMs: 700 }, 'ping', { until: 'pong' }],
    ),
    row(
      'a breaker of high priority does not count for others',
      {
        ...retries('5xx'),
        clusters: {
          up: { circuit_breakers: { thresholds: [{ priority: 'HIGH', max_retries: 0 }] } },
        },
      },
      AGAIN,
    ),
    row(
      'a breaker of high priority counts for its own',
      {
        route: { priority: 'HIGH', retry_policy: { retry_on: '5xx', retry_back_off: QUICK } },
        clusters: {
          up: { circuit_breakers: { thresholds: [{ priority: 'HIGH', max_retries: 0 }] } },
        },
      },
      AGAIN,
    ),
    row(
      'a breaker of requests that a retry meets',
      {
        ...retries('5xx'),
        clusters: { up: { circuit_breakers: { thresholds: [{ max_requests: 0 }] } } },
      },
      AGAIN,
    ),
    row(
      "an overload reply without Envoy's headers",
      quiet({
        clusters: { up: { circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] } } },
      }),
      OK,
    ),
    row(
      "retries without Envoy's headers",
      quiet({
        ...retries('5xx'),
        virtualHost: {
          include_request_attempt_count: true,
          include_attempt_count_in_response: true,
        },
      }),
      AGAIN,
    ),
    row(
      'retries stay with their weighted cluster',
      {
        routes: [
          {
            match: { prefix: '/' },
            route: {
              weighted_clusters: {
                clusters: [
                  { name: 'CASE-up', weight: 1 },
                  { name: 'CASE-none', weight: 0 },
                ],
              },
              retry_policy: { retry_on: '5xx', retry_back_off: QUICK },
            },
          },
        ],
        clusters: { none: {} },
      },
      AGAIN,
    ),
    row(
      'retries with the cluster a header names',
      {
        routes: [
          {
            match: { prefix: '/' },
            route: {
              cluster_header: 'x-cluster',
              retry_policy: { retry_on: '5xx', retry_back_off: QUICK },
            },
          },
        ],
      },
      AGAIN,
      get('x-cluster: CASE-up'),
    ),
    row(
      'retries of a rewritten request do not rewrite again',
      {
        route: {
          prefix_rewrite: '/a/',
          host_rewrite_literal: 'x',
          append_x_forwarded_host: true,
          retry_policy: { retry_on: '5xx', retry_back_off: QUICK },
        },
        routeMore: { request_headers_to_add: [{ header: { key: 'x-a', value: 'b' } }] },
      },
      AGAIN,
    ),
    row(
      'a hashed request sets its cookie once',
      {
        route: {
          hash_policy: [{ cookie: { name: 'ck', ttl: '60s' } }],
          retry_policy: { retry_on: '5xx', retry_back_off: QUICK },
        },
      },
      AGAIN,
    ),
    row(
      'an attempt whose request still comes has no limit of its own',
      retries('5xx', { per_try_timeout: '0.4s' }),
      OK,
      [
        'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\na',
        { pauseMs: 250 },
        'b',
        { responses: 1 },
      ],
    ),
    row('retry headers with a limit of an attempt', {}, { answers: [[], OK] }, [
      inside('x-envoy-retry-on: 5xx', 'x-envoy-upstream-rq-per-try-timeout-ms: 400'),
      { responses: 1 },
    ]),
    row(
      "an attempt's limit from outside does not count",
      {},
      OK,
      get('x-envoy-upstream-rq-per-try-timeout-ms: 1'),
    ),
    row(
      'a gRPC request is tried again by its status',
      retries('unavailable'),
      {
        answers: [
          'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 14\r\ncontent-length: 0\r\n\r\n',
          OK,
        ],
      },
      post('content-type: application/grpc'),
    ),
    row(
      'a gRPC request that runs out of retries',
      retries('unavailable'),
      'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 14\r\ncontent-length: 0\r\n\r\n',
      post('content-type: application/grpc'),
    ),
    row(
      'a gRPC request whose upstream closes',
      retries('connect-failure'),
      [{ close: true }],
      post('content-type: application/grpc'),
    ),
    row(
      'gRPC codes that are suppressed',
      router({ suppress_grpc_request_failure_code_stats: true }),
      OK,
      get('content-type: application/grpc'),
    ),
    row(
      'no codes where dynamic statistics are off',
      { ...router({ dynamic_stats: false }), ...retries('5xx') },
      AGAIN,
    ),
    row(
      'two requests on one connection have retries of their own',
      retries('5xx'),
      { answers: [answer('503 No'), OK, answer('503 No'), OK] },
      [get(), { responses: 1 }, get(), { responses: 2 }],
    ),
    row(
      'pipelined requests are tried again in order',
      retries('5xx'),
      { answers: [answer('503 No'), OK, answer('503 No'), OK] },
      [get() + get(), { responses: 2 }],
    ),
    row(
      'a client that leaves in a back-off',
      { route: { retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '60s' } } } },
      answer('503 No'),
      [get(), { upstreamGets: 'host' }, { pauseMs: 100 }, { close: true }],
    ),
    {
      name: 'answers are counted by zone',
      config: { clusters: { up: ZONES, host: {} }, ...retries('5xx') },
      client: [get(), { responses: 1 }],
      upstreams: { host: AGAIN },
      stats: ['cluster.CASE-up.zone*', 'cluster.CASE-up.retry*'],
    },
    {
      name: "replies in an upstream's stead are counted by zone, too",
      config: { clusters: { up: ZONES, host: {} } },
      client: [get(), { responses: 1 }],
      upstreams: { host: [{ close: true }] },
      stats: ['cluster.CASE-up.zone*', 'cluster.CASE-up.external*'],
    },
  ]),
);
