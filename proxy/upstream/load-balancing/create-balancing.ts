// [w] From a policy of the configuration to a balancer and the set of hosts it reads.
import { lazyPart } from '../../base/lazy-part.ts';
import type {
  LeastRequestConfig,
  LoadBalancingPolicyConfig,
  LocalityPolicyConfig,
  SlowStartConfig,
} from '../../config/load-balancing-config.ts';
import { DEFAULT_ZONE_AWARE } from '../../config/load-balancing-config.ts';
import type { HostSink } from '../host-set.ts';
import { HostSet } from '../host-set.ts';
import type { Host } from '../host.ts';
import type { LoadBalancer } from '../load-balancer.ts';
import type { BalancerEnvironment } from './balancer-environment.ts';
import { LeastRequestPicker } from './least-request.ts';
import type { LoadWeights } from './load-weights.ts';
import { PriorityBalancer } from './priority-balancer.ts';
import type { PickerFactory } from './priority-balancer.ts';
import { RandomPicker } from './random.ts';
import { RoundRobinPicker } from './round-robin.ts';
import type { SlowStart } from './slow-start.ts';

const clientSideWeighted = lazyPart<typeof import('./client-side-weighted.ts')>(
  'upstream/load-balancing/client-side-weighted',
);
const hashBalancer = lazyPart<typeof import('./hash-balancer.ts')>(
  'upstream/load-balancing/hash-balancer',
);
const loadWeights = lazyPart<typeof import('./load-weights.ts')>(
  'upstream/load-balancing/load-weights',
);
const overrideHost = lazyPart<typeof import('./override-host-balancer.ts')>(
  'upstream/load-balancing/override-host-balancer',
);
const slowStarts = lazyPart<typeof import('./slow-start.ts')>('upstream/load-balancing/slow-start');
const subsetBalancer = lazyPart<typeof import('./subset-balancer.ts')>(
  'upstream/load-balancing/subset-balancer',
);

export interface Balancing {
  readonly balancer: LoadBalancer;
  /** Is to hear of every host. */
  readonly sink: HostSink;
  /** All of them. */
  readonly hosts: HostSet;
  /** Is to see the answers of hosts; null: they say nothing to it. */
  readonly reports: LoadWeights | null;
}

export function createBalancing(
  policy: LoadBalancingPolicyConfig,
  environment: BalancerEnvironment,
): Balancing {
  const leaf = policy.kind === 'subset' ? policy.child : policy;
  const reports =
    leaf.kind === 'client_side_weighted'
      ? new (loadWeights().LoadWeights)(leaf, environment.clock)
      : null;
  const options = {
    byLocality: environment.isLocalCluster || usesLocalities(policy, environment),
    localKey: environment.localKey,
  };
  if (policy.kind === 'subset') {
    const child = policy.localityWeightAware ? policy.child : withoutLocalityWeights(policy.child);
    const balancer = new (subsetBalancer().SubsetBalancer)(policy, {
      options,
      createBalancer: (hosts) => createBalancer(child, hosts, environment, reports),
      stats: environment.stats,
    });
    return { balancer, sink: balancer, hosts: balancer.hosts, reports };
  }
  if (policy.kind === 'override_host') {
    const inner = createBalancing(policy.child, environment);
    const hostAt = (address: string): Host | undefined => environment.hostAt(address);
    const { OverrideHostBalancer } = overrideHost();
    return { ...inner, balancer: new OverrideHostBalancer(policy, hostAt, inner.balancer) };
  }
  const hosts = new HostSet(options);
  const balancer = createBalancer(policy, hosts, environment, reports);
  return { balancer, sink: hosts, hosts, reports };
}

function createBalancer(
  policy: LoadBalancingPolicyConfig,
  hosts: HostSet,
  environment: BalancerEnvironment,
  reports: LoadWeights | null,
): LoadBalancer {
  switch (policy.kind) {
    case 'ring_hash':
    case 'maglev':
      return new (hashBalancer().HashBalancer)(hosts, policy, environment);
    default:
      return new PriorityBalancer(
        hosts,
        localityPolicyOf(policy),
        pickersFor(policy, environment, reports),
        environment,
      );
  }
}

/** Subsets that do not know of the weights. */
function withoutLocalityWeights(policy: LoadBalancingPolicyConfig): LoadBalancingPolicyConfig {
  if ('localityWeighted' in policy) return { ...policy, localityWeighted: false };
  if (!('locality' in policy) || policy.locality?.kind !== 'weighted') return policy;
  return { ...policy, locality: undefined };
}

const localityPolicyOf = (policy: LoadBalancingPolicyConfig): LocalityPolicyConfig =>
  ('locality' in policy ? policy.locality : undefined) ?? DEFAULT_ZONE_AWARE;

function usesLocalities(
  policy: LoadBalancingPolicyConfig,
  environment: BalancerEnvironment,
): boolean {
  if ('child' in policy) return usesLocalities(policy.child, environment);
  if ('localityWeighted' in policy) return policy.localityWeighted;
  const locality = localityPolicyOf(policy);
  return (
    locality?.kind === 'weighted' || (locality !== undefined && environment.localClusterName !== '')
  );
}

function pickersFor(
  policy: LoadBalancingPolicyConfig,
  { random, runtime, clock }: BalancerEnvironment,
  reports: LoadWeights | null,
): PickerFactory {
  const slowStartFor = (config: SlowStartConfig | undefined): SlowStart | null =>
    config === undefined ? null : new (slowStarts().SlowStart)(config, runtime, clock);
  switch (policy.kind) {
    case 'round_robin': {
      const slowStart = slowStartFor(policy.slowStart);
      return (list) => new RoundRobinPicker(list, random, slowStart);
    }
    case 'client_side_weighted': {
      const slowStart = slowStartFor(policy.slowStart);
      const { ClientSideWeightedPicker } = clientSideWeighted();
      return (list) => new ClientSideWeightedPicker(list, reports!, random, slowStart);
    }
    case 'least_request': {
      const slowStart = slowStartFor(policy.slowStart);
      const settings = leastRequestSettings(policy, runtime);
      return (list) => new LeastRequestPicker(list, settings, random, slowStart);
    }
    default:
      return (list) => new RandomPicker(list, random);
  }
}

function leastRequestSettings(
  { choiceCount, fullScan, activeRequestBias }: LeastRequestConfig,
  runtime: BalancerEnvironment['runtime'],
): ConstructorParameters<typeof LeastRequestPicker>[1] {
  const { value, runtimeKey } = activeRequestBias ?? { value: 1, runtimeKey: '' };
  const bias = runtime.number(runtimeKey, value);
  return {
    choiceCount,
    fullScan: fullScan === true,
    activeRequestBias: bias >= 0 ? bias : 1,
  };
}
