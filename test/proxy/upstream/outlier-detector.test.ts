// Ejections in simulated time: detectors, limits, back-off, what brings hosts back. And the arithmetic of rates.
import t from 'tap';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { Runtime } from '../../../proxy/base/runtime.ts';
import type { OutlierDetectionConfig } from '../../../proxy/config/outlier-detection-config.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { HealthFlag } from '../../../proxy/upstream/host-health.ts';
import { OutlierDetector } from '../../../proxy/upstream/outlier-detector.ts';
import type { OutlierHost, OutlierType } from '../../../proxy/upstream/outlier-detector.ts';
import { OutlierCount, outlierPlace } from '../../../proxy/upstream/outlier-memory.ts';
import { rateNumbers } from '../../../proxy/upstream/outlier-rates.ts';
import { OutlierStats } from '../../../proxy/upstream/outlier-stats.ts';
import { SampleOutlierHost, sampleOutliers } from '../../support/health-samples.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

const { FailedOutlierCheck, FailedActiveCheck, DegradedOutlierCheck } = HealthFlag;

function setUp(
  hostCount: number,
  changes: Partial<OutlierDetectionConfig> = {},
  runtime = Runtime.EMPTY,
) {
  const time = new SimulatedTime();
  const store = new StatsStore();
  const counts = new Int32Array(new SharedArrayBuffer(4096));
  const events: string[] = [];
  const detector = new OutlierDetector({
    config: sampleOutliers(changes),
    time,
    random: new SeededRandom(3),
    runtime,
    counts,
    stats: new OutlierStats(store, 'c', () => true),
    events: {
      onEject: (host: OutlierHost, type: OutlierType, enforced: boolean) =>
        void events.push(`eject ${host.outlierSlot} ${type}${enforced ? '' : ' not enforced'}`),
      onUneject: (host: OutlierHost) => void events.push(`uneject ${host.outlierSlot}`),
    },
  });
  const hosts = Array.from({ length: hostCount }, (_, i) => new SampleOutlierHost(i));
  for (const host of hosts) detector.add(host);
  detector.start();
  const stat = (name: string): number =>
    store.value(
      name === 'active'
        ? store.gauge('cluster.c.outlier_detection.ejections_active')
        : store.counter(`cluster.c.outlier_detection.ejections_${name}`),
    );
  const requests = (host: number, total: number, good: number): void => {
    counts[outlierPlace(host) + OutlierCount.Requests] = total;
    counts[outlierPlace(host) + OutlierCount.Successes] = good;
  };
  const ejected = (): number[] =>
    hosts.filter(({ flags }) => (flags & FailedOutlierCheck) !== 0).map((h) => h.outlierSlot);
  return { time, detector, hosts, counts, events, stat, requests, ejected };
}

