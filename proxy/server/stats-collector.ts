// [m] Sums the StatsReports of main and all workers by name and tags; counters of dead workers are carried over.
import { sameInAllThreads } from '../stats/balancing-stat-names.ts';
import type { HistogramValue, StatValue } from '../stats/stat-value.ts';
import type { StatDefinition, StatNames, StatsReport } from '../stats/store.ts';

export type MergedHistogram = HistogramValue;
export type MergedStat = StatValue;

/** Whoever keeps a StatsStore: 'main' or a worker's incarnation. */
export type StatsSourceId = string;

interface Source {
  readonly stats: Stat[];
  values: Float64Array;
  touched: Uint8Array;
}

/** One merged stat, shared by all sources that define it. */
interface Stat {
  readonly definition: StatDefinition;
  /** Counter values of sources that are gone, less what was reset. */
  carried: number;
  /** Sources do not add up. */
  readonly same: boolean;
  /** Null: no value was recorded, as of all that are no histograms. */
  buckets: Map<number, number> | null;
  count: number;
  sum: number;
}

export class StatsCollector {
  readonly #sources = new Map<StatsSourceId, Source>();
  readonly #stats = new Map<string, Stat>();

  /** A source never heard of must name all its stats (`all` in the request). */
  knows(source: StatsSourceId): boolean {
    return this.#sources.has(source);
  }

  add(sourceId: StatsSourceId, report: StatsReport): void {
    const source = this.define(sourceId, report);
    source.values = report.values;
    source.touched = report.touched;
    for (const { id, buckets, sum } of report.histograms) {
      const stat = source.stats[id];
      if (stat !== undefined) addHistogram(stat, buckets, sum);
    }
  }

  /** Names of a source whose values come later. */
  define(sourceId: StatsSourceId, { firstId, definitions }: StatNames): Source {
    let source = this.#sources.get(sourceId);
    if (source === undefined) {
      source = { stats: [], values: new Float64Array(), touched: new Uint8Array() };
      this.#sources.set(sourceId, source);
    }
    for (const [offset, definition] of definitions.entries())
      source.stats[firstId + offset] = this.#statOf(definition);
    return source;
  }

  /** The source is gone: its counters stay in the sums, its gauges leave them. */
  retire(sourceId: StatsSourceId): void {
    const source = this.#sources.get(sourceId);
    if (source === undefined) return;
    this.#sources.delete(sourceId);
    source.stats.forEach((stat, id) => {
      if (stat.definition.kind === 'counter') stat.carried += source.values[id] ?? 0;
    });
  }

  /** All counters and histograms read 0 from now on; sources go on counting. */
  resetCounters(): void {
    for (const stat of this.#stats.values()) {
      stat.carried = 0;
      stat.count = 0;
      stat.sum = 0;
      stat.buckets = null;
    }
    for (const source of this.#sources.values()) {
      source.stats.forEach((stat, id) => {
        if (stat.definition.kind === 'counter') stat.carried -= source.values[id] ?? 0;
      });
    }
  }

  merged(): readonly MergedStat[] {
    const sums = new Map<Stat, number>();
    for (const stat of this.#stats.values()) sums.set(stat, stat.carried);
    for (const source of this.#sources.values()) {
      source.stats.forEach((stat, id) => {
        const value = source.values[id] ?? 0;
        const before = sums.get(stat)!;
        sums.set(stat, stat.same ? Math.max(before, value) : before + value);
      });
    }
    const touched = new Set<Stat>();
    for (const source of this.#sources.values()) {
      source.stats.forEach((stat, id) => {
        if (source.touched[id] === 1) touched.add(stat);
      });
    }
    const merged: MergedStat[] = [];
    for (const [stat, sum] of sums) merged.push(mergedStat(stat, sum, touched.has(stat)));
    return merged;
  }

  #statOf(definition: StatDefinition): Stat {
    const { name, tags } = definition;
    // A text that is there already costs nothing.
    const key =
      tags.length === 0
        ? name
        : `${name}\u0000${tags.map((tag) => tag.join('\u0001')).join('\u0000')}`;
    let stat = this.#stats.get(key);
    if (stat === undefined) {
      const same = sameInAllThreads(name);
      stat = { definition, carried: 0, same, buckets: null, count: 0, sum: 0 };
      this.#stats.set(key, stat);
    }
    return stat;
  }
}

function addHistogram(stat: Stat, pairs: Float64Array, sum: number): void {
  const buckets = (stat.buckets ??= new Map<number, number>());
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const bucket = pairs[i]!;
    const count = pairs[i + 1]!;
    buckets.set(bucket, (buckets.get(bucket) ?? 0) + count);
    stat.count += count;
  }
  stat.sum += sum;
}

function mergedStat(stat: Stat, sum: number, touched: boolean): MergedStat {
  const { name, kind, tags } = stat.definition;
  if (kind !== 'histogram') return { name, kind, tags, value: sum, histogram: undefined, touched };
  const histogram = { count: stat.count, sum: stat.sum, buckets: new Map(stat.buckets) };
  return { name, kind, tags, value: 0, histogram, touched };
}
