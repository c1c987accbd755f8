// [w] What a finished attempt adds to the stats of its cluster and host (envoy-behaviour §11.2).
import type { ResponseHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import type { ClusterStats } from '../upstream/cluster-stats.ts';
import type { Host } from '../upstream/host.ts';

/** An answer that goes to the client. */
export function chargeResponse(stats: ClusterStats, host: Host, headers: ResponseHeaders): void {
  const status = headers.status;
  stats.chargeCode(status);
  if (headers.has(H.xEnvoyUpstreamCanary) && headers.get(H.xEnvoyUpstreamCanary) === 'true') {
    stats.chargeCode(status, 'canary.');
  }
  if (status >= 500) host.counts.rqError++;
  else host.counts.rqSuccess++;
}

/** An answer that is swallowed because the request is tried again. */
export function chargeRetried(stats: ClusterStats, host: Host, status: number): void {
  stats.chargeCode(status, 'retry.');
  if (status >= 500) host.counts.rqError++;
}

/** A reply of our own in the upstream's stead; `host` null: none is to blame. */
export function chargeLocalReply(stats: ClusterStats, host: Host | null, status: number): void {
  stats.chargeCode(status);
  if (host !== null) host.counts.rqError++;
}
