// [m] StatsOptions: which stats the proxy keeps and how it shows them, by annotations of the pod before ProxyConfig (istio-contract §5.3, §5.4). Istio: pkg/bootstrap.
import { parseDurationMs } from './durations.ts';
import { isObject } from './proxy-config.ts';
import type { ProxyConfig } from './proxy-config.ts';

export interface StatsOptions {
  readonly prefixes: readonly string[];
  readonly suffixes: readonly string[];
  readonly regexps: readonly string[];
  /** Tags of istio's metrics beyond the usual ones. */
  readonly extraTags: readonly string[];
  readonly histogramBuckets: readonly HistogramBuckets[];
  /** As proto JSON; undefined: the proxy's own. */
  readonly flushInterval: string | undefined;
  readonly evictionInterval: string | undefined;
  /** Port 15090 compresses for those who ask for it. */
  readonly compression: boolean;
}

export interface HistogramBuckets {
  readonly prefix: string;
  readonly bounds: readonly number[];
}

export interface StatsSources {
  readonly proxyConfig: ProxyConfig;
  readonly annotations: ReadonlyMap<string, string>;
  readonly instanceIps: readonly string[];
}

type Annotation = (name: string) => string;

const POD_IP = '{pod_ip}';
const MAX_TAG_CHARS = 128;
const MAX_BUCKETS = 1000;

/** What cannot be read is left out with a warning, as stock does: stats are no reason for a pod to fail. */
export function readStats(sources: StatsSources, warnings: string[]): StatsOptions {
  const { proxyConfig, annotations, instanceIps } = sources;
  const annotation: Annotation = (name) => annotations.get(`sidecar.istio.io/${name}`) ?? '';
  // One or the other, as stock: who writes an annotation means all of it.
  const chosen = (name: string, configured: readonly string[]): readonly string[] => {
    const given = words(annotation(name));
    return withAddresses(given.length > 0 ? given : configured, instanceIps);
  };
  const { prefixes, suffixes, regexps } = proxyConfig.statsMatcher;
  const tags = [...proxyConfig.extraStatTags, ...words(annotation('extraStatTags'))];
  const duration = (name: string, field: string): string | undefined =>
    durationOf(annotation(name), name, warnings) ??
    durationOf(proxyConfig.message[field], field, warnings);
  const compression = annotation('statsCompression');
  return {
    prefixes: chosen('statsInclusionPrefixes', prefixes),
    suffixes: chosen('statsInclusionSuffixes', suffixes),
    regexps: chosen('statsInclusionRegexps', regexps),
    extraTags: [...new Set(tags)].filter((tag) => tag !== '' && tag.length <= MAX_TAG_CHARS),
    histogramBuckets: bucketsOf(annotation('statsHistogramBuckets'), warnings),
    flushInterval: duration('statsFlushInterval', 'statsFlushInterval'),
    evictionInterval: duration('statsEvictionInterval', 'statsEvictionInterval'),
    compression:
      compression === ''
        ? proxyConfig.message['statsCompression'] === true
        : compression === 'true',
  };
}

const words = (list: string): string[] =>
  list
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');

/** `{pod_ip}` stands for each address of the pod, as stat names have them. */
const withAddresses = (patterns: readonly string[], ips: readonly string[]): readonly string[] =>
  patterns.flatMap((pattern) =>
    pattern.includes(POD_IP) ? ips.map((ip) => pattern.replaceAll(POD_IP, ip)) : [pattern],
  );

function durationOf(value: unknown, place: string, warnings: string[]): string | undefined {
  if (value === undefined || value === '') return undefined;
  const ms = typeof value === 'string' ? parseDurationMs(value) : undefined;
  if (ms !== undefined && ms > 0) return `${ms / 1000}s`;
  warnings.push(`${place}: is left out, as ${JSON.stringify(value)} is no duration such as 5s`);
  return undefined;
}

/** `{"istio": [1, 5, 10]}`: prefix to bounds. */
function bucketsOf(text: string, warnings: string[]): HistogramBuckets[] {
  if (text === '') return [];
  const wrong = (): HistogramBuckets[] => {
    warnings.push(
      'sidecar.istio.io/statsHistogramBuckets: is left out, as it is no JSON object of lists of numbers such as {"istio":[1,5,10]}',
    );
    return [];
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return wrong();
  }
  if (!isObject(value)) return wrong();
  const buckets: HistogramBuckets[] = [];
  for (const [prefix, bounds] of Object.entries(value)) {
    const numbers: unknown[] = Array.isArray(bounds) ? bounds.slice(0, MAX_BUCKETS) : [];
    if (numbers.length === 0 || !numbers.every((bound) => typeof bound === 'number'))
      return wrong();
    buckets.push({ prefix, bounds: numbers });
  }
  return buckets;
}
