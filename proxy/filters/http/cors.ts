// [w] envoy.filters.http.cors (envoy-behaviour §10.5). Exists for a stream only when it has an `origin` and its
// route a policy.
import type { CorsPolicyConfig } from '../../config/http-filter-config.ts';
import { H, headerName } from '../../http/headers.ts';
import type { RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { fractionHolds } from '../../router/fraction.ts';
import { StringMatcher } from '../../router/string-matcher.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import type { FilterFactoryContext } from '../factory-context.ts';

const ALLOW_ORIGIN = headerName('access-control-allow-origin');
const ALLOW_CREDENTIALS = headerName('access-control-allow-credentials');
const ALLOW_METHODS = headerName('access-control-allow-methods');
const ALLOW_HEADERS = headerName('access-control-allow-headers');
const ALLOW_PRIVATE_NETWORK = headerName('access-control-allow-private-network');
const EXPOSE_HEADERS = headerName('access-control-expose-headers');
const MAX_AGE = headerName('access-control-max-age');
const REQUEST_HEADERS = headerName('access-control-request-headers');
const REQUEST_PRIVATE_NETWORK = headerName('access-control-request-private-network');

/** Compiled once per policy of a route. */
class CorsPolicy {
  readonly config: CorsPolicyConfig;
  readonly #origins: readonly StringMatcher[];

  constructor(config: CorsPolicyConfig) {
    this.config = config;
    this.#origins = config.allowOrigins.map(
      (origin, i) => new StringMatcher(origin, `allow_origin_string_match[${i}]`),
    );
  }

  /** A matcher that takes `*` takes every origin. */
  allows(origin: string): boolean {
    return this.#origins.some((matcher) => matcher.matches('*') || matcher.matches(origin));
  }
}

interface CorsStats {
  readonly store: StatsStore;
  readonly originValid: StatId;
  readonly originInvalid: StatId;
}

class CorsFilter extends PassThroughFilter {
  readonly #callbacks: FilterCallbacks;
  readonly #policy: CorsPolicy;
  readonly #stats: CorsStats;
  readonly #enabled: boolean;
  readonly #origin: string;
  #allowed = false;

  constructor(callbacks: FilterCallbacks, policy: CorsPolicy, stats: CorsStats, enabled: boolean) {
    super();
    this.#callbacks = callbacks;
    this.#policy = policy;
    this.#stats = stats;
    this.#enabled = enabled;
    this.#origin = callbacks.requestHeaders.get(H.origin) ?? '';
  }

  override decodeHeaders(headers: RequestHeaders): FilterStatus {
    const stats = this.#stats;
    const allowed = this.#policy.allows(this.#origin);
    stats.store.inc(allowed ? stats.originValid : stats.originInvalid);
    if (!this.#enabled) return FilterStatus.Continue;
    this.#allowed = allowed;
    const method =
      headers.method === 'OPTIONS' ? (headers.get(H.accessControlRequestMethod) ?? '') : '';
    if (method === '') return FilterStatus.Continue;
    if (!allowed && this.#policy.config.forwardNotMatchingPreflights) return FilterStatus.Continue;
    this.#callbacks.sendLocalReply({
      status: 200,
      body: '',
      details: 'cors_response',
      flag: undefined,
      grpcStatus: undefined,
      modifyHeaders: (to) => this.#preflightHeaders(headers, method, to),
    });
    return FilterStatus.StopIteration;
  }

  override encodeHeaders(headers: ResponseHeaders): FilterStatus {
    if (!this.#allowed) return FilterStatus.Continue;
    const { allowCredentials, exposeHeaders } = this.#policy.config;
    headers.set(ALLOW_ORIGIN, this.#origin);
    if (allowCredentials) headers.set(ALLOW_CREDENTIALS, 'true');
    if (exposeHeaders !== undefined && exposeHeaders !== '')
      headers.set(EXPOSE_HEADERS, exposeHeaders);
    return FilterStatus.Continue;
  }

  /** In Envoy's order; the origin only where it is allowed. */
  #preflightHeaders(request: RequestHeaders, method: string, to: ResponseHeaders): void {
    const config = this.#policy.config;
    if (this.#allowed) to.set(ALLOW_ORIGIN, this.#origin);
    if (config.allowCredentials) to.set(ALLOW_CREDENTIALS, 'true');
    setUnlessEmpty(to, ALLOW_METHODS, config.allowMethods === '*' ? method : config.allowMethods);
    const asked = request.get(REQUEST_HEADERS) ?? '';
    setUnlessEmpty(
      to,
      ALLOW_HEADERS,
      config.allowHeaders === '*' && asked !== '' ? asked : config.allowHeaders,
    );
    setUnlessEmpty(to, MAX_AGE, config.maxAge);
    setUnlessEmpty(to, EXPOSE_HEADERS, config.exposeHeaders);
    if (
      config.allowPrivateNetworkAccess === true &&
      request.get(REQUEST_PRIVATE_NETWORK) === 'true'
    ) {
      to.set(ALLOW_PRIVATE_NETWORK, 'true');
    }
  }
}

function setUnlessEmpty(
  to: ResponseHeaders,
  name: typeof ALLOW_METHODS,
  value: string | undefined,
): void {
  if (value !== undefined && value !== '') to.set(name, value);
}

export class CorsFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #stats: CorsStats;
  /** By the route's settings object; entries go with their route table. */
  readonly #policies = new WeakMap<CorsPolicyConfig, CorsPolicy>();

  constructor(name: string, context: FilterFactoryContext) {
    this.name = name;
    const prefix = `http.${context.statPrefix}.cors.`;
    this.#stats = {
      store: context.stats,
      originValid: context.stats.counter(`${prefix}origin_valid`),
      originInvalid: context.stats.counter(`${prefix}origin_invalid`),
    };
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const headers = callbacks.requestHeaders;
    if (!headers.has(H.origin) || headers.get(H.origin) === '') return null;
    const route = callbacks.route;
    if (route === null) return null;
    const info = callbacks.streamInfo;
    const config = route.filterSettings(this.name, headers, info);
    if (config === undefined || config.kind !== 'cors_policy') return null;
    const enabled =
      config.enabled === undefined || fractionHolds(config.enabled, info.streamRandom);
    const shadow =
      config.shadowEnabled !== undefined && fractionHolds(config.shadowEnabled, info.streamRandom);
    if (!enabled && !shadow) return null;
    let policy = this.#policies.get(config);
    if (policy === undefined) {
      policy = new CorsPolicy(config);
      this.#policies.set(config, policy);
    }
    return new CorsFilter(callbacks, policy, this.#stats, enabled);
  }
}
