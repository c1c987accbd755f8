// Hosts and balancers as a worker has them, without the worker.
import { realTime } from '../../proxy/base/clock.ts';
import type { TimeSource } from '../../proxy/base/clock.ts';
import { SeededRandom } from '../../proxy/base/random.ts';
import { Runtime } from '../../proxy/base/runtime.ts';
import type {
  EndpointConfig,
  LocalityEndpointsConfig,
} from '../../proxy/config/endpoint-config.ts';
import type { LoadBalancingPolicyConfig } from '../../proxy/config/load-balancing-config.ts';
import { StatsStore } from '../../proxy/stats/store.ts';
import { ClusterHosts } from '../../proxy/upstream/cluster-hosts.ts';
import type { AssignedHosts } from '../../proxy/upstream/cluster-hosts.ts';
import { HostList } from '../../proxy/upstream/host-list.ts';
import type { Host } from '../../proxy/upstream/host.ts';
import type { LoadBalancerContext } from '../../proxy/upstream/load-balancer.ts';
import type { BalancerEnvironment } from '../../proxy/upstream/load-balancing/balancer-environment.ts';
import { createBalancing } from '../../proxy/upstream/load-balancing/create-balancing.ts';
import { LbStats } from '../../proxy/upstream/load-balancing/lb-stats.ts';

export function hostList(hosts: readonly Host[]): HostList {
  const list = new HostList();
  for (const [slot, host] of hosts.entries()) {
    host.slot = slot;
    list.add(host);
  }
  return list;
}

export interface BalancingOptions extends Partial<BalancerEnvironment> {
  readonly seed?: number;
  readonly time?: TimeSource;
  readonly overprovisioningPercent?: number;
  readonly weightedPriorityHealth?: boolean;
}

export interface TestCluster {
  readonly hosts: ClusterHosts;
  readonly store: StatsStore;
  /** Of `cluster.c.` */
  stat(name: string): number;
  choose(context?: LoadBalancerContext | null): Host | null;
}

const assigned = (
  localities: readonly LocalityEndpointsConfig[],
  { overprovisioningPercent = 140, weightedPriorityHealth = false }: BalancingOptions,
): AssignedHosts => ({ localities, overprovisioningPercent, weightedPriorityHealth });

export function testCluster(
  policy: LoadBalancingPolicyConfig,
  localities: readonly LocalityEndpointsConfig[],
  options: BalancingOptions = {},
): TestCluster {
  const store = new StatsStore();
  const time = options.time ?? realTime;
  const environment: BalancerEnvironment = {
    random: new SeededRandom(options.seed ?? 1),
    runtime: Runtime.EMPTY,
    clock: time,
    stats: new LbStats(store, 'cluster.c.'),
    isLocalCluster: false,
    activeRequests: () => 0,
    hostAt: (address) => hosts.byAddress(address),
    panicThresholdPercent: 50,
    localClusterName: '',
    localHosts: () => null,
    localKey: null,
    ...options,
  };
  const hosts = new ClusterHosts(assigned(localities, options), {
    get nowMs() {
      return time.monotonicMs();
    },
    createBalancing: () => createBalancing(policy, environment),
    onHostLeft: () => undefined,
    onHostLabelsChanged: () => undefined,
  });
  return {
    hosts,
    store,
    stat: (name) => store.value(store.counter(`cluster.c.${name}`)),
    choose: (context = null) => hosts.balancer.chooseHost(context),
  };
}

/** As an update of its endpoints. */
export const reassign = (
  cluster: TestCluster,
  localities: readonly LocalityEndpointsConfig[],
  options: BalancingOptions = {},
): void => cluster.hosts.assign(assigned(localities, options));

export const inLocality = (
  endpoints: readonly EndpointConfig[],
  changes: Partial<LocalityEndpointsConfig> = {},
): LocalityEndpointsConfig => ({
  region: '',
  zone: '',
  subZone: '',
  priority: 0,
  weight: undefined,
  endpoints,
  ...changes,
});

/** How often each was chosen; hosts by address. */
export function tallyByAddress(rounds: number, choose: () => Host | null): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i < rounds; i++) {
    const address = choose()?.addressText ?? '';
    counts.set(address, (counts.get(address) ?? 0) + 1);
  }
  return counts;
}
