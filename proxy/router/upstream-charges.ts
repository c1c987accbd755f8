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
  /** False: nothing is counted by code or time. */
  readonly dynamicStats: boolean;
  /** Answers to gRPC count as completed, not by code. */
  readonly suppressGrpcCodes: boolean;
  /** Of the node; '': nothing is counted by zone. */
  readonly zone: string;
}

export class UpstreamCharges {
  readonly #settings: ChargeSettings;

  constructor(settings: ChargeSettings) {
    this.#settings = settings;
  }

  /** An answer that goes to the client, or an informational one. */
  response(
    stats: ClusterStats,
    host: Host,
    response: ResponseHeaders,
    request: RequestHeaders,
  ): void {
    const { status } = response;
    this.#charge(stats, host, status, request);
    if (isCanary(response) || host.canary) this.#count(stats.canary, status, request);
    if (status < 500 && !isGrpcRequest(request)) host.counts.rqSuccess++;
  }

  /** A reply of our own in the upstream's stead; `host` null: none is to blame. */
  localReply(
    stats: ClusterStats,
    host: Host | null,
    status: number,
    request: RequestHeaders,
  ): void {
    this.#charge(stats, host, status, request);
    if (host === null) return;
    if (host.canary) this.#count(stats.canary, status, request);
    // A time-out that is answered with 204 is the host's fault all the same.
    if (status < 500) host.counts.rqError++;
  }

  /** The same answer or reply, for the virtual cluster and the route that count by themselves. */
  scopes(scopes: StatsScopes, status: number, request: RequestHeaders): void {
    if (scopes === null) return;
    for (const { codes } of scopes) this.#count(codes, status, request);
  }

  scopesTime(scopes: StatsScopes, ms: number): void {
    if (scopes === null || !this.#settings.dynamicStats || Number.isNaN(ms)) return;
    for (const { codes } of scopes) codes.recordTime(ms);
  }

  /** An answer that had begun will not end; it was counted when it began. */
  cut(host: Host | null, request: RequestHeaders): void {
    if (!isGrpcRequest(request)) return;
    if (host !== null) host.counts.rqError++;
    const { store, rqResetAfterDownstreamResponseStarted } = this.#settings.stats;
    store.inc(rqResetAfterDownstreamResponseStarted);
  }

  /** An answer that is swallowed because the request is tried again. */
  retried(stats: ClusterStats, host: Host, status: number, request: RequestHeaders): void {
    this.#count(stats.retry, status, request);
    host.counts.rqError++;
  }

  /** From the end of the request to the end of the answer; NaN: the answer was there before. */
  time(stats: ClusterStats, host: Host, ms: number, request: RequestHeaders): void {
    if (!this.#settings.dynamicStats || Number.isNaN(ms)) return;
    stats.all.recordTime(ms);
    originOf(stats, request).recordTime(ms);
    const { zone } = this.#settings;
    if (zone !== '' && host.zone !== '') stats.zone(zone, host.zone).recordTime(ms);
  }

  /** A gRPC call is over; `ending`: what may carry its status, null: nothing does. */
  grpcEnd(host: Host, request: RequestHeaders, ending: HeaderMap | null): void {
    if (!isGrpcRequest(request)) return;
    const status = ending === null ? undefined : ending.get(H.grpcStatus);
    if (status !== undefined && !GRPC_SERVER_ERRORS.has(status)) host.counts.rqSuccess++;
    else host.counts.rqError++;
  }

  #charge(stats: ClusterStats, host: Host | null, status: number, request: RequestHeaders): void {
    this.#count(stats.all, status, request);
    this.#count(originOf(stats, request), status, request);
    if (host === null) return;
    if (status >= 500) host.counts.rqError++;
    const { zone } = this.#settings;
    if (zone !== '' && host.zone !== '') this.#count(stats.zone(zone, host.zone), status, request);
  }

  #count(counters: CodeCounters, status: number, request: RequestHeaders): void {
    if (!this.#settings.dynamicStats) return;
    if (this.#settings.suppressGrpcCodes && isGrpcRequest(request)) counters.chargeCompleted();
    else counters.charge(status);
  }
}

/** Statuses that stand for 5xx (§5.3): unknown, deadline exceeded, unimplemented, internal, unavailable, data loss. */
const GRPC_SERVER_ERRORS: ReadonlySet<string> = new Set(['2', '4', '12', '13', '14', '15']);

const isCanary = (response: ResponseHeaders): boolean =>
  response.has(H.xEnvoyUpstreamCanary) && response.get(H.xEnvoyUpstreamCanary) === 'true';

const originOf = (stats: ClusterStats, request: RequestHeaders): CodeCounters =>
  request.has(H.xEnvoyInternal) && request.get(H.xEnvoyInternal) === 'true'
    ? stats.internal
    : stats.external;
