// [w] CodeCounters: responses by code, by class and in all, under one prefix; each registered when first seen.
import type { StatId, StatsStore } from '../stats/store.ts';

export class CodeCounters {
  readonly #store: StatsStore;
  /** As in `cluster.name.external.`. */
  readonly #prefix: string;
  readonly #byCode: (StatId | undefined)[] = [];
  readonly #byClass: (StatId | undefined)[] = [];
  #completed: StatId | undefined;
  #time: StatId | undefined;

  constructor(store: StatsStore, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  /** `upstream_rq_<code>`, its class and `upstream_rq_completed`; codes without a class have none. */
  charge(status: number): void {
    const store = this.#store;
    const hundred = Math.floor(status / 100);
    const known = hundred >= 1 && hundred <= 5;
    store.inc(
      (this.#byCode[status] ??= this.#counter(`upstream_rq_${known ? status : 'unknown'}`)),
    );
    if (known) store.inc((this.#byClass[hundred] ??= this.#counter(`upstream_rq_${hundred}xx`)));
    this.chargeCompleted();
  }

  chargeCompleted(): void {
    this.#store.inc((this.#completed ??= this.#counter('upstream_rq_completed')));
  }

  /** `upstream_rq_time`. */
  recordTime(ms: number): void {
    const store = this.#store;
    store.record((this.#time ??= store.histogram(`${this.#prefix}upstream_rq_time`)), ms);
  }

  #counter(name: string): StatId {
    return this.#store.counter(this.#prefix + name);
  }
}
