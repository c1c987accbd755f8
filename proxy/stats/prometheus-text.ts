// [m] Prometheus text exposition of all stats, with Envoy's names, labels and order (envoy-behaviour §11.3).
import type { HistogramBucketsConfig } from '../config/bootstrap-config.ts';
import { cumulativeCounts, DEFAULT_BUCKETS } from './histogram-view.ts';
import { compileStatsPattern } from './stats-matcher.ts';
import { fullStatName } from './stat-value.ts';
import type { StatValue } from './stat-value.ts';
import type { StatKind } from './store.ts';
import type { TagExtractor } from './tag-extractor.ts';

export type BucketsOf = (fullStatName: string) => readonly number[];

/** The first setting whose pattern matches; Envoy's buckets where none does. */
export function compileBuckets(settings: readonly HistogramBucketsConfig[]): BucketsOf {
  const compiled = settings.map(({ match, buckets }) => ({
    matches: compileStatsPattern(match),
    buckets,
  }));
  return (name) => compiled.find(({ matches }) => matches(name))?.buckets ?? DEFAULT_BUCKETS;
}

interface Series {
  readonly stat: StatValue;
  readonly fullName: string;
  /** `a="b",c="d"`, without braces. */
  readonly labels: string;
}

const KINDS: readonly StatKind[] = ['counter', 'gauge', 'histogram'];

/** Counters, then gauges, then histograms; grouped by metric name, sorted by name and then by the stat's full name. */
export function prometheusText(
  stats: Iterable<StatValue>,
  extractor: TagExtractor,
  bucketsOf: BucketsOf,
): string {
  const byKind = new Map<StatKind, Map<string, Series[]>>(KINDS.map((kind) => [kind, new Map()]));
  for (const stat of stats) addSeries(byKind.get(stat.kind)!, stat, extractor);
  const lines: string[] = [];
  for (const [kind, groups] of byKind) {
    for (const name of [...groups.keys()].sort()) {
      lines.push(`# TYPE ${name} ${kind}\n`);
      const group = groups
        .get(name)!
        .sort((a, b) => (a.fullName < b.fullName ? -1 : a.fullName > b.fullName ? 1 : 0));
      for (const series of group) lines.push(seriesText(name, series, bucketsOf));
    }
  }
  return lines.join('');
}

function addSeries(groups: Map<string, Series[]>, stat: StatValue, extractor: TagExtractor): void {
  const tagged = extractor.extract(stat.name);
  const name = metricName(tagged.name);
  if (name === undefined) return;
  const labels = [...tagged.tags, ...stat.tags]
    .map(([tag, value]) => `${sanitized(tag)}="${escaped(value)}"`)
    .join(',');
  const series = { stat, fullName: fullStatName(stat), labels };
  const group = groups.get(name);
  if (group === undefined) groups.set(name, [series]);
  else group.push(series);
}

const ODD_CHAR = /[^a-zA-Z0-9_]/g;
const sanitized = (name: string): string => name.replace(ODD_CHAR, '_');

/** Stats of these namespaces lose the namespace and get no `envoy_` in front. */
const CUSTOM_NAMESPACES = ['istiocustom.', 'wasmcustom.'];

/** Undefined: a name that Prometheus could not read. */
function metricName(extracted: string): string | undefined {
  for (const namespace of CUSTOM_NAMESPACES) {
    if (!extracted.startsWith(namespace)) continue;
    const name = sanitized(extracted.slice(namespace.length));
    return name === '' || /^[0-9]/.test(name) ? undefined : name;
  }
  return extracted.startsWith('istio_') ? sanitized(extracted) : `envoy_${sanitized(extracted)}`;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}

function seriesText(
  name: string,
  { stat, fullName, labels }: Series,
  bucketsOf: BucketsOf,
): string {
  const { histogram } = stat;
  if (histogram === undefined) return `${name}{${labels}} ${stat.value}\n`;
  const bounds = bucketsOf(fullName);
  const before = labels === '' ? '' : `${labels},`;
  let text = '';
  cumulativeCounts(histogram, bounds).forEach((count, i) => {
    text += `${name}_bucket{${before}le="${bounds[i]!}"} ${count}\n`;
  });
  text += `${name}_bucket{${before}le="+Inf"} ${histogram.count}\n`;
  text += `${name}_sum{${labels}} ${histogram.sum}\n`;
  return `${text}${name}_count{${labels}} ${histogram.count}\n`;
}
