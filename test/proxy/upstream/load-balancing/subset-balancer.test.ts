// Subsets through any history of changes: a request reaches the healthy hosts with its labels, all of them and no others.
import t from 'tap';

import { SeededRandom } from '../../../../proxy/base/random.ts';
import type { LocalityEndpointsConfig } from '../../../../proxy/config/endpoint-config.ts';
import type { SubsetConfig } from '../../../../proxy/config/load-balancing-config.ts';
import { HealthFlag } from '../../../../proxy/upstream/host-health.ts';
import type { LoadBalancerContext } from '../../../../proxy/upstream/load-balancer.ts';
import { inLocality, reassign, tallyByAddress, testCluster } from '../../../support/balancing.ts';
import type { TestCluster } from '../../../support/balancing.ts';
import { sampleEndpoint } from '../../../support/config-samples.ts';

const selector = (...keys: string[]) => ({
  keys,
  fallback: undefined,
  fallbackKeys: [],
  singleHost: false,
});
const POLICY: SubsetConfig = {
  kind: 'subset',
  fallback: 'default_subset',
  defaultSubset: new Map([['b', '"0"']]),
  selectors: [selector('a'), selector('a', 'b')],
  localityWeightAware: false,
  scaleLocalityWeight: false,
  panicModeAny: false,
  listAsAny: true,
  fallbackList: false,
  allowRedundantKeys: false,
  child: { kind: 'round_robin' },
};

type Labels = Readonly<Record<string, string | readonly string[]>>;

function anyAssignment(
  random: SeededRandom,
  labelsOf: Map<string, Labels>,
): LocalityEndpointsConfig[] {
  const below = (count: number): number => random.nextUint32() % count;
  labelsOf.clear();
  const list = Array.from({ length: below(30) }, () => {
    const address = `10.0.0.${below(40)}`;
    const one = String(below(3));
    const labels: Labels = {
      ...(below(4) > 0 && { a: below(3) === 0 ? [one, 'x'] : one }),
      ...(below(3) > 0 && { b: String(below(2)) }),
    };
    if (labelsOf.has(`${address}:80`)) return [];
    labelsOf.set(`${address}:80`, labels);
    return [
      sampleEndpoint(address, 80, { metadata: new Map([['envoy.lb', JSON.stringify(labels)]]) }),
    ];
  });
  return [inLocality(list.flat())];
}

const wants = (match: Labels): LoadBalancerContext => ({
  hashKey: () => undefined,
  downstreamConnection: undefined,
  requestHeaders: undefined,
  metadataMatch: new Map(Object.entries(match)),
  shouldSelectAnotherHost: () => false,
  hostSelectionRetryCount: 1,
});

const has = (labels: Labels, match: Labels): boolean =>
  Object.entries(match).every(([key, value]) => [labels[key] ?? []].flat().includes(String(value)));

function expected(cluster: TestCluster, labelsOf: Map<string, Labels>, match: Labels): string[] {
  const all = cluster.hosts.all;
  const chosen = (wanted: Labels) =>
    all.filter((host) => has(labelsOf.get(host.addressText)!, wanted));
  // No selector has `b` alone.
  const exact = 'a' in match ? chosen(match) : [];
  const hosts = exact.length > 0 ? exact : chosen({ b: '0' });
  return hosts
    .filter((host) => host.healthy)
    .map((host) => host.addressText)
    .toSorted();
}

t.test('subsets through any history', (t) => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new SeededRandom(seed);
    const labelsOf = new Map<string, Labels>();
    const cluster = testCluster(POLICY, anyAssignment(random, labelsOf), {
      panicThresholdPercent: 0,
    });
    cluster.choose();
    for (let step = 0; step < 10; step++) {
      if (random.nextUint32() % 2 === 0) reassign(cluster, anyAssignment(random, labelsOf));
      const sick = cluster.hosts.all.filter(() => random.nextUint32() % 3 === 0);
      for (const host of sick)
        host.setCheckFlags(host.healthFlags ^ HealthFlag.FailedOutlierCheck, 0);
      cluster.hosts.onHealthChanged(sick);
      for (const match of [{ a: '0' }, { a: 'x' }, { a: '1', b: '1' }, { a: 'none' }, { b: '1' }]) {
        const context = wants(match);
        const reached = [...tallyByAddress(60, () => cluster.choose(context)).keys()];
        const want = expected(cluster, labelsOf, match);
        t.same(
          reached.toSorted(),
          want.length === 0 ? [''] : want,
          `${seed}.${step} ${JSON.stringify(match)}`,
        );
      }
    }
  }
  t.end();
});
