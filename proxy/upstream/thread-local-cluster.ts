// [w] ThreadLocalCluster(Manager): a worker's hosts, balancer and pools. Interfaces here; see thread-local-cluster-manager.ts.
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ClusterStats } from './cluster-stats.ts';
import type { HttpConnPool, TcpConnPool } from './conn-pool/conn-pool.ts';
import type { Host } from './host.ts';
import type { LoadBalancerContext } from './load-balancer.ts';
import type { LoadWeights } from './load-balancing/load-weights.ts';
import type { Priority, ResourceManager } from './resource-manager.ts';
import type { TransportOverrides } from './upstream-transports.ts';

/** Hosts by health. */
export interface Membership {
  readonly total: number;
  /** Healthy or degraded. */
  readonly usable: number;
}

/** The client as far as the choice of a pool depends on it; a StreamInfo is one. */
export interface PoolDownstream {
  /** `HTTP/2`: clusters that speak what their clients do speak that. */
  readonly protocol: string;
  readonly connection: { readonly connectionId: number };
}

export interface ThreadLocalCluster {
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  resources(priority: Priority): ResourceManager;
  /** Counted when asked: for health checks, not for requests. */
  membership(): Membership;
  /** Null: no healthy host (or, for ORIGINAL_DST, no destination). */
  chooseHost(context: LoadBalancerContext | null): Host | null;
  /** Null: there may be no further pool. */
  httpPool(
    host: Host,
    priority: Priority,
    downstream: PoolDownstream,
    overrides?: TransportOverrides | null,
  ): HttpConnPool | null;
  tcpPool(host: Host, priority: Priority): TcpConnPool;
  /** Wants to see the answers of hosts, headers and trailers; null: they say nothing to the balancer. */
  readonly reports: LoadWeights | null;
  /** Share of requests that the assignment's overload policy turns away: 0 to 1. */
  readonly dropShare: number;
}

export interface ThreadLocalClusterManager {
  /** By cluster name. */
  get(name: string): ThreadLocalCluster | undefined;
}
