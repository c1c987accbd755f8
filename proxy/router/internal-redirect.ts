// [w] Redirects of an upstream that are followed here instead of by the client (envoy-behaviour §3.9): the request is
// made anew, with the target's host and path, and chooses its route again. Loaded by the first route that follows some.
import type {
  InternalRedirectConfig,
  InternalRedirectPredicateConfig,
} from '../config/route-config.ts';
import type { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { H, headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { FilterCallbacks } from '../http/http-filter.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { ClusterStats } from '../upstream/cluster-stats.ts';
import type { ThreadLocalClusterManager } from '../upstream/thread-local-cluster.ts';
import type { KeptBody } from './kept-body.ts';
import { redirectTarget } from './redirect-target.ts';
import type { RedirectTarget } from './redirect-target.ts';
import type { RouterStats } from './router-stats.ts';

/** What stands in a stream's filter state, as in Envoy. */
const COUNT_KEY = 'num_internal_redirects';
const PREVIOUS_ROUTES_KEY = 'envoy.internal_redirect.previous_routes_predicate_state';

const NO_BODY: readonly Buffer[] = [];

class RedirectCount {
  value = 0;

  get text(): string {
    return String(this.value);
  }
}

class PreviousRoutes {
  readonly text = null;
  readonly names = new Set<string>();
}

export class InternalRedirectPolicy {
  readonly maxRedirects: number;
  readonly statusCodes: readonly number[];
  readonly allowCrossScheme: boolean;
  readonly predicates: readonly InternalRedirectPredicateConfig[];
  readonly headersToCopy: readonly HeaderName[];

  constructor(config: InternalRedirectConfig) {
    this.maxRedirects = config.maxInternalRedirects;
    this.statusCodes = config.statusCodes;
    this.allowCrossScheme = config.allowCrossScheme;
    this.predicates = config.predicates;
    this.headersToCopy = config.responseHeadersToCopy.map(headerName);
  }

  /** True: the request goes to the target, and its stream is over. False: the client gets the answer. */
  follow(response: ResponseHeaders, request: RedirectedRequest): boolean {
    const { callbacks, clusterStats, whole } = request;
    const followed =
      whole &&
      response.has(H.location) &&
      redirectRequest(this, response, request) &&
      callbacks.recreateStream(response, bodyFor(response, request));
    clusterStats.store.inc(
      followed
        ? clusterStats.upstreamInternalRedirectSucceeded
        : clusterStats.upstreamInternalRedirectFailed,
    );
    return followed;
  }
}

export interface RedirectContext {
  readonly clusters: ThreadLocalClusterManager;
  readonly stats: RouterStats;
}

/** The request that was redirected. */
export interface RedirectedRequest {
  readonly callbacks: FilterCallbacks;
  readonly headers: RequestHeaders;
  /** It came to its end, and its body was kept. */
  readonly whole: boolean;
  /** Null: none. */
  readonly body: KeptBody | null;
  /** Of the route it took. */
  readonly routeName: string;
  readonly context: RedirectContext;
  readonly clusterStats: ClusterStats;
}

const bodyFor = (response: ResponseHeaders, request: RedirectedRequest): readonly Buffer[] =>
  response.status === 303 || request.body === null ? NO_BODY : request.body.chunks;

/** True: `headers` are those of the request to the target. False: they are as before. */
function redirectRequest(
  policy: InternalRedirectPolicy,
  response: ResponseHeaders,
  request: RedirectedRequest,
): boolean {
  const { callbacks, headers } = request;
  const { stats } = request.context;
  const { store } = stats;
  const target = redirectTarget(response.get(H.location) ?? '');
  if (target === null) {
    store.inc(stats.passthroughBadLocation);
    return false;
  }
  const info = callbacks.streamInfo;
  const scheme = headers.scheme === 'https' && info.connection.tls ? 'https' : 'http';
  if (scheme !== target.scheme && !policy.allowCrossScheme) {
    store.inc(stats.passthroughUnsafeScheme);
    return false;
  }
  if (target.scheme === 'other') return false;
  const count = redirectCount(info);
  if (count.value >= policy.maxRedirects) {
    store.inc(stats.passthroughTooManyRedirects);
    return false;
  }
  const before = headers.clone();
  copyHeaders(policy.headersToCopy, response, headers);
  aim(headers, target);
  if (!chooseRoute(policy, request, scheme === 'https' || target.scheme === 'http')) {
    headers.become(before);
    return false;
  }
  count.value++;
  if (response.status === 303 && headers.method !== 'GET' && headers.method !== 'HEAD') {
    headers.method = 'GET';
    headers.remove(H.contentLength);
  }
  headers.set(H.xEnvoyOriginalUrl, `${scheme}://${before.authority ?? ''}${before.path}`);
  return true;
}

function redirectCount(info: StreamInfo): RedirectCount {
  const state = info.filterStateForWriting();
  const present = state.get(COUNT_KEY);
  if (present instanceof RedirectCount) return present;
  const count = new RedirectCount();
  state.set(COUNT_KEY, count);
  return count;
}

/** What the answer does not carry is taken out of the request, too. */
function copyHeaders(
  names: readonly HeaderName[],
  response: ResponseHeaders,
  headers: RequestHeaders,
): void {
  for (const name of names) {
    headers.remove(name);
    for (const value of response.getAll(name)) headers.append(name, value);
  }
}

function aim(headers: RequestHeaders, target: RedirectTarget): void {
  headers.scheme = target.scheme;
  headers.authority = target.authority;
  headers.path = target.path;
}

/** False: there is none, or the predicates do not want it. */
function chooseRoute(
  policy: InternalRedirectPolicy,
  request: RedirectedRequest,
  safeScheme: boolean,
): boolean {
  const { callbacks } = request;
  const { clusters, stats } = request.context;
  callbacks.clearRouteCache();
  const route = callbacks.route;
  // As Envoy logs a redirect: with the cluster of the target.
  const cluster = route === null ? undefined : clusters.get(route.clusterName);
  callbacks.streamInfo.cluster = cluster?.config ?? null;
  if (route === null) {
    stats.store.inc(stats.passthroughNoRoute);
    return false;
  }
  const { streamInfo } = callbacks;
  for (const predicate of policy.predicates) {
    const accepted =
      predicate.kind === 'safe_cross_scheme'
        ? safeScheme
        : acceptsRoute(predicate, route.name, request.routeName, streamInfo);
    if (accepted) continue;
    stats.store.inc(stats.passthroughPredicate);
    return false;
  }
  return true;
}

function acceptsRoute(
  predicate: Exclude<InternalRedirectPredicateConfig, { kind: 'safe_cross_scheme' }>,
  name: string,
  from: string,
  info: StreamInfo,
): boolean {
  if (predicate.kind === 'allow_listed_routes') return predicate.names.includes(name);
  const key = `${PREVIOUS_ROUTES_KEY}.${from}`;
  const state = info.filterStateForWriting();
  const present = state.get(key);
  const previous = present instanceof PreviousRoutes ? present : new PreviousRoutes();
  if (present !== previous) state.set(key, previous);
  if (previous.names.has(name)) return false;
  previous.names.add(name);
  return true;
}
