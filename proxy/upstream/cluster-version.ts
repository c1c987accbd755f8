// [m] One version of a cluster while it warms and serves.
import type { TimerHandle } from '../base/clock.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ConfigErrorState, ConfigResource } from '../config/config-resource.ts';
import type { ClusterEndpointsConfig, LocalityEndpointsConfig } from '../config/endpoint-config.ts';
import type { SecretUser, SecretWaits } from '../tls/secret-waits.ts';
import type { HealthKeeper } from './health-keeper.ts';
import type { StrictDnsCluster } from './strict-dns-cluster.ts';

/** One version of one cluster. */
export interface ClusterVersion {
  readonly resource: ConfigResource<ClusterConfig>;
  readonly lastUpdatedMs: number;
  /** Whether endpoints came; a cluster may need none. */
  resolved: boolean;
  /** Undefined: it names no secret. */
  readonly secretUser: SecretUser | undefined;
  endpoints: ClusterEndpointsConfig | undefined;
  /** What workers have of them, hosts that are kept for their health included. */
  told: ClusterEndpointsConfig | undefined;
  /** Undefined: its hosts are neither checked nor ejected. */
  health: HealthKeeper | undefined;
  dns: StrictDnsCluster | undefined;
  fetchTimer: TimerHandle | undefined;
}

export interface KnownCluster {
  readonly isStatic: boolean;
  active: ClusterVersion | undefined;
  warming: ClusterVersion | undefined;
  errorState: ConfigErrorState | undefined;
}

export const newCluster = (isStatic: boolean): KnownCluster => ({
  isStatic,
  active: undefined,
  warming: undefined,
  errorState: undefined,
});

export interface ActiveCluster {
  readonly config: ClusterConfig;
  readonly localities: readonly LocalityEndpointsConfig[];
  readonly overprovisioningPercent: number;
  /** Undefined: its hosts are neither checked nor ejected. */
  readonly health?: HealthKeeper | undefined;
}

export const activeOf = ({ resource, endpoints, health }: ClusterVersion): ActiveCluster => ({
  config: resource.config,
  localities: health?.localities ?? endpoints?.localities ?? [],
  overprovisioningPercent: (endpoints ?? resource.config).overprovisioningPercent,
  health,
});

export function endpointsOf(
  config: ClusterConfig,
  localities: readonly LocalityEndpointsConfig[],
): ClusterEndpointsConfig {
  return {
    clusterName: config.name,
    version: config.version,
    localities,
    overprovisioningPercent: config.overprovisioningPercent,
    ...(config.weightedPriorityHealth === true && { weightedPriorityHealth: true }),
  };
}

export function closeVersion(version: ClusterVersion, secrets: SecretWaits): void {
  if (version.secretUser !== undefined) secrets.release(version.secretUser);
  version.dns?.close();
  version.health?.close();
  version.fetchTimer?.cancel();
}
