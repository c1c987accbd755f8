// What is tried again: answers, resets and request headers by `retry_on` (envoy-behaviour §4.1, §4.2).
import { differential } from '../differential.ts';
import type { CaseConfig, Row } from '../row.ts';
import {
  ENVOYS_REUSE,
  INSIDE_CLIENTS,
  OK,
  QUICK,
  STATS,
  answer,
  get,
  inside,
  whateverIsLeft,
} from './timeouts-retries.ts';

const retries = (retry_on: string, more: object = {}): CaseConfig => ({
  route: { retry_policy: { retry_on, retry_back_off: QUICK, ...more } },
});

/** One answer, then 200: was it tried again? */
const answered = (
  retry_on: string,
  first: string,
  more: object = {},
): Partial<Row> & { client: string } => ({
  config: retries(retry_on, more),
  client: get(),
  upstream: { answers: [first, OK] },
});

const byHeader = (first: string, ...lines: string[]): Partial<Row> & { client: string } => ({
  client: inside(...lines),
  upstream: { answers: [first, OK] },
});

const exact = (name: string, value: string): object => ({ name, string_match: { exact: value } });

export const suite = await differential(
  import.meta.url,
  { config: INSIDE_CLIENTS, stats: STATS },
  whateverIsLeft([
    { name: '5xx retries a 500', ...answered('5xx', answer('500 No')), expect: { status: 200 } },
    { name: '5xx retries a 599', ...answered('5xx', answer('599 No')), expect: { status: 200 } },
    { name: '5xx lets a 404 pass', ...answered('5xx', answer('404 No')), expect: { status: 404 } },
    {
      name: 'gateway-error lets a 500 pass',
      ...answered('gateway-error', answer('500 No')),
      expect: { status: 500 },
    },
    {
      name: 'gateway-error retries a 504',
      ...answered('gateway-error', answer('504 No')),
      expect: { status: 200 },
    },
    { name: 'gateway-error lets a 505 pass', ...answered('gateway-error', answer('505 No')) },
    {
      name: 'retriable-4xx retries a 409',
      ...answered('retriable-4xx', answer('409 No')),
      expect: { status: 200 },
    },
    {
      name: 'retriable-4xx lets a 429 pass',
      ...answered('retriable-4xx', answer('429 No')),
      expect: { status: 429 },
    },
    {
      name: 'retriable-status-codes retries what the policy lists',
      ...answered('retriable-status-codes', answer('418 No'), {
        retriable_status_codes: [418, 429],
      }),
    },
    {
      name: 'retriable_status_codes without the condition does nothing',
      ...answered('5xx', answer('418 No'), { retriable_status_codes: [418] }),
    },
    {
      name: 'a 425 is tried again at once, without back-off',
      ...answered('retriable-status-codes', answer('425 Early'), { retriable_status_codes: [425] }),
    },
    {
      name: 'a 425 to early data is passed on',
      config: retries('retriable-status-codes', { retriable_status_codes: [425] }),
      client: get('early-data: 1'),
      upstream: { answers: [answer('425 Early'), OK] },
    },
    {
      name: 'retriable-headers retries by any matcher',
      ...answered('retriable-headers', answer('200 OK', 'x-b: 1'), {
        retriable_headers: [exact('x-a', '1'), exact('x-b', '1')],
      }),
    },
    {
      name: 'retriable-headers looks at the status pseudo header, too',
      ...answered('retriable-headers', answer('202 OK'), {
        retriable_headers: [exact(':status', '202')],
      }),
    },
    {
      name: 'a rate-limited answer is not tried again by 5xx',
      ...answered('5xx', answer('503 No', 'x-envoy-ratelimited: true')),
    },
    {
      name: 'a rate-limited answer is tried again by envoy-ratelimited, whatever its status',
      ...answered('envoy-ratelimited', answer('429 No', 'x-envoy-ratelimited: false')),
    },
    ...(
      [
        '1 cancelled',
        '4 deadline-exceeded',
        '8 resource-exhausted',
        '13 internal',
        '14 unavailable',
      ] as const
    ).map((pair): Row => {
      const [code, condition] = pair.split(' ') as [string, string];
      return {
        name: `${condition} retries grpc-status ${code} among the headers`,
        ...answered(condition, answer('200 OK', `grpc-status: ${code}`)),
      };
    }),
    {
      name: 'a gRPC condition lets another status pass',
      ...answered('unavailable', answer('200 OK', 'grpc-status: 13')),
    },
    {
      name: 'grpc-status in trailers is not tried again',
      config: retries('unavailable'),
      client: get('te: trailers', 'content-type: application/grpc'),
      upstream: {
        answers: [
          'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n0\r\ngrpc-status: 14\r\n\r\n',
          OK,
        ],
      },
    },
    {
      name: 'several conditions add up, unknown ones are passed over',
      ...answered('nonsense, retriable-4xx ,gateway-error', answer('409 No')),
    },
    {
      name: 'a policy of unknown conditions retries nothing',
      ...answered('nonsense', answer('503 No')),
    },
    ...[
      '5xx',
      'gateway-error',
      'reset',
      'connect-failure',
      'refused-stream',
      'reset-before-request',
      'retriable-4xx',
    ].map((condition): Row => ({
      name: `${condition} and an upstream that closes`,
      config: retries(condition),
      client: get(),
      upstream: { answers: [[{ close: true }], OK] },
    })),
    ...[
      '5xx',
      'reset',
      'connect-failure',
      'refused-stream',
      'reset-before-request',
      'retriable-4xx',
    ].map((condition): Row => ({
      name: `${condition} and an upstream that refuses`,
      config: retries(condition),
      client: get(),
      upstream: { refuses: true },
    })),
    {
      name: 'reset retries an upstream that resets',
      config: retries('reset'),
      client: get(),
      upstream: { answers: [[{ reset: true }], OK] },
    },
    {
      name: '5xx retries an upstream that speaks nonsense',
      config: retries('5xx'),
      client: get(),
      upstream: { answers: ['nonsense\r\n\r\n', OK] },
    },
    {
      name: 'an upstream that speaks nonsense without retries is a 502',
      client: get(),
      upstream: { answers: ['nonsense\r\n\r\n', OK] },
    },
    {
      name: 'a retried reset that no condition wants counts as a retry that succeeded',
      config: { ...retries('connect-failure,retriable-4xx', { num_retries: 2 }), ...ENVOYS_REUSE },
      client: get(),
      upstream: { answers: [answer('409 No'), [{ close: true }]] },
    },
    // By request headers
    {
      name: 'x-envoy-retry-on asks for retries',
      ...byHeader(answer('503 No'), 'x-envoy-retry-on: 5xx'),
    },
    {
      name: 'x-envoy-retry-grpc-on asks for retries',
      ...byHeader(answer('200 OK', 'grpc-status: 14'), 'x-envoy-retry-grpc-on: unavailable'),
    },
    {
      name: 'x-envoy-retry-on knows no gRPC condition',
      ...byHeader(answer('200 OK', 'grpc-status: 14'), 'x-envoy-retry-on: unavailable'),
    },
    {
      name: 'x-envoy-retry-on from outside asks for nothing',
      client: get('x-envoy-retry-on: 5xx'),
      upstream: { answers: [answer('503 No'), OK] },
    },
    {
      name: 'x-envoy-max-retries says how often',
      client: inside('x-envoy-retry-on: 5xx', 'x-envoy-max-retries: 3'),
      upstream: { answers: [answer('503 No'), answer('503 No'), answer('503 No'), OK] },
    },
    {
      name: 'x-envoy-max-retries without a condition does nothing',
      ...byHeader(answer('503 No'), 'x-envoy-max-retries: 3'),
    },
    {
      name: 'x-envoy-max-retries 0 forbids',
      ...byHeader(answer('503 No'), 'x-envoy-retry-on: 5xx', 'x-envoy-max-retries: 0'),
    },
    {
      name: 'x-envoy-max-retries that is no number leaves the default',
      ...byHeader(answer('503 No'), 'x-envoy-retry-on: 5xx', 'x-envoy-max-retries: x'),
    },
    {
      name: 'x-envoy-max-retries may carry a plus sign',
      ...byHeader(answer('503 No'), 'x-envoy-retry-on: 5xx', 'x-envoy-max-retries: +0'),
    },
    {
      name: 'x-envoy-max-retries of 2^32 is none',
      ...byHeader(answer('503 No'), 'x-envoy-retry-on: 5xx', 'x-envoy-max-retries: 4294967296'),
    },
    {
      name: 'x-envoy-max-retries below zero leaves the default',
      ...byHeader(answer('503 No'), 'x-envoy-retry-on: 5xx', 'x-envoy-max-retries: -1'),
    },
    {
      name: 'x-envoy-max-retries overrides the policy',
      config: retries('5xx', { num_retries: 3 }),
      ...byHeader(answer('503 No'), 'x-envoy-max-retries: 0'),
    },
    {
      name: 'x-envoy-retriable-status-codes adds codes',
      ...byHeader(
        answer('404 No'),
        'x-envoy-retry-on: retriable-status-codes',
        'x-envoy-retriable-status-codes: 403, x,404',
      ),
    },
    {
      name: 'x-envoy-retriable-header-names adds names',
      ...byHeader(
        answer('200 OK', 'x-b: 1'),
        'x-envoy-retry-on: retriable-headers',
        'x-envoy-retriable-header-names: X-A, X-B',
      ),
    },
    {
      name: 'x-envoy-retry-on adds to the policy',
      config: retries('connect-failure'),
      ...byHeader(answer('503 No'), 'x-envoy-retry-on: gateway-error'),
    },
    {
      name: 'retriable_request_headers that match let retries happen',
      config: retries('5xx', { retriable_request_headers: [exact('x-again', '1')] }),
      client: get('x-again: 1'),
      upstream: { answers: [answer('503 No'), OK] },
    },
    {
      name: 'retriable_request_headers that do not match forbid retries, header conditions included',
      config: retries('5xx', { retriable_request_headers: [exact('x-again', '1')] }),
      ...byHeader(answer('503 No'), 'x-envoy-retry-on: 5xx'),
    },
    {
      name: 'retriable_request_headers may look at the method',
      config: retries('5xx', { retriable_request_headers: [exact(':method', 'GET')] }),
      client: get(),
      upstream: { answers: [answer('503 No'), OK] },
    },
    // Number, order, result
    {
      name: 'num_retries 0 passes the first failure on',
      ...answered('5xx', answer('503 No'), { num_retries: 0 }),
    },
    {
      name: 'the last answer passes when retries are used up',
      config: retries('5xx', { num_retries: 2 }),
      client: get(),
      upstream: { answers: [answer('500 No'), answer('501 No'), answer('502 No')] },
    },
    {
      name: 'the last reset makes the reply when retries are used up',
      config: { ...retries('5xx', { num_retries: 1 }), ...ENVOYS_REUSE },
      client: get(),
      upstream: { answers: [answer('500 No'), [{ close: true }]] },
    },
    {
      name: "the virtual host's policy serves routes without one",
      config: { virtualHost: { retry_policy: { retry_on: '5xx', retry_back_off: QUICK } } },
      client: get(),
      upstream: { answers: [answer('503 No'), OK] },
    },
    {
      name: "the route's policy replaces the virtual host's whole",
      config: {
        virtualHost: { retry_policy: { retry_on: '5xx', num_retries: 3 } },
        route: { retry_policy: { retry_on: 'connect-failure' } },
      },
      client: get(),
      upstream: { answers: [answer('503 No'), OK] },
    },
    {
      name: 'a closed breaker of retries passes the failure on',
      config: {
        ...retries('5xx'),
        clusters: { up: { circuit_breakers: { thresholds: [{ max_retries: 0 }] } } },
      },
      client: get(),
      upstream: { answers: [answer('503 No'), OK] },
    },
    {
      name: 'a budget of retries of nothing passes the failure on',
      config: {
        ...retries('5xx'),
        clusters: {
          up: {
            circuit_breakers: {
              thresholds: [
                { retry_budget: { budget_percent: { value: 0 }, min_retry_concurrency: 0 } },
              ],
            },
          },
        },
      },
      client: get(),
      upstream: { answers: [answer('503 No'), OK] },
    },
    {
      name: 'a budget of retries counts in place of max_retries',
      config: {
        ...retries('5xx'),
        clusters: {
          up: { circuit_breakers: { thresholds: [{ max_retries: 0, retry_budget: {} }] } },
        },
      },
      client: get(),
      upstream: { answers: [answer('503 No'), OK] },
    },
    {
      name: 'a full breaker of requests is never tried again',
      config: {
        ...retries('5xx'),
        clusters: { up: { circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] } } },
      },
      client: get(),
    },
    {
      name: 'attempt counts go both ways',
      config: {
        ...retries('5xx'),
        virtualHost: {
          include_request_attempt_count: true,
          include_attempt_count_in_response: true,
        },
      },
      client: get('x-envoy-attempt-count: 9'),
      upstream: { answers: [answer('503 No'), OK] },
    },
    {
      name: "attempt count in a reply of the proxy's own",
      config: {
        ...retries('5xx'),
        virtualHost: { include_attempt_count_in_response: true },
      },
      client: get(),
      upstream: { refuses: true },
    },
    {
      name: 'x-envoy-is-timeout-retry tells a retry by answer',
      config: { ...retries('5xx'), virtualHost: { include_is_timeout_retry_header: true } },
      client: get(),
      upstream: { answers: [answer('503 No'), OK] },
    },
    {
      name: 'x-envoy-is-timeout-retry tells a retry by time-out',
      config: {
        ...retries('5xx', { per_try_timeout: '0.4s' }),
        virtualHost: { include_is_timeout_retry_header: true },
      },
      client: [get(), { responses: 1 }],
      upstream: { answers: [[], OK] },
    },
    {
      name: 'an answer cut in its body is not tried again',
      config: retries('5xx'),
      client: get(),
      upstream: {
        answers: [['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab', { close: true }], OK],
      },
    },
    {
      name: 'a body goes out again',
      config: retries('5xx'),
      client: 'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello',
      upstream: { answers: [answer('503 No'), OK] },
    },
    {
      name: 'a chunked body with trailers goes out again',
      config: retries('5xx'),
      client:
        'POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nx-t: 1\r\n\r\n',
      upstream: { answers: [answer('503 No'), OK] },
    },
    {
      name: 'a canary answer is counted',
      client: get(),
      upstream: answer('200 OK', 'x-envoy-upstream-canary: true'),
      stats: ['cluster.CASE-up.canary*', 'cluster.CASE-up.external*'],
    },
    {
      name: 'an inside request is counted as internal',
      client: inside(),
    },
    {
      name: 'a retry under way takes a place among concurrent retries',
      config: {
        ...retries('5xx'),
        clusters: { up: { circuit_breakers: { thresholds: [{ max_retries: 1 }] } } },
      },
      client: [get(), { pauseMs: 150 }, { connect: true }, get(), { responses: 1 }],
      upstream: { answers: [answer('503 No'), [], answer('503 No'), OK] },
    },
    {
      name: 'a retry in its back-off takes a place among concurrent retries',
      config: {
        route: { retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '60s' } } },
        clusters: { up: { circuit_breakers: { thresholds: [{ max_retries: 1 }] } } },
      },
      client: [get(), { pauseMs: 150 }, { connect: true }, get(), { responses: 1 }],
      upstream: { answers: [answer('503 No'), answer('503 No'), OK] },
    },
    {
      name: 'a second retry of a request does not need a second place',
      config: {
        ...retries('5xx', { num_retries: 2 }),
        clusters: { up: { circuit_breakers: { thresholds: [{ max_retries: 1 }] } } },
      },
      client: get(),
      upstream: { answers: [answer('503 No'), answer('503 No'), OK] },
    },
    {
      name: 'a swallowed answer with a body',
      config: retries('5xx'),
      client: get(),
      upstream: { answers: ['HTTP/1.1 503 No\r\ncontent-length: 5\r\n\r\nhello', OK] },
    },
  ]),
);
