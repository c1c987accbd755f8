// [m] Stats of the cluster manager, and the membership gauges of each cluster that main alone knows
// (envoy-behaviour §10: cluster_manager., cluster.<name>.membership_*).
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ClusterEndpointsConfig, LocalityEndpointsConfig } from '../config/endpoint-config.ts';
import { xxHash64OfText } from '../base/xx-hash64.ts';
import type { StatId, StatsStore } from '../stats/store.ts';
import type { ClusterManagerDeps } from './cluster-manager-deps.ts';
import type { EndpointDiff } from './endpoint-diff.ts';
import type { HostCensus } from './health-tally.ts';
import { Health, edsFlags, healthOf, isExcluded } from './host-health.ts';

/** Every cluster has them. */
const UPDATE_COUNTERS = [
  'update_attempt',
  'update_success',
  'update_failure',
  'update_empty',
  'update_no_rebuild',
  'membership_change',
] as const;
const EDS_COUNTERS = [
  'update_rejected',
  'init_fetch_timeout',
  'assignment_stale',
  'assignment_timeout_received',
  'assignment_use_cached',
] as const;
const GAUGES = ['warming_state', 'version', 'max_host_weight'] as const;
const MEMBERS = ['total', 'healthy', 'degraded', 'excluded'] as const;
const SECRET_COUNTER = 'client_ssl_socket_factory.ssl_context_update_by_sds';
/** What stands behind `cluster.<name>.` in all names that are made here. */
const ENDS: readonly string[] = [
  ...UPDATE_COUNTERS,
  ...EDS_COUNTERS,
  ...GAUGES,
  ...MEMBERS.map((name) => `membership_${name}`),
  SECRET_COUNTER,
];
export type UpdateCounter = (typeof UPDATE_COUNTERS)[number] | (typeof EDS_COUNTERS)[number];

type StatChoice = Pick<ClusterManagerDeps, 'stats' | 'statWanted' | 'statsHidden'>;

export class ClusterManagerStats {
  readonly #store: StatsStore;
  readonly #wanted: (statName: string) => boolean;
  readonly #added: StatId;
  readonly #modified: StatId;
  readonly #removed: StatId;
  readonly #updated: StatId;
  readonly #active: StatId;
  readonly #warming: StatId;
  readonly #hidden: (prefix: string) => boolean;
  /** The cluster that was asked about last, and whether nobody will read a stat of it: what is counted comes in groups. */
  #lastName: string | undefined = undefined;
  #lastHidden = false;

  /** Only what somebody will read is made: with thousands of clusters that saves megabytes. */
  constructor({ stats: store, statWanted, statsHidden }: StatChoice) {
    this.#store = store;
    this.#wanted = statWanted;
    this.#hidden = statsHidden(ENDS);
    this.#added = store.counter('cluster_manager.cluster_added');
    this.#modified = store.counter('cluster_manager.cluster_modified');
    this.#removed = store.counter('cluster_manager.cluster_removed');
    this.#updated = store.counter('cluster_manager.cluster_updated');
    // Workers are told of every change: nothing is merged, so these stay at zero.
    for (const name of [
      'cluster_updated_via_merge',
      'update_merge_cancelled',
      'update_out_of_merge_window',
    ])
      store.counter(`cluster_manager.${name}`);
    this.#active = store.gauge('cluster_manager.active_clusters');
    this.#warming = store.gauge('cluster_manager.warming_clusters');
  }

  onAdded(): void {
    this.#store.inc(this.#added);
  }

  onModified(): void {
    this.#store.inc(this.#modified);
  }

  onRemoved(config: ClusterConfig): void {
    this.#store.inc(this.#removed);
    this.onHealth(config, { total: 0, healthy: 0, degraded: 0, excluded: 0 });
  }

  setCounts(active: number, warming: number): void {
    this.#store.set(this.#active, active);
    this.#store.set(this.#warming, warming);
  }

