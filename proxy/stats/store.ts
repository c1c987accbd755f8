// [b] StatsStore: one per thread; a hot-path add is one typed-array write, no locks, nothing shared.
// Main asks each worker for a StatsReport at scrape time and sums (docs/adr/0002-stats-by-message.md).
import { LogLinearHistogram } from './histogram.ts';

/** Index into the store's values; stable for the life of the thread. */
export type StatId = number;
export type StatKind = 'counter' | 'gauge' | 'histogram';

/** Label pairs kept beside a stat whose Prometheus labels are not to be cut out of its name (istio_requests_total …). */
export type StatTags = readonly (readonly [name: string, value: string])[];

export interface StatDefinition {
  /** Full Envoy name, for example `cluster.outbound|9080||reviews.upstream_rq_total`. */
  readonly name: string;
  readonly kind: StatKind;
  readonly tags: StatTags;
}

/** Stats that were not named before. */
export interface StatNames {
  readonly firstId: number;
  readonly definitions: readonly StatDefinition[];
}

/** What a worker answers: plain data. `definitions` holds only those registered since the last report. */
export interface StatsReport extends StatNames {
  /** Counters since thread start, gauges now; histograms at 0. Indexed by StatId. */
  readonly values: Float64Array;
  /** 1 for gauges that were ever written: `usedonly` shows them at 0, too. Indexed by StatId. */
  readonly touched: Uint8Array;
  /** Interval histograms drained since the last report: id → flat [bucket, count, bucket, count …]. */
  readonly histograms: readonly {
    readonly id: StatId;
    readonly buckets: Float64Array;
    readonly sum: number;
  }[];
}

export class StatsStore {
  #values = new Float64Array(1024);
  #touched = new Uint8Array(1024);
  readonly #definitions: StatDefinition[] = [];
  readonly #ids = new Map<string, StatId>();
  readonly #histograms = new Map<StatId, LogLinearHistogram>();
  #named = 0;

  counter(name: string, tags: StatTags = []): StatId {
    return this.#register(name, 'counter', tags);
  }

  gauge(name: string, tags: StatTags = []): StatId {
    return this.#register(name, 'gauge', tags);
  }

  /** Values are recorded in the unit the name says (ms for all `*_time`, `*_ms`). */
  histogram(name: string, tags: StatTags = []): StatId {
    const id = this.#register(name, 'histogram', tags);
    if (!this.#histograms.has(id)) this.#histograms.set(id, new LogLinearHistogram());
    return id;
  }

  inc(id: StatId): void {
    this.#values[id]!++;
  }

  add(id: StatId, amount: number): void {
    this.#values[id]! += amount;
  }

  dec(id: StatId): void {
    this.#values[id]!--;
    this.#touched[id] = 1;
  }

  /** Gauges only. */
  set(id: StatId, value: number): void {
    this.#values[id] = value;
    this.#touched[id] = 1;
  }

  value(id: StatId): number {
    return this.#values[id]!;
  }

  record(id: StatId, value: number): void {
    this.#histograms.get(id)!.record(value);
  }

  get size(): number {
    return this.#definitions.length;
  }

  definition(id: StatId): StatDefinition {
    return this.#definitions[id]!;
  }

  /** How many the next report has to name. */
  get unnamed(): number {
    return this.#definitions.length - this.#named;
  }

  /** For a new reader. */
  nameAgain(): void {
    this.#named = 0;
  }

  /** The next of them: they are named by this. */
  takeNames(most: number): StatNames {
    const firstId = this.#named;
    const definitions = this.#definitions.slice(firstId, firstId + most);
    this.#named += definitions.length;
    return { firstId, definitions };
  }

  /** `all`: name every stat again (a new reader). */
  report(all: boolean): StatsReport {
    if (all) this.nameAgain();
    const names = this.takeNames(Infinity);
    const histograms: { id: StatId; buckets: Float64Array; sum: number }[] = [];
    for (const [id, histogram] of this.#histograms) {
      if (histogram.count === 0) continue;
      histograms.push({ id, buckets: histogram.drain(), sum: histogram.drainSum() });
    }
    return {
      ...names,
      values: this.#values.slice(0, this.#definitions.length),
      touched: this.#touched.slice(0, this.#definitions.length),
      histograms,
    };
  }

  #register(name: string, kind: StatKind, tags: StatTags): StatId {
    const key =
      tags.length === 0 ? name : `${name}\u0000${tags.map((t) => t.join('\u0001')).join('\u0000')}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#definitions.length;
    if (id === this.#values.length) {
      const larger = new Float64Array(this.#values.length * 2);
      larger.set(this.#values);
      this.#values = larger;
      const touched = new Uint8Array(larger.length);
      touched.set(this.#touched);
      this.#touched = touched;
    }
    this.#definitions.push({ name, kind, tags });
    this.#ids.set(key, id);
    return id;
  }
}
