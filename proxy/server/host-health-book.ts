// [m] HostHealthBook: what workers were told of the health of hosts, and what they are to be told next; which host
// counts its outliers where.
import type { ClusterHealthConfig, HostHealthConfig } from '../config/host-health-config.ts';
import {
  INTS_PER_OUTLIER_SLOT,
  MAX_OUTLIER_SLOTS,
  outlierCountsBuffer,
  outlierPlace,
} from '../upstream/outlier-memory.ts';

interface ClusterPage {
  readonly all: Map<string, HostHealthConfig>;
  /** Since the last update that went out. */
  changed: Map<string, HostHealthConfig>;
  reset: boolean;
}

export class HostHealthBook {
  readonly outlierCounts = outlierCountsBuffer();
  readonly #view = new Int32Array(this.outlierCounts);
  readonly #pages = new Map<string, ClusterPage>();
  /** Clusters with something new. */
  readonly #dirty = new Set<string>();
  readonly #freeSlots: number[] = [];
  #nextSlot = 0;

  put(cluster: string, health: HostHealthConfig): void {
    const page = this.#pageOf(cluster);
    page.all.set(health.address, health);
    page.changed.set(health.address, health);
    this.#dirty.add(cluster);
  }

  forget(cluster: string, address: string): void {
    const page = this.#pages.get(cluster);
    page?.all.delete(address);
    page?.changed.delete(address);
  }

  reset(cluster: string): void {
    const page = this.#pageOf(cluster);
    page.all.clear();
    page.changed.clear();
    page.reset = true;
    this.#dirty.add(cluster);
  }

  removeCluster(cluster: string): void {
    this.#pages.delete(cluster);
    this.#dirty.delete(cluster);
  }

  takeChanged(): readonly ClusterHealthConfig[] {
    const changes: ClusterHealthConfig[] = [];
    for (const cluster of this.#dirty) {
      const page = this.#pages.get(cluster)!;
      changes.push({
        clusterName: cluster,
        reset: page.reset,
        hosts: [...page.changed.values()],
      });
      page.changed = new Map();
      page.reset = false;
      if (page.all.size === 0) this.#pages.delete(cluster);
    }
    this.#dirty.clear();
    return changes;
  }

  /** For a worker that knows nothing. */
  sum(): readonly ClusterHealthConfig[] {
    return [...this.#pages].map(([clusterName, { all }]) => ({
      clusterName,
      reset: true,
      hosts: [...all.values()],
    }));
  }

  /** -1: all are taken. */
  takeSlot(): number {
    const slot = this.#freeSlots.pop() ?? this.#unusedSlot();
    if (slot < 0) return -1;
    const place = outlierPlace(slot);
    for (let i = 0; i < INTS_PER_OUTLIER_SLOT; i++) Atomics.store(this.#view, place + i, 0);
    return slot;
  }

  /** No worker counts there any more. */
  reclaimSlot(slot: number): void {
    this.#freeSlots.push(slot);
  }

  #unusedSlot(): number {
    return this.#nextSlot < MAX_OUTLIER_SLOTS ? this.#nextSlot++ : -1;
  }

  #pageOf(cluster: string): ClusterPage {
    let page = this.#pages.get(cluster);
    if (page === undefined) {
      page = { all: new Map(), changed: new Map(), reset: false };
      this.#pages.set(cluster, page);
    }
    return page;
  }
}
