// [m] One version of a cluster while it warms and serves, and how /config_dump shows it.
import type { TimerHandle } from '../base/clock.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type {
  ConfigDumpEntry,
  ConfigErrorState,
  ConfigResource,
} from '../config/config-resource.ts';
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

export function entriesOf(known: KnownCluster): readonly ConfigDumpEntry[] {
  const { active, warming, errorState } = known;
  const entries: ConfigDumpEntry[] = [];
  if (active !== undefined)
    entries.push(entryOf(active, known.isStatic ? 'static' : 'active', errorState));
  if (warming !== undefined)
    entries.push(entryOf(warming, 'warming', active === undefined ? errorState : undefined));
  return entries;
}

function entryOf(
  version: ClusterVersion,
  state: ConfigDumpEntry['state'],
  errorState: ConfigErrorState | undefined,
): ConfigDumpEntry {
  const { name, version: versionText, raw } = version.resource;
  return {
    name,
    state,
    version: versionText,
    raw,
    lastUpdatedMs: version.lastUpdatedMs,
    errorState,
  };
}

export function closeVersion(version: ClusterVersion, secrets: SecretWaits): void {
  if (version.secretUser !== undefined) secrets.release(version.secretUser);
  version.dns?.close();
  version.health?.close();
  version.fetchTimer?.cancel();
}
