// Balancers: fairness, proportions, spill-over and panic (envoy-behaviour §7.4, §7.6).
import t from 'tap';

import { SeededRandom } from '../../../../proxy/base/random.ts';
import { Host } from '../../../../proxy/upstream/host.ts';
import { EdfScheduler } from '../../../../proxy/upstream/load-balancing/edf-scheduler.ts';
import { LeastRequestPicker } from '../../../../proxy/upstream/load-balancing/least-request.ts';
import { priorityLoads } from '../../../../proxy/upstream/load-balancing/priority-load.ts';
import { RandomPicker } from '../../../../proxy/upstream/load-balancing/random.ts';
import { RoundRobinPicker } from '../../../../proxy/upstream/load-balancing/round-robin.ts';
import type { EndpointConfig } from '../../../../proxy/config/endpoint-config.ts';
import { hostList, inLocality, tallyByAddress, testCluster } from '../../../support/balancing.ts';
import { sampleEndpoint } from '../../../support/config-samples.ts';

const host = (index: number, changes: Partial<EndpointConfig> = {}, priority = 0): Host =>
  new Host(sampleEndpoint(`10.0.${priority}.${index}`, 80, changes), priority);

const hosts = (...weights: number[]): Host[] => weights.map((weight, i) => host(i + 1, { weight }));

const P2C = { choiceCount: 2, fullScan: false, activeRequestBias: 1 };

/** How often each was picked. */
function tally(list: readonly Host[], rounds: number, pick: () => Host | null): number[] {
  const counts = new Map<Host | null, number>();
  for (let i = 0; i < rounds; i++) {
    const picked = pick();
    counts.set(picked, (counts.get(picked) ?? 0) + 1);
  }
  return list.map((each) => counts.get(each) ?? 0);
}

