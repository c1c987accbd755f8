// [w] RetryState: whether and when one request is tried again (envoy-behaviour §4). Exists only while a retry is possible.
import { JitteredBackoff } from '../base/backoff.ts';
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../base/timer-wheel.ts';
import type { TimeSource } from '../base/clock.ts';
import type { RandomSource } from '../base/random.ts';
import type { Fraction } from '../base/runtime.ts';
import { StreamResetReason } from '../http/codec.ts';
import type { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { H, headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { StatId } from '../stats/store.ts';
import { ResponseFlag } from '../stream-info/response-flags.ts';
import type { ClusterStats } from '../upstream/cluster-stats.ts';
import type { Priority, ResourceManager } from '../upstream/resource-manager.ts';
import type { ThreadLocalCluster } from '../upstream/thread-local-cluster.ts';
import { fractionHolds } from './fraction.ts';
import { anyHeaderMatches } from './header-matcher.ts';
import { takeRetryHeaders } from './retry-headers.ts';
import type { RetryHeaders } from './retry-headers.ts';
import { ANY_GRPC_CONDITION, HEADER_ONLY_POLICY, RetryOn } from './retry-policy.ts';
import type { RetryPolicy } from './retry-policy.ts';
import { countIn } from './scope-stats.ts';
import type { ScopeCounter, StatsScopes } from './scope-stats.ts';

export const RetryDecision = {
  Yes: 'yes',
  No: 'no',
  LimitExceeded: 'limit exceeded',
  Overflow: 'overflow',
  /** The request might be done twice. */
  Guarded: 'guarded',
} as const;
export type RetryDecision = (typeof RetryDecision)[keyof typeof RetryDecision];

export function flagOfRetry(decision: RetryDecision): ResponseFlag | null {
  if (decision === RetryDecision.LimitExceeded) return ResponseFlag.UpstreamRetryLimitExceeded;
  return decision === RetryDecision.Overflow ? ResponseFlag.UpstreamOverflow : null;
}

/** What of a route counts. */
export interface RetrySource {
  /** Null: only what headers ask for. */
  readonly retryPolicy: RetryPolicy | null;
  readonly priority: Priority;
  /** See docs/replay-guard.md. */
  readonly guardReplays: boolean;
}

/** Chance and time, as retries need them. */
export interface RetryEnvironment {
  /** Share of retries that are made; null: all. */
  readonly useRetry: Fraction | null;
  readonly random: RandomSource;
  readonly time: TimeSource;
  readonly timers: TimerWheel;
}

/** The request that is tried again. */
export interface RetryOwner {
  /** Where retries are counted besides their cluster. */
  readonly scopes: StatsScopes;
  /** The wait that wait() began is over. */
  onRetryDue(): void;
}

/** Whether, and how soon, an answer or a reset is worth another attempt. */
const Wanted = { No: 0, Backoff: 1, Immediately: 2 } as const;
type Wanted = (typeof Wanted)[keyof typeof Wanted];

const TOO_EARLY = 425;
const EARLY_DATA = headerName('early-data');

/** What of a cluster counts. */
export type RetryCluster = Pick<ThreadLocalCluster, 'stats' | 'resources'>;

export class RetryState implements TimerOwner {
  readonly policy: RetryPolicy;
  /** Set by who created it. */
  owner: RetryOwner | null = null;
  readonly #stats: ClusterStats;
  readonly #resources: ResourceManager;
  readonly #environment: RetryEnvironment;
  /** A request that must not be done twice. */
  #guarded = false;
  #conditions: number;
  #statusCodes: readonly number[];
  #headerNames: readonly HeaderName[] | null = null;
  #remaining: number;
  /** A retry is under way: it holds a place among the cluster's concurrent retries until it is decided. */
  #outstanding = false;
  #backoff: JitteredBackoff | null = null;
  #timer: WheelTimer | null = null;
  /** What the answer that is being retried asked for; 0: nothing. */
  #askedMs = 0;
  /** What the wait before the next retry counts as; null: there is none. */
  #backoffStat: StatId | null = null;
  #retried = false;
  /** The retry that was granted last does not wait. */
  #immediately = false;

  private constructor(
    policy: RetryPolicy,
    source: RetrySource,
    cluster: RetryCluster,
    environment: RetryEnvironment,
  ) {
    this.policy = policy;
    this.#stats = cluster.stats;
    this.#resources = cluster.resources(source.priority);
    this.#environment = environment;
    this.#conditions = policy.conditions;
    this.#statusCodes = policy.retriableStatusCodes;
    this.#remaining = policy.numRetries;
  }

  /** Null: nothing is ever retried. Takes the retry headers out of the request (envoy-behaviour §4.1). */
  static create(
    source: RetrySource,
    headers: RequestHeaders,
    cluster: RetryCluster,
    environment: RetryEnvironment,
  ): RetryState | null {
    const policy = source.retryPolicy ?? HEADER_ONLY_POLICY;
    const asked = takeRetryHeaders(headers, policy);
    if (policy.conditions === 0 && (asked === null || asked.conditions === 0)) return null;
    if (
      policy.retriableRequestHeaders.length > 0 &&
      !anyHeaderMatches(policy.retriableRequestHeaders, headers)
    ) {
      return null;
    }
    const state = new RetryState(policy, source, cluster, environment);
    state.#guarded = source.guardReplays && !IDEMPOTENT_METHODS.has(headers.method);
    if (asked !== null) state.#widen(asked);
    return state;
  }

  onResponseHeaders(headers: ResponseHeaders, request: RequestHeaders): RetryDecision {
    const wanted = this.#wantedByHeaders(headers, request);
    const { rateLimitedBackoff } = this.policy;
    this.#askedMs =
      wanted === Wanted.Backoff && rateLimitedBackoff !== null
        ? rateLimitedBackoff.askedMs(headers, this.#environment.time)
        : 0;
    // Who says that it came too early has not done it.
    return this.#decide(wanted, wanted !== Wanted.Immediately);
  }

  /** Whether the answer would be retried if that could still be done. */
  wouldRetry(headers: ResponseHeaders, request: RequestHeaders): boolean {
    return this.#wantedByHeaders(headers, request) !== Wanted.No;
  }

  /** `requestSent`: bytes of the request left on some attempt. */
  onReset(reason: StreamResetReason, requestSent: boolean): RetryDecision {
    this.#askedMs = 0;
    const wanted = this.#wantedByReset(reason, requestSent) ? Wanted.Backoff : Wanted.No;
    // Nor has who refused the stream (RFC 9113 §8.7).
    const undone = !requestSent || reason === StreamResetReason.RemoteRefusedStreamReset;
    return this.#decide(wanted, !undone);
  }

  /** An attempt takes long and is to get company: no condition has to want it. */
  onHedge(): RetryDecision {
    this.#askedMs = 0;
    return this.#decide(Wanted.Backoff, true);
  }

  /** How long to wait before the retry that was just granted. */
  nextBackoffMs(): number {
    this.#backoffStat = null;
    if (this.#immediately) return 0;
    const { random } = this.#environment;
    const askedMs = this.#askedMs;
    // Of a millisecond or less no distribution can be made.
    if (askedMs > 1) {
      this.#backoffStat = this.#stats.upstreamRqRetryBackoffRatelimited;
      return askedMs + Math.floor(random.next() * Math.floor(askedMs / 2));
    }
    const { baseIntervalMs, maxIntervalMs } = this.policy;
    this.#backoff ??= new JitteredBackoff(baseIntervalMs, maxIntervalMs, random);
    this.#backoffStat = this.#stats.upstreamRqRetryBackoffExponential;
    return this.#backoff.nextMs();
  }

  /** Begins the wait before the retry that was just granted. */
  wait(): void {
    this.#timer ??= new WheelTimer(this, 0);
    this.#environment.timers.arm(this.#timer, this.nextBackoffMs());
  }

  get waiting(): boolean {
    return this.#timer !== null && this.#timer.armed;
  }

  /** Gives back what a retry under way holds, and waits no more. */
  dispose(): void {
    if (this.#timer !== null) this.#environment.timers.cancel(this.#timer);
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

  // === TimerOwner: the wait is over, the retry is made

  onTimer(): void {
    const { store, upstreamRqRetry } = this.#stats;
    this.#retried = true;
    store.inc(upstreamRqRetry);
    this.#countInScopes('retry');
    if (this.#backoffStat !== null) store.inc(this.#backoffStat);
    this.owner?.onRetryDue();
  }

  #countInScopes(counter: ScopeCounter): void {
    if (this.owner !== null) countIn(this.owner.scopes, counter);
  }

  /** `maybeDone`: an upstream may have the request, or a part of it. */
  #decide(wanted: Wanted, maybeDone: boolean): RetryDecision {
    const stats = this.#stats;
    this.dispose();
    if (wanted === Wanted.No) {
      // Whatever no condition wants is a success, a reset included.
      if (this.#retried) {
        stats.store.inc(stats.upstreamRqRetrySuccess);
        this.#countInScopes('retrySuccess');
      }
      return RetryDecision.No;
    }
    if (maybeDone && this.#guarded) {
      stats.store.inc(stats.store.counter(`${stats.prefix}upstream_rq_replay_guarded`));
      return RetryDecision.Guarded;
    }
    if (this.#remaining <= 0) {
      stats.store.inc(stats.upstreamRqRetryLimitExceeded);
      this.#countInScopes('retryLimitExceeded');
      return RetryDecision.LimitExceeded;
    }
    this.#remaining--;
    if (!this.#resources.canRetry()) {
      stats.store.inc(stats.upstreamRqRetryOverflow);
      this.#countInScopes('retryOverflow');
      return RetryDecision.Overflow;
    }
    const { useRetry, random } = this.#environment;
    if (useRetry !== null && !fractionHolds(useRetry, random.nextUint32())) return RetryDecision.No;
    this.#resources.retries.inc();
    this.#outstanding = true;
    this.#immediately = wanted === Wanted.Immediately;
    return RetryDecision.Yes;
  }

  #wantedByHeaders(headers: ResponseHeaders, request: RequestHeaders): Wanted {
    const conditions = this.#conditions;
    if (headers.has(H.xEnvoyRateLimited))
      return (conditions & RetryOn.EnvoyRateLimited) !== 0 ? Wanted.Backoff : Wanted.No;
    const status = headers.status;
    if (statusWanted(status, conditions)) return Wanted.Backoff;
    if ((conditions & RetryOn.RetriableStatusCodes) !== 0 && this.#statusCodes.includes(status)) {
      if (status !== TOO_EARLY) return Wanted.Backoff;
      // Who sent early data hears of it and sends again itself.
      if (!request.has(EARLY_DATA)) return Wanted.Immediately;
    }
    const wanted =
      ((conditions & RetryOn.RetriableHeaders) !== 0 && this.#anyRetriableHeader(headers)) ||
      ((conditions & ANY_GRPC_CONDITION) !== 0 && grpcStatusWanted(headers, conditions));
    return wanted ? Wanted.Backoff : Wanted.No;
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

/** RFC 9110 §9.2.2, and QUERY. */
export const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PUT',
  'DELETE',
  'QUERY',
]);

const statusWanted = (status: number, conditions: number): boolean =>
  (status >= 500 && status <= 599 && (conditions & RetryOn.FiveXx) !== 0) ||
  (status >= 502 && status <= 504 && (conditions & RetryOn.GatewayError) !== 0) ||
  (status === 409 && (conditions & RetryOn.Retriable4xx) !== 0);

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
