// [w] FilterFactoryContext: what factories of HTTP filters are given by the connection manager's builder.
import type { AccessLogConfig } from '../config/access-log-config.ts';
import type { AccessLog } from '../http/conn-manager-context.ts';
import type { TimeSource } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { RandomSource } from '../base/random.ts';
import type { Runtime } from '../base/runtime.ts';
import type { TimerWheel } from '../base/timer-wheel.ts';
import type { RouteEnvironment } from '../router/route-environment.ts';
import type { StatsStore } from '../stats/store.ts';
import type { ClusterDiscovery } from '../upstream/cluster-discovery.ts';
import type { ForwardHosts } from '../upstream/forward-hosts.ts';
import type { ThreadLocalClusterManager } from '../upstream/thread-local-cluster.ts';
import type { SharedCounts } from './shared-counts.ts';
import type { TokenBucketMemory } from './token-bucket-memory.ts';

export interface ServerHealth {
  /** `/healthcheck/fail` was asked for. */
  readonly healthCheckFailed: boolean;
}

export interface FilterFactoryContext {
  readonly clusters: ThreadLocalClusterManager;
  readonly stats: StatsStore;
  /** Of the connection manager, as it stands in stat names (`:` already made `_`). */
  readonly statPrefix: string;
  readonly timers: TimerWheel;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly runtime: Runtime;
  readonly routeEnvironment: RouteEnvironment;
  readonly tokenBuckets: TokenBucketMemory;
  readonly sharedCounts: SharedCounts;
  readonly log: Logger;
  /** Absent: nothing is logged. */
  createAccessLogs?(configs: readonly AccessLogConfig[]): readonly AccessLog[];
  /** `--service-cluster`: the node's own cluster. */
  readonly serviceCluster: string;
  /** The node's own address; absent: it is not known. */
  readonly nodeIp?: string;
  /** `locality.zone` of the node; absent or '': none. */
  readonly zone?: string | undefined;
  /** Server-wide; absent: nobody fails health checks. */
  readonly server?: ServerHealth;
  /** Absent: names are never looked up. */
  readonly forwardHosts?: ForwardHosts;
  /** Absent: clusters are never asked for. */
  readonly clusterDiscovery?: ClusterDiscovery;
  /** `per_connection_buffer_limit_bytes` of the listener; absent: 1 MiB. */
  readonly bufferLimitBytes?: number;
}
