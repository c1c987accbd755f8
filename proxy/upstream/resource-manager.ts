// [b] Circuit breakers on shared atomics: a limit holds for the whole proxy, whichever worker takes the slot
// (envoy-behaviour §7.3). Checks and counts are two steps as in Envoy, so a limit may be passed by the number of
// workers for an instant.
import type { CircuitBreakerConfig } from '../config/cluster-config.ts';

export const INTS_PER_SLOT = 8;
/** Offsets inside a slot; DEFAULT priority first, HIGH second. */
const CONNECTIONS = 0;
const PENDING = 1;
const REQUESTS = 2;
const RETRIES = 3;
const HIGH_OFFSET = 4;

export type Priority = 'DEFAULT' | 'HIGH';

/**
 * The counts of all workers: one region per worker, in which only that worker writes. A limit is held against the sum,
 * so what a worker that died had taken is given back by zeroing its region.
 */
export class BreakerCounts {
  readonly view: Int32Array;
  /** Ints from one region to the next. */
  readonly stride: number;
  readonly ownOffset: number;

  constructor(buffer: SharedArrayBuffer, workerIndex: number, workerCount: number) {
    this.view = new Int32Array(buffer);
    this.stride = this.view.length / workerCount;
    this.ownOffset = workerIndex * this.stride;
  }
}

/** One resource of one cluster and priority. */
export class Resource {
  readonly #view: Int32Array;
  readonly #stride: number;
  /** Place within a region, and the place this worker writes. */
  readonly #place: number;
  readonly #own: number;
  max: number;

  constructor(counts: BreakerCounts, place: number, max: number) {
    this.#view = counts.view;
    this.#stride = counts.stride;
    this.#place = place;
    this.#own = counts.ownOffset + place;
    this.max = max;
  }

  get count(): number {
    const view = this.#view;
    let sum = 0;
    for (let i = this.#place; i < view.length; i += this.#stride) sum += Atomics.load(view, i);
    return sum;
  }

  canCreate(): boolean {
    return this.count < this.max;
  }

  inc(): void {
    Atomics.add(this.#view, this.#own, 1);
  }

  dec(): void {
    Atomics.sub(this.#view, this.#own, 1);
  }
}

export class ResourceManager {
  readonly connections: Resource;
  readonly pendingRequests: Resource;
  readonly requests: Resource;
  readonly retries: Resource;
  #config: CircuitBreakerConfig;

  /** `slot`: the cluster's place in the shared table; see server/worker-protocol.ts. */
  constructor(
    counts: BreakerCounts,
    slot: number,
    priority: Priority,
    config: CircuitBreakerConfig,
  ) {
    const base = slot * INTS_PER_SLOT + (priority === 'HIGH' ? HIGH_OFFSET : 0);
    this.connections = new Resource(counts, base + CONNECTIONS, config.maxConnections);
    this.pendingRequests = new Resource(counts, base + PENDING, config.maxPendingRequests);
    this.requests = new Resource(counts, base + REQUESTS, config.maxRequests);
    this.retries = new Resource(counts, base + RETRIES, config.maxRetries);
    this.#config = config;
  }

  get config(): CircuitBreakerConfig {
    return this.#config;
  }

  update(config: CircuitBreakerConfig): void {
    this.#config = config;
    this.connections.max = config.maxConnections;
    this.pendingRequests.max = config.maxPendingRequests;
    this.requests.max = config.maxRequests;
    this.retries.max = config.maxRetries;
  }

  /** Retry budget where configured, else `max_retries`. */
  canRetry(): boolean {
    const budget = this.#config.retryBudget;
    if (budget === undefined) return this.retries.canCreate();
    const active = this.requests.count + this.pendingRequests.count;
    const allowed = Math.max(
      Math.floor((budget.budgetPercent * active) / 100),
      budget.minRetryConcurrency,
    );
    return this.retries.count < allowed;
  }
}
