// [m] The gauges `cluster.<name>.circuit_breakers.*`: what the shared counts say when somebody asks (envoy-behaviour §7.3). Only of
// clusters that some worker has used: thousands of others would be zeros.
import type { CircuitBreakerConfig, ClusterConfig } from '../config/cluster-config.ts';
import type { StatsStore } from '../stats/store.ts';
import type { Priority, Resource, ResourceManager } from './resource-manager.ts';

/** What workers count (server/circuit-breaker-slots.ts). */
export interface BreakerReader {
  /** Of all workers together; undefined: none has used the cluster yet. */
  read(
    cluster: string,
    priority: Priority,
    config: CircuitBreakerConfig,
  ): ResourceManager | undefined;
}

export interface CircuitBreakerStatsDeps {
  readonly store: StatsStore;
  readonly breakers: BreakerReader;
  /** Whether anybody will read a stat of that name. */
  readonly wanted: (statName: string) => boolean;
}

export class CircuitBreakerStats {
  readonly #deps: CircuitBreakerStatsDeps;
  /** Prefixes shown, and whether what is left was, too. */
  #shown = new Map<string, boolean>();

  constructor(deps: CircuitBreakerStatsDeps) {
    this.#deps = deps;
  }

  refresh(clusters: Iterable<ClusterConfig>): void {
    const before = this.#shown;
    this.#shown = new Map();
    for (const config of clusters) {
      this.#showPriority(config, 'DEFAULT');
      this.#showPriority(config, 'HIGH');
    }
    for (const [prefix, tracked] of before)
      if (this.#shown.get(prefix) !== tracked) this.#clear(prefix, tracked);
  }

  #showPriority(config: ClusterConfig, priority: 'DEFAULT' | 'HIGH'): void {
    const limits =
      priority === 'HIGH' ? config.circuitBreakers.high : config.circuitBreakers.default;
    const prefix = `cluster.${config.statName}.circuit_breakers.${priority.toLowerCase()}.`;
    if (!this.#deps.wanted(`${prefix}cx_open`)) return;
    const resources = this.#deps.breakers.read(config.name, priority, limits);
    if (resources === undefined) return;
    this.#shown.set(prefix, limits.trackRemaining);
    for (const row of rowsOf(resources)) {
      this.#set(`${prefix}${row.name}_open`, isOpen(row) ? 1 : 0);
      if (!limits.trackRemaining) continue;
      const tracked = row.remaining !== 'retries' || limits.retryBudget === undefined;
      const left = tracked ? Math.max(0, Math.min(row.max, NO_LIMIT) - row.count) : 0;
      this.#set(`${prefix}remaining_${row.remaining}`, left);
    }
  }

  #clear(prefix: string, tracked: boolean): void {
    for (const { name, remaining } of NAMES) {
      if (!this.#shown.has(prefix)) this.#set(`${prefix}${name}_open`, 0);
      if (tracked) this.#set(`${prefix}remaining_${remaining}`, 0);
    }
  }

  #set(name: string, value: number): void {
    const { store } = this.#deps;
    store.set(store.gauge(name), value);
  }
}

/** What a limit that is none counts as. */
const NO_LIMIT = 2 ** 64;

/** Envoy looks when a count changes: a limit of 0 is not reached before something passed it, as first connections do. */
const isOpen = ({ name, count, max }: Row): boolean =>
  max === 0 ? name === 'cx' || count > 0 : count >= max;

const NAMES = [
  { name: 'cx', remaining: 'cx' },
  { name: 'cx_pool', remaining: 'cx_pools' },
  { name: 'rq', remaining: 'rq' },
  { name: 'rq_pending', remaining: 'pending' },
  { name: 'rq_retry', remaining: 'retries' },
] as const;

interface Row {
  readonly name: string;
  readonly remaining: string;
  readonly count: number;
  readonly max: number;
}

function rowsOf(resources: ResourceManager): readonly Row[] {
  const { connections, pools, requests, pendingRequests, retries } = resources;
  const kinds: readonly Resource[] = [connections, pools, requests, pendingRequests, retries];
  return NAMES.map((names, i) => {
    const { count, max } = kinds[i]!;
    return { ...names, count, max: names.name === 'rq_retry' ? resources.maxRetries : max };
  });
}
