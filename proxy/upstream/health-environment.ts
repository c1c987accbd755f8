// [m] What the health keepers of all clusters share, and where they tell what they found.
import type { TimeSource } from '../base/clock.ts';
import type { RandomSource } from '../base/random.ts';
import type { Runtime } from '../base/runtime.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { EndpointConfig } from '../config/endpoint-config.ts';
import type { HealthCheckConfig } from '../config/health-check-config.ts';
import type { HostHealthConfig } from '../config/host-health-config.ts';
import type { StatsStore } from '../stats/store.ts';
import type { WriteLine } from './health-event-log.ts';
import type { HealthPacer } from './health-pacer.ts';
import type { Probe, ProbeOwner } from './health-probe.ts';
import type { CheckStat } from './health-session.ts';

/** What workers are told of hosts. Published behind the endpoints of the same moment. */
export interface HostHealthSink {
  publishHostHealth(cluster: string, health: HostHealthConfig): void;
  /** The host has left the cluster. */
  forgetHostHealth(cluster: string, address: string): void;
  /** What was said of the cluster's hosts is void. */
  resetHostHealth(cluster: string): void;
  /** -1: all are taken. */
  takeOutlierSlot(): number;
  /** Used again when no worker counts there any more. */
  releaseOutlierSlot(slot: number): void;
}

export type ProbeMaker = (endpoint: EndpointConfig, owner: ProbeOwner) => Probe;

export interface HealthEnvironment {
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly runtime: Runtime;
  readonly pacer: HealthPacer;
  readonly stats: StatsStore;
  readonly statWanted: (statName: string) => boolean;
  readonly sink: HostHealthSink;
  /** Over outlier-memory.ts. */
  readonly outlierCounts: Int32Array;
  /** Null: nobody reads of ejections. */
  readonly outlierLog: WriteLine | null;
  /** A file that cannot be written is told once, and swallows what it is given. */
  openLog(path: string): WriteLine;
  /** What of its health checks cannot be done; undefined: nothing. */
  problemOf(cluster: ClusterConfig): string | undefined;
  probesFor(
    cluster: ClusterConfig,
    check: HealthCheckConfig,
    count: (stat: CheckStat) => void,
  ): ProbeMaker;
  /** All keepers are closed. */
  close(): void;
}