t.test('OutlierDetector', (t) => {
  t.test('ejects for a run of failures, and clears the run', (t) => {
    const { detector, hosts, counts, events, stat } = setUp(2);
    const place = outlierPlace(1) + OutlierCount.Consecutive5xx;
    counts[place] = 5;
    detector.onConsecutive(hosts[1]!, 'CONSECUTIVE_5XX');
    t.strictSame(events, ['eject 1 CONSECUTIVE_5XX']);
    t.equal(counts[place], 0);
    t.equal(stat('enforced_total'), 1);
    t.equal(stat('total'), 1);
    t.equal(stat('consecutive_5xx'), 1);
    t.equal(stat('active'), 1);
    detector.onConsecutive(hosts[1]!, 'CONSECUTIVE_5XX');
    t.equal(stat('detected_consecutive_5xx'), 1, 'an ejected host is not detected again');
    t.end();
  });

  t.test('only tells of what is not enforced', (t) => {
    const { detector, hosts, events, stat, ejected } = setUp(2);
    detector.onConsecutive(hosts[0]!, 'CONSECUTIVE_GATEWAY_FAILURE');
    t.strictSame(events, ['eject 0 CONSECUTIVE_GATEWAY_FAILURE not enforced']);
    t.strictSame(ejected(), []);
    t.equal(stat('detected_consecutive_gateway_failure'), 1);
    t.equal(stat('enforced_total'), 0);
    t.end();
  });

  const limits: readonly [percent: number, hosts: number, one: boolean, ejected: number][] = [
    [10, 9, false, 0],
    [10, 10, false, 1],
    [10, 20, false, 2],
    [50, 3, false, 1],
    [34, 3, false, 1],
    [33, 3, false, 0],
    [10, 3, true, 1],
    [0, 3, true, 1],
    [100, 3, false, 3],
  ];
  for (const [percent, count, one, most] of limits) {
    t.test(`ejects ${most} of ${count} at ${percent} %${one ? ', one always' : ''}`, (t) => {
      const changes = { maxEjectionPercent: percent, alwaysEjectOneHost: one };
      const { detector, hosts, ejected, stat } = setUp(count, changes);
      for (const host of hosts) detector.onConsecutive(host, 'CONSECUTIVE_5XX');
      t.equal(ejected().length, most);
      t.equal(stat('overflow'), count - most);
      t.end();
    });
  }

  t.test(
    'lets a host back at the tick behind its time, longer each time, less after good ticks',
    (t) => {
      const { detector, hosts, time, ejected } = setUp(1);
      const host = hosts[0]!;
      const ejectedForMs = (): number => {
        detector.onConsecutive(host, 'CONSECUTIVE_5XX');
        let ms = 0;
        for (; ejected().length > 0; ms += 10_000) time.advance(10_000);
        return ms;
      };
      t.strictSame(
        [1, 2, 3, 4, 5, 6].map(ejectedForMs),
        [30_000, 60_000, 90_000, 100_000, 100_000, 100_000],
        'base times the multiplier, up to the most',
      );
      time.advance(40_000);
      t.equal(host.outlier.backoff, 1, 'one less each tick');
      t.equal(ejectedForMs(), 60_000);
      t.end();
    },
  );

  t.test('adds jitter to the time', (t) => {
    const { detector, hosts, time, ejected } = setUp(1, { maxEjectionJitterMs: 60_000 });
    detector.onConsecutive(hosts[0]!, 'CONSECUTIVE_5XX');
    const { jitterMs } = hosts[0]!.outlier;
    t.ok(jitterMs > 0 && jitterMs <= 60_000);
    time.advance(Math.ceil((30_000 + jitterMs) / 10_000) * 10_000 - 10_000);
    t.strictSame(ejected(), [0]);
    time.advance(10_000);
    t.strictSame(ejected(), []);
    t.end();
  });

  t.test('lets a host back whose active check passes, unless told not to', (t) => {
    for (const uneject of [true, false]) {
      const { detector, hosts, ejected, stat } = setUp(1, { uneject });
      const host = hosts[0]!;
      detector.onConsecutive(host, 'CONSECUTIVE_5XX');
      host.flags |= FailedActiveCheck;
      detector.onCheckPassed(host);
      t.strictSame(ejected(), [0], 'not while its checks are still failing');
      host.flags &= ~FailedActiveCheck;
      detector.onCheckPassed(host);
      t.equal(ejected().length, uneject ? 0 : 1);
      t.equal(stat('active'), uneject ? 0 : 1);
    }
    t.end();
  });

  t.test('ejects who does worse than the others', (t) => {
    const { time, requests, events, detector, hosts, ejected } = setUp(20, {
      maxEjectionPercent: 10,
    });
    const rates = (): void => {
      for (let i = 0; i < 17; i++) requests(i, 200, 199);
      requests(17, 200, 198);
      requests(18, 200, 194);
      requests(19, 200, 160);
    };
    rates();
    time.advance(10_000);
    t.strictSame(events, ['eject 19 SUCCESS_RATE']);
    t.equal(detector.external.average.toFixed(3), '98.375');
    t.equal(detector.external.threshold.toFixed(2), '90.30');
    t.equal(hosts[18]!.outlier.successRate, 97);
    rates();
    time.advance(10_000);
    t.strictSame(ejected(), [18, 19], 'a gross outlier hides lesser ones');
    time.advance(10_000);
    t.equal(detector.external.average, -1, 'an interval without requests says nothing');
    t.equal(hosts[0]!.outlier.successRate, -1);
    t.end();
  });

  t.test('ejects who fails too often, where that is enforced', (t) => {
    const failurePercentage = {
      threshold: 40,
      minimumHosts: 3,
      requestVolume: 10,
      enforcing: 100,
      enforcingLocalOrigin: 100,
    };
    const { time, requests, events, counts } = setUp(3, { failurePercentage });
    requests(0, 10, 6);
    requests(1, 10, 7);
    requests(2, 9, 0);
    time.advance(10_000);
    t.strictSame(events, [], 'two hosts with enough requests are too few');
    requests(0, 10, 6);
    requests(1, 10, 7);
    requests(2, 10, 10);
    time.advance(10_000);
    t.strictSame(events, ['eject 0 FAILURE_PERCENTAGE']);
    for (const host of [0, 1, 2]) {
      counts[outlierPlace(host) + OutlierCount.LocalOriginRequests] = 10;
      counts[outlierPlace(host) + OutlierCount.LocalOriginSuccesses] = host === 2 ? 0 : 10;
    }
    time.advance(10_000);
    t.strictSame(events, ['eject 0 FAILURE_PERCENTAGE'], 'ejected hosts do not count');
    t.end();
  });

  t.test('looks at the way to hosts apart from their answers', (t) => {
    const { time, counts, events } = setUp(5, { maxEjectionPercent: 20 });
    for (let host = 0; host < 5; host++) {
      counts[outlierPlace(host) + OutlierCount.LocalOriginRequests] = 100;
      counts[outlierPlace(host) + OutlierCount.LocalOriginSuccesses] = host === 4 ? 0 : 100;
    }
    time.advance(10_000);
    t.strictSame(events, ['eject 4 SUCCESS_RATE_LOCAL_ORIGIN']);
    t.end();
  });

  t.test('marks hosts that call themselves degraded, for a while', (t) => {
    const { detector, hosts, time, events, stat } = setUp(2);
    const host = hosts[0]!;
    detector.onDegraded(host);
    detector.onDegraded(host);
    t.equal(host.flags, DegradedOutlierCheck);
    t.equal(stat('detected_degradation'), 1);
    t.equal(stat('active'), 0);
    time.advance(30_000);
    t.equal(host.flags, 0);
    t.strictSame(events, ['eject 0 DEGRADED', 'uneject 0']);
    t.end();
  });

  t.test('keeps the gauge right when hosts come and go', (t) => {
    const { detector, hosts, stat } = setUp(2);
    detector.onConsecutive(hosts[0]!, 'CONSECUTIVE_5XX');
    detector.remove(hosts[0]!);
    t.equal(stat('active'), 0);
    detector.onConsecutive(hosts[0]!, 'CONSECUTIVE_5XX');
    t.equal(stat('detected_consecutive_5xx'), 1, 'whoever has left is nobody’s business');
    detector.add(hosts[0]!);
    t.equal(stat('active'), 1);
    t.end();
  });

  t.test('goes by runtime keys before its configuration', (t) => {
    const keys = new Runtime(
      new Map([
        ['outlier_detection.enforcing_consecutive_5xx', '0'],
        ['outlier_detection.interval_ms', '500'],
        ['outlier_detection.base_ejection_time_ms', '700'],
        ['outlier_detection.enforcing_consecutive_gateway_failure', '100'],
      ]),
    );
    const { detector, hosts, time, ejected } = setUp(1, {}, keys);
    detector.onConsecutive(hosts[0]!, 'CONSECUTIVE_5XX');
    t.strictSame(ejected(), []);
    detector.onConsecutive(hosts[0]!, 'CONSECUTIVE_GATEWAY_FAILURE');
    t.strictSame(ejected(), [0]);
    time.advance(999);
    t.strictSame(ejected(), [0]);
    time.advance(1);
    t.strictSame(ejected(), []);
    t.end();
  });
  t.end();
});

