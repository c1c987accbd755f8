// [w] envoy.filters.http.header_to_metadata: values of headers and cookies become dynamic metadata (envoy-behaviour
// §10.9). Exists for a stream only when its settings have rules.
import type {
  HeaderToMetadataConfig,
  HeaderToMetadataEntryConfig,
  HeaderToMetadataRuleConfig,
} from '../../config/metadata-filter-config.ts';
import { headerName } from '../../http/headers.ts';
import type { HeaderName } from '../../http/headers.ts';
import type { RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { cookieValue } from '../../router/cookies.ts';
import { RegexRewriter } from '../../router/regex.ts';
import { wireText } from '../../router/wire-text.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import type { StreamInfo } from '../../stream-info/stream-info.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { base64Decoded, metadataValue } from './metadata-text.ts';

/** Longer values are passed over. */
const MAX_VALUE_BYTES = 8191;

type Headers = RequestHeaders | ResponseHeaders;

interface RuleStats {
  readonly store: StatsStore;
  readonly rulesProcessed: StatId;
  readonly metadataAdded: StatId;
  readonly headerNotFound: StatId;
  readonly base64DecodeFailed: StatId;
  readonly headerValueTooLong: StatId;
  readonly regexSubstitutionFailed: StatId;
}

function ruleStats(store: StatsStore, statPrefix: string, direction: string): RuleStats | null {
  if (statPrefix === '') return null;
  const counter = (name: string): StatId => store.counter(`http_filter_name.${statPrefix}.${name}`);
  return {
    store,
    rulesProcessed: counter(`${direction}_rules_processed`),
    metadataAdded: counter(`${direction}_metadata_added`),
    headerNotFound: counter(`${direction}_header_not_found`),
    base64DecodeFailed: counter('base64_decode_failed'),
    headerValueTooLong: counter('header_value_too_long'),
    regexSubstitutionFailed: counter('regex_substitution_failed'),
  };
}

class MetadataEntry {
  readonly #namespace: string;
  readonly #key: string;
  readonly #constant: string;
  readonly #type: HeaderToMetadataEntryConfig['type'];
  readonly #base64: boolean;
  readonly #rewriter: RegexRewriter | null;

  constructor(config: HeaderToMetadataEntryConfig, place: string) {
    this.#namespace = wireText(config.namespace);
    this.#key = wireText(config.key);
    this.#constant = wireText(config.value);
    this.#type = config.type;
    this.#base64 = config.base64;
    this.#rewriter =
      config.rewrite === undefined
        ? null
        : new RegexRewriter(config.rewrite, `${place}.regex_value_rewrite`);
  }

  /** `found`: the header's value, which counts where the entry has none of its own. */
  add(found: string, info: StreamInfo, stats: RuleStats | null): void {
    let text = this.#constant === '' ? found : this.#constant;
    if (this.#rewriter !== null) {
      text = this.#rewriter.rewrite(text);
      if (text === '') stats?.store.inc(stats.regexSubstitutionFailed);
    }
    if (text === '') return;
    if (text.length > MAX_VALUE_BYTES) {
      stats?.store.inc(stats.headerValueTooLong);
      return;
    }
    const decoded = this.#base64 ? base64Decoded(text) : text;
    if (decoded === undefined) {
      stats?.store.inc(stats.base64DecodeFailed);
      return;
    }
    const value = metadataValue(decoded, this.#type);
    if (value === undefined) return;
    info.metadataForWriting().set(this.#namespace, this.#key, value);
    stats?.store.inc(stats.metadataAdded);
  }
}

class MetadataRule {
  /** Null for cookies. */
  readonly #header: HeaderName | null;
  readonly #cookie: string;
  readonly #onPresent: MetadataEntry | null;
  readonly #onMissing: MetadataEntry | null;
  readonly #remove: boolean;

  constructor(config: HeaderToMetadataRuleConfig, place: string) {
    this.#header = config.source === 'header' ? headerName(config.name) : null;
    this.#cookie = config.source === 'cookie' ? wireText(config.name) : '';
    this.#onPresent =
      config.onPresent === undefined
        ? null
        : new MetadataEntry(config.onPresent, `${place}.on_header_present`);
    this.#onMissing =
      config.onMissing === undefined
        ? null
        : new MetadataEntry(config.onMissing, `${place}.on_header_missing`);
    this.#remove = config.remove;
  }

  apply(headers: Headers, info: StreamInfo, stats: RuleStats | null): void {
    const value = this.#valueIn(headers);
    if (value !== undefined) this.#onPresent?.add(value, info, stats);
    else if (this.#onMissing !== null) {
      stats?.store.inc(stats.headerNotFound);
      this.#onMissing.add('', info, stats);
    }
    if (value !== undefined && this.#remove && this.#header !== null) headers.remove(this.#header);
  }

  /** An empty cookie is none, while an empty header is one. */
  #valueIn(headers: Headers): string | undefined {
    const header = this.#header;
    if (header === null) {
      const cookie = cookieValue(headers, this.#cookie);
      return cookie === '' ? undefined : cookie;
    }
    const first = headers.getAny(header);
    if (first === undefined || headers.isSingle(header) || header.text.startsWith(':'))
      return first;
    const all = headers.getAll(header);
    return all.length < 2 ? first : all.join(',');
  }
}

class MetadataRules {
  readonly #rules: readonly MetadataRule[];
  readonly #stats: RuleStats | null;

  constructor(
    configs: readonly HeaderToMetadataRuleConfig[],
    place: string,
    stats: RuleStats | null,
  ) {
    this.#rules = configs.map((config, i) => new MetadataRule(config, `${place}[${i}]`));
    this.#stats = stats;
  }

  get empty(): boolean {
    return this.#rules.length === 0;
  }

  apply(headers: Headers, info: StreamInfo): void {
    const stats = this.#stats;
    for (let i = 0; i < this.#rules.length; i++) {
      stats?.store.inc(stats.rulesProcessed);
      this.#rules[i]!.apply(headers, info, stats);
    }
  }
}

interface CompiledRules {
  readonly request: MetadataRules;
  readonly response: MetadataRules;
}

function compile(config: HeaderToMetadataConfig, stats: StatsStore): CompiledRules {
  const of = (direction: 'request' | 'response'): MetadataRules =>
    new MetadataRules(
      direction === 'request' ? config.requestRules : config.responseRules,
      `${direction}_rules`,
      ruleStats(stats, config.statPrefix, direction),
    );
  return { request: of('request'), response: of('response') };
}

class HeaderToMetadataFilter extends PassThroughFilter {
  readonly #info: StreamInfo;
  readonly #rules: CompiledRules;

  constructor(info: StreamInfo, rules: CompiledRules) {
    super();
    this.#info = info;
    this.#rules = rules;
  }

  override decodeHeaders(headers: RequestHeaders): FilterStatus {
    this.#rules.request.apply(headers, this.#info);
    return FilterStatus.Continue;
  }

  override encodeHeaders(headers: ResponseHeaders): FilterStatus {
    this.#rules.response.apply(headers, this.#info);
    return FilterStatus.Continue;
  }
}

export class HeaderToMetadataFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #stats: StatsStore;
  readonly #own: CompiledRules;
  /** By the route's settings object; entries go with their route table. */
  readonly #perRoute = new WeakMap<HeaderToMetadataConfig, CompiledRules>();

  constructor(name: string, config: HeaderToMetadataConfig, context: FilterFactoryContext) {
    this.name = name;
    this.#stats = context.stats;
    this.#own = compile(config, context.stats);
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const { route, requestHeaders, streamInfo } = callbacks;
    const config = route?.filterSettings(this.name, requestHeaders, streamInfo);
    const rules = config?.kind === 'header_to_metadata' ? this.#compiled(config) : this.#own;
    if (rules.request.empty && rules.response.empty) return null;
    return new HeaderToMetadataFilter(streamInfo, rules);
  }

  #compiled(config: HeaderToMetadataConfig): CompiledRules {
    let rules = this.#perRoute.get(config);
    if (rules === undefined) {
      rules = compile(config, this.#stats);
      this.#perRoute.set(config, rules);
    }
    return rules;
  }
}
