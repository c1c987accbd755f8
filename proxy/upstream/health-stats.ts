// [m] The stats of active checks of one cluster: all of them registered at once, as Envoy does, where anybody wants them.
import type { StatsStore } from '../stats/store.ts';
import type { CheckStat } from './health-session.ts';

const COUNTERS: readonly CheckStat[] = [
  'attempt',
  'failure',
  'network_failure',
  'passive_failure',
  'success',
  'verify_cluster',
];

export class HealthStats {
  readonly #store: StatsStore;
  readonly #wanted: (name: string) => boolean;
  readonly #prefix: string;

  constructor(store: StatsStore, statName: string, wanted: (name: string) => boolean) {
    this.#store = store;
    this.#wanted = wanted;
    this.#prefix = `cluster.${statName}.health_check.`;
    for (const name of COUNTERS) this.#add(name, 0);
    this.setGauges(0, 0);
  }

  count(stat: CheckStat): void {
    this.#add(stat, 1);
  }

  /** Hosts whose checks pass, and those of them that are degraded. */
  setGauges(healthy: number, degraded: number): void {
    this.#set('healthy', healthy);
    this.#set('degraded', degraded);
  }

  #add(name: CheckStat, amount: number): void {
    const full = this.#prefix + name;
    if (this.#wanted(full)) this.#store.add(this.#store.counter(full), amount);
  }

  #set(name: 'healthy' | 'degraded', value: number): void {
    const full = this.#prefix + name;
    if (this.#wanted(full)) this.#store.set(this.#store.gauge(full), value);
  }
}
