// [m] Which cluster counts its circuit breakers where: slots of one SharedArrayBuffer that all workers write
// (upstream/resource-manager.ts reads and writes it).
import { assert } from '../base/assert.ts';
import {
  BreakerCounts,
  INTS_PER_SLOT,
  ResourceManager,
  USED_MARK,
} from '../upstream/resource-manager.ts';
import type { Priority } from '../upstream/resource-manager.ts';
import type { CircuitBreakerConfig } from '../config/cluster-config.ts';

export const MAX_SLOTS = 65_536;

const REGION_INTS = MAX_SLOTS * INTS_PER_SLOT;

export class CircuitBreakerSlots {
  /** Zero pages until touched: 4 MiB of address space a worker, 64 bytes of memory a cluster and worker. */
  readonly counts: SharedArrayBuffer;
  readonly #view: Int32Array;
  readonly #workerCount: number;
  readonly #slotOf = new Map<string, number>();
  /** Given back by clusters that all workers have dropped; oldest first. */
  readonly #free: number[] = [];
  #next = 0;

  constructor(workerCount: number) {
    this.counts = new SharedArrayBuffer(workerCount * REGION_INTS * Int32Array.BYTES_PER_ELEMENT);
    this.#view = new Int32Array(this.counts);
    this.#workerCount = workerCount;
  }

  /** What all workers have taken of the cluster's limits; undefined: none has used it yet. */
  read(
    cluster: string,
    priority: Priority,
    config: CircuitBreakerConfig,
  ): ResourceManager | undefined {
    const slot = this.#slotOf.get(cluster);
    if (slot === undefined || !this.#isUsed(slot)) return undefined;
    const counts = new BreakerCounts(this.counts, 0, this.#workerCount);
    return new ResourceManager(counts, slot, priority, config);
  }

  #isUsed(slot: number): boolean {
    const view = this.#view;
    for (let i = slot * INTS_PER_SLOT + USED_MARK; i < view.length; i += REGION_INTS)
      if (Atomics.load(view, i) !== 0) return true;
    return false;
  }

  /** A worker died: what it had taken is free again. */
  clearWorker(workerIndex: number): void {
    this.#view.fill(0, workerIndex * REGION_INTS, (workerIndex + 1) * REGION_INTS);
  }

  get used(): number {
    return this.#slotOf.size;
  }

  /** The cluster's slot; one cluster keeps its slot until it is released. */
  slotOf(cluster: string): number {
    let slot = this.#slotOf.get(cluster);
    if (slot === undefined) {
      slot = this.#take();
      this.#slotOf.set(cluster, slot);
    }
    return slot;
  }

  /** The cluster's name means another slot from now on; reclaim() when no worker knows the old meaning any more. */
  release(cluster: string): number | undefined {
    const slot = this.#slotOf.get(cluster);
    this.#slotOf.delete(cluster);
    return slot;
  }

  reclaim(slot: number): void {
    this.#free.push(slot);
  }

  /** Requests that outlive their cluster still count down: a slot is used again only when it reads zero. */
  #take(): number {
    if (this.#next < MAX_SLOTS) return this.#next++;
    const index = this.#free.findIndex((slot) => this.#isZero(slot));
    assert(index >= 0, 'the cluster manager admits fewer clusters than there are slots');
    return this.#free.splice(index, 1)[0]!;
  }

  #isZero(slot: number): boolean {
    for (let region = 0; region < this.#view.length; region += REGION_INTS) {
      for (let i = 0; i < INTS_PER_SLOT; i++) {
        const place = region + slot * INTS_PER_SLOT + i;
        if (i === USED_MARK) Atomics.store(this.#view, place, 0);
        else if (Atomics.load(this.#view, place) !== 0) return false;
      }
    }
    return true;
  }
}
