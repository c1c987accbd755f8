// One choice of a host, by policy and number of hosts. Run: node bench/micro/balancers.bench.ts
import { realRandom } from '../../proxy/base/random.ts';
import type { LoadBalancingPolicyConfig } from '../../proxy/config/cluster-config.ts';
import { Host } from '../../proxy/upstream/host.ts';
import { EdfScheduler } from '../../proxy/upstream/load-balancing/edf-scheduler.ts';
import { PriorityBalancer } from '../../proxy/upstream/load-balancing/priority-balancer.ts';
import { sampleEndpoint } from '../../test/support/config-samples.ts';
import { bench } from './micro-bench.ts';

function hosts(count: number, weightOf: (i: number) => number): Host[] {
  return Array.from({ length: count }, (_, i) => {
    const address = `10.0.${i >> 8}.${i & 255}`;
    return new Host(sampleEndpoint(address, 80, { weight: weightOf(i) }), 0);
  });
}

const POLICIES: readonly LoadBalancingPolicyConfig[] = [
  { kind: 'round_robin' },
  { kind: 'least_request', choiceCount: 2 },
  { kind: 'random' },
];
const WEIGHTS = [
  ['equal weights', () => 1],
  ['weights', (i: number) => 1 + (i % 5)],
] as const;

for (const policy of POLICIES) {
  for (const [what, weightOf] of WEIGHTS) {
    for (const count of [3, 300]) {
      const settings = { policy, overprovisioningPercent: 140, panicThresholdPercent: 50 };
      const balancer = new PriorityBalancer(hosts(count, weightOf), settings, realRandom);
      bench(`${policy.kind}: ${count} hosts, ${what}`, () => balancer.chooseHost(null));
    }
  }
}

const scheduler = new EdfScheduler<number>();
for (let i = 1; i <= 300; i++) scheduler.add(i, i);
bench('deadline scheduler: 300 entries', () => scheduler.pick((value) => value));

const many = hosts(300, () => 1);
bench('build: a balancer of 300 hosts', () => {
  const settings = {
    policy: { kind: 'round_robin' },
    overprovisioningPercent: 140,
    panicThresholdPercent: 50,
  } as const;
  return new PriorityBalancer(many, settings, realRandom);
});
