// Merged stats as readers get them, written short.
import { bucketOf } from '../../proxy/stats/histogram.ts';
import type { StatValue } from '../../proxy/stats/stat-value.ts';
import type { StatTags } from '../../proxy/stats/store.ts';

const plain =
  (kind: 'counter' | 'gauge') =>
  (name: string, value: number, tags: StatTags = []): StatValue => ({
    name,
    kind,
    tags,
    value,
    histogram: undefined,
  });

export const counterOf = plain('counter');
export const gaugeOf = plain('gauge');

export function histogramOf(name: string, values: readonly number[]): StatValue {
  const buckets = new Map<number, number>();
  for (const value of values) buckets.set(bucketOf(value), (buckets.get(bucketOf(value)) ?? 0) + 1);
  const sum = values.reduce((a, b) => a + b, 0);
  return {
    name,
    kind: 'histogram',
    tags: [],
    value: 0,
    histogram: { count: values.length, sum, buckets },
  };
}
