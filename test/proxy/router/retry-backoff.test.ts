// [w] How long retries wait (envoy-behaviour §4.4): the distribution, over many seeds, and what answers ask for.
import t from 'tap';
import { Runtime } from '../../../proxy/base/runtime.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { TimerWheel } from '../../../proxy/base/timer-wheel.ts';
import type {
  RateLimitedBackoffConfig,
  RetryPolicyConfig,
} from '../../../proxy/config/route-config.ts';
import { StreamResetReason } from '../../../proxy/http/codec.ts';
import { RetryPolicy } from '../../../proxy/router/retry-policy.ts';
import { RetryDecision, RetryState } from '../../../proxy/router/retry-state.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { RouterHarness, ScriptedCluster } from '../../support/router-harness.ts';
import { request, response, retryPolicy } from '../../support/route-samples.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

const REQUEST = request();
const store = new StatsStore();
const cluster = new ScriptedCluster('c', store, ['10.0.0.1']);
const time = new SimulatedTime();
const TIMERS = new TimerWheel(time);

function stateFor(changes: Partial<RetryPolicyConfig>, seed: number): RetryState {
  const policy = new RetryPolicy(retryPolicy(['5xx'], { numRetries: 10, ...changes }), '');
  const source = { retryPolicy: policy, priority: 'DEFAULT', guardReplays: false } as const;
  return RetryState.create(source, request(), cluster, {
    random: new SeededRandom(seed),
    time,
    timers: TIMERS,
    useRetry: null,
  })!;
}

