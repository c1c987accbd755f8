// Quantiles and bucket counts, against what Envoy 1.40 printed for the same values.
import t from 'tap';
import {
  cumulativeCounts,
  DEFAULT_BUCKETS,
  disjointCounts,
  quantileValues,
  QUANTILES,
} from '../../../proxy/stats/histogram-view.ts';
import { histogramOf } from '../../support/stat-values.ts';
import type { HistogramValue } from '../../../proxy/stats/stat-value.ts';

const of = (values: readonly number[]): HistogramValue => histogramOf('h', values).histogram!;

t.test('histogram view', (t) => {
  t.test('interpolates quantiles as Envoy does', (t) => {
    const values = quantileValues(of([0, 0, 0, 0, 0, 1, 1, 23]), QUANTILES);
    t.same(values, [0, 0, 0, 1.03333333333333, 23.5, 23.5, 23.5, 23.5, 23.5, 23.5]);
    t.same(quantileValues(of([30]), [0, 0.5, 1]), [30.5, 30.5, 30.5]);
    t.same(quantileValues(of([0, 0, 0, 0, 1]), [0.75, 0.9]), [0, 1.05]);
    t.ok(Number.isNaN(quantileValues(of([]), [0.5])[0]));
    t.end();
  });

  t.test('counts values up to bounds, the bound included', (t) => {
    const values = of([0, 0, 0, 0, 0, 1, 1, 23]);
    t.same(cumulativeCounts(values, DEFAULT_BUCKETS).slice(0, 6), [5, 7, 7, 7, 8, 8]);
    t.same(disjointCounts(values, DEFAULT_BUCKETS).slice(0, 6), [5, 2, 0, 0, 1, 0]);
    t.end();
  });
  t.end();
});
