// [w] What balancers of one cluster need besides their hosts.
import type { TimeSource } from '../../base/clock.ts';
import type { RandomSource } from '../../base/random.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { HostSet } from '../host-set.ts';
import type { Host } from '../host.ts';
import type { LbStats } from './lb-stats.ts';

/** The same for all clusters of a worker. */
export interface BalancingFacts {
  readonly runtime: Runtime;
  /** The cluster that this proxy is one of; '': not said. */
  readonly localClusterName: string;
  /** Its hosts; null: it is not there. */
  localHosts(): HostSet | null;
  /** Key of the own locality; null: unknown. */
  readonly localKey: string | null;
}

export interface BalancerEnvironment extends BalancingFacts {
  readonly random: RandomSource;
  readonly clock: TimeSource;
  readonly stats: LbStats;
  /** Others ask for localities of this one. */
  readonly isLocalCluster: boolean;
  /** One of the cluster's hosts, by `Host.addressText`. */
  hostAt(address: string): Host | undefined;
  /** Requests under way to the whole cluster. */
  activeRequests(): number;
  readonly panicThresholdPercent: number;
}
