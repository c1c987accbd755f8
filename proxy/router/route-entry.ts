// [w] RouteEntry: one route of a virtual host, compiled; what the connection manager and filters see as `Route`.
import type { HttpFilterPerRouteSettings } from '../config/http-filter-config.ts';
import type {
  ClusterSpecifierConfig,
  MaxStreamDurationConfig,
  RouteEntryConfig,
  UpgradeConfig,
  WeightedClusterConfig,
} from '../config/route-config.ts';
import type { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { H, headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { Route, RouteFilterState } from '../http/route-provider.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { MetadataStruct } from '../config/metadata-value.ts';
import { mergedStructs } from '../config/metadata-value.ts';
import type { ConfigMetadata } from '../stream-info/upstream-facts.ts';
import { FixedResponse, Redirect } from './direct-response.ts';
import type { DirectResponse } from './direct-response.ts';
import { HeaderMutator } from './header-mutator.ts';
import type { RequestChange } from './header-mutator.ts';
import { compilePerFilter } from './per-filter-settings.ts';
import type { PerFilterSettings } from './per-filter-settings.ts';
import { RouteAction } from './route-action.ts';
import type { MatchPath } from './route-matcher.ts';
import { RouteMatcher } from './route-matcher.ts';
import type { RouteEnvironment } from './route-environment.ts';
import type { RouteScope } from './route-scope.ts';
import { ScopeStats } from './scope-stats.ts';
import type { StatsScopes } from './scope-stats.ts';
import { nonEmptyWireText } from './wire-text.ts';
import type { RouteTracingConfig } from '../config/tracing-config.ts';

const NO_SETTINGS: readonly HttpFilterPerRouteSettings[] = [];
const NO_UPGRADES: readonly UpgradeConfig[] = [];

/** A route and its place in the list. */
export interface RouteOrigin {
  readonly config: RouteEntryConfig;
  readonly index: number;
}

/** Compiled pieces. Those of a weighted cluster are the route's own, but for what the cluster says. */
interface RouteParts {
  readonly origin: RouteOrigin;
  readonly scope: RouteScope;
  readonly matcher: RouteMatcher;
  readonly action: RouteAction | null;
  readonly direct: DirectResponse | null;
  /** '' where a header says, or weights. */
  readonly clusterName: string;
  readonly clusterHeader: HeaderName | null;
  readonly metadataMatch: MetadataStruct | undefined;
  readonly stats: StatsScopes;
  readonly perFilter: PerFilterSettings | null;
  readonly requestMutators: readonly RequestChange[];
  readonly responseMutators: readonly HeaderMutator[];
}

export class RouteEntry implements Route {
  readonly name: string;
  readonly clusterName: string;
  /** What hosts are to have in `envoy.lb`; undefined: nothing. */
  readonly metadataMatch: MetadataStruct | undefined;
  readonly metadata: ConfigMetadata;
  readonly idleTimeoutMs: number | undefined;
  readonly maxStreamDuration: MaxStreamDurationConfig | undefined;
  readonly upgrades: readonly UpgradeConfig[];
  readonly tracing: RouteTracingConfig | undefined;
  /** Null for direct responses, redirects and non-forwarding routes. */
  readonly action: RouteAction | null;
  readonly direct: DirectResponse | null;
  readonly scope: RouteScope;
  /** How much of a body is kept for retries; undefined: the connection's limit. */
  readonly bodyBufferLimitBytes: number | undefined;
  readonly index: number;
  readonly #matcher: RouteMatcher;
  /** What the entry was made of, where each request needs one of its own because a header names its cluster; else null. */
  readonly #unbound: RouteParts | null;
  /** `stat_prefix`: counted by itself; else null. */
  readonly #stats: StatsScopes;
  readonly #perFilter: PerFilterSettings | null;
  readonly #requestMutators: readonly RequestChange[];
  readonly #responseMutators: readonly HeaderMutator[];
  /** One for each weighted cluster; null: the route is the same for all its requests. */
  readonly #variants: readonly RouteEntry[] | null;

  private constructor(parts: RouteParts, variants: readonly RouteEntry[] | null) {
    const { scope } = parts;
    const { config, index } = parts.origin;
    const forwarding = config.action.kind === 'route' ? config.action : undefined;
    this.scope = scope;
    this.index = index;
    this.name = config.name;
    this.metadata = config.metadata;
    this.action = parts.action;
    this.direct = parts.direct;
    this.idleTimeoutMs = forwarding?.idleTimeoutMs;
    this.maxStreamDuration = forwarding?.maxStreamDuration;
    this.tracing = config.tracing;
    this.upgrades = forwarding?.upgrades ?? NO_UPGRADES;
    this.bodyBufferLimitBytes = config.perRequestBufferLimitBytes ?? scope.bodyBufferLimitBytes;
    this.#matcher = parts.matcher;
    this.clusterName = parts.clusterName;
    this.metadataMatch = parts.metadataMatch;
    this.#unbound = parts.clusterHeader === null ? null : parts;
    this.#stats = parts.stats;
    this.#perFilter = parts.perFilter;
    this.#requestMutators = parts.requestMutators;
    this.#responseMutators = parts.responseMutators;
    this.#variants = variants;
  }

  /** Throws ConfigError with the place of the field. */
  static compile(origin: RouteOrigin, scope: RouteScope): RouteEntry {
    const parts = compileParts(origin, scope);
    const { action } = origin.config;
    if (action.kind !== 'route' || action.cluster.kind !== 'weighted')
      return new RouteEntry(parts, null);
    const place = `${placeOf(origin, scope)}.route.weighted_clusters`;
    const variants = action.cluster.clusters.map(
      (cluster, i) => new RouteEntry(partsFor(parts, cluster, `${place}.clusters[${i}]`), null),
    );
    return new RouteEntry(parts, variants);
  }

  /** The route as one request takes it: with one of its weighted clusters, or the one that a header names now. */
  chosen(headers: RequestHeaders, info: StreamInfo): RouteEntry {
    const entry =
      this.#variants === null ? this : this.#variants[this.action!.weighted!.pick(headers, info)]!;
    const parts = entry.#unbound;
    if (parts === null) return entry;
    const clusterName = headers.getAny(parts.clusterHeader!) ?? '';
    return new RouteEntry({ ...parts, clusterName, clusterHeader: null }, null);
  }

  get virtualHostName(): string {
    return this.scope.name;
  }

  get virtualHostMetadata(): ConfigMetadata {
    return this.scope.metadata;
  }

  /** For messages and explanations. */
  get place(): string {
    return placeOf(this, this.scope);
  }

  matches(path: MatchPath, headers: RequestHeaders, info: StreamInfo): boolean {
    return this.#matcher.matches(path, headers, info);
  }

  /** The condition that does not hold; undefined when the route matches. */
  explain(path: MatchPath, headers: RequestHeaders, info: StreamInfo): string | undefined {
    return this.#matcher.explain(path, headers, info);
  }

  filterSettings(filterName: string): HttpFilterPerRouteSettings | undefined {
    return this.#perFilter === null ? undefined : this.#perFilter.get(filterName)?.settings;
  }

  filterSettingsOfLevels(filterName: string): readonly HttpFilterPerRouteSettings[] {
    return this.#perFilter?.get(filterName)?.levels ?? NO_SETTINGS;
  }

  filterState(filterName: string): RouteFilterState {
    const entry = this.#perFilter === null ? undefined : this.#perFilter.get(filterName);
    if (entry === undefined) return 'default';
    return entry.disabled ? 'disabled' : 'enabled';
  }

  /** Where the request is counted besides its cluster; names its virtual cluster. Before its headers are changed. */
  statsScopes(headers: RequestHeaders, info: StreamInfo): StatsScopes {
    const { virtualClusters } = this.scope;
    if (virtualClusters === null) return this.#stats;
    const { name, stats } = virtualClusters.match(headers);
    info.virtualClusterName = name;
    if (stats === null) return this.#stats;
    return this.#stats === null ? [stats] : [stats, ...this.#stats];
  }

  /** Headers of all levels, then host, then path (envoy-behaviour §3.4). Once per request, for forwarding routes. */
  finalizeRequestHeaders(headers: RequestHeaders, info: StreamInfo, keepOriginals: boolean): void {
    const levels = this.#requestMutators;
    for (let i = 0; i < levels.length; i++) levels[i]!.mutateRequest(headers, info);
    this.action!.rewrite(headers, info, keepOriginals);
  }

  /** An upstream's answer is told its attempts, too; replies of our own are by the router. */
  finalizeUpstreamResponse(
    headers: ResponseHeaders,
    requestHeaders: RequestHeaders,
    info: StreamInfo,
  ): void {
    this.finalizeResponseHeaders(headers, requestHeaders, info);
    if (this.scope.includeAttemptCountInResponse)
      headers.set(H.xEnvoyAttemptCount, String(info.attemptCount));
  }

  finalizeResponseHeaders(
    headers: ResponseHeaders,
    requestHeaders: RequestHeaders,
    info: StreamInfo,
  ): void {
    const levels = this.#responseMutators;
    for (let i = 0; i < levels.length; i++)
      levels[i]!.mutateResponse(headers, requestHeaders, info);
  }
}

const placeOf = (route: { readonly index: number }, scope: RouteScope): string =>
  `${scope.place}.routes[${route.index}]`;

function routeStats({ statPrefix }: RouteEntryConfig, scope: RouteScope): StatsScopes {
  const { stats } = scope.environment;
  if (statPrefix === undefined || statPrefix === '' || stats === null) return null;
  return [new ScopeStats(stats, `vhost.${scope.name}.route.${statPrefix}.`)];
}

function compileParts(origin: RouteOrigin, scope: RouteScope): RouteParts {
  const { config } = origin;
  const { action } = config;
  const place = placeOf(origin, scope);
  const matcher = new RouteMatcher(config.match, `${place}.match`, scope.environment);
  const cluster: ClusterSpecifierConfig | undefined =
    action.kind === 'route' ? action.cluster : undefined;
  return {
    origin,
    scope,
    matcher,
    action:
      action.kind === 'route' ? new RouteAction(action, matcher, scope, `${place}.route`) : null,
    direct: directResponse(config, matcher, scope.environment, place),
    clusterName: cluster?.kind === 'cluster' ? cluster.name : '',
    clusterHeader: cluster?.kind === 'cluster_header' ? headerName(cluster.header) : null,
    metadataMatch: action.kind === 'route' ? action.metadataMatch : undefined,
    stats: routeStats(config, scope),
    perFilter: compilePerFilter(config.perFilter, scope.perFilter),
    requestMutators: mutators(
      scope,
      HeaderMutator.forRequests(config.headers, place, scope.environment),
      scope.requestMutators,
    ),
    responseMutators: mutators(
      scope,
      HeaderMutator.forResponses(config.headers, place, scope.environment),
      scope.responseMutators,
    ),
  };
}

/** A weighted cluster's own host counts as the request's: a route that rewrites it keeps it as the original. */
class HostChange implements RequestChange {
  readonly #host: string;

  constructor(host: string) {
    this.#host = host;
  }

  mutateRequest(headers: RequestHeaders): void {
    headers.authority = this.#host;
  }
}

/** A weighted cluster's changes to headers come before those of all levels, whichever of them wins. */
function partsFor(route: RouteParts, cluster: WeightedClusterConfig, place: string): RouteParts {
  const request = HeaderMutator.forRequests(cluster.headers, place, route.scope.environment);
  const response = HeaderMutator.forResponses(cluster.headers, place, route.scope.environment);
  const { clusterHeader } = cluster;
  const host = nonEmptyWireText(cluster.hostRewriteLiteral);
  return {
    ...route,
    clusterName: cluster.name,
    clusterHeader: clusterHeader === undefined ? null : headerName(clusterHeader),
    metadataMatch: mergedStructs(route.metadataMatch, cluster.metadataMatch),
    perFilter: compilePerFilter(cluster.perFilter, route.perFilter),
    requestMutators: [
      ...(request === null ? [] : [request]),
      ...(host === undefined ? [] : [new HostChange(host)]),
      ...route.requestMutators,
    ],
    responseMutators:
      response === null ? route.responseMutators : [response, ...route.responseMutators],
  };
}

function directResponse(
  config: RouteEntryConfig,
  matcher: RouteMatcher,
  environment: RouteEnvironment,
  place: string,
): DirectResponse | null {
  if (config.action.kind === 'direct_response')
    return new FixedResponse(config.action, environment, `${place}.direct_response`);
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
