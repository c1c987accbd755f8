// [w] UpstreamCharges: what attempts and replies add to the stats of their cluster and host, by code, origin, canary
// and zone (envoy-behaviour §11.2). One per router filter entry.
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import { isGrpcRequest } from '../http/local-reply.ts';
import type { ClusterStats } from '../upstream/cluster-stats.ts';
import type { CodeCounters } from '../upstream/code-counters.ts';
import type { Host } from '../upstream/host.ts';
import type { RouterStats } from './router-stats.ts';
import type { StatsScopes } from './scope-stats.ts';

export interface ChargeSettings {
  readonly stats: RouterStats;
  /** False: nothing is counted by code or time but what is tried again. */
  readonly dynamicStats: boolean;
  /** Among all answers of a cluster, those to gRPC count as completed, not by code. */
  readonly suppressGrpcCodes: boolean;
  /** Of the node; '': nothing is counted by zone. */
  readonly zone: string;
}

/** What is counted of a request, and where. */
export interface ChargedRequest {
  readonly headers: RequestHeaders;
  readonly clusterStats: ClusterStats;
  /** Virtual cluster and route that count by themselves. */
  readonly scopes: StatsScopes;
  /** As the health-check filter sees it: not counted by code or time. */
  readonly healthCheck: boolean;
}

export class UpstreamCharges {
  readonly #settings: ChargeSettings;

  constructor(settings: ChargeSettings) {
    this.#settings = settings;
  }

  /** An answer that goes to the client, or an informational one. */
  response(request: ChargedRequest, host: Host, response: ResponseHeaders): void {
    const { status } = response;
    this.#charge(request, host, status, isCanary(response) || host.canary);
    if (status < 500 && !isGrpcRequest(request.headers)) host.counts.rqSuccess++;
  }

  /** A reply of our own in the upstream's stead; `host` null: none is to blame. */
  localReply(request: ChargedRequest, host: Host | null, status: number): void {
    this.#charge(request, host, status, host !== null && host.canary);
    // A time-out that is answered with 204 is the host's fault all the same.
    if (host !== null && status < 500) host.counts.rqError++;
  }

  /** An answer that had begun will not end; it was counted when it began. */
  cut(request: ChargedRequest, host: Host | null): void {
    if (!isGrpcRequest(request.headers)) return;
    if (host !== null) host.counts.rqError++;
    const { store, rqResetAfterDownstreamResponseStarted } = this.#settings.stats;
    store.inc(rqResetAfterDownstreamResponseStarted);
  }

  /** An answer that is swallowed because the request is tried again. */
  retried(request: ChargedRequest, host: Host, status: number): void {
    this.#countUnlessGrpc(request.clusterStats.retry, status, request);
    host.counts.rqError++;
  }

  /** From the end of the request to the end of the answer; NaN: the answer was there before. */
  time(request: ChargedRequest, host: Host, ms: number): void {
    const { dynamicStats, zone } = this.#settings;
    if (!dynamicStats || request.healthCheck || Number.isNaN(ms)) return;
    const stats = request.clusterStats;
    stats.all.recordTime(ms);
    originOf(request).recordTime(ms);
    if (zone !== '' && host.zone !== '') stats.zone(zone, host.zone).recordTime(ms);
    if (request.scopes !== null) for (const { codes } of request.scopes) codes.recordTime(ms);
  }

  /** A gRPC call is over; `ending`: what may carry its status, null: nothing does. */
  grpcEnd(request: ChargedRequest, host: Host, ending: HeaderMap | null): void {
    if (!isGrpcRequest(request.headers)) return;
    const status = ending === null ? undefined : ending.get(H.grpcStatus);
    if (status !== undefined && !GRPC_SERVER_ERRORS.has(status)) host.counts.rqSuccess++;
    else host.counts.rqError++;
  }

  #charge(request: ChargedRequest, host: Host | null, status: number, canary: boolean): void {
    if (host !== null && status >= 500) host.counts.rqError++;
    const { zone, dynamicStats } = this.#settings;
    if (!dynamicStats || request.healthCheck) return;
    const stats = request.clusterStats;
    this.#countUnlessGrpc(stats.all, status, request);
    originOf(request).charge(status);
    if (canary) stats.canary.charge(status);
    if (request.scopes !== null) for (const { codes } of request.scopes) codes.charge(status);
    if (zone !== '' && host !== null && host.zone !== '')
      stats.zone(zone, host.zone).charge(status);
  }

  #countUnlessGrpc(counters: CodeCounters, status: number, request: ChargedRequest): void {
    if (this.#settings.suppressGrpcCodes && isGrpcRequest(request.headers))
      counters.chargeCompleted();
    else counters.charge(status);
  }
}

/** Statuses that stand for 5xx (§5.3): unknown, deadline exceeded, unimplemented, internal, unavailable, data loss. */
const GRPC_SERVER_ERRORS: ReadonlySet<string> = new Set(['2', '4', '12', '13', '14', '15']);

const isCanary = (response: ResponseHeaders): boolean =>
  response.has(H.xEnvoyUpstreamCanary) && response.get(H.xEnvoyUpstreamCanary) === 'true';

const originOf = ({ headers, clusterStats }: ChargedRequest): CodeCounters =>
  headers.has(H.xEnvoyInternal) && headers.get(H.xEnvoyInternal) === 'true'
    ? clusterStats.internal
    : clusterStats.external;