t.test('load balancing', (t) => {
  t.test('round robin takes turns, beginning anywhere', (t) => {
    const list = hosts(1, 1, 1, 1);
    const starts = new Set<Host | null>();
    for (let seed = 0; seed < 50; seed++) {
      const picker = new RoundRobinPicker(hostList(list), new SeededRandom(seed));
      starts.add(picker.pick());
      t.same(
        tally(list, 400, () => picker.pick()),
        [100, 100, 100, 100],
      );
    }
    t.equal(starts.size, 4);
    t.equal(new RoundRobinPicker(hostList([]), new SeededRandom(1)).pick(), null);
    t.end();
  });

  t.test('round robin keeps to weights, evenly spread', (t) => {
    const list = hosts(1, 2, 5);
    const picker = new RoundRobinPicker(hostList(list), new SeededRandom(1));
    for (let round = 0; round < 10; round++)
      t.same(
        tally(list, 8, () => picker.pick()),
        [1, 2, 5],
      );
    t.end();
  });

  t.test('the deadline scheduler keeps proportions', (t) => {
    const scheduler = new EdfScheduler<number>();
    const weights = [1, 3, 10, 86];
    for (const weight of weights) scheduler.add(weight, weight);
    const counts = new Map<number, number>();
    for (let i = 0; i < 10_000; i++) {
      const picked = scheduler.pick((weight) => weight)!;
      counts.set(picked, (counts.get(picked) ?? 0) + 1);
    }
    for (const weight of weights)
      t.ok(Math.abs(counts.get(weight)! - weight * 100) <= 1, String(weight));
    t.equal(
      new EdfScheduler<number>().pick(() => 1),
      null,
    );
    t.end();
  });

  t.test('least request prefers the less busy of two', (t) => {
    const list = hosts(1, 1, 1);
    list[0]!.counts.rqActive = 10;
    const picker = new LeastRequestPicker(hostList(list), P2C, new SeededRandom(3));
    const [busy, ...free] = tally(list, 9000, () => picker.pick());
    // Picked only when both draws hit it: 1/9.
    t.ok(Math.abs(busy! - 1000) < 120, String(busy));
    for (const count of free) t.ok(Math.abs(count - 4000) < 250, String(count));
    t.end();
  });

  t.test('least request divides weight by load', (t) => {
    const list = hosts(2, 4);
    list[1]!.counts.rqActive = 3;
    const picker = new LeastRequestPicker(hostList(list), P2C, new SeededRandom(3));
    const [first, second] = tally(list, 3000, () => picker.pick());
    t.ok(Math.abs(first! / second! - 2) < 0.05, `${first} ${second}`);
    t.end();
  });

  t.test('random is uniform, whatever the weights (χ²)', (t) => {
    const list = hosts(1, 1, 50, 1, 1, 1, 1, 1, 1, 1);
    const picker = new RandomPicker(hostList(list), new SeededRandom(5));
    const counts = tally(list, 10_000, () => picker.pick());
    const chi2 = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    // 9 degrees of freedom, p = 0.001.
    t.ok(chi2 < 27.9, String(chi2));
    t.end();
  });

  const loads: readonly (readonly [
    string,
    readonly (readonly [healthy: number, total: number])[],
    readonly number[],
    readonly boolean[],
  ])[] = [
    ['all healthy', [[10, 10]], [100], [false]],
    [
      '8 of 10 carry everything',
      [
        [8, 10],
        [10, 10],
      ],
      [100, 0],
      [false, false],
    ],
    [
      '5 of 10 carry 70 %',
      [
        [5, 10],
        [10, 10],
      ],
      [70, 30],
      [false, false],
    ],
    [
      'one in four carries 35 %',
      [
        [1, 4],
        [4, 4],
      ],
      [35, 65],
      [false, false],
    ],
    [
      'nobody healthy in front',
      [
        [0, 10],
        [10, 10],
      ],
      [0, 100],
      [false, false],
    ],
    [
      'three levels',
      [
        [5, 10],
        [2, 10],
        [10, 10],
      ],
      [70, 28, 2],
      [false, false, false],
    ],
    [
      'too few everywhere: panic in all, by number of hosts',
      [
        [2, 10],
        [3, 10],
      ],
      [50, 50],
      [true, true],
    ],
    [
      'nobody healthy at all: by number of hosts',
      [
        [0, 10],
        [0, 30],
      ],
      [25, 75],
      [true, true],
    ],
    [
      'an empty level in front',
      [
        [0, 0],
        [3, 3],
      ],
      [0, 100],
      [false, false],
    ],
    ['nobody there: the first one says so', [[0, 0]], [100], [true]],
    [
      'rounding goes to the first',
      [
        [1, 7],
        [1, 7],
        [5, 7],
      ],
      [20, 20, 60],
      [false, false, false],
    ],
  ];
  for (const [name, levels, percents, panics] of loads) {
    t.test(`spill-over: ${name}`, (t) => {
      const result = priorityLoads(
        levels.map(([healthy, total]) => ({
          healthy,
          total,
          degraded: 0,
          hosts: { all: total, counted: total, usable: healthy },
        })),
        140,
        50,
      );
      t.same(result.healthy, percents);
      t.same(result.panic, panics);
      t.end();
    });
  }

  t.test('the balancer picks healthy hosts, all in panic, none where panic is off', (t) => {
    const unhealthy = [2, 3, 4].map((i) =>
      sampleEndpoint(`10.0.0.${i}`, 80, { health: 'UNHEALTHY' }),
    );
    const all = [inLocality([sampleEndpoint('10.0.0.1', 80), ...unhealthy])];
    const policy = { kind: 'round_robin' } as const;
    const panicking = testCluster(policy, all);
    t.same([...tallyByAddress(400, () => panicking.choose()).values()], [100, 100, 100, 100]);
    t.equal(panicking.stat('lb_healthy_panic'), 400);
    const calm = testCluster(policy, all, { panicThresholdPercent: 20 });
    t.same([...tallyByAddress(400, () => calm.choose())], [['10.0.0.1:80', 400]]);
    t.equal(calm.stat('lb_healthy_panic'), 0);
    const none = testCluster(policy, [inLocality(unhealthy)], { panicThresholdPercent: 0 });
    t.equal(none.choose(), null);
    t.equal(testCluster(policy, []).choose(), null);
    t.end();
  });

  t.test('the balancer divides between priorities', (t) => {
    const sick = sampleEndpoint('10.0.0.2', 80, { health: 'UNHEALTHY' });
    const first = inLocality([sampleEndpoint('10.0.0.1', 80), sick]);
    const second = inLocality([sampleEndpoint('10.0.1.1', 80)], { priority: 1 });
    const cluster = testCluster({ kind: 'random' }, [first, second], { seed: 9 });
    const counts = tallyByAddress(10_000, () => cluster.choose());
    const healthy = counts.get('10.0.0.1:80')!;
    t.equal(counts.get('10.0.0.2:80'), undefined);
    t.ok(Math.abs(healthy - 7000) < 250, String(healthy));
    t.equal(healthy + counts.get('10.0.1.1:80')!, 10_000);
    t.end();
  });
  t.end();
});
