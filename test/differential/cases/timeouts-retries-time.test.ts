// How long requests and attempts may take, who says so, and what becomes of those that take longer (envoy-behaviour §3.8).
import { differential } from '../differential.ts';
import type { CaseConfig, Json } from '../row.ts';
import {
  INSIDE_CLIENTS,
  OK,
  QUICK,
  STATS,
  answer,
  get,
  silent,
  told,
  whateverIsLeft,
} from './timeouts-retries.ts';

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

const http = (common: Json): Json => ({
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http_protocol_options: {} },
      common_http_protocol_options: common,
    },
  },
});

const GRPC = 'content-type: application/grpc';

export const suite = await differential(
  import.meta.url,
  { config: INSIDE_CLIENTS, stats: STATS },
  whateverIsLeft([
    { name: "a route's time-out ends in 504", ...silent({ timeout: '0.1s' }) },
    { name: 'a time-out of 0 is none', ...told({ route: { timeout: '0s' } }) },
    {
      name: 'an inside client shortens the time-out',
      ...silent({}, 'x-envoy-upstream-rq-timeout-ms: 100'),
    },
    {
      name: 'an inside client switches the time-out off',
      ...told({}, 'x-envoy-upstream-rq-timeout-ms: 0'),
    },
    {
      name: 'a time-out that is no number is passed over',
      ...told({}, 'x-envoy-upstream-rq-timeout-ms: 1x'),
    },
    {
      name: 'a time-out with a plus sign counts',
      ...told({}, 'x-envoy-upstream-rq-timeout-ms: +700'),
    },
    {
      name: 'an outside client has no say',
      client: get(
        'x-envoy-upstream-rq-timeout-ms: 100',
        'x-envoy-upstream-rq-per-try-timeout-ms: 50',
      ),
    },
    {
      name: 'an alternative reply to a time-out is an empty 204',
      ...silent({ timeout: '0.1s' }, 'x-envoy-upstream-rq-timeout-alt-response: 1'),
    },
    {
      name: 'a time-out cuts an answer that has begun',
      config: { route: { timeout: '0.1s' } },
      client: [get(), { closed: true }],
      upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab', { pauseMs: 400 }],
    },
    {
      name: 'a time-out cuts a gRPC answer that has begun',
      config: { route: { timeout: '0.1s' } },
      client: [get(GRPC), { closed: true }],
      upstream: [
        'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n',
        { pauseMs: 400 },
      ],
    },
    { name: 'a gRPC request that times out gets a status', ...silent({ timeout: '0.1s' }, GRPC) },
    {
      name: 'the time-out begins when the request is complete',
      config: { route: { timeout: '0.15s' } },
      client: [
        'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\na',
        { pauseMs: 300 },
        'b',
        { responses: 1 },
      ],
      upstream: [],
      uncut: 'pauses',
    },
    {
      name: 'a time-out in a back-off blames no host',
      config: {
        route: {
          timeout: '0.1s',
          retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '60s' } },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: answer('503 No'),
    },

    // One attempt
    {
      name: 'an attempt that takes too long ends in 504',
      ...silent({ retry_policy: { per_try_timeout: '0.1s' } }),
    },
    {
      name: 'an attempt that takes too long is tried again',
      config: {
        route: {
          retry_policy: { retry_on: '5xx', per_try_timeout: '0.4s', retry_back_off: QUICK },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: { answers: [[], OK] },
    },
    {
      name: 'retry on reset counts attempts that take too long',
      config: {
        route: {
          retry_policy: { retry_on: 'reset', per_try_timeout: '0.4s', retry_back_off: QUICK },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: { answers: [[], OK] },
    },
    {
      name: 'retry on connect-failure does not',
      config: {
        route: {
          retry_policy: {
            retry_on: 'connect-failure',
            per_try_timeout: '0.4s',
            retry_back_off: QUICK,
          },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: { answers: [[], OK] },
    },
    {
      name: 'the last attempt takes too long, too',
      config: {
        route: {
          retry_policy: {
            retry_on: '5xx',
            num_retries: 1,
            per_try_timeout: '0.1s',
            retry_back_off: QUICK,
          },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: [],
    },
    {
      name: 'an attempt that has begun to answer may take longer',
      config: { route: { retry_policy: { per_try_timeout: '0.1s' } } },
      client: [get(), { responses: 1 }],
      upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na', { pauseMs: 250 }, 'b'],
    },
    {
      name: 'a limit of an attempt that the request has anyway is none',
      ...told({ route: { timeout: '1s', retry_policy: { per_try_timeout: '1s' } } }),
    },
    {
      name: 'what an attempt may take is told',
      ...told({ route: { retry_policy: { per_try_timeout: '0.7s' } } }),
    },
    {
      name: 'an inside client limits an attempt',
      ...told({}, 'x-envoy-upstream-rq-per-try-timeout-ms: 300'),
    },
    {
      name: 'an inside client limits an attempt more than its request',
      ...told(
        {},
        'x-envoy-upstream-rq-timeout-ms: 200',
        'x-envoy-upstream-rq-per-try-timeout-ms: 300',
      ),
    },
    {
      name: "an attempt's limit without one for the request",
      ...told({ route: { timeout: '0s', retry_policy: { per_try_timeout: '0.7s' } } }),
    },
    {
      name: 'an idle attempt ends in 504',
      ...silent({ retry_policy: { per_try_idle_timeout: '0.1s' } }),
    },
    {
      name: 'an idle attempt is tried again',
      config: {
        route: {
          retry_policy: {
            retry_on: 'gateway-error',
            per_try_idle_timeout: '0.4s',
            retry_back_off: QUICK,
          },
        },
      },
      client: [get(), { responses: 1 }],
      upstream: { answers: [[], OK] },
    },
    {
      name: 'an idle answer is cut',
      config: { route: { retry_policy: { per_try_idle_timeout: '0.1s' } } },
      client: [get(), { closed: true }],
      upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na', { pauseMs: 400 }],
    },
    {
      name: 'an attempt that moves is not idle',
      config: { route: { retry_policy: { per_try_idle_timeout: '0.25s' } } },
      client: [get(), { responses: 1 }],
      upstream: [
        'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na',
        { pauseMs: 150 },
        'b',
        { pauseMs: 150 },
        'c',
      ],
    },

    // What is told
    {
      name: 'the expected time-out of a client is replaced',
      ...told({}, 'x-envoy-expected-rq-timeout-ms: 300'),
    },
    {
      name: "an outside client's expected time-out is replaced",
      client: get('x-envoy-expected-rq-timeout-ms: 300'),
    },
    {
      name: 'a router may respect an expected time-out',
      ...told(
        router({ respect_expected_rq_timeout: true }),
        'x-envoy-expected-rq-timeout-ms: 300',
        'x-envoy-upstream-rq-timeout-ms: 700',
      ),
    },
    {
      name: 'a respected time-out that is no number',
      ...told(
        router({ respect_expected_rq_timeout: true }),
        'x-envoy-expected-rq-timeout-ms: x',
        'x-envoy-upstream-rq-timeout-ms: 700',
      ),
    },
    {
      name: 'a respected time-out with a shorter attempt',
      ...told(
        {
          ...router({ respect_expected_rq_timeout: true }),
          route: { retry_policy: { per_try_timeout: '0.2s' } },
        },
        'x-envoy-expected-rq-timeout-ms: 300',
      ),
    },
    {
      name: 'a respectful router without anything to respect',
      ...told(router({ respect_expected_rq_timeout: true }), 'x-envoy-upstream-rq-timeout-ms: 700'),
    },
    {
      name: 'a router that suppresses its headers tells nothing',
      ...told(router({ suppress_envoy_headers: true }), 'x-envoy-expected-rq-timeout-ms: 300'),
    },
    {
      name: 'a strict router refuses a time-out that is no number',
      ...told(
        router({ strict_check_headers: ['x-envoy-upstream-rq-timeout-ms'] }),
        'x-envoy-upstream-rq-timeout-ms: x',
      ),
    },
    {
      name: 'a strict router takes a time-out with a sign',
      ...told(
        router({ strict_check_headers: ['x-envoy-upstream-rq-timeout-ms'] }),
        'x-envoy-upstream-rq-timeout-ms: +300',
      ),
    },
    {
      name: 'a strict router refuses an unknown condition',
      ...told(
        router({ strict_check_headers: ['x-envoy-retry-on'] }),
        'x-envoy-retry-on: 5xx,nonsense',
      ),
    },
    {
      name: 'a strict router refuses a HTTP condition among those of gRPC',
      ...told(
        router({ strict_check_headers: ['x-envoy-retry-grpc-on'] }),
        'x-envoy-retry-grpc-on: 5xx',
      ),
    },

    // Streams of clusters
    {
      name: 'an attempt may live as long as its cluster says',
      config: { clusters: { up: http({ max_stream_duration: '0.1s' }) } },
      client: [get(), { responses: 1 }],
      upstream: [],
    },
    {
      name: 'an attempt that lived too long is tried again',
      config: {
        clusters: { up: http({ max_stream_duration: '0.4s' }) },
        route: { retry_policy: { retry_on: 'reset', retry_back_off: QUICK } },
      },
      client: [get(), { responses: 1 }],
      upstream: { answers: [[], OK] },
    },
    {
      name: 'an answer that lives too long is cut',
      config: { clusters: { up: http({ max_stream_duration: '0.1s' }) } },
      client: [get(), { closed: true }],
      upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na', { pauseMs: 400 }],
    },
    {
      name: 'an inside client limits the life of an attempt',
      ...silent({}, 'x-envoy-upstream-stream-duration-ms: 100'),
    },
    {
      name: 'a request that still comes lives too long',
      config: { clusters: { up: http({ max_stream_duration: '0.1s' }) } },
      client: ['POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\na', { responses: 1 }],
      upstream: [],
      uncut: 'never complete',
    },
    {
      name: 'an answer before its request is complete',
      client: ['POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\na', { responses: 1 }],
      upstream: [{ at: 'head' }, OK],
      uncut: 'never complete',
    },
  ]),
);
