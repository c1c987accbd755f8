// [m] The stats of outlier detection of one cluster: all of them registered at once, as Envoy does, where anybody wants
// them.
import type { StatsStore } from '../stats/store.ts';
import type { OutlierType } from './outlier-detector.ts';

const NAMES: Readonly<Record<OutlierType, string>> = {
  CONSECUTIVE_5XX: 'consecutive_5xx',
  CONSECUTIVE_GATEWAY_FAILURE: 'consecutive_gateway_failure',
  CONSECUTIVE_LOCAL_ORIGIN_FAILURE: 'consecutive_local_origin_failure',
  SUCCESS_RATE: 'success_rate',
  SUCCESS_RATE_LOCAL_ORIGIN: 'local_origin_success_rate',
  FAILURE_PERCENTAGE: 'failure_percentage',
  FAILURE_PERCENTAGE_LOCAL_ORIGIN: 'local_origin_failure_percentage',
  DEGRADED: 'degradation',
};
const OTHERS = ['enforced_total', 'overflow', 'total', 'consecutive_5xx', 'success_rate'];

export class OutlierStats {
  readonly #store: StatsStore;
  readonly #wanted: (name: string) => boolean;
  readonly #prefix: string;

  constructor(store: StatsStore, statName: string, wanted: (name: string) => boolean) {
    this.#store = store;
    this.#wanted = wanted;
    this.#prefix = `cluster.${statName}.outlier_detection.ejections_`;
    for (const name of OTHERS) this.#add(name, 0);
    for (const type of Object.keys(NAMES) as OutlierType[]) {
      this.#add(`detected_${NAMES[type]}`, 0);
      if (type !== 'DEGRADED') this.#add(`enforced_${NAMES[type]}`, 0);
    }
    this.setActive(0);
  }

  setActive(ejected: number): void {
    const name = `${this.#prefix}active`;
    if (this.#wanted(name)) this.#store.set(this.#store.gauge(name), ejected);
  }

  detected(type: OutlierType): void {
    this.#add(`detected_${NAMES[type]}`, 1);
  }

  enforced(type: OutlierType): void {
    this.#add('enforced_total', 1);
    this.#add(`enforced_${NAMES[type]}`, 1);
  }

  overflow(): void {
    this.#add('overflow', 1);
  }

  /** The three that Envoy calls deprecated. */
  total(): void {
    this.#add('total', 1);
  }

  consecutive5xx(): void {
    this.#add('consecutive_5xx', 1);
  }

  successRate(): void {
    this.#add('success_rate', 1);
  }

  #add(name: string, amount: number): void {
    const full = this.#prefix + name;
    if (this.#wanted(full)) this.#store.add(this.#store.counter(full), amount);
  }
}
