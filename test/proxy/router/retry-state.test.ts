// [w] Which answers and resets are retried, how often and when (envoy-behaviour §4).
import t from 'tap';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { TimerWheel } from '../../../proxy/base/timer-wheel.ts';
import type { RetryPolicyConfig } from '../../../proxy/config/route-config.ts';
import { StreamResetReason } from '../../../proxy/http/codec.ts';
import { RetryPolicy } from '../../../proxy/router/retry-policy.ts';
import { RetryDecision, RetryState } from '../../../proxy/router/retry-state.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { ScriptedCluster } from '../../support/router-harness.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';
import { linesOf, request, response, retryPolicy } from '../../support/route-samples.ts';

const NO_REQUEST = request();
const TIME = new SimulatedTime();
const TIMERS = new TimerWheel(TIME);

type Lines = readonly (readonly [string, string])[];

function create(
  policy: RetryPolicyConfig | null,
  lines: Lines = [],
  seed = 1,
): { state: RetryState | null; left: string[]; cluster: ScriptedCluster } {
  const cluster = new ScriptedCluster('c', new StatsStore(), ['10.0.0.1']);
  const headers = request(lines);
  const source = {
    retryPolicy: policy === null ? null : new RetryPolicy(policy, 'retry_policy'),
    priority: 'DEFAULT',
    guardReplays: false,
  } as const;
  const environment = {
    random: new SeededRandom(seed),
    time: TIME,
    timers: TIMERS,
    useRetry: null,
  };
  const state = RetryState.create(source, headers, cluster, environment);
  return { state, left: linesOf(headers), cluster };
}

const stateFor = (
  retryOn: readonly string[],
  changes: Partial<RetryPolicyConfig> = {},
): RetryState => create(retryPolicy(retryOn, changes)).state!;

