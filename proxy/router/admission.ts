// [w] Requests that need no host: without a route or cluster, answered by their route, refused for their headers,
// dropped by EDS policy (envoy-behaviour §3.3, §3.4, §3.8, §5.1). Anything else gets its cluster.
import type { RequestHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import type { Route } from '../http/route-provider.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { ThreadLocalCluster } from '../upstream/thread-local-cluster.ts';
import { Redirect } from './direct-response.ts';
import { RouteEntry } from './route-entry.ts';
import type { RouterContext } from './router-context.ts';
import type { RouterReply } from './router-reply.ts';
import {
  directReply,
  droppedReply,
  invalidHeaderReply,
  maintenanceReply,
  noClusterReply,
  noRouteReply,
} from './router-reply.ts';
import { firstInvalidHeader } from './strict-headers.ts';
import { TlsRedirectRoute } from './tls-redirect-route.ts';

/** And a cluster's name: percent of its requests to turn away. */
export const MAINTENANCE_KEY = 'upstream.maintenance_mode.';
const NONE = { numerator: 0, denominator: 100 };

/** For a request that goes nowhere. */
export function replyWithoutUpstream(
  route: Route | null,
  headers: RequestHeaders,
  info: StreamInfo,
  { stats, suppressEnvoyHeaders }: RouterContext,
): RouterReply {
  if (!(route instanceof RouteEntry || route instanceof TlsRedirectRoute)) {
    stats.store.inc(stats.noRoute);
    return noRouteReply();
  }
  const { direct } = route;
  if (direct === null) {
    // A route that does not forward names no cluster.
    stats.store.inc(stats.noCluster);
    return noClusterReply(503);
  }
  stats.store.inc(stats.rqDirectResponse);
  if (direct instanceof Redirect) direct.rewritePath(headers, info, !suppressEnvoyHeaders);
  return directReply(direct, headers, info);
}

/** The cluster that is to answer, or a reply that needs none. */
export function admit(
  route: RouteEntry,
  headers: RequestHeaders,
  info: StreamInfo,
  context: RouterContext,
): ThreadLocalCluster | RouterReply {
  const { clusters, stats, strictChecks } = context;
  const cluster = clusters.get(route.clusterName);
  if (cluster === undefined) {
    stats.store.inc(stats.noCluster);
    return noClusterReply(route.action!.clusterNotFoundStatus);
  }
  info.cluster = cluster.config;
  headers.remove(H.xEnvoyUpstreamAltStatName);
  const invalid = strictChecks.length === 0 ? undefined : firstInvalidHeader(strictChecks, headers);
  if (invalid !== undefined) return invalidHeaderReply(invalid, headers);
  const turnedAway = turnAway(cluster, context);
  if (turnedAway === null) return cluster;
  const { healthCheck } = info;
  const scopes = route.statsScopes(headers, info);
  const request = { headers, clusterStats: cluster.stats, scopes, healthCheck };
  context.charges.localReply(request, null, 503);
  return turnedAway;
}

/** By a runtime key for maintenance, or by EDS policy; null: welcome. */
function turnAway(cluster: ThreadLocalCluster, context: RouterContext): RouterReply | null {
  const { maintenance, random, suppressEnvoyHeaders } = context;
  const { config, stats } = cluster;
  if (maintenance?.holds(MAINTENANCE_KEY + config.name, NONE, random.nextUint32()) === true) {
    stats.store.inc(stats.upstreamRqMaintenanceMode);
    return maintenanceReply(!suppressEnvoyHeaders);
  }
  const share = cluster.dropShare;
  if (share === 0 || random.nextUint32() / 2 ** 32 >= share) return null;
  return droppedReply(share >= 1, !suppressEnvoyHeaders);
}
