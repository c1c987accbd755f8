// [w] RouteEntry: one route of a virtual host, compiled; what the connection manager and filters see as `Route`.
import type { HttpFilterPerRouteSettings } from '../config/http-filter-config.ts';
import type {
  MaxStreamDurationConfig,
  RouteEntryConfig,
  UpgradeConfig,
} from '../config/route-config.ts';
import type { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import type { Route, RouteFilterState } from '../http/route-provider.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { FixedResponse, Redirect } from './direct-response.ts';
import type { DirectResponse } from './direct-response.ts';
import { HeaderMutator } from './header-mutator.ts';
import { compilePerFilter } from './per-filter-settings.ts';
import type { PerFilterSettings } from './per-filter-settings.ts';
import type { RateLimitPolicy } from './rate-limit-policy.ts';
import type { RetryPolicy } from './retry-policy.ts';
import { RouteAction } from './route-action.ts';
import type { MatchPath } from './route-matcher.ts';
import { RouteMatcher } from './route-matcher.ts';

/** What a route takes over from its virtual host and route configuration. */
export interface RouteScope {
  readonly name: string;
  /** Place in the route configuration, for messages: `virtual_hosts[2]`. */
  readonly place: string;
  readonly retryPolicy: RetryPolicy | null;
  readonly perFilter: PerFilterSettings | null;
  readonly requestMutators: readonly HeaderMutator[];
  readonly responseMutators: readonly HeaderMutator[];
  readonly mostSpecificMutationsWin: boolean;
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly rateLimits: RateLimitPolicy | null;
  /** Undefined: the connection's. */
  readonly bodyBufferLimitBytes: number | undefined;
}

const NO_UPGRADES: readonly UpgradeConfig[] = [];

/** A route and its place in the list. */
export interface RouteOrigin {
  readonly config: RouteEntryConfig;
  readonly index: number;
}

export class RouteEntry implements Route {
  readonly name: string;
  readonly idleTimeoutMs: number | undefined;
  readonly maxStreamDuration: MaxStreamDurationConfig | undefined;
  readonly upgrades: readonly UpgradeConfig[];
  /** Null for direct responses, redirects and non-forwarding routes. */
  readonly action: RouteAction | null;
  readonly direct: DirectResponse | null;
  readonly scope: RouteScope;
  /** How much of a body is kept for retries; undefined: the connection's limit. */
  readonly bodyBufferLimitBytes: number | undefined;
  readonly index: number;
  /** `metadata.filter_metadata`, as JSON text by namespace. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly #matcher: RouteMatcher | null;
  readonly #perFilter: PerFilterSettings | null;
  readonly #requestMutators: readonly HeaderMutator[];
  readonly #responseMutators: readonly HeaderMutator[];

  /** Throws ConfigError with the place of the field. */
  constructor(origin: RouteOrigin, scope: RouteScope) {
    const { config, index } = origin;
    const place = `${scope.place}.routes[${index}]`;
    this.scope = scope;
    this.index = index;
    this.name = config.name;
    this.metadata = config.metadata;
    const action = config.action;
    const matcher = new RouteMatcher(config.match, `${place}.match`);
    this.#matcher = matcher;
    this.action =
      action.kind === 'route'
        ? new RouteAction(action, matcher, scope.retryPolicy, `${place}.route`)
        : null;
    this.direct = directResponse(config, matcher, place);
    this.idleTimeoutMs = action.kind === 'route' ? action.idleTimeoutMs : undefined;
    this.maxStreamDuration = action.kind === 'route' ? action.maxStreamDuration : undefined;
    this.bodyBufferLimitBytes = config.perRequestBufferLimitBytes ?? scope.bodyBufferLimitBytes;
    this.upgrades = action.kind === 'route' ? action.upgrades : NO_UPGRADES;
    this.#perFilter = compilePerFilter(config.perFilter, scope.perFilter);
    this.#requestMutators = mutators(
      scope,
      HeaderMutator.forRequests(config.headers, place),
      scope.requestMutators,
    );
    this.#responseMutators = mutators(
      scope,
      HeaderMutator.forResponses(config.headers, place),
      scope.responseMutators,
    );
  }

  get virtualHostName(): string {
    return this.scope.name;
  }

  /** For messages and explanations. */
  get place(): string {
    return `${this.scope.place}.routes[${this.index}]`;
  }

  matches(path: MatchPath, headers: RequestHeaders, info: StreamInfo): boolean {
    return this.#matcher!.matches(path, headers, info);
  }

  /** The condition that does not hold; undefined when the route matches. */
  explain(path: MatchPath, headers: RequestHeaders, info: StreamInfo): string | undefined {
    return this.#matcher!.explain(path, headers, info);
  }

  clusterNameFor(headers: RequestHeaders, info: StreamInfo): string {
    return this.action === null ? '' : this.action.clusterNameFor(headers, info);
  }

  filterSettings(
    filterName: string,
    headers: RequestHeaders,
    info: StreamInfo,
  ): HttpFilterPerRouteSettings | undefined {
    const weighted = this.action === null ? null : this.action.weighted;
    if (weighted !== null && weighted.entriesDiffer) {
      const settings = weighted.pick(headers, info).perFilter?.get(filterName)?.settings;
      if (settings !== undefined) return settings;
    }
    return this.#perFilter === null ? undefined : this.#perFilter.get(filterName)?.settings;
  }

  filterState(filterName: string, headers: RequestHeaders, info: StreamInfo): RouteFilterState {
    const weighted = this.action === null ? null : this.action.weighted;
    const own =
      weighted !== null && weighted.entriesDiffer
        ? weighted.pick(headers, info).perFilter?.get(filterName)
        : undefined;
    const entry = own ?? this.#perFilter?.get(filterName);
    if (entry === undefined) return 'default';
    return entry.disabled ? 'disabled' : 'enabled';
  }

  /** Headers of all levels, then host, then path (envoy-behaviour §3.4). Once per request, for forwarding routes. */
  finalizeRequestHeaders(headers: RequestHeaders, info: StreamInfo, keepOriginals: boolean): void {
    const action = this.action!;
    if (action.weighted !== null && action.weighted.entriesDiffer) {
      action.weighted.pick(headers, info).requestMutator?.mutateRequest(headers, info);
    }
    const levels = this.#requestMutators;
    for (let i = 0; i < levels.length; i++) levels[i]!.mutateRequest(headers, info);
    action.rewrite(headers, info, keepOriginals);
  }

  finalizeResponseHeaders(
    headers: ResponseHeaders,
    requestHeaders: RequestHeaders,
    info: StreamInfo,
  ): void {
    const weighted = this.action === null ? null : this.action.weighted;
    if (weighted !== null && weighted.entriesDiffer) {
      weighted
        .pick(requestHeaders, info)
        .responseMutator?.mutateResponse(headers, requestHeaders, info);
    }
    const levels = this.#responseMutators;
    for (let i = 0; i < levels.length; i++)
      levels[i]!.mutateResponse(headers, requestHeaders, info);
  }
}

function directResponse(
  config: RouteEntryConfig,
  matcher: RouteMatcher,
  place: string,
): DirectResponse | null {
  if (config.action.kind === 'direct_response') return new FixedResponse(config.action);
  if (config.action.kind === 'redirect')
    return new Redirect(config.action, matcher, `${place}.redirect`);
  return null;
}

/** Route before virtual host before route configuration, or the other way round. */
function mutators(
  scope: RouteScope,
  own: HeaderMutator | null,
  inherited: readonly HeaderMutator[],
): readonly HeaderMutator[] {
  if (own === null) return inherited;
  return scope.mostSpecificMutationsWin ? [...inherited, own] : [own, ...inherited];
}
