// [w] envoy.filters.http.local_ratelimit: answers 429 when a token bucket is empty (envoy-behaviour §10.4). Exists only
// where its settings, the route's or the filter's own, are switched on for this request.
import type { FractionConfig } from '../../config/matcher-config.ts';
import type { LocalRateLimitConfig } from '../../config/local-rate-limit-config.ts';
import { headerName } from '../../http/headers.ts';
import type { RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { HeaderMutator } from '../../router/header-mutator.ts';
import type { RouteEnvironment } from '../../router/route-environment.ts';
import { filterDescriptors, routeDescriptors } from '../../router/rate-limit-descriptors.ts';
import type { RateLimitScope } from '../../router/rate-limit-descriptors.ts';
import { compileRateLimits } from '../../router/rate-limits.ts';
import type { RateLimitPolicy } from '../../router/rate-limit-policy.ts';
import type { RateLimitDescriptor } from '../../router/rate-limit-policy.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import { ResponseFlag } from '../../stream-info/response-flags.ts';
import type { DownstreamConnectionInfo } from '../../stream-info/stream-info.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { privateWords } from '../token-bucket-memory.ts';
import { CompiledSettings } from './compiled-settings.ts';
import { LocalRateLimiter } from './local-rate-limiter.ts';
import type { SharedTokenBucket } from './shared-token-bucket.ts';

const LIMIT = headerName('x-ratelimit-limit');
const REMAINING = headerName('x-ratelimit-remaining');
const RESET = headerName('x-ratelimit-reset');
const RETRY_AFTER = headerName('retry-after');
const RESOURCE_EXHAUSTED = 8;

class LocalRateLimitStats {
  readonly store: StatsStore;
  readonly enabled: StatId;
  readonly enforced: StatId;
  readonly rateLimited: StatId;
  readonly ok: StatId;
  readonly shadowMode: StatId;

  constructor(store: StatsStore, statPrefix: string) {
    const counter = (name: string): StatId =>
      store.counter(`${statPrefix}.http_local_rate_limit.${name}`);
    this.store = store;
    this.enabled = counter('enabled');
    this.enforced = counter('enforced');
    this.rateLimited = counter('rate_limited');
    this.ok = counter('ok');
    this.shadowMode = counter('shadow_mode');
  }
}

/** What of the settings has %COMMANDS% and regexes in it. */
export class LocalRateLimitFormats {
  readonly whenNotEnforced: HeaderMutator;
  readonly response: HeaderMutator;
  readonly policy: RateLimitPolicy | null;

  /** Throws ConfigError. */
  constructor(config: LocalRateLimitConfig, environment?: RouteEnvironment) {
    this.whenNotEnforced = new HeaderMutator(
      config.requestHeadersWhenNotEnforced,
      [],
      'request_headers_to_add_when_not_enforced',
      environment,
    );
    this.response = new HeaderMutator(
      config.responseHeaders,
      [],
      'response_headers_to_add',
      environment,
    );
    this.policy = compileRateLimits(config.rateLimits, 'rate_limits');
  }
}

/** One LocalRateLimit message, compiled. */
class LocalRateLimitSettings {
  readonly config: LocalRateLimitConfig;
  readonly stats: LocalRateLimitStats;
  readonly formats: LocalRateLimitFormats;
  readonly #context: FilterFactoryContext;
  readonly #scope: RateLimitScope;
  readonly #shared: LocalRateLimiter | null;
  readonly #byConnection = new WeakMap<DownstreamConnectionInfo, LocalRateLimiter>();

  constructor(config: LocalRateLimitConfig, context: FilterFactoryContext) {
    this.config = config;
    this.#context = context;
    this.stats = new LocalRateLimitStats(context.stats, config.statPrefix);
    this.formats = new LocalRateLimitFormats(config, context.routeEnvironment);
    this.#scope = {
      stage: config.stage,
      takesDisableKey: () => false,
      virtualHost: config.virtualHostRateLimits,
      serviceCluster: context.serviceCluster,
    };
    const memory = context.tokenBuckets;
    this.#shared = config.perConnection
      ? null
      : new LocalRateLimiter(config, (bucket) => memory.wordsFor(bucket), context.time);
  }

  holds(fraction: FractionConfig | undefined): boolean {
    if (fraction === undefined) return false;
    const { runtime, random } = this.#context;
    return runtime.holds(fraction.runtimeKey ?? '', fraction, random.nextUint32());
  }

  limiterFor(connection: DownstreamConnectionInfo): LocalRateLimiter {
    if (this.#shared !== null) return this.#shared;
    let limiter = this.#byConnection.get(connection);
    if (limiter === undefined) {
      limiter = new LocalRateLimiter(this.config, privateWords, this.#context.time);
      this.#byConnection.set(connection, limiter);
    }
    return limiter;
  }

  descriptors(callbacks: FilterCallbacks): readonly RateLimitDescriptor[] {
    const { policy } = this.formats;
    if (policy !== null) return filterDescriptors(policy, callbacks, { ...this.#scope, stage: 0 });
    if (this.config.descriptors.length === 0) return NO_DESCRIPTORS;
    return routeDescriptors(callbacks, this.#scope);
  }
}

const NO_DESCRIPTORS: readonly RateLimitDescriptor[] = [];

class LocalRateLimitFilter extends PassThroughFilter {
  readonly #callbacks: FilterCallbacks;
  readonly #settings: LocalRateLimitSettings;
  #bucket: SharedTokenBucket | null = null;
  #saysLimits = false;

  constructor(callbacks: FilterCallbacks, settings: LocalRateLimitSettings) {
    super();
    this.#callbacks = callbacks;
    this.#settings = settings;
  }

  override decodeHeaders(headers: RequestHeaders): FilterStatus {
    const { stats } = this.#settings;
    const { streamInfo } = this.#callbacks;
    stats.store.inc(stats.enabled);
    const limiter = this.#settings.limiterFor(streamInfo.connection);
    const verdict = limiter.check(this.#settings.descriptors(this.#callbacks));
    this.#bucket = verdict.bucket;
    this.#saysLimits = verdict.headers ?? this.#settings.config.rateLimitHeaders;
    if (verdict.allowed && !verdict.shadow) {
      stats.store.inc(stats.ok);
      return FilterStatus.Continue;
    }
    stats.store.inc(stats.rateLimited);
    if (verdict.shadow) {
      stats.store.inc(stats.shadowMode);
      return FilterStatus.Continue;
    }
    if (!this.#settings.holds(this.#settings.config.enforced)) {
      this.#settings.formats.whenNotEnforced.mutateRequest(headers, streamInfo);
      return FilterStatus.Continue;
    }
    stats.store.inc(stats.enforced);
    this.#refuse(headers);
    return FilterStatus.StopIteration;
  }

  override encodeHeaders(headers: ResponseHeaders): FilterStatus {
    const bucket = this.#bucket;
    if (bucket === null || !this.#saysLimits) return FilterStatus.Continue;
    // As in Envoy; there is nothing to wait for either.
    if (bucket.maxTokens === 0) return FilterStatus.Continue;
    headers.push(LIMIT, String(bucket.maxTokens));
    headers.push(REMAINING, String(bucket.remaining));
    headers.push(RESET, String(bucket.secondsToNextToken));
    return FilterStatus.Continue;
  }

  #refuse(headers: RequestHeaders): void {
    const { config, formats } = this.#settings;
    const bucket = this.#bucket;
    const info = this.#callbacks.streamInfo;
    this.#callbacks.sendLocalReply({
      status: config.status,
      body: 'local_rate_limited',
      details: 'local_rate_limited',
      flag: ResponseFlag.RateLimited,
      grpcStatus: config.resourceExhausted ? RESOURCE_EXHAUSTED : undefined,
      modifyHeaders: (to) => {
        formats.response.mutateResponse(to, headers, info);
        if (config.retryAfterHeader && bucket !== null)
          to.push(RETRY_AFTER, String(bucket.secondsToNextToken));
      },
    });
  }
}

export class LocalRateLimitFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #own: LocalRateLimitConfig;
  readonly #compiled: CompiledSettings<LocalRateLimitConfig, LocalRateLimitSettings>;

  constructor(name: string, config: LocalRateLimitConfig, context: FilterFactoryContext) {
    this.name = name;
    this.#own = config;
    this.#compiled = new CompiledSettings(
      (settings) => new LocalRateLimitSettings(settings, context),
    );
    // Buckets of the filter itself are there from the beginning, and so are its stats.
    void this.#compiled.of(config);
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const { route, requestHeaders, streamInfo } = callbacks;
    const ofRoute = route?.filterSettings(this.name, requestHeaders, streamInfo);
    const config = ofRoute?.kind === 'local_rate_limit' ? ofRoute : this.#own;
    if (config.enabled === undefined) return null;
    const settings = this.#compiled.of(config);
    return settings.holds(config.enabled) ? new LocalRateLimitFilter(callbacks, settings) : null;
  }
}
