// Slow start: how the share of a new host grows with (simulated) time (envoy-behaviour §7.6).
import t from 'tap';

import { Runtime } from '../../../../proxy/base/runtime.ts';
import type { SlowStartConfig } from '../../../../proxy/config/load-balancing-config.ts';
import { HealthFlag } from '../../../../proxy/upstream/host-health.ts';
import { inLocality, reassign, tallyByAddress, testCluster } from '../../../support/balancing.ts';
import type { TestCluster } from '../../../support/balancing.ts';
import { sampleEndpoint } from '../../../support/config-samples.ts';
import { SimulatedTime } from '../../../support/simulated-time.ts';

const WINDOW_MS = 60_000;
const ROUNDS = 2000;
const slowStart = (changes: Partial<SlowStartConfig> = {}): SlowStartConfig => ({
  windowMs: WINDOW_MS,
  aggression: { runtimeKey: '', value: 1 },
  minWeightPercent: 10,
  ...changes,
});
const old = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((ip) => sampleEndpoint(ip, 80));
const added = sampleEndpoint('10.0.0.9', 80);
const ADDED = '10.0.0.9:80';

/** Percent of a full host's share that the new one gets now. */
function part(cluster: TestCluster): number {
  const counts = tallyByAddress(ROUNDS, () => cluster.choose());
  const mine = counts.get(ADDED) ?? 0;
  return (100 * mine * 3) / (ROUNDS - mine);
}

function warmCluster(
  time: SimulatedTime,
  config: SlowStartConfig,
  runtime = Runtime.EMPTY,
): TestCluster {
  const policy = { kind: 'round_robin', slowStart: config } as const;
  const cluster = testCluster(policy, [inLocality(old)], { time, runtime });
  cluster.choose();
  time.advance(10 * WINDOW_MS);
  return cluster;
}

t.test('slow start', (t) => {
  t.test('a new host grows in a line, beginning with the least', (t) => {
    const time = new SimulatedTime();
    const cluster = warmCluster(time, slowStart());
    reassign(cluster, [inLocality([...old, added])]);
    for (const [seconds, expected] of [
      [0, 10],
      [3, 10],
      [15, 25],
      [30, 50],
      [54, 90],
      [60, 100],
      [600, 100],
    ] as const) {
      time.advance(seconds * 1000 - (time.monotonicMs() - 10 * WINDOW_MS));
      const percent = part(cluster);
      t.ok(
        Math.abs(percent - expected) < 3,
        `after ${seconds} s: ${percent}, expected ${expected}`,
      );
    }
    t.end();
  });

  for (const [what, aggression, expected] of [
    ['aggression above 1 is steep at first', 2, 50],
    ['aggression below 1 is flat at first', 0.5, 10],
  ] as const) {
    t.test(what, (t) => {
      const time = new SimulatedTime();
      const cluster = warmCluster(
        time,
        slowStart({ aggression: { runtimeKey: '', value: aggression } }),
      );
      reassign(cluster, [inLocality([...old, added])]);
      // A quarter of the window: √¼ = 50 %, ¼² = 6 %, which is below the least.
      time.advance(WINDOW_MS / 4);
      const percent = part(cluster);
      t.ok(Math.abs(percent - expected) < 3, `${percent}, expected ${expected}`);
      t.end();
    });
  }

  t.test('the runtime may say the aggression', (t) => {
    const time = new SimulatedTime();
    const config = slowStart({ aggression: { runtimeKey: 'slow', value: 1 } });
    const cluster = warmCluster(time, config, new Runtime(new Map([['slow', '2.0']])));
    reassign(cluster, [inLocality([...old, added])]);
    time.advance(WINDOW_MS / 4);
    t.ok(Math.abs(part(cluster) - 50) < 3, String(part(cluster)));
    t.end();
  });

  t.test(
    'a host that comes back by its checks starts slowly, one that was ejected does not',
    (t) => {
      for (const [flag, expected] of [
        [HealthFlag.FailedActiveCheck, 50],
        [HealthFlag.FailedOutlierCheck, 100],
      ] as const) {
        const time = new SimulatedTime();
        const cluster = warmCluster(time, slowStart());
        reassign(cluster, [inLocality([...old, added])]);
        time.advance(2 * WINDOW_MS);
        const host = cluster.hosts.byAddress(ADDED)!;
        for (const flags of [flag, 0]) {
          host.setCheckFlags(flags, time.monotonicMs());
          cluster.hosts.onHealthChanged([host]);
          cluster.choose();
        }
        time.advance(WINDOW_MS / 2);
        const percent = part(cluster);
        t.ok(Math.abs(percent - expected) < 3, `${percent}, expected ${expected}`);
      }
      t.end();
    },
  );

  t.test('least request warms up, too', (t) => {
    const time = new SimulatedTime();
    const policy = { kind: 'least_request', choiceCount: 2, slowStart: slowStart() } as const;
    const cluster = testCluster(policy, [inLocality(old)], { time });
    cluster.choose();
    time.advance(10 * WINDOW_MS);
    reassign(cluster, [inLocality([...old, added])]);
    time.advance(WINDOW_MS / 2);
    t.ok(Math.abs(part(cluster) - 50) < 3, String(part(cluster)));
    t.end();
  });
  t.end();
});
