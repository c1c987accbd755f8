// Ring hash and maglev without Envoy: who keeps its host when others come and go, and what a large table costs a request.
import process from 'node:process';
import t from 'tap';

import { SeededRandom } from '../../../../proxy/base/random.ts';
import type { LoadBalancingPolicyConfig } from '../../../../proxy/config/load-balancing-config.ts';
import { HealthFlag } from '../../../../proxy/upstream/host-health.ts';
import type { LoadBalancerContext } from '../../../../proxy/upstream/load-balancer.ts';
import { inLocality, reassign, testCluster } from '../../../support/balancing.ts';
import type { TestCluster } from '../../../support/balancing.ts';
import { sampleEndpoint } from '../../../support/config-samples.ts';
import { eventually } from '../../../support/eventually.ts';

const HASHING = { useHostname: false, balanceFactor: 0, localityWeighted: false };
const RING = {
  kind: 'ring_hash',
  minRingSize: 1024,
  maxRingSize: 8_388_608,
  hashFunction: 'xx_hash',
  ...HASHING,
} as const;
const MAGLEV = { kind: 'maglev', tableSize: 65_537, ...HASHING } as const;

const withKey = (key: bigint): LoadBalancerContext => ({
  hashKey: () => key,
  downstreamConnection: undefined,
  requestHeaders: undefined,
  shouldSelectAnotherHost: () => false,
  hostSelectionRetryCount: 1,
});

const some = (count: number, weightOf: (i: number) => number = () => 1) =>
  Array.from({ length: count }, (_, i) =>
    sampleEndpoint(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 80, { weight: weightOf(i) }),
  );

const random = new SeededRandom(4);
const KEYS = Array.from(
  { length: 1000 },
  () => (BigInt(random.nextUint32()) << 32n) | BigInt(random.nextUint32()),
);
const hostsOf = (cluster: TestCluster): (string | undefined)[] =>
  KEYS.map((key) => cluster.choose(withKey(key))?.addressText);

/** A table rests ten times as long as it took to build. */
const untilRebuilt = (cluster: TestCluster, address: string, there: boolean): Promise<void> =>
  eventually('the table is that of now', () => hostsOf(cluster).includes(address) === there);

t.test('hash balancers', async (t) => {
  for (const [name, policy, movedPercent] of [
    ['ring hash', RING, 3],
    ['maglev', MAGLEV, 8],
  ] as const) {
    t.test(`${name}: one host less moves little but its own keys`, async (t) => {
      const all = some(20);
      const cluster = testCluster(policy, [inLocality(all)]);
      const before = hostsOf(cluster);
      const gone = '10.0.0.7:80';
      reassign(cluster, [inLocality(all.filter((_, i) => i !== 7))]);
      t.notOk(hostsOf(cluster).includes(gone), 'at once');
      await untilRebuilt(cluster, gone, false);
      const after = hostsOf(cluster);
      const moved = before.filter((host, i) => host !== gone && host !== after[i]).length;
      t.ok(moved <= (KEYS.length * movedPercent) / 100, `${moved} of ${KEYS.length}`);
      reassign(cluster, [inLocality(all)]);
      await untilRebuilt(cluster, gone, true);
      t.same(hostsOf(cluster), before, 'and back');
    });

    t.test(`${name}: a sick host gets nothing from that moment`, (t) => {
      const cluster = testCluster(policy, [inLocality(some(20))]);
      hostsOf(cluster);
      const host = cluster.hosts.all[3]!;
      host.setCheckFlags(HealthFlag.FailedActiveCheck, 0);
      cluster.hosts.onHealthChanged([host]);
      t.notOk(hostsOf(cluster).includes(host.addressText));
      t.end();
    });

    t.test(`${name}: without a key any host, and nobody of nobody`, (t) => {
      const cluster = testCluster(policy, [inLocality(some(5))]);
      const chosen = new Set(Array.from({ length: 200 }, () => cluster.choose()?.addressText));
      t.equal(chosen.size, 5);
      t.equal(testCluster(policy, []).choose(), null);
      t.end();
    });
  }

  const large: readonly (readonly [string, LoadBalancingPolicyConfig])[] = [
    ['a ring of 10 000 hosts with weights', RING],
    ['a ring of half a million places', { ...RING, minRingSize: 500_000 }],
    ['maglev with 10 000 hosts', MAGLEV],
    ['maglev with half a million places', { ...MAGLEV, tableSize: 500_009 }],
  ];
  for (const [name, policy] of large) {
    t.test(`${name} is built between requests`, async (t) => {
      const cluster = testCluster(policy, [inLocality(some(10_000, (i) => 1 + (i % 100)))]);
      const beforeMs = cpuMs();
      t.ok(cluster.choose(withKey(KEYS[0]!)), 'the first request does not wait');
      const spentMs = cpuMs() - beforeMs;
      t.ok(spentMs < 50, `${spentMs} ms of the processor`);
      const host = (): string | undefined => cluster.choose(withKey(KEYS[1]!))?.addressText;
      const size =
        policy.kind === 'maglev' ? 'maglev_lb.max_entries_per_host' : 'ring_hash_lb.size';
      await eventually('it is built', () => {
        host();
        return cluster.store.value(cluster.store.gauge(`cluster.c.${size}`)) > 0;
      });
      t.equal(host(), host(), 'and a key has its host');
    });
  }
});

/** Of this thread, whatever else the machine does. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
