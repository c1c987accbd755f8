// [w] What the connection manager needs of routing; router/ implements it.
import type { MaxStreamDurationConfig, UpgradeConfig } from '../config/route-config.ts';
import type { RouteTracingConfig } from '../config/tracing-config.ts';
import type { HttpFilterPerRouteSettings } from '../config/http-filter-config.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { RouteFacts } from '../stream-info/upstream-facts.ts';
import type { RequestHeaders, ResponseHeaders } from './header-map.ts';

export type RouteFilterState = 'default' | 'enabled' | 'disabled';

/** The route one request took. Immutable, compiled once per update. */
export interface Route extends RouteFacts {
  /** Stream idle time-out override in ms; undefined: the connection manager's; 0: none. */
  readonly idleTimeoutMs: number | undefined;
  readonly maxStreamDuration: MaxStreamDurationConfig | undefined;
  readonly upgrades: readonly UpgradeConfig[];
  readonly tracing: RouteTracingConfig | undefined;
  /** Name of the request's cluster, chosen when the route was: by weight, or by a header; '' when none. */
  readonly clusterName: string;
  /**
   * Most specific settings of a filter (weighted cluster › route › virtual host › route configuration), by the
   * name of its entry; undefined when no level has any.
   */
  filterSettings(
    filterName: string,
    headers: RequestHeaders,
    info: StreamInfo,
  ): HttpFilterPerRouteSettings | undefined;
  /** Settings of all levels that have any, the most specific first. */
  filterSettingsOfLevels(
    filterName: string,
    headers: RequestHeaders,
    info: StreamInfo,
  ): readonly HttpFilterPerRouteSettings[];
  /** Whether the route says that a filter is on or off here; `default` where it says nothing. */
  filterState(filterName: string, headers: RequestHeaders, info: StreamInfo): RouteFilterState;
  /** Adds and removes response headers of all levels; also done to local replies. */
  finalizeResponseHeaders(
    headers: ResponseHeaders,
    requestHeaders: RequestHeaders,
    info: StreamInfo,
  ): void;
}

/** One version of a route configuration; stays fixed for the requests that began with it. */
export interface RouteTable {
  /** First match in the virtual host of the request's authority, or null. */
  route(headers: RequestHeaders, info: StreamInfo): Route | null;
  /** Lower-case names removed from external requests. */
  readonly internalOnlyHeaders: readonly string[];
}

/** Gives the newest table; null while RDS has not delivered (requests get 404 NR then). */
export interface RouteProvider {
  current(headers: RequestHeaders): RouteTable | null;
}
