// [m] What the cluster manager is given, and whom it tells.
import type { TimeSource } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { RandomSource } from '../base/random.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ConfigSourceConfig, SubscriptionRef } from '../config/config-source.ts';
import type { ClusterEndpointsConfig } from '../config/endpoint-config.ts';
import type { DnsResolver } from '../network/dns-lookup.ts';
import type { StatsStore } from '../stats/store.ts';
import type { SecretWaits } from '../tls/secret-waits.ts';
import type { BreakerReader } from './circuit-breaker-stats.ts';
import type { HealthKeepers } from './health-keepers.ts';

/** Where ready clusters go. A cluster is published before its endpoints, both in one turn of the event loop. */
export interface ClusterSink {
  publishCluster(config: ClusterConfig): void;
  publishEndpoints(endpoints: ClusterEndpointsConfig): void;
  removeCluster(name: string): void;
}

export interface ClusterManagerEvents {
  /** All that EDS is to be asked for, by subscriptionKey(). */
  onEndpointsWanted(wanted: ReadonlyMap<string, SubscriptionRef>): void;
  /** A cluster, or a new version of one, went to the workers. */
  onPublished(config: ClusterConfig): void;
  /** Warming came to an end or began, clusters came or went. */
  onChange(): void;
}

export interface ClusterManagerDeps {
  readonly sink: ClusterSink;
  readonly events: ClusterManagerEvents;
  readonly resolver: DnsResolver;
  readonly secrets: SecretWaits;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly stats: StatsStore;
  readonly statWanted: (statName: string) => boolean;
  /** Tells of the beginning of names whether certainly none is wanted that consists of it and one of `ends`. */
  readonly statsHidden: (ends: readonly string[]) => (prefix: string) => boolean;
  readonly log: Logger;
  /** Why nothing can be asked for there, for the NACK; absent: everything can. */
  readonly sourceProblem?: ((source: ConfigSourceConfig) => string | undefined) | undefined;
  /** Circuit breaker slots there are. */
  readonly maxClusters: number;
  /** Absent: nobody checks hosts, nobody ejects them. */
  readonly health?: HealthKeepers | undefined;
  readonly breakers: BreakerReader;
}
