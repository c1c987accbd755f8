// [m] stats_config of the bootstrap: which parts of a stat's name become tags, and which stats are kept (istio-contract §5.4).
import type { AgentOptions } from '../options.ts';
import type { JsonObject } from '../proxy-config.ts';

const NAME_SEGMENT = '(?:[_.[:digit:]]*|[_\\[\\]aAbBcCdDeEfF[:digit:]]*)';
const PREFIX_SEGMENT = '(?:[_.[:digit:]\\w]*|[_\\[\\]aAbBcCdDeEfF[:digit:]\\w\\:]*)';

/** In the order in which the proxy tries them. */
const TAGS: readonly (readonly [tag: string, regex: string])[] = [
  ['cluster_name', '^cluster(\\.(.+);)'],
  ['http_conn_manager_prefix', `^http\\.((${PREFIX_SEGMENT});\\.)`],
  ['thread_name', '^server(\\.(.+))\\.watchdog'],
  ['tcp_prefix', '^tcp\\.((.*?)\\.)\\w+?$'],
  ['response_code', '_rq(_(\\d{3}))$'],
  ['response_code_class', '_rq(_(\\dxx))$'],
  ['http_conn_manager_listener_prefix', `^listener(?=\\.).*?\\.http\\.((${NAME_SEGMENT})\\.)`],
  ['listener_address', `^listener\\.((${NAME_SEGMENT})\\.)`],
  ['mongo_prefix', '^mongo\\.(.+?)\\.(collection|cmd|cx_|op_|delays_|decoding_)(.*?)$'],
  ['cache', '(cache\\.(.+?)\\.)'],
  ['component', '(component\\.(.+?)\\.)'],
  ['tag', '(tag\\.(.+?);\\.)'],
  ['wasm_filter', '(wasm_filter\\.(.+?)\\.)'],
  ['authz_enforce_result', 'rbac(\\.(allowed|denied))'],
  ['authz_dry_run_action', '(\\.istio_dry_run_(allow|deny)_)'],
  ['authz_dry_run_result', '(\\.shadow_(allowed|denied))'],
];

const KEPT_PREFIXES = [
  'reporter=',
  'cluster_manager',
  'listener_manager',
  'server',
  'cluster.xds-grpc',
  'wasm',
];
const KEPT_SUFFIXES = ['rbac.allowed', 'rbac.denied', 'shadow_allowed', 'shadow_denied'];
const KEPT_REGEXPS = ['vhost\\..*\\.route\\..*'];

/** A tag's name lands inside a regex. RE2 knows no escape of what is beyond ASCII. */
const escaped = (name: string): string => name.replace(/[^A-Za-z0-9_\u0080-\uffff]/g, '\\$&');

function patterns({ stats, lifecycle }: AgentOptions): JsonObject[] {
  const suffixes = [...KEPT_SUFFIXES, ...stats.suffixes];
  if (lifecycle.exitOnZeroConnections) suffixes.push('downstream_cx_active');
  return [
    ...[...KEPT_PREFIXES, ...stats.prefixes].map((prefix) => ({ prefix })),
    ...suffixes.map((suffix) => ({ suffix })),
    ...[...KEPT_REGEXPS, ...stats.regexps].map((regex) => ({ safe_regex: { regex } })),
    { prefix: 'component' },
    { prefix: 'istio' },
  ];
}

export function statsConfig(options: AgentOptions): JsonObject {
  const { extraTags, histogramBuckets } = options.stats;
  const tags = TAGS.map(([tag_name, regex]) => ({ tag_name, regex }));
  for (const tag_name of extraTags)
    tags.push({ tag_name, regex: `(${escaped(tag_name)}=\\.=(.*?);\\.;)` });
  const settings = histogramBuckets.map(({ prefix, bounds }) => ({
    match: { prefix },
    buckets: bounds,
  }));
  return {
    use_all_default_tags: false,
    stats_tags: tags,
    ...(settings.length === 0 ? {} : { histogram_bucket_settings: settings }),
    stats_matcher: { inclusion_list: { patterns: patterns(options) } },
  };
}

/** Of the bootstrap itself. */
export function statsIntervals({ stats }: AgentOptions): JsonObject {
  const { flushInterval, evictionInterval } = stats;
  return {
    ...(flushInterval === undefined ? {} : { stats_flush_interval: flushInterval }),
    ...(evictionInterval === undefined ? {} : { stats_eviction_interval: evictionInterval }),
  };
}
