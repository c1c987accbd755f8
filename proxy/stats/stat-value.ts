// [b] One stat as readers see it, summed over all threads.
import type { StatKind, StatTags } from './store.ts';

/** Distribution since start, in the unit of the stat's name. */
export interface HistogramValue {
  readonly count: number;
  readonly sum: number;
  /** LogLinearHistogram bucket → count; only those not empty, unsorted (histogram.ts: bucketRange). */
  readonly buckets: ReadonlyMap<number, number>;
}

export interface StatValue {
  readonly name: string;
  readonly kind: StatKind;
  readonly tags: StatTags;
  /** Counters and gauges; 0 for histograms. */
  readonly value: number;
  readonly histogram: HistogramValue | undefined;
  /** A gauge that was ever written, whatever it is now. */
  readonly touched?: boolean | undefined;
}

/** The name with the tags that are kept beside it, as Envoy joins them: `istio_requests_total.response_code.200`. */
export function fullStatName(stat: { readonly name: string; readonly tags: StatTags }): string {
  let name = stat.name;
  for (const [tag, value] of stat.tags) name += `.${tag}.${value}`;
  return name;
}

/** `usedonly` leaves out what was never touched; a gauge that went back to 0 (`server.state`: LIVE) was. */
export const isUsed = (stat: StatValue): boolean =>
  stat.histogram === undefined
    ? stat.value !== 0 || stat.touched === true
    : stat.histogram.count > 0;
