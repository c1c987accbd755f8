// [m] /stats: text, JSON, HTML, and Prometheus by `format=prometheus` (envoy-behaviour §12.5).
//
// Envoy prints (interval, cumulative) pairs of histograms. Main keeps no intervals, so the first is `nan` (0 for counts).
import {
  cumulativeCounts,
  disjointCounts,
  quantileValues,
  QUANTILES,
  sortedBins,
} from '../../stats/histogram-view.ts';
import { fullStatName } from '../../stats/stat-value.ts';
import type { HistogramValue, StatValue } from '../../stats/stat-value.ts';
import type { AdminContext } from '../admin-context.ts';
import { escapeHtml, htmlResponse, JSON_TYPE, textResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';
import type { AdminQuery } from './admin-query.ts';
import { handlePrometheus } from './stats-prometheus.ts';
import { selectStats, statsReader } from './stats-reader.ts';

const FORMATS = ['html', 'active-html', 'json', 'prometheus', 'text'];
const MODES = ['cumulative', 'disjoint', 'detailed', 'summary', 'none'] as const;
type BucketMode = (typeof MODES)[number];
const TYPES = new Map<string, StatValue['kind'] | 'all' | 'text'>([
  ['All', 'all'],
  ['Counters', 'counter'],
  ['Gauges', 'gauge'],
  ['Histograms', 'histogram'],
  ['TextReadouts', 'text'],
]);

interface NamedStat {
  readonly name: string;
  readonly stat: StatValue;
}

interface Sections {
  readonly plain: readonly NamedStat[];
  readonly histograms: readonly { readonly name: string; readonly histogram: HistogramValue }[];
}

export async function handleStats(
  context: AdminContext,
  query: AdminQuery,
): Promise<AdminResponse> {
  const format = query.get('format') ?? 'text';
  if (!FORMATS.includes(format))
    return textResponse(`usage: /stats?format=(${FORMATS.join('|')})\n\n`, 400);
  if (format === 'prometheus') return handlePrometheus(context, query);
  const mode = (query.get('histogram_buckets') ?? 'summary') as BucketMode;
  if (!MODES.includes(mode)) {
    const usage =
      'usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n';
    return textResponse(usage, 400);
  }
  const type = TYPES.get(query.get('type') ?? 'All');
  if (type === undefined) return textResponse('invalid &type= param', 400);
  const stats = await selectStats(context, query);
  if (!Array.isArray(stats)) return stats;
  const sections = sectionsOf(stats.filter(({ kind }) => type === 'all' || kind === type));
  if (format === 'json') {
    return { status: 200, contentType: JSON_TYPE, body: statsJson(sections, mode, context) };
  }
  const text = statsText(sections, mode, context);
  return format === 'text' ? textResponse(text) : htmlResponse(statsPage(text));
}

/** Counters and gauges together, then histograms, each by name. */
function sectionsOf(stats: readonly StatValue[]): Sections {
  const named = stats.map((stat) => ({ name: fullStatName(stat), stat }));
  named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return {
    plain: named.filter(({ stat }) => stat.histogram === undefined),
    histograms: named.flatMap(({ name, stat: { histogram } }) =>
      histogram === undefined ? [] : [{ name, histogram }],
    ),
  };
}

function statsText(sections: Sections, mode: BucketMode, context: AdminContext): string {
  const lines = sections.plain.map(({ name, stat }) => `${name}: ${stat.value}\n`);
  const { bucketsOf } = statsReader(context);
  for (const { name, histogram } of sections.histograms) {
    if (mode === 'detailed') lines.push(`${name}:\n${detailedText(histogram)}`);
    else if (mode === 'summary' || mode === 'none')
      lines.push(`${name}: ${summaryText(histogram)}\n`);
    else lines.push(`${name}: ${bucketsText(histogram, mode, bucketsOf(name))}\n`);
  }
  return lines.join('');
}

function summaryText(histogram: HistogramValue): string {
  if (histogram.count === 0) return 'No recorded values';
  const values = quantileValues(histogram, QUANTILES);
  return QUANTILES.map((quantile, i) => `P${percent(quantile)}(nan,${values[i]!})`).join(' ');
}

/** 0.995 → 99.5, without the noise of binary fractions. */
const percent = (quantile: number): number => Math.round(quantile * 100_000) / 1000;

function bucketsText(
  histogram: HistogramValue,
  mode: 'cumulative' | 'disjoint',
  bounds: readonly number[],
): string {
  if (histogram.count === 0) return 'No recorded values';
  const counts =
    mode === 'cumulative' ? cumulativeCounts(histogram, bounds) : disjointCounts(histogram, bounds);
  return bounds.map((bound, i) => `B${general(bound)}(0,${counts[i]!})`).join(' ');
}

/** C's `%g`: six digits, an exponent from a million on. */
function general(value: number): string {
  if (value < 1e6) return String(Number(value.toPrecision(6)));
  const [mantissa = '', exponent = ''] = value.toExponential(5).split('e+');
  return `${Number(mantissa)}e+${exponent.padStart(2, '0')}`;
}

function detailedText(histogram: HistogramValue): string {
  const totals = sortedBins(histogram).map(({ low, width, count }) => `${low},${width}:${count}`);
  return `  totals=${totals.join(', ')}\n  intervals=\n  summary=${summaryText(histogram)}\n`;
}

/** NaN is null in JSON. */
function statsJson(sections: Sections, mode: BucketMode, context: AdminContext): string {
  const stats: unknown[] = sections.plain.map(({ name, stat }) => ({ name, value: stat.value }));
  if (sections.histograms.length > 0)
    stats.push({ histograms: histogramsJson(sections, mode, context) });
  return JSON.stringify({ stats });
}

const PERCENTS = QUANTILES.map(percent);

function histogramsJson(
  { histograms }: Sections,
  mode: BucketMode,
  context: AdminContext,
): unknown {
  switch (mode) {
    case 'cumulative':
    case 'disjoint':
      return histograms.map(({ name, histogram }) => ({
        name,
        buckets: bucketsJson(histogram, mode, statsReader(context).bucketsOf(name)),
      }));
    case 'detailed':
      return {
        supported_percentiles: PERCENTS,
        details: histograms.map(({ name, histogram }) => ({
          name,
          totals: sortedBins(histogram).map(({ low, width, count }) => ({
            lower_bound: low,
            width,
            count,
          })),
          intervals: [],
          percentiles: quantilesJson(histogram),
        })),
      };
    case 'summary':
    case 'none':
      return {
        supported_quantiles: PERCENTS,
        computed_quantiles: histograms.map(({ name, histogram }) => ({
          name,
          values: quantilesJson(histogram),
        })),
      };
  }
}

function bucketsJson(
  histogram: HistogramValue,
  mode: 'cumulative' | 'disjoint',
  bounds: readonly number[],
): unknown {
  const counts =
    mode === 'cumulative' ? cumulativeCounts(histogram, bounds) : disjointCounts(histogram, bounds);
  return bounds.map((bound, i) => ({ upper_bound: bound, interval: 0, cumulative: counts[i]! }));
}

const quantilesJson = (histogram: HistogramValue): unknown =>
  quantileValues(histogram, QUANTILES).map((value) => ({ cumulative: value, interval: null }));

const statsPage = (text: string): string =>
  `<!DOCTYPE html><html><head><title>Outrigger stats</title></head><body><pre>${escapeHtml(text)}</pre></body></html>\n`;
