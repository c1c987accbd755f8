// [w] RetryState: whether one request is tried again (envoy-behaviour §4). Exists only while a retry is possible.
import { JitteredBackoff } from '../base/backoff.ts';
import type { RandomSource } from '../base/random.ts';
import { StreamResetReason } from '../http/codec.ts';
import type { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { H, wireHeaderName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { ClusterStats } from '../upstream/cluster-stats.ts';
import type { Priority, ResourceManager } from '../upstream/resource-manager.ts';
import type { ThreadLocalCluster } from '../upstream/thread-local-cluster.ts';
import { anyHeaderMatches, decimalInteger } from './header-matcher.ts';
import {
  ANY_GRPC_CONDITION,
  HEADER_ONLY_POLICY,
  RetryOn,
  parseRetryGrpcOn,
  parseRetryOn,
  splitList,
} from './retry-policy.ts';
import type { RetryPolicy } from './retry-policy.ts';

export const RetryDecision = {
  Yes: 'yes',
  No: 'no',
  LimitExceeded: 'limit exceeded',
  Overflow: 'overflow',
} as const;
export type RetryDecision = (typeof RetryDecision)[keyof typeof RetryDecision];

/** What of a route counts. */
export interface RetrySource {
  /** Null: only what headers ask for. */
  readonly retryPolicy: RetryPolicy | null;
  readonly priority: Priority;
}

/** What of a cluster counts. */
export type RetryCluster = Pick<ThreadLocalCluster, 'stats' | 'resources'>;

/** Names and values a client may add to the policy's; bounded, because they come off the wire. */
const MAX_LIST_ITEMS = 64;

export class RetryState {
  readonly policy: RetryPolicy;
  readonly #stats: ClusterStats;
  readonly #resources: ResourceManager;
  readonly #random: RandomSource;
  #conditions: number;
  #statusCodes: readonly number[];
  #headerNames: readonly HeaderName[] | null = null;
  #remaining: number;
  #done = 0;
  /** A retry is under way: it holds a place among the cluster's concurrent retries until it is decided. */
  #outstanding = false;
  #backoff: JitteredBackoff | null = null;

  private constructor(
    policy: RetryPolicy,
    source: RetrySource,
    cluster: RetryCluster,
    random: RandomSource,
  ) {
    this.policy = policy;
    this.#stats = cluster.stats;
    this.#resources = cluster.resources(source.priority);
    this.#random = random;
    this.#conditions = policy.conditions;
    this.#statusCodes = policy.retriableStatusCodes;
    this.#remaining = policy.numRetries;
  }

  /** Null: nothing is ever retried. Takes the retry headers out of the request (envoy-behaviour §4.1). */
  static create(
    source: RetrySource,
    headers: RequestHeaders,
    cluster: RetryCluster,
    random: RandomSource,
  ): RetryState | null {
    const policy = source.retryPolicy ?? HEADER_ONLY_POLICY;
    const asked = hasRetryHeaders(headers) ? readRetryHeaders(headers, policy) : null;
    removeRetryHeaders(headers);
    if (policy.conditions === 0 && (asked === null || asked.conditions === 0)) return null;
    if (
      policy.retriableRequestHeaders.length > 0 &&
      !anyHeaderMatches(policy.retriableRequestHeaders, headers)
    ) {
      return null;
    }
    const state = new RetryState(policy, source, cluster, random);
    if (asked !== null) state.#widen(asked);
    return state;
  }

  /** Retries made so far. */
  get retries(): number {
    return this.#done;
  }

  onResponseHeaders(headers: ResponseHeaders): RetryDecision {
    return this.#decide(this.#wantedByHeaders(headers), true);
  }

  /** `requestSent`: bytes of the request left on some attempt. */
  onReset(reason: StreamResetReason, requestSent: boolean): RetryDecision {
    return this.#decide(this.#wantedByReset(reason, requestSent), false);
  }

  /** How long to wait before the retry that was just granted. */
  nextBackoffMs(): number {
    this.#backoff ??= new JitteredBackoff(
      this.policy.baseIntervalMs,
      this.policy.maxIntervalMs,
      this.#random,
    );
    this.#stats.store.inc(this.#stats.upstreamRqRetryBackoffExponential);
    return this.#backoff.nextMs();
  }

  /** Gives back what a retry under way holds. */
  dispose(): void {
    if (!this.#outstanding) return;
    this.#outstanding = false;
    this.#resources.retries.dec();
  }

  #widen(asked: RetryHeaders): void {
    this.#conditions |= asked.conditions;
    this.#statusCodes = asked.statusCodes;
    this.#headerNames = asked.headerNames;
    this.#remaining = asked.maxRetries;
  }

  #decide(wanted: boolean, isResponse: boolean): RetryDecision {
    this.dispose();
    const stats = this.#stats;
    if (!wanted) {
      if (isResponse && this.#done > 0) stats.store.inc(stats.upstreamRqRetrySuccess);
      return RetryDecision.No;
    }
    if (this.#remaining <= 0) {
      stats.store.inc(stats.upstreamRqRetryLimitExceeded);
      return RetryDecision.LimitExceeded;
    }
    this.#remaining--;
    if (!this.#resources.canRetry()) {
      stats.store.inc(stats.upstreamRqRetryOverflow);
      return RetryDecision.Overflow;
    }
    this.#resources.retries.inc();
    this.#outstanding = true;
    this.#done++;
    stats.store.inc(stats.upstreamRqRetry);
    return RetryDecision.Yes;
  }

  #wantedByHeaders(headers: ResponseHeaders): boolean {
    const conditions = this.#conditions;
    if (headers.has(H.xEnvoyRateLimited)) return (conditions & RetryOn.EnvoyRateLimited) !== 0;
    const status = headers.status;
    if (status >= 500 && status <= 599 && (conditions & RetryOn.FiveXx) !== 0) return true;
    if (status >= 502 && status <= 504 && (conditions & RetryOn.GatewayError) !== 0) return true;
    if (status === 409 && (conditions & RetryOn.Retriable4xx) !== 0) return true;
    if ((conditions & RetryOn.RetriableStatusCodes) !== 0 && this.#statusCodes.includes(status))
      return true;
    if ((conditions & RetryOn.RetriableHeaders) !== 0 && this.#anyRetriableHeader(headers))
      return true;
    return (conditions & ANY_GRPC_CONDITION) !== 0 && grpcStatusWanted(headers, conditions);
  }

  #anyRetriableHeader(headers: ResponseHeaders): boolean {
    if (anyHeaderMatches(this.policy.retriableHeaders, headers)) return true;
    return this.#headerNames !== null && this.#headerNames.some((name) => headers.has(name));
  }

  #wantedByReset(reason: StreamResetReason, requestSent: boolean): boolean {
    // A full circuit breaker is no reason to ask again.
    if (reason === StreamResetReason.Overflow) return false;
    const conditions = this.#conditions;
    if ((conditions & (RetryOn.FiveXx | RetryOn.GatewayError | RetryOn.Reset)) !== 0) return true;
    if ((conditions & RetryOn.ResetBeforeRequest) !== 0 && !requestSent) return true;
    if (
      (conditions & RetryOn.RefusedStream) !== 0 &&
      reason === StreamResetReason.RemoteRefusedStreamReset
    ) {
      return true;
    }
    return (
      (conditions & RetryOn.ConnectFailure) !== 0 &&
      (reason === StreamResetReason.LocalConnectionFailure ||
        reason === StreamResetReason.RemoteConnectionFailure ||
        reason === StreamResetReason.ConnectionTimeout)
    );
  }
}

