// [w] envoy.filters.http.cors (envoy-behaviour §10.5). Exists for a stream only when it has an `origin` and its
// route a policy.
import type { Runtime } from '../../base/runtime.ts';
import type { CorsPolicyConfig } from '../../config/http-filter-config.ts';
import type { FractionConfig } from '../../config/matcher-config.ts';
import { H, headerName } from '../../http/headers.ts';
import type { RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import type { Route } from '../../http/route-provider.ts';
import { RouteEntry } from '../../router/route-entry.ts';
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

/** The policies of all levels of a route: what one does not say, the next less specific one may. Compiled once. */
class CorsPolicy {
  /** Whether the filter is on is said by the most specific level alone. */
  readonly enabled: FractionConfig | undefined;
  readonly shadowEnabled: FractionConfig | undefined;
  readonly allowMethods: string | undefined;
  readonly allowHeaders: string | undefined;
  readonly exposeHeaders: string | undefined;
  readonly maxAge: string | undefined;
  readonly allowCredentials: boolean;
  readonly allowPrivateNetworkAccess: boolean;
  readonly forwardNotMatchingPreflights: boolean;
  readonly #origins: readonly StringMatcher[];

  /** At least one, the most specific first. */
  constructor(levels: readonly CorsPolicyConfig[]) {
    const text = (
      field: 'allowMethods' | 'allowHeaders' | 'exposeHeaders' | 'maxAge',
    ): string | undefined => levels.map((level) => level[field]).find((value) => value);
    const flag = (
      field: 'allowCredentials' | 'allowPrivateNetworkAccess' | 'forwardNotMatchingPreflights',
    ): boolean | undefined =>
      levels.map((level) => level[field]).find((value) => value !== undefined);
    this.enabled = levels[0]!.enabled;
    this.shadowEnabled = levels[0]!.shadowEnabled;
    this.allowMethods = text('allowMethods');
    this.allowHeaders = text('allowHeaders');
    this.exposeHeaders = text('exposeHeaders');
    this.maxAge = text('maxAge');
    this.allowCredentials = flag('allowCredentials') ?? false;
    this.allowPrivateNetworkAccess = flag('allowPrivateNetworkAccess') ?? false;
    this.forwardNotMatchingPreflights = flag('forwardNotMatchingPreflights') ?? true;
    const origins = levels.find((level) => level.allowOrigins.length > 0)?.allowOrigins ?? [];
    this.#origins = origins.map(
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
    if (!allowed && this.#policy.forwardNotMatchingPreflights) return FilterStatus.Continue;
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
    const { allowCredentials, exposeHeaders } = this.#policy;
    headers.set(ALLOW_ORIGIN, this.#origin);
    if (allowCredentials) headers.set(ALLOW_CREDENTIALS, 'true');
    if (exposeHeaders !== undefined) headers.set(EXPOSE_HEADERS, exposeHeaders);
    return FilterStatus.Continue;
  }

  /** In Envoy's order; the origin only where it is allowed. What is exposed comes with encodeHeaders. */
  #preflightHeaders(request: RequestHeaders, method: string, to: ResponseHeaders): void {
    const policy = this.#policy;
    if (this.#allowed) to.set(ALLOW_ORIGIN, this.#origin);
    if (policy.allowCredentials) to.set(ALLOW_CREDENTIALS, 'true');
    const methods = policy.allowMethods === '*' ? method : policy.allowMethods;
    if (methods !== undefined) to.set(ALLOW_METHODS, methods);
    const asked = policy.allowHeaders === '*' ? (request.get(REQUEST_HEADERS) ?? '') : undefined;
    const headers = asked ?? policy.allowHeaders;
    if (headers !== undefined) to.set(ALLOW_HEADERS, headers);
    if (policy.maxAge !== undefined) to.set(MAX_AGE, policy.maxAge);
    if (policy.allowPrivateNetworkAccess && request.get(REQUEST_PRIVATE_NETWORK) === 'true')
      to.set(ALLOW_PRIVATE_NETWORK, 'true');
  }
}

export class CorsFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #runtime: Runtime;
  readonly #stats: CorsStats;
  /** By the most specific settings, which belong to one level and so to one list; entries go with their route table. */
  readonly #policies = new WeakMap<CorsPolicyConfig, CorsPolicy>();

  constructor(name: string, context: FilterFactoryContext) {
    this.name = name;
    this.#runtime = context.runtime;
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
    // Redirects and direct responses are left alone, as in Envoy.
    if (!(route instanceof RouteEntry) || route.action === null) return null;
    const policy = this.#policyFor(route, callbacks);
    if (policy === null) return null;
    const random = callbacks.streamInfo.streamRandom;
    const enabled = policy.enabled === undefined || this.#holds(policy.enabled, random);
    const shadow = policy.shadowEnabled !== undefined && this.#holds(policy.shadowEnabled, random);
    return enabled || shadow ? new CorsFilter(callbacks, policy, this.#stats, enabled) : null;
  }

  #holds(fraction: FractionConfig, random: number): boolean {
    return this.#runtime.holds(fraction.runtimeKey ?? '', fraction, random);
  }

  #policyFor(route: Route, callbacks: FilterCallbacks): CorsPolicy | null {
    const { requestHeaders, streamInfo } = callbacks;
    const config = route.filterSettings(this.name, requestHeaders, streamInfo);
    if (config === undefined || config.kind !== 'cors_policy') return null;
    let policy = this.#policies.get(config);
    if (policy === undefined) {
      const levels = route.filterSettingsOfLevels(this.name, requestHeaders, streamInfo);
      policy = new CorsPolicy(levels.filter((level) => level.kind === 'cors_policy'));
      this.#policies.set(config, policy);
    }
    return policy;
  }
}
