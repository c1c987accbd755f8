// [w] RouterContext: what all requests of one router filter entry share.
import type { TimeSource } from '../base/clock.ts';
import type { RandomSource } from '../base/random.ts';
import type { Fraction, Runtime } from '../base/runtime.ts';
import type { TimerWheel } from '../base/timer-wheel.ts';
import type { ThreadLocalClusterManager } from '../upstream/thread-local-cluster.ts';
import type { UpstreamLogSettings } from './attempt-log.ts';
import type { RouterStats } from './router-stats.ts';
import type { StrictCheck } from './strict-headers.ts';
import type { UpstreamCharges } from './upstream-charges.ts';

export interface RouterContext {
  readonly clusters: ThreadLocalClusterManager;
  readonly stats: RouterStats;
  readonly charges: UpstreamCharges;
  readonly timers: TimerWheel;
  readonly time: TimeSource;
  readonly random: RandomSource;
  /** `upstream.use_retry`: share of retries that are made; null: all. */
  readonly useRetry: Fraction | null;
  /** Null: no cluster has a key `upstream.maintenance_mode.<name>`. */
  readonly maintenance: Runtime | null;
  /** The node's own address. */
  readonly nodeIp: string;
  readonly suppressEnvoyHeaders: boolean;
  readonly respectExpectedRqTimeout: boolean;
  /** Null: nothing is logged of attempts. */
  readonly upstreamLog: UpstreamLogSettings | null;
  readonly strictChecks: readonly StrictCheck[];
  /** How much of a body is kept for retries, or before a connection is there. Default 1 MiB; routes may say less or more. */
  readonly bodyBufferLimitBytes: number;
}

export const DEFAULT_BODY_BUFFER_LIMIT_BYTES = 1_048_576;
