// [w] What the pools of one cluster share.
import type { RandomSource } from '../../base/random.ts';
import type { ClusterConfig } from '../../config/cluster-config.ts';
import type { ConnectOptions } from '../../network/connect.ts';
import type { IoThread } from '../../network/io-thread.ts';
import type { ClusterStats } from '../cluster-stats.ts';
import type { Host } from '../host.ts';
import type { ResourceManager } from '../resource-manager.ts';
import type { HttpConnPool } from './conn-pool.ts';

export interface PoolContext {
  readonly io: IoThread;
  readonly random: RandomSource;
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly resources: ResourceManager;
  readonly connectOptions: ConnectOptions;
  /** Why hosts of this kind cannot be dialled by this version (TLS); '' when they can. */
  unsupported(host: Host): string;
  /** A draining pool has neither connections nor waiters any more; may come more than once. */
  onPoolIdle(pool: HttpConnPool): void;
}
