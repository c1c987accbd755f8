// [b] What main tells workers of the health of hosts: plain data, applied behind the endpoints of the same update.

export interface HostHealthConfig {
  /** `Host.addressText`. */
  readonly address: string;
  /** `HealthFlag` bits (upstream/host-health.ts); those that the assignment itself sets do not count here. */
  readonly flags: number;
  /** Where outlier detection counts (upstream/outlier-memory.ts); -1: it does not. */
  readonly outlierSlot: number;
}

export interface ClusterHealthConfig {
  readonly clusterName: string;
  /** Whatever was said of the cluster's hosts before is void. */
  readonly reset: boolean;
  readonly hosts: readonly HostHealthConfig[];
}
