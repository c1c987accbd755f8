// [w] What the pools of one cluster and priority share.
import type { RandomSource } from '../../base/random.ts';
import type { ClusterConfig } from '../../config/cluster-config.ts';
import type { ConnectOptions } from '../../network/connect.ts';
import type { IoThread } from '../../network/io-thread.ts';
import type { UpstreamTransport } from '../../network/upstream-transport.ts';
import type { ClusterStats } from '../cluster-stats.ts';
import type { Host } from '../host.ts';
import type { ResourceManager } from '../resource-manager.ts';
import { transportSocketFor } from '../transport-socket-choice.ts';
import type { SharedHostCounts } from '../shared-host-counts.ts';
import type { TransportOverrides, UpstreamTransports } from '../upstream-transports.ts';
import type { ManagedPool } from './conn-pool.ts';

/** What the pools of one worker share. */
export interface PoolEnvironment {
  readonly io: IoThread;
  readonly random: RandomSource;
  /** Absent: only plain sockets can be had. */
  readonly transports?: UpstreamTransports | null;
  /** Absent: limits per host hold for each worker by itself. */
  readonly hostCounts?: SharedHostCounts;
}

export interface PoolContext extends PoolEnvironment {
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly resources: ResourceManager;
  readonly connectOptions: ConnectOptions;
  readonly transports: UpstreamTransports | null;
  /** A pool that drains, or that goes when it is idle, has neither connections nor waiters; may come more than once. */
  onPoolIdle(pool: ManagedPool): void;
}

/** How one pool dials, or why it cannot: then `unsupported` is not ''. */
export interface PoolDialling {
  readonly options: ConnectOptions;
  readonly unsupported: string;
}

export function diallingOf(
  context: PoolContext,
  host: Host,
  overrides: TransportOverrides | null,
): PoolDialling {
  const { config, connectOptions, transports } = context;
  const socket = transportSocketFor(config, host);
  if (socket.kind === 'raw_buffer') return { options: connectOptions, unsupported: '' };
  if (transports === null) {
    const unsupported = 'TLS to upstreams is not supported by this version';
    return { options: connectOptions, unsupported };
  }
  const request = { cluster: config, socket, host, overrides };
  const transport: UpstreamTransport = transports.transportFor(request);
  return { options: { ...connectOptions, transport }, unsupported: '' };
}