t.test('RetryState', async (t) => {
  t.test('judges answers by condition', async (t) => {
    const statuses = [200, 404, 409, 429, 500, 501, 502, 503, 504, 505];
    const cases: [string, number[]][] = [
      ['5xx', [500, 501, 502, 503, 504, 505]],
      ['gateway-error', [502, 503, 504]],
      ['retriable-4xx', [409]],
      ['retriable-status-codes', [404, 503]],
      ['reset', []],
      ['reset-before-request', []],
      ['connect-failure', []],
      ['refused-stream', []],
    ];
    for (const [condition, expected] of cases) {
      const retried = statuses.filter(
        (status) =>
          stateFor([condition], { retriableStatusCodes: [404, 503] }).onResponseHeaders(
            response(status),
            NO_REQUEST,
          ) === RetryDecision.Yes,
      );
      t.same(retried, expected, condition);
    }
  });

  t.test('judges resets by condition', async (t) => {
    const reasons = Object.values(StreamResetReason);
    const all = reasons.filter((reason) => reason !== StreamResetReason.Overflow);
    const connect = [
      StreamResetReason.LocalConnectionFailure,
      StreamResetReason.RemoteConnectionFailure,
      StreamResetReason.ConnectionTimeout,
    ];
    const cases: [string, boolean, readonly StreamResetReason[]][] = [
      ['5xx', true, all],
      ['gateway-error', true, all],
      ['reset', true, all],
      ['reset-before-request', false, all],
      ['reset-before-request', true, []],
      ['connect-failure', true, connect],
      ['refused-stream', true, [StreamResetReason.RemoteRefusedStreamReset]],
      ['retriable-4xx', true, []],
      ['retriable-status-codes', true, []],
      ['unavailable', true, []],
    ];
    for (const [condition, sent, expected] of cases) {
      const retried = reasons.filter(
        (reason) => stateFor([condition]).onReset(reason, sent) === RetryDecision.Yes,
      );
      t.same(retried, expected, `${condition}, ${sent ? 'sent' : 'not sent'}`);
    }
  });

  t.test('judges gRPC status among the headers', async (t) => {
    const names = [
      'cancelled',
      'deadline-exceeded',
      'resource-exhausted',
      'internal',
      'unavailable',
    ];
    const codes = ['1', '4', '8', '13', '14'];
    names.forEach((name, i) => {
      const retried = ['0', '1', '2', '4', '8', '13', '14', 'x'].filter(
        (code) =>
          stateFor([name]).onResponseHeaders(response(200, [['grpc-status', code]]), NO_REQUEST) ===
          RetryDecision.Yes,
      );
      t.same(retried, [codes[i]], name);
    });
  });

  t.test('retries a rate-limited answer only where that was asked for', async (t) => {
    const limited = response(503, [['x-envoy-ratelimited', 'true']]);
    t.equal(stateFor(['5xx']).onResponseHeaders(limited, NO_REQUEST), RetryDecision.No);
    t.equal(
      stateFor(['envoy-ratelimited']).onResponseHeaders(limited, NO_REQUEST),
      RetryDecision.Yes,
    );
  });

  t.test('looks at retriable headers of answers and requests', async (t) => {
    const test = { kind: 'present', present: true } as const;
    const matcher = { name: 'x-again', test, invert: false, treatMissingAsEmpty: false };
    const state = stateFor(['retriable-headers'], { retriableHeaders: [matcher] });
    t.equal(state.onResponseHeaders(response(200), NO_REQUEST), RetryDecision.No);
    t.equal(
      state.onResponseHeaders(response(200, [['x-again', '']]), NO_REQUEST),
      RetryDecision.Yes,
    );
    const only = retryPolicy(['5xx'], { retriableRequestHeaders: [matcher] });
    t.equal(create(only).state, null);
    t.ok(create(only, [['x-again', '1']]).state);
  });

  t.test('exists only where something may be retried', async (t) => {
    t.equal(create(null).state, null);
    t.equal(create(retryPolicy([])).state, null);
    t.equal(create(retryPolicy(['nonsense'])).state, null);
    t.ok(create(null, [['x-envoy-retry-on', 'nonsense, 5xx']]).state);
    t.ok(create(null, [['x-envoy-retry-grpc-on', 'unavailable']]).state);
    t.equal(create(null, [['x-envoy-max-retries', '5']]).state, null);
  });

  t.test('takes conditions, number and codes from headers, and the headers out', async (t) => {
    const { state, left } = create(retryPolicy(['connect-failure']), [
      ['x-keep', '1'],
      ['x-envoy-retry-on', 'retriable-status-codes, retriable-headers'],
      ['x-envoy-max-retries', '2'],
      ['x-envoy-retriable-status-codes', '404, x, 405'],
      ['x-envoy-retriable-header-names', 'X-Again'],
      ['x-envoy-hedge-on-per-try-timeout', 'true'],
    ]);
    t.same(left, ['x-keep: 1']);
    t.equal(state!.onResponseHeaders(response(405), NO_REQUEST), RetryDecision.Yes);
    t.equal(
      state!.onResponseHeaders(response(200, [['x-again', '']]), NO_REQUEST),
      RetryDecision.Yes,
    );
    t.equal(
      state!.onReset(StreamResetReason.ConnectionTimeout, false),
      RetryDecision.LimitExceeded,
    );
  });

  t.test('stops at the number of retries', async (t) => {
    for (const numRetries of [0, 1, 3]) {
      const state = stateFor(['5xx'], { numRetries });
      for (let i = 0; i < numRetries; i++)
        t.equal(state.onResponseHeaders(response(500), NO_REQUEST), RetryDecision.Yes);
      t.equal(state.onResponseHeaders(response(500), NO_REQUEST), RetryDecision.LimitExceeded);
    }
  });

  t.test('spends a retry even when the breaker refuses it', async (t) => {
    const { state, cluster } = create(retryPolicy(['5xx']));
    const retries = cluster.resources().retries;
    for (let i = 0; i < 3; i++) retries.inc();
    t.equal(state!.onResponseHeaders(response(500), NO_REQUEST), RetryDecision.Overflow);
    retries.dec();
    t.equal(state!.onResponseHeaders(response(500), NO_REQUEST), RetryDecision.LimitExceeded);
  });

  t.test('holds one place among concurrent retries until decided', async (t) => {
    const { state, cluster } = create(retryPolicy(['5xx'], { numRetries: 5 }));
    const retries = cluster.resources().retries;
    state!.onResponseHeaders(response(500), NO_REQUEST);
    state!.onResponseHeaders(response(500), NO_REQUEST);
    t.equal(retries.count, 1);
    state!.onResponseHeaders(response(200), NO_REQUEST);
    t.equal(retries.count, 0);
    state!.onResponseHeaders(response(500), NO_REQUEST);
    state!.dispose();
    state!.dispose();
    t.equal(retries.count, 0);
  });

  t.test('waits longer each time, up to the cap', async (t) => {
    const highest = [0, 0, 0, 0, 0, 0];
    const lowest = highest.map(() => Infinity);
    for (let seed = 0; seed < 2000; seed++) {
      const { state } = create(retryPolicy(['5xx']), [], seed);
      highest.forEach((_, i) => {
        const ms = state!.nextBackoffMs();
        highest[i] = Math.max(highest[i]!, ms);
        lowest[i] = Math.min(lowest[i]!, ms);
      });
    }
    t.same(highest, [24, 49, 99, 199, 249, 249]);
    t.ok(lowest.every((ms) => ms < 5));
  });
});