t.test('rateNumbers', (t) => {
  const of = (rates: readonly number[], factor: number) =>
    rateNumbers(
      rates.map((successRate, host) => ({ host, successRate, volume: 100 })),
      factor,
    );
  t.strictSame(of([100, 100, 100], 1900), { average: 100, threshold: 100 });
  t.strictSame(of([50, 100], 1000), { average: 75, threshold: 50 });
  t.test('holds for any rates', (t) => {
    const random = new SeededRandom(11);
    for (let round = 0; round < 2000; round++) {
      const rates = Array.from(
        { length: 1 + (random.nextUint32() % 30) },
        () => random.next() * 100,
      );
      const factor = random.nextUint32() % 3000;
      const { average, threshold } = of(rates, factor);
      const least = Math.min(...rates);
      const shifted = of(
        rates.map((rate) => rate / 2),
        factor,
      );
      if (
        !(average >= least - 1e-9 && average <= Math.max(...rates) + 1e-9) ||
        threshold > average + 1e-9 ||
        // Nobody is further than √(n-1) deviations from the mean.
        (factor >= 1000 * Math.sqrt(rates.length - 1) + 1 &&
          rates.some((r) => r < threshold - 1e-6)) ||
        Math.abs(shifted.threshold - threshold / 2) > 1e-9 ||
        Math.abs(of(rates.toReversed(), factor).threshold - threshold) > 1e-9
      )
        t.fail(`${rates.join(' ')} by ${factor}: ${average} ${threshold}`);
    }
    t.end();
  });
  t.end();
});
