// [m] Decodes stats_config: tags, matcher, histogram buckets (envoy-behaviour §11.2, istio-contract §5.4).
import type { Bootstrap } from '../../xds-protos/gen/envoy.config.bootstrap.v3.ts';
import type { StatsMatcher, TagSpecifier } from '../../xds-protos/gen/envoy.config.metrics.v3.ts';
import type {
  HistogramBucketsConfig,
  StatsConfig,
  StatsMatcherConfig,
  StatsTagConfig,
} from '../config/bootstrap-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeStringMatch, decodeStringMatches } from './matcher-decoder.ts';

const DEFAULT_FLUSH_INTERVAL_MS = 5000;

export function decodeStats(reader: FieldReader<Bootstrap>): StatsConfig {
  const stats = reader.child('stats_config');
  return {
    tags: stats?.children('stats_tags').map(decodeTag) ?? [],
    useAllDefaultTags: stats?.bool('use_all_default_tags', true) ?? true,
    matcher: decodeMatcher(stats?.child('stats_matcher')),
    histogramBuckets: stats?.children('histogram_bucket_settings').map(decodeBuckets) ?? [],
    flushIntervalMs: reader.has('stats_flush_interval')
      ? reader.positiveDurationMs('stats_flush_interval', DEFAULT_FLUSH_INTERVAL_MS)
      : DEFAULT_FLUSH_INTERVAL_MS,
    flushOnAdmin: reader.bool('stats_flush_on_admin'),
  };
}

/** Regexes stay text: they are std::regex in Istio's own template (look-ahead), read by the stats package. */
function decodeTag(reader: FieldReader<TagSpecifier>): StatsTagConfig {
  const tagName = reader.string('tag_name');
  const { regex, fixed_value } = reader.message;
  if (fixed_value !== undefined) return { kind: 'fixed', tagName, value: fixed_value };
  if (regex !== undefined && regex !== '') return { kind: 'regex', tagName, regex };
  return { kind: 'default', tagName: reader.requiredString('tag_name') };
}

function decodeMatcher(reader: FieldReader<StatsMatcher> | undefined): StatsMatcherConfig {
  if (reader === undefined) return { kind: 'all' };
  const inclusion = reader.child('inclusion_list');
  if (inclusion !== undefined) {
    return { kind: 'inclusion', patterns: decodeStringMatches(inclusion.children('patterns')) };
  }
  const exclusion = reader.child('exclusion_list');
  if (exclusion !== undefined) {
    return { kind: 'exclusion', patterns: decodeStringMatches(exclusion.children('patterns')) };
  }
  if (!reader.has('reject_all'))
    reader.problem('', 'one of reject_all, inclusion_list, exclusion_list is required');
  return { kind: reader.bool('reject_all') ? 'none' : 'all' };
}

type BucketReader = FieldReader<
  NonNullable<NonNullable<Bootstrap['stats_config']>['histogram_bucket_settings']>[number]
>;

function decodeBuckets(reader: BucketReader): HistogramBucketsConfig {
  const match = reader.required('match');
  const buckets = [...(reader.message.buckets ?? [])].sort((a, b) => a - b);
  buckets.forEach((bound, index) => {
    if (!(bound > 0)) reader.problem('buckets', `bounds must be greater than 0, one is ${bound}`);
    else if (index > 0 && bound === buckets[index - 1])
      reader.problem('buckets', `bound ${bound} occurs twice`);
  });
  return {
    match:
      match === undefined
        ? { kind: 'exact', value: '', ignoreCase: false }
        : decodeStringMatch(match),
    buckets,
  };
}