  /** A version of the cluster waits for its endpoints; from here on all of its counters are there. */
  onWarming(config: ClusterConfig): void {
    if (this.#isHidden(config)) return;
    for (const name of UPDATE_COUNTERS) this.#bump(config, name, 0);
    if (config.type === 'EDS') for (const name of EDS_COUNTERS) this.#bump(config, name, 0);
    this.#setGauge(config, 'warming_state', 1);
  }

  onWarmed(config: ClusterConfig): void {
    this.#setGauge(config, 'warming_state', 0);
  }

  /** Hosts of a cluster that workers have are others now. */
  onUpdated(): void {
    this.#store.inc(this.#updated);
  }

  /** An assignment came. */
  onEndpoints(config: ClusterConfig, { version, staleAfterMs }: ClusterEndpointsConfig): void {
    this.#bump(config, 'update_attempt');
    this.#bump(config, 'update_success');
    if (staleAfterMs !== undefined) this.#bump(config, 'assignment_timeout_received');
    this.#setGauge(config, 'version', () => Number(xxHash64OfText(version)));
  }

  onRejectedEndpoints(config: ClusterConfig): void {
    this.#bump(config, 'update_attempt');
    this.#bump(config, 'update_rejected');
  }

  /** Hosts of an active cluster, when they came or changed. `census`: where more is known of them than EDS says. */
  onHosts(
    config: ClusterConfig,
    localities: readonly LocalityEndpointsConfig[],
    diff: Pick<EndpointDiff, 'membershipChanges'>,
    census?: HostCensus,
  ): void {
    if (this.#isHidden(config)) return;
    this.onHealth(config, census ?? censusOf(localities));
    this.#bump(config, 'membership_change', diff.membershipChanges);
    this.#setGauge(config, 'max_host_weight', () => maxWeightOf(localities));
  }

  /** The health of its hosts is not what it was. */
  onHealth(config: ClusterConfig, census: HostCensus): void {
    if (this.#isHidden(config)) return;
    const prefix = `cluster.${config.statName}.membership_`;
    if (!this.#wanted(`${prefix}total`)) return;
    for (const name of MEMBERS) this.#store.set(this.#store.gauge(prefix + name), census[name]);
  }

  bump(config: ClusterConfig, name: UpdateCounter): void {
    this.#bump(config, name);
  }

  /** A secret of its transport sockets came. */
  onSecret(config: ClusterConfig): void {
    this.#bump(config, SECRET_COUNTER);
  }

  #isHidden({ statName }: ClusterConfig): boolean {
    if (statName !== this.#lastName) {
      this.#lastName = statName;
      this.#lastHidden = this.#hidden(`cluster.${statName}.`);
    }
    return this.#lastHidden;
  }

  #bump(config: ClusterConfig, name: UpdateCounter | typeof SECRET_COUNTER, by = 1): void {
    if (this.#isHidden(config)) return;
    const full = `cluster.${config.statName}.${name}`;
    if (this.#wanted(full)) this.#store.add(this.#store.counter(full), by);
  }

  #setGauge(
    config: ClusterConfig,
    name: (typeof GAUGES)[number],
    value: number | (() => number),
  ): void {
    if (this.#isHidden(config)) return;
    const full = `cluster.${config.statName}.${name}`;
    if (!this.#wanted(full)) return;
    this.#store.set(this.#store.gauge(full), typeof value === 'number' ? value : value());
  }
}

function maxWeightOf(localities: readonly LocalityEndpointsConfig[]): number {
  let most = 0;
  for (const { endpoints } of localities)
    for (const { weight } of endpoints) most = Math.max(most, weight);
  return most;
}

function censusOf(localities: readonly LocalityEndpointsConfig[]): HostCensus {
  const census = { total: 0, healthy: 0, degraded: 0, excluded: 0 };
  for (const locality of localities) {
    for (const { health, edsStatus } of locality.endpoints) {
      const flags = edsFlags(health, edsStatus);
      census.total++;
      if (healthOf(flags) === Health.Healthy) census.healthy++;
      if (healthOf(flags) === Health.Degraded) census.degraded++;
      if (isExcluded(flags)) census.excluded++;
    }
  }
  return census;
}
