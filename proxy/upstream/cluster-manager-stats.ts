// [m] Stats of the cluster manager, and the membership gauges of each cluster that main alone knows
// (envoy-behaviour §10: cluster_manager., cluster.<name>.membership_*).
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { LocalityEndpointsConfig } from '../config/endpoint-config.ts';
import type { StatId, StatsStore } from '../stats/store.ts';

export class ClusterManagerStats {
  readonly #store: StatsStore;
  readonly #wanted: (statName: string) => boolean;
  readonly #added: StatId;
  readonly #modified: StatId;
  readonly #removed: StatId;
  readonly #updated: StatId;
  readonly #active: StatId;
  readonly #warming: StatId;

  /** `wanted`: whether anybody will read a stat of that name; with thousands of clusters it saves megabytes. */
  constructor(store: StatsStore, wanted: (statName: string) => boolean) {
    this.#store = store;
    this.#wanted = wanted;
    this.#added = store.counter('cluster_manager.cluster_added');
    this.#modified = store.counter('cluster_manager.cluster_modified');
    this.#removed = store.counter('cluster_manager.cluster_removed');
    this.#updated = store.counter('cluster_manager.cluster_updated');
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
    this.#setMembership(config, 0, 0, 0);
  }

  setCounts(active: number, warming: number): void {
    this.#store.set(this.#active, active);
    this.#store.set(this.#warming, warming);
  }

  /** Hosts of an active cluster, when they came or changed. */
  onHosts(config: ClusterConfig, localities: readonly LocalityEndpointsConfig[]): void {
    let total = 0;
    let healthy = 0;
    let degraded = 0;
    for (const locality of localities) {
      for (const endpoint of locality.endpoints) {
        total++;
        if (endpoint.health === 'HEALTHY') healthy++;
        else if (endpoint.health === 'DEGRADED') degraded++;
      }
    }
    this.#store.inc(this.#updated);
    this.#setMembership(config, total, healthy, degraded);
    this.#bump(config, 'membership_change');
  }

  onEndpointsUpdate(
    config: ClusterConfig,
    outcome: 'update_success' | 'update_failure' | 'update_empty',
  ): void {
    this.#bump(config, 'update_attempt');
    this.#bump(config, outcome);
  }

  #setMembership(config: ClusterConfig, total: number, healthy: number, degraded: number): void {
    const prefix = `cluster.${config.statName}.membership_`;
    if (!this.#wanted(`${prefix}total`)) return;
    this.#store.set(this.#store.gauge(`${prefix}total`), total);
    this.#store.set(this.#store.gauge(`${prefix}healthy`), healthy);
    this.#store.set(this.#store.gauge(`${prefix}degraded`), degraded);
  }

  #bump(config: ClusterConfig, name: string): void {
    const full = `cluster.${config.statName}.${name}`;
    if (this.#wanted(full)) this.#store.inc(this.#store.counter(full));
  }
}
