// One choice of a host, by policy and number of hosts; what a change of one host costs; tables of hash policies.
// Run: node bench/micro/balancers.bench.ts
import type { EndpointConfig } from '../../proxy/config/endpoint-config.ts';
import type { LoadBalancingPolicyConfig } from '../../proxy/config/load-balancing-config.ts';
import { HealthFlag } from '../../proxy/upstream/host-health.ts';
import { EdfScheduler } from '../../proxy/upstream/load-balancing/edf-scheduler.ts';
import { inLocality, testCluster } from '../../test/support/balancing.ts';
import type { TestCluster } from '../../test/support/balancing.ts';
import { sampleEndpoint } from '../../test/support/config-samples.ts';
import { bench } from './micro-bench.ts';

const endpoints = (count: number, weightOf: (i: number) => number): EndpointConfig[] =>
  Array.from({ length: count }, (_, i) =>
    sampleEndpoint(`10.0.${i >> 8}.${i & 255}`, 80, { weight: weightOf(i) }),
  );

const cluster = (
  policy: LoadBalancingPolicyConfig,
  count: number,
  weightOf: (i: number) => number,
): TestCluster => testCluster(policy, [inLocality(endpoints(count, weightOf))]);

const HASHING = { useHostname: false, balanceFactor: 0, localityWeighted: false };
const RING = { kind: 'ring_hash', minRingSize: 1024, maxRingSize: 8_388_608 } as const;
const RING_HASH = { ...RING, hashFunction: 'xx_hash', ...HASHING } as const;
const MAGLEV = { kind: 'maglev', tableSize: 65_537, ...HASHING } as const;
const POLICIES: readonly LoadBalancingPolicyConfig[] = [
  { kind: 'round_robin' },
  { kind: 'least_request', choiceCount: 2 },
  { kind: 'random' },
  RING_HASH,
  MAGLEV,
];
const WEIGHTS = [
  ['equal weights', () => 1],
  ['weights', (i: number) => 1 + (i % 5)],
] as const;

for (const policy of POLICIES) {
  for (const [what, weightOf] of WEIGHTS) {
    for (const count of [3, 300, 10_000]) {
      const { hosts } = cluster(policy, count, weightOf);
      const { balancer } = hosts;
      bench(`${policy.kind}: ${count} hosts, ${what}`, () => balancer.chooseHost(null));
    }
  }
}

const scheduler = new EdfScheduler<number>();
for (let i = 1; i <= 300; i++) scheduler.add(i, i);
bench('deadline scheduler: 300 entries', () => scheduler.pick((value) => value));

for (const [what, weightOf] of WEIGHTS) {
  for (const count of [10, 10_000]) {
    const changing = cluster({ kind: 'round_robin' }, count, weightOf);
    changing.choose();
    const host = changing.hosts.all[3]!;
    let flags = 0;
    bench(`one of ${count} hosts changes its health, then a choice, ${what}`, () => {
      flags ^= HealthFlag.FailedActiveCheck;
      host.setCheckFlags(flags, 0);
      changing.hosts.onHealthChanged([host]);
      return changing.choose();
    });
  }
}

for (const policy of [RING_HASH, MAGLEV]) {
  for (const count of [10, 1000, 10_000]) {
    const { hosts } = cluster(policy, count, () => 1);
    bench(`build: ${policy.kind} of ${count} hosts`, () => {
      hosts.forgetBalancer();
      return hosts.balancer.chooseHost(null);
    });
  }
}