/** The waits of `count` retries in a row, for many seeds: by retry. */
function waits(changes: Partial<RetryPolicyConfig>, count: number, seeds: number): number[][] {
  const byRetry: number[][] = Array.from({ length: count }, () => []);
  for (let seed = 0; seed < seeds; seed++) {
    const state = stateFor(changes, seed * 7919);
    for (let i = 0; i < count; i++) {
      state.onReset(StreamResetReason.ConnectionTermination, true);
      byRetry[i]!.push(state.nextBackoffMs());
    }
    state.dispose();
  }
  return byRetry;
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

t.test('Back-off', async (t) => {
  t.test('is uniform below an interval that doubles to its limit', async (t) => {
    const cases: [Partial<RetryPolicyConfig>, number[]][] = [
      [{}, [25, 50, 100, 200, 250, 250]],
      [{ baseIntervalMs: 10, maxIntervalMs: 10 }, [10, 10, 10]],
      [{ baseIntervalMs: 10, maxIntervalMs: 15 }, [10, 15, 15]],
      [{ baseIntervalMs: 10, maxIntervalMs: 40 }, [10, 20, 40, 40]],
      [{ baseIntervalMs: 1, maxIntervalMs: 10 }, [1, 2, 4, 8, 10, 10]],
    ];
    for (const [changes, intervals] of cases) {
      const seen = waits(changes, intervals.length, 3000);
      intervals.forEach((interval, i) => {
        const numbers = seen[i]!;
        const what = `retry ${i + 1} below ${interval}`;
        t.ok(
          numbers.every((ms) => ms >= 0 && ms < interval && Number.isInteger(ms)),
          what,
        );
        // Four standard deviations of the mean of 3000 uniform whole numbers.
        const expected = (interval - 1) / 2;
        t.ok(Math.abs(mean(numbers) - expected) < 0.022 * interval + 0.01, `${what}: mean`);
        t.equal(new Set(numbers).size, interval, `${what}: every value occurs`);
      });
    }
  });

  t.test('begins where a runtime key says, if the policy does not', async (t) => {
    const runtime = new Runtime(new Map([['upstream.base_retry_backoff_ms', '7']]));
    const intervals = (changes: Partial<RetryPolicyConfig>): number[] => {
      const policy = new RetryPolicy(retryPolicy(['5xx'], changes), '', runtime);
      return [policy.baseIntervalMs, policy.maxIntervalMs];
    };
    t.same(intervals({ defaultBackoff: true }), [7, 70]);
    t.same(intervals({}), [25, 250]);
  });

  t.test('takes as long in all as Envoy was seen to take', async (t) => {
    const seen = waits({}, 3, 3000);
    const sums = seen[0]!.map((first, i) => first + seen[1]![i]! + seen[2]![i]!);
    // envoy-behaviour §4.4: three retries, 86 ms on average and at most 172.
    t.ok(Math.abs(mean(sums) - 86) < 3, `${mean(sums)}`);
    t.ok(Math.max(...sums) <= 172);
  });

  const asked = (
    headers: RateLimitedBackoffConfig['resetHeaders'],
    maxIntervalMs = 300_000,
  ): Partial<RetryPolicyConfig> => ({
    rateLimitedBackoff: { resetHeaders: headers, maxIntervalMs },
  });
  const seconds = [{ name: 'retry-after', format: 'SECONDS' }] as const;

  t.test('is what an answer asks for, and up to half as much more', async (t) => {
    const numbers: number[] = [];
    for (let seed = 0; seed < 3000; seed++) {
      const state = stateFor(asked(seconds), seed * 7919);
      state.onResponseHeaders(response(503, [['retry-after', '2']]), REQUEST);
      numbers.push(state.nextBackoffMs());
      state.dispose();
    }
    t.ok(numbers.every((ms) => ms >= 2000 && ms < 3000));
    t.ok(Math.abs(mean(numbers) - 2500) < 25, `${mean(numbers)}`);
  });

  t.test('listens to the first header that can be used', async (t) => {
    const now = Math.floor(time.wallMs() / 1000);
    const unix = [{ name: 'x-reset', format: 'UNIX_TIMESTAMP' }] as const;
    const both = [
      { name: 'x-a', format: 'SECONDS' },
      { name: 'x-b', format: 'SECONDS' },
    ] as const;
    const cases: [string, Partial<RetryPolicyConfig>, [string, string][], number][] = [
      ['seconds', asked(seconds), [['retry-after', '7']], 7000],
      ['with a sign', asked(seconds), [['retry-after', '+7']], 7000],
      ['at the limit', asked(seconds, 7000), [['retry-after', '7']], 7000],
      ['above the limit', asked(seconds, 6999), [['retry-after', '7']], 0],
      ['none', asked(seconds), [['retry-after', '0']], 0],
      ['a fraction', asked(seconds), [['retry-after', '1.5']], 0],
      ['a date', asked(seconds), [['retry-after', 'Fri, 31 Dec 1999 23:59:59 GMT']], 0],
      ['too long a number', asked(seconds), [['retry-after', '9'.repeat(40)]], 0],
      ['a time ahead', asked(unix), [['x-reset', String(now + 5)]], 5000],
      ['now', asked(unix), [['x-reset', String(now)]], 0],
      ['a time gone', asked(unix), [['x-reset', String(now - 5)]], 0],
      [
        'the second',
        asked(both),
        [
          ['x-a', 'x'],
          ['x-b', '3'],
        ],
        3000,
      ],
      [
        'the first',
        asked(both),
        [
          ['x-b', '3'],
          ['x-a', '4'],
        ],
        4000,
      ],
    ];
    for (const [what, changes, lines, atLeast] of cases) {
      const state = stateFor(changes, 1);
      t.equal(state.onResponseHeaders(response(503, lines), REQUEST), RetryDecision.Yes);
      const ms = state.nextBackoffMs();
      if (atLeast === 0) t.ok(ms < 25, `${what}: as usual, ${ms}`);
      else t.ok(ms >= atLeast && ms < atLeast * 1.5, `${what}: ${ms}`);
      state.dispose();
    }
  });

  t.test('forgets what an answer asked for when a reset follows', async (t) => {
    const state = stateFor(asked(seconds), 1);
    state.onResponseHeaders(response(503, [['retry-after', '7']]), REQUEST);
    t.ok(state.nextBackoffMs() >= 7000);
    state.onReset(StreamResetReason.ConnectionTermination, true);
    t.ok(state.nextBackoffMs() < 25);
    state.dispose();
  });

  t.test('is none after 425, and counts as none', async (t) => {
    const policy = retryPolicy(['retriable-status-codes'], { retriableStatusCodes: [425] });
    const harness = new RouterHarness({ action: { retryPolicy: policy } });
    harness.send();
    harness.backend.last.respond(response(425));
    harness.time.advance(8);
    t.equal(harness.backend.streams.length, 2);
    t.equal(harness.clusterStat('upstream_rq_retry'), 1);
    t.equal(harness.clusterStat('upstream_rq_retry_backoff_exponential'), 0);
  });

  t.test('holds a retry for as long as asked, in simulated time', async (t) => {
    const policy = retryPolicy(['5xx'], asked(seconds));
    const harness = new RouterHarness({ action: { retryPolicy: policy } });
    harness.send();
    harness.backend.last.respond(response(503, [['retry-after', '2']]));
    harness.time.advance(1999);
    t.equal(harness.backend.streams.length, 1);
    harness.time.advance(1010);
    t.equal(harness.backend.streams.length, 2);
    t.equal(harness.clusterStat('upstream_rq_retry_backoff_ratelimited'), 1);
  });
});
