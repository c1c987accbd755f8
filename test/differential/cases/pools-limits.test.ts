// Limits of a cluster's connections and requests: who waits, who is refused, what is counted (envoy-behaviour §7.2, §7.3).
import { differential } from '../differential.ts';
import type { CaseConfig, ClientStep, Json, Row } from '../row.ts';
import { get, ok } from '../texts.ts';

const breakers = (thresholds: Json, more: Json = {}): CaseConfig => ({
  clusters: {
    up: { circuit_breakers: { thresholds: [{ track_remaining: true, ...thresholds }] }, ...more },
  },
});

const slow = [{ pauseMs: 200 }, ok()] as const;

/** Requests on connections of their own, one after the other. */
const sent = (count: number): readonly ClientStep[] => [
  get('/0'),
  { upstreamGets: '/0' },
  ...Array.from({ length: count - 1 }, (_, i): ClientStep[] => [
    { connect: true },
    get(`/${i + 1}`),
    { pauseMs: 25 },
  ]).flat(),
];

/** Then every one is answered. */
const parallel = (count: number): readonly ClientStep[] => [
  ...sent(count),
  ...Array.from({ length: count }, (_, i): ClientStep[] => [{ on: i }, { responses: 1 }]).flat(),
];

const one: readonly ClientStep[] = [get('/0'), { responses: 1 }];

const row = (
  name: string,
  config: CaseConfig,
  client: readonly ClientStep[],
  more: Partial<Row> = {},
): Row => ({
  name,
  config,
  client,
  uncut: 'what comes first is refused last',
  ...more,
});

/** Which host is asked first is chance. */
const UNNOTED: Row['upstream'] & object = {
  serve: (socket) => socket.on('data', () => setTimeout(() => socket.write(ok()), 200)),
};

const SLOW: Partial<Row> = { upstream: { answers: [slow] } };

const high: CaseConfig = {
  route: { priority: 'HIGH' },
  clusters: {
    up: {
      circuit_breakers: {
        thresholds: [
          { max_requests: 0, track_remaining: true },
          { priority: 'HIGH', max_requests: 1, track_remaining: true },
        ],
      },
    },
  },
};

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'cluster.CASE-up.upstream_cx_*',
      'cluster.CASE-up.upstream_rq_*',
      'cluster.CASE-up.circuit_breakers*',
      'http.CASE.downstream_rq_*',
    ],
    wholeAnswers: 'time decides',
  },
  [
    row(
      'max_connections: the second request waits for the first',
      breakers({ max_connections: 1 }),
      parallel(2),
      SLOW,
    ),
    row(
      'max_connections: the third request waits, too',
      breakers({ max_connections: 1 }),
      parallel(3),
      SLOW,
    ),
    row(
      'max_connections 0 leaves each pool its first connection',
      breakers({ max_connections: 0 }),
      parallel(2),
      SLOW,
    ),
    row(
      'max_pending_requests 0 refuses whoever finds no connection',
      breakers({ max_pending_requests: 0 }),
      one,
    ),
    row(
      'max_pending_requests: who would wait second is refused',
      breakers({ max_pending_requests: 1, max_connections: 1 }),
      parallel(3),
      SLOW,
    ),
    row('max_requests: the second is refused', breakers({ max_requests: 1 }), parallel(2), SLOW),
    row('max_requests 0 refuses all', breakers({ max_requests: 0 }), one),
    row(
      'max_retries 0 lets nothing be retried',
      { ...breakers({ max_retries: 0 }), route: { retry_policy: { retry_on: '5xx' } } },
      one,
      { upstream: 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n' },
    ),
    row('routes of HIGH priority have limits of their own', high, parallel(2), SLOW),
    row(
      'of two thresholds for one priority the first counts',
      {
        clusters: {
          up: { circuit_breakers: { thresholds: [{ max_requests: 1 }, { max_requests: 5 }] } },
        },
      },
      parallel(2),
      SLOW,
    ),
    row(
      'per_host_thresholds: the second request waits',
      {
        clusters: { up: { circuit_breakers: { per_host_thresholds: [{ max_connections: 1 }] } } },
      },
      parallel(2),
      SLOW,
    ),
    row(
      'per_host_thresholds 0 leaves each pool its first connection',
      {
        clusters: { up: { circuit_breakers: { per_host_thresholds: [{ max_connections: 0 }] } } },
      },
      parallel(2),
      SLOW,
    ),
    row(
      'max_connection_pools: a second host gets none',
      breakers({ max_connection_pools: 1 }),
      [
        get('/0'),
        { pauseMs: 60 },
        { connect: true },
        get('/1'),
        { responses: 1 },
        { on: 0 },
        { responses: 1 },
      ],
      {
        upstreams: { up: UNNOTED, 'up/2': UNNOTED },
      },
    ),
    row('remaining gauges of an idle cluster', breakers({ max_connections: 5 }), [
      get(),
      { responses: 1 },
    ]),
    row('a breaker with request and reply', breakers({ max_requests: 1 }), [
      get('/1'),
      { responses: 1 },
      get('/2'),
      { responses: 2 },
    ]),
    row(
      'waiting requests that are given up',
      breakers({ max_connections: 1 }),
      [...sent(2), { close: true }, { on: 0 }, { responses: 1 }],
      SLOW,
    ),
  ],
);
