// [m] Reads a histogram's buckets: quantiles and counts below bounds, interpolated as Envoy's histograms are.
import { bucketRange } from './histogram.ts';
import type { HistogramValue } from './stat-value.ts';

/** Upper bounds that /stats and Prometheus print unless the bootstrap sets others (envoy-behaviour §11.2). */
export const DEFAULT_BUCKETS: readonly number[] = [
  ...[
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000,
    600_000,
  ],
  ...[1_800_000, 3_600_000],
];

export const QUANTILES: readonly number[] = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1];

export interface HistogramBin {
  readonly low: number;
  readonly width: number;
  readonly count: number;
}

export function sortedBins(histogram: HistogramValue): readonly HistogramBin[] {
  return [...histogram.buckets]
    .sort(([a], [b]) => a - b)
    .map(([bucket, count]) => ({ ...bucketRange(bucket), count }));
}

/** Values at the given quantiles (ascending, 0 to 1); NaN when nothing was recorded. */
export function quantileValues(
  histogram: HistogramValue,
  quantiles: readonly number[],
): readonly number[] {
  const bins = sortedBins(histogram);
  const values: number[] = [];
  let index = 0;
  let below = 0;
  for (const quantile of quantiles) {
    const rank = Math.max(1, Math.ceil(quantile * histogram.count));
    while (index < bins.length - 1 && below + bins[index]!.count < rank)
      below += bins[index++]!.count;
    const bin = bins[index];
    values.push(
      bin === undefined ? NaN : rounded(bin.low + (bin.width * (rank - below)) / (bin.count + 1)),
    );
  }
  return values;
}

/** Without the last digits of binary fractions: 1.05, where the sum gives 1.0499999999999998. */
const rounded = (value: number): number => Number(value.toPrecision(15));

/** How many values are at or below each bound (ascending). */
export function cumulativeCounts(
  histogram: HistogramValue,
  bounds: readonly number[],
): readonly number[] {
  const bins = sortedBins(histogram);
  const counts: number[] = [];
  let index = 0;
  let count = 0;
  for (const bound of bounds) {
    while (index < bins.length && bins[index]!.low <= bound) count += bins[index++]!.count;
    counts.push(count);
  }
  return counts;
}

/** How many values fall between each bound and the one before. */
export function disjointCounts(
  histogram: HistogramValue,
  bounds: readonly number[],
): readonly number[] {
  const cumulative = cumulativeCounts(histogram, bounds);
  return cumulative.map((count, i) => count - (i === 0 ? 0 : cumulative[i - 1]!));
}
