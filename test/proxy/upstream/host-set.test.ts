// Host sets: after any history of changes they are what building them anew would give, at a price that does not grow.
import t from 'tap';

import { SeededRandom } from '../../../proxy/base/random.ts';
import type {
  EndpointConfig,
  LocalityEndpointsConfig,
} from '../../../proxy/config/endpoint-config.ts';
import { HealthFlag } from '../../../proxy/upstream/host-health.ts';
import type { HostGroup, HostSet } from '../../../proxy/upstream/host-set.ts';
import { inLocality, reassign, testCluster } from '../../support/balancing.ts';
import type { TestCluster } from '../../support/balancing.ts';
import { sampleEndpoint } from '../../support/config-samples.ts';

const HEALTH = ['HEALTHY', 'UNHEALTHY', 'DEGRADED'] as const;
const WEIGHTED = { kind: 'round_robin', locality: { kind: 'weighted' } } as const;

/** Any assignment of up to 120 hosts over two priorities and three zones, some of them twice. */
function anyAssignment(random: SeededRandom): LocalityEndpointsConfig[] {
  const below = (count: number): number => random.nextUint32() % count;
  return [0, 1].flatMap((priority) =>
    ['a', 'b', 'c'].map((zone) => {
      const list: EndpointConfig[] = Array.from({ length: below(40) }, () => {
        const changes = { weight: 1 + below(3), health: HEALTH[below(3)]! };
        return sampleEndpoint(`10.0.0.${below(120)}`, 80, changes);
      });
      return inLocality(list, { priority, zone, weight: below(3) });
    }),
  );
}

const describeGroup = (group: HostGroup): unknown => ({
  all: group.all.hosts.map((host) => host.addressText).toSorted(),
  healthy: group.healthy.hosts.map((host) => host.addressText).toSorted(),
  degraded: group.degraded.hosts.map((host) => host.addressText).toSorted(),
  weights: [group.all.totalWeight, group.healthy.totalWeight, group.degraded.totalWeight],
  same: group.healthy.sameWeights,
  excluded: [group.excluded, group.excludedWeight],
});

const describeSet = (set: HostSet): unknown =>
  set.priorities.map((priority) => ({
    ...(describeGroup(priority) as object),
    hasLocal: priority.hasLocal,
    localities: priority.localities.map((group) => ({
      key: group.locality.key,
      weight: group.weight,
      ...(describeGroup(group) as object),
    })),
  }));

t.test('host sets', (t) => {
  t.test('any history ends as a beginning would', (t) => {
    for (let seed = 0; seed < 60; seed++) {
      const random = new SeededRandom(seed);
      const options = { localKey: '\u0000b\u0000', localClusterName: 'us' };
      const cluster = testCluster(WEIGHTED, anyAssignment(random), options);
      const flags = new Map<string, number>();
      cluster.choose();
      for (let step = 0; step < 12; step++) {
        if (random.nextUint32() % 3 === 0) reassign(cluster, anyAssignment(random));
        else changeHealth(cluster, random, flags);
        cluster.choose();
      }
      const last = anyAssignment(random);
      reassign(cluster, last);
      const fresh = testCluster(WEIGHTED, last, options);
      const kept = new Map(cluster.hosts.all.map((host) => [host.addressText, host.healthFlags]));
      for (const host of fresh.hosts.all) host.setCheckFlags(kept.get(host.addressText)!, 0);
      const padded = describeSet(fresh.hosts.set) as unknown[];
      t.same(
        (describeSet(cluster.hosts.set) as unknown[]).slice(0, padded.length),
        padded,
        `${seed}`,
      );
    }
    t.end();
  });

  t.test('a change of one costs the same among many', (t) => {
    const price = (count: number): number => {
      const list = Array.from({ length: count }, (_, i) =>
        sampleEndpoint(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 80, { weight: 1 + (i % 3) }),
      );
      const cluster = testCluster({ kind: 'round_robin' }, [inLocality(list)]);
      cluster.choose();
      const host = cluster.hosts.all[3]!;
      let flags = 0;
      const changes = (times: number): number => {
        const startMs = performance.now();
        for (let i = 0; i < times; i++) {
          flags ^= HealthFlag.FailedActiveCheck;
          host.setCheckFlags(flags, 0);
          cluster.hosts.onHealthChanged([host]);
          cluster.choose();
        }
        return performance.now() - startMs;
      };
      changes(1000);
      return Math.min(...Array.from({ length: 7 }, () => changes(300)));
    };
    const few = price(20);
    const many = price(20_000);
    // A thousand times the hosts; the logarithm in the schedule and caches are allowed for.
    t.ok(many < Math.max(few * 60, 10), `${few} ms among 20, ${many} ms among 20 000`);
    t.end();
  });

  t.test('the own locality comes first, the others by name', (t) => {
    const zones = ['c', 'b', 'a'].map((zone, i) =>
      inLocality([sampleEndpoint(`10.0.0.${i}`, 80)], { zone }),
    );
    const cluster = testCluster(WEIGHTED, zones, { localKey: '\u0000b\u0000' });
    const order = (): string[] =>
      cluster.hosts.set.priorities[0]!.localities.map(({ locality }) => locality.zone);
    t.same(order(), ['b', 'a', 'c']);
    reassign(cluster, [zones[0]!, zones[2]!]);
    t.same(order(), ['a', 'c']);
    reassign(cluster, zones);
    t.same(order(), ['b', 'a', 'c']);
    t.end();
  });

  t.test('an update keeps hosts, their checks and what is under way', (t) => {
    const endpoint = sampleEndpoint('10.0.0.1', 80);
    const cluster = testCluster({ kind: 'round_robin' }, [inLocality([endpoint])]);
    const host = cluster.hosts.all[0]!;
    host.counts.rqActive = 3;
    host.setCheckFlags(HealthFlag.FailedOutlierCheck, 0);
    reassign(cluster, [
      inLocality([{ ...endpoint, weight: 7, health: 'DEGRADED' }], { priority: 1 }),
    ]);
    t.equal(cluster.hosts.all[0], host);
    t.equal(host.counts.rqActive, 3);
    t.equal(host.healthFlags, HealthFlag.FailedOutlierCheck | HealthFlag.DegradedEds);
    t.same([host.weight, host.priority], [7, 1]);
    reassign(cluster, []);
    t.equal(host.removed, true);
    t.equal(cluster.choose(), null);
    t.end();
  });
  t.end();
});

function changeHealth(
  cluster: TestCluster,
  random: SeededRandom,
  flags: Map<string, number>,
): void {
  const { all } = cluster.hosts;
  const changed = all.filter(() => random.nextUint32() % 4 === 0);
  for (const host of changed) {
    const flag = [
      HealthFlag.FailedActiveCheck,
      HealthFlag.DegradedActiveCheck,
      HealthFlag.ExcludedByResponse,
    ][random.nextUint32() % 3]!;
    const now = (flags.get(host.addressText) ?? 0) ^ flag;
    flags.set(host.addressText, now);
    host.setCheckFlags(now, 0);
  }
  cluster.hosts.onHealthChanged(changed);
}
