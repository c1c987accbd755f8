// [b] Circuit breakers on shared atomics: a limit holds for the whole proxy, whichever worker takes the slot
// (envoy-behaviour §7.3). Checks and counts are two steps as in Envoy, so a limit may be passed by the number of
// workers for an instant.
import type { CircuitBreakerConfig } from '../config/cluster-config.ts';

export const INTS_PER_SLOT = 16;
/** Offsets inside a slot; DEFAULT priority first, HIGH second. */
const CONNECTIONS = 0;
const PENDING = 1;
const REQUESTS = 2;
const RETRIES = 3;
const POOLS = 4;
/** Of the DEFAULT half alone: 1 once the worker has dialled a host of the cluster. No count. */
export const USED_MARK = 7;
const HIGH_OFFSET = 8;

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
  readonly pools: Resource;
  readonly #counts: BreakerCounts;
  readonly #slot: number;
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
    this.pools = new Resource(counts, base + POOLS, config.maxConnectionPools ?? Infinity);
    this.#counts = counts;
    this.#slot = slot;
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
    this.pools.max = config.maxConnectionPools ?? Infinity;
  }

  /** From now on somebody may want to read the cluster's gauges. */
  markUsed(): void {
    const { view, ownOffset } = this.#counts;
    Atomics.store(view, ownOffset + this.#slot * INTS_PER_SLOT + USED_MARK, 1);
  }

  /** Another connection to the host, within the cluster's limit and the host's own. */
  canConnect(host: { readonly connectionCount: number }): boolean {
    const perHost = this.#config.maxConnectionsPerHost;
    if (perHost !== undefined && host.connectionCount >= perHost) return false;
    return this.connections.canCreate();
  }

  /** Retry budget where configured, else `max_retries`. */
  get maxRetries(): number {
    const budget = this.#config.retryBudget;
    if (budget === undefined) return this.retries.max;
    const active = this.requests.count + this.pendingRequests.count;
    return Math.max(Math.floor((budget.budgetPercent * active) / 100), budget.minRetryConcurrency);
  }

  canRetry(): boolean {
    return this.retries.count < this.maxRetries;
  }
}