const GRPC_STATUS_BITS = new Map<string, number>([
  ['1', RetryOn.Cancelled],
  ['4', RetryOn.DeadlineExceeded],
  ['8', RetryOn.ResourceExhausted],
  ['13', RetryOn.Internal],
  ['14', RetryOn.Unavailable],
]);

/** Only `grpc-status` among the headers counts: trailers are never retried. */
function grpcStatusWanted(headers: ResponseHeaders, conditions: number): boolean {
  const status = headers.get(H.grpcStatus);
  return status !== undefined && ((GRPC_STATUS_BITS.get(status) ?? 0) & conditions) !== 0;
}

interface RetryHeaders {
  readonly conditions: number;
  readonly maxRetries: number;
  readonly statusCodes: readonly number[];
  readonly headerNames: readonly HeaderName[] | null;
}

const hasRetryHeaders = (headers: RequestHeaders): boolean =>
  headers.has(H.xEnvoyRetryOn) ||
  headers.has(H.xEnvoyRetryGrpcOn) ||
  headers.has(H.xEnvoyMaxRetries) ||
  headers.has(H.xEnvoyRetriableStatusCodes) ||
  headers.has(H.xEnvoyRetriableHeaderNames);

function readRetryHeaders(headers: RequestHeaders, policy: RetryPolicy): RetryHeaders {
  let conditions = parseRetryOn(headers.get(H.xEnvoyRetryOn) ?? '');
  conditions |= parseRetryGrpcOn(headers.get(H.xEnvoyRetryGrpcOn) ?? '');
  const maxRetries = decimalInteger(headers.get(H.xEnvoyMaxRetries) ?? '');
  const statusCodes = [...policy.retriableStatusCodes];
  for (const item of splitList(headers.get(H.xEnvoyRetriableStatusCodes) ?? '').slice(
    0,
    MAX_LIST_ITEMS,
  )) {
    const code = decimalInteger(item);
    if (code >= 0) statusCodes.push(code);
  }
  const names = splitList(headers.get(H.xEnvoyRetriableHeaderNames) ?? '').slice(0, MAX_LIST_ITEMS);
  return {
    conditions,
    maxRetries: maxRetries >= 0 ? maxRetries : policy.numRetries,
    statusCodes,
    headerNames:
      names.length === 0 ? null : names.map((name) => wireHeaderName(name.toLowerCase())),
  };
}

function removeRetryHeaders(headers: RequestHeaders): void {
  headers.remove(H.xEnvoyRetryOn);
  headers.remove(H.xEnvoyRetryGrpcOn);
  headers.remove(H.xEnvoyMaxRetries);
  headers.remove(H.xEnvoyHedgeOnPerTryTimeout);
  headers.remove(H.xEnvoyRetriableHeaderNames);
  headers.remove(H.xEnvoyRetriableStatusCodes);
}
