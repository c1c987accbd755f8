// [w] RouterFilter: the last HTTP filter. Chooses cluster and host, sends the request, tries again, gives the answer
// back (envoy-behaviour §3.3–§3.9, §4, §5.1). One per request; attempts are UpstreamRequest objects, one at a time
// unless they are hedged.
//
// Longer than most files because one request's state belongs in one object: what could be cut out of it (retry
// decisions, time-outs, replies, kept body, attempts, mirrors, redirects that are followed, charges) has been.
/* oxlint-disable max-lines */
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../base/timer-wheel.ts';
import { StreamResetReason } from '../http/codec.ts';
import { responseHeadersBytes } from '../http/header-bytes.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { H, headerName } from '../http/headers.ts';
import { FilterStatus, PassThroughFilter } from '../http/http-filter.ts';
import type { DownstreamWatermarkCallbacks, FilterCallbacks } from '../http/http-filter.ts';
import { ResponseFlag } from '../stream-info/response-flags.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { UpstreamConnectionFacts } from '../stream-info/upstream-facts.ts';
import type { ClusterStats } from '../upstream/cluster-stats.ts';
import type { Host } from '../upstream/host.ts';
import type { ThreadLocalCluster } from '../upstream/thread-local-cluster.ts';
import { admit, replyWithoutUpstream } from './admission.ts';
import { recordBudget } from './attempt-measure.ts';
import { watchOf } from './attempt-watch.ts';
import { Handshake, handshakeAccepted, handshakeNeedsReply, handshakeOf } from './handshake.ts';
import { AttemptTimer, countAttemptTimeout } from './attempt-timers.ts';
import { HostSelection } from './host-selection.ts';
import { HedgedAttempts } from './hedged-attempts.ts';
import type { InternalRedirectPolicy } from './internal-redirect.ts';
import type { Mirrors } from './mirrors.ts';
import { KeptBody } from './kept-body.ts';
import { MAX_TIMER_MS, RequestTimeouts } from './request-timeouts.ts';
import { RetryDecision, RetryState, flagOfRetry } from './retry-state.ts';
import type { RetryOwner } from './retry-state.ts';
import type { RouteAction } from './route-action.ts';
import { RouteEntry } from './route-entry.ts';
import type { RouterContext } from './router-context.ts';
import {
  RouterReply,
  bufferFullReply,
  handshakeFailedReply,
  maxStreamDurationReply,
  noHostReply,
  resetReply,
  timeoutReply,
} from './router-reply.ts';
import { countIn } from './scope-stats.ts';
import { MAX_REPLAY_BODY_BYTES, keepsForReplay, mayReplay } from './stale-replay.ts';
import type { StatsScopes } from './scope-stats.ts';
import type { ChargedRequest } from './upstream-charges.ts';
import { transportOverridesOf } from './transport-overrides.ts';
import { UpstreamRequest } from './upstream-request.ts';
import type { UpstreamRequestOwner } from './upstream-request.ts';

const X_ENVOY_IS_TIMEOUT_RETRY = headerName('x-envoy-is-timeout-retry');
const NO_TIMEOUTS = RequestTimeouts.none();

export class RouterFilter
  extends PassThroughFilter
  implements
    UpstreamRequestOwner,
    RetryOwner,
    ChargedRequest,
    TimerOwner,
    DownstreamWatermarkCallbacks
{
  readonly timers: TimerWheel;
  timeouts: RequestTimeouts = NO_TIMEOUTS;
  headers: RequestHeaders;
  scopes: StatsScopes = null;
  readonly #context: RouterContext;
  readonly #callbacks: FilterCallbacks;
  readonly #info: StreamInfo;
  #route: RouteEntry | null = null;
  #action: RouteAction | null = null;
  #cluster: ThreadLocalCluster | null = null;
  /** The newest one. */
  #attempt: UpstreamRequest | null = null;
  /** Older ones that may still answer; null where nothing is hedged. */
  #hedged: HedgedAttempts | null = null;
  #retry: RetryState | null = null;
  #body: KeptBody | null = null;
  #trailers: HeaderMap | null = null;
  #mirrors: Mirrors | null = null;
  #selection: HostSelection | null = null;
  #globalTimer: WheelTimer | null = null;
  #requestCompleteMs = 0;
  #handshake: Handshake = Handshake.None;
  /** Answered, reset or destroyed: nothing more is to be done. */
  #over = false;
  #requestEnded = false;
  #requestSent = false;
  /** The client has begun to get an attempt's answer, if only its interim part. */
  #responseStarted = false;
  /** The body was too large to be sent again. */
  #bodyOverflow = false;
  /** Sent once more already, or bytes of its body are gone: see stale-replay.ts. */
  #replayLost = false;
  /** The client was told to wait because no attempt takes its body. */
  #readPaused = false;
  /** An accepted upgrade: bytes flow both ways for as long as the ends like. */
  #tunnel = false;
  #destroyed = false;

  constructor(context: RouterContext, callbacks: FilterCallbacks) {
    super();
    this.#context = context;
    this.#callbacks = callbacks;
    this.timers = context.timers;
    this.#info = callbacks.streamInfo;
    this.headers = callbacks.requestHeaders;
  }

  // === ChargedRequest

  get clusterStats(): ClusterStats {
    return this.#cluster!.stats;
  }

  get healthCheck(): boolean {
    return this.#info.healthCheck;
  }

  // === HttpFilter: the request

  override decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterStatus {
    const { stats } = this.#context;
    stats.store.inc(stats.rqTotal);
    const route = this.#callbacks.route;
    this.headers = headers;
    this.#requestEnded = endStream;
    if (!(route instanceof RouteEntry) || route.action === null) {
      this.#reply(replyWithoutUpstream(route, headers, this.#info, this.#context));
      return FilterStatus.StopIteration;
    }
    this.#route = route;
    this.#action = route.action;
    this.scopes = route.statsScopes(headers, this.#info);
    const host = this.#admit();
    if (host === null) return FilterStatus.StopIteration;
    this.#prepareHeaders(route, route.action);
    if (route.action.mirrors !== null) {
      const { globalMs: timeoutMs } = this.timeouts;
      const request = { headers, info: this.#info, endStream, timeoutMs };
      this.#mirrors = route.action.mirrors.start(route.action, this.#context, request);
    }
    this.#startAttempt(host);
    if (!this.#over && (endStream || this.#handshake !== Handshake.None)) this.#onRequestComplete();
    return FilterStatus.Continue;
  }

  override decodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    if (this.#over) return FilterStatus.Continue;
    this.#requestEnded = endStream;
    if (this.#mirrors !== null) this.#mirrors.sendData(chunk, endStream);
    const attempt = this.#attempt;
    if (attempt !== null && attempt.writable && this.#handshake === Handshake.None) {
      if (this.#mayBeSentAgain()) this.#keep(chunk);
      else this.#keepForReplay(chunk);
      attempt.sendData(chunk, endStream);
    } else if (!this.#responseStarted) {
      this.#keep(chunk);
      // The head left, or will leave, as one that a body follows.
      if (endStream) this.#body ??= new KeptBody();
    }
    if (endStream && !this.#over) this.#onRequestComplete();
    return FilterStatus.Continue;
  }

  override decodeTrailers(trailers: HeaderMap): FilterStatus {
    if (this.#over) return FilterStatus.Continue;
    this.#requestEnded = true;
    this.#trailers = trailers;
    if (this.#mirrors !== null) this.#mirrors.sendTrailers(trailers);
    const attempt = this.#attempt;
    if (attempt !== null && attempt.writable && this.#handshake === Handshake.None)
      attempt.sendTrailers(trailers);
    if (!this.#over) this.#onRequestComplete();
    return FilterStatus.Continue;
  }

  override onDestroy(): void {
    this.#destroyed = true;
    if (this.#mirrors !== null && !this.#requestEnded) this.#mirrors.cancel();
    this.#end();
  }

  // === Before the first attempt

  /** Null when the request was answered here; else the host to send it to. */
  #admit(): Host | null {
    const info = this.#info;
    const admitted = admit(this.#route!, this.headers, info, this.#context);
    if (admitted instanceof RouterReply) {
      this.#reply(admitted);
      return null;
    }
    this.#cluster = admitted;
    info.attemptCount = 1;
    this.#selection = new HostSelection(this.headers, info, this.#route!);
    const host = admitted.chooseHost(this.#selection);
    if (host === null) this.#replyNoHost();
    return host;
  }

  /** Time-outs, attempt count, configured changes, retry headers: in the order they have on the wire (§1.3). */
  #prepareHeaders(route: RouteEntry, action: RouteAction): void {
    const context = this.#context;
    const headers = this.headers;
    this.timeouts = RequestTimeouts.take(action, headers, context.respectExpectedRqTimeout);
    this.timeouts.tell(headers, 0, context);
    if (route.scope.includeRequestAttemptCount) headers.set(H.xEnvoyAttemptCount, '1');
    route.finalizeRequestHeaders(headers, this.#info, !context.suppressEnvoyHeaders);
    this.#retry = RetryState.create(action, headers, this.#cluster!, context);
    if (this.#retry !== null) this.#retry.owner = this;
    if (this.#callbacks.upgradeRequested) this.#handshake = handshakeOf(headers);
  }

  // === Attempts

  /** `fresh`: not on a connection that has been idle. */
  #startAttempt(host: Host, fresh = false): void {
    const info = this.#info;
    const action = this.#action!;
    const cluster = this.#cluster!;
    const wishes = transportOverridesOf(cluster.config, host, this.headers, info);
    const { connect } = action;
    const pool =
      connect !== null && connect.endsHere(this.headers)
        ? connect.poolFor({ cluster, host, action, info, overrides: wishes })
        : cluster.httpPool(host, action.priority, info, wishes);
    if (pool === null) {
      this.#replyNoHost();
      return;
    }
    info.host = host;
    info.upstreamConnection = null;
    if (info.meter !== null) info.meter.attemptStartMs = this.#context.time.monotonicMs();
    const attempt = new UpstreamRequest(this, host, this.clusterStats);
    if (this.#context.upstreamLog !== null || cluster.config.measures !== undefined) {
      const { headers, timeouts } = this;
      attempt.log = watchOf({ cluster, host, headers, info, timeouts }, this.#context);
    }
    this.#attempt = attempt;
    attempt.start(pool, fresh);
  }

  onUpstreamReady(attempt: UpstreamRequest, connection: UpstreamConnectionFacts): void {
    const info = this.#info;
    const action = this.#action!;
    info.upstreamConnection = connection;
    if (action.autoHostRewrite && attempt.host.hostname !== '') {
      action.replaceHost(this.headers, attempt.host.hostname, !this.#context.suppressEnvoyHeaders);
    }
    const nowMs = this.#context.time.monotonicMs();
    info.upstreamFirstByteSentMs = nowMs;
    if (info.meter !== null) {
      info.meter.poolReadyMs = nowMs;
      attempt.meter(info.meter.upstream);
    }
    this.#requestSent = true;
    countIn(this.scopes, 'total');
    const durationMs = this.timeouts.streamMs ?? this.#cluster!.config.http.maxStreamDurationMs;
    if (durationMs !== undefined && durationMs > 0) attempt.limitDuration(durationMs);
    attempt.sendHeaders(
      this.headers,
      this.#requestEnded && this.#body === null && this.#trailers === null,
    );
    if (!attempt.writable) return;
    if (this.#handshake !== Handshake.None) attempt.armTimers();
    else if (!this.#tunnel) this.#sendKept(attempt);
    if (this.#requestEnded && attempt.writable) {
      info.upstreamLastByteSentMs = nowMs;
      attempt.armTimers();
    }
  }

  /** Everything that came before the attempt could take it. */
  #sendKept(attempt: UpstreamRequest): void {
    if (this.#body !== null)
      this.#body.sendTo(attempt, this.#requestEnded && this.#trailers === null);
    if (this.#trailers !== null && attempt.writable) attempt.sendTrailers(this.#trailers);
    if (!this.#mayBeSentAgain()) this.#keepForReplay(null);
    this.#pauseReading(false);
  }

  /** A retry or a redirect may want the body again. */
  #mayBeSentAgain(): boolean {
    if (this.#retry !== null) return true;
    const redirects = this.#action!.internalRedirect !== null && !this.#bodyOverflow;
    return redirects && !this.#callbacks.responseStarted;
  }

  /** What was kept, and `chunk`, stay only where the connection may prove to be dead. */
  #keepForReplay(chunk: Buffer | null): void {
    if (this.#replayLost) return;
    const bytes = (this.#body?.byteCount ?? 0) + (chunk?.length ?? 0);
    const connection = this.#info.upstreamConnection;
    const kept =
      bytes <= MAX_REPLAY_BODY_BYTES &&
      keepsForReplay(this.#action!, this.headers, this.#requestEnded, connection);
    if (!kept) {
      this.#body = null;
      this.#replayLost = bytes > 0;
    } else if (chunk !== null) (this.#body ??= new KeptBody()).add(chunk);
  }

  #keep(chunk: Buffer): void {
    if (chunk.length === 0) return;
    const body = (this.#body ??= new KeptBody());
    const limit = this.#route!.bodyBufferLimitBytes ?? this.#context.bodyBufferLimitBytes;
    if (body.byteCount + chunk.length <= limit || !this.#onBufferFull()) body.add(chunk);
  }

  /** True: there is nobody to keep the chunk for. */
  #onBufferFull(): boolean {
    const attempt = this.#attempt;
    if (this.#mayBeSentAgain()) {
      const stats = this.clusterStats;
      stats.store.inc(stats.retryOrShadowAbandoned);
      this.#bodyOverflow = true;
      this.#giveUpRetries();
    }
    if (attempt === null) {
      this.#reply(bufferFullReply());
      return true;
    }
    if (attempt.writable && this.#handshake === Handshake.None) return true;
    this.#pauseReading(true);
    return false;
  }

  /** What is kept for a later attempt goes; what waits for this one stays. */
  #giveUpRetries(): void {
    this.#retry?.dispose();
    this.#retry = null;
    const waits = this.#attempt === null || !this.#attempt.writable;
    if (!waits && this.#handshake === Handshake.None && !this.#mayBeSentAgain()) {
      this.#replayLost = true;
      this.#body = null;
    }
  }

  #pauseReading(pause: boolean): void {
    if (this.#readPaused === pause || this.#destroyed) return;
    this.#readPaused = pause;
    this.#callbacks.requestReadDisable(pause);
  }

  #onRequestComplete(): void {
    const info = this.#info;
    const nowMs = Number.isNaN(info.requestCompleteMs)
      ? this.#context.time.monotonicMs()
      : info.requestCompleteMs;
    this.#requestCompleteMs = nowMs;
    const { globalMs } = this.timeouts;
    if (globalMs > 0 && this.#globalTimer === null && !this.#tunnel) {
      this.#globalTimer = new WheelTimer(this, 0);
      this.timers.arm(this.#globalTimer, Math.min(globalMs, MAX_TIMER_MS));
    }
    const attempt = this.#attempt;
    if (attempt === null || !attempt.writable || this.#tunnel) return;
    if (this.#requestEnded) info.upstreamLastByteSentMs = nowMs;
    attempt.armTimers();
  }

  /** True: the attempt that failed, or takes too long, will be followed by another. */
  #retries(decision: RetryDecision, attempt: UpstreamRequest, afterTimeout: boolean): boolean {
    if (decision === RetryDecision.Yes) {
      const retry = this.#retry!;
      this.#attempt = null;
      this.#selection!.retry(retry.policy, attempt.host);
      if (this.#route!.scope.includeIsTimeoutRetryHeader)
        this.headers.set(X_ENVOY_IS_TIMEOUT_RETRY, afterTimeout ? 'true' : 'false');
      retry.wait();
      return true;
    }
    const flag = flagOfRetry(decision);
    if (flag !== null) this.#info.setFlag(flag);
    return false;
  }

  /** True: the attempt broke, and another one follows. */
  #retriesReset(
    attempt: UpstreamRequest,
    reason: StreamResetReason,
    afterTimeout: boolean,
  ): boolean {
    const retry = this.#retry;
    if (this.#responseStarted || retry === null || this.#hedged?.has(attempt) === true)
      return false;
    if (!this.#retries(retry.onReset(reason, this.#requestSent), attempt, afterTimeout))
      return false;
    attempt.host.counts.rqError++;
    return true;
  }

  /** True: the connection was dead when the request was given to it, and another one has it now (stale-replay.ts). */
  #replaysStale(attempt: UpstreamRequest, reason: StreamResetReason): boolean {
    if (this.#replayLost || this.#responseStarted || this.#hedged !== null) return false;
    const action = this.#action!;
    const connection = this.#info.upstreamConnection;
    const requestEnded = this.#requestEnded;
    if (!mayReplay(action, this.headers, { reason, requestEnded, connection })) return false;
    if (!this.#cluster!.resources(action.priority).pendingRequests.canCreate()) return false;
    this.#replayLost = true;
    const { store, prefix } = this.clusterStats;
    store.inc(store.counter(`${prefix}upstream_rq_stale_replayed`));
    this.#startAttempt(attempt.host, true);
    return true;
  }

  // === RetryOwner

  onRetryDue(): void {
    const info = this.#info;
    info.attemptCount++;
    if (this.#route!.scope.includeRequestAttemptCount) {
      this.headers.set(H.xEnvoyAttemptCount, String(info.attemptCount));
    }
    const elapsedMs = this.#requestEnded
      ? this.#context.time.monotonicMs() - this.#requestCompleteMs
      : 0;
    this.timeouts.tell(this.headers, elapsedMs, this.#context);
    const cluster = this.#context.clusters.get(info.upstreamCluster);
    const host = cluster === undefined ? null : cluster.chooseHost(this.#selection);
    if (cluster === undefined || host === null) {
      this.#replyNoHost();
      return;
    }
    this.#cluster = cluster;
    this.#startAttempt(host);
  }

  // === Several attempts at once (§4.8)

  /** The attempt stays; another one is to join it, once. */
  #hedge(attempt: UpstreamRequest): void {
    const retry = this.#retry;
    if (this.#responseStarted || retry === null || this.#hedged?.has(attempt) === true) return;
    if (!this.#retries(retry.onHedge(), attempt, true)) return;
    this.#hedged ??= new HedgedAttempts();
    this.#hedged.add(attempt, this.#info.upstreamConnection);
  }

  /** True: the attempt is forgotten, since others, or one that waits its turn, may do better. */
  #leftToOthers(attempt: UpstreamRequest): boolean {
    const hedged = this.#hedged;
    if (hedged === null) return false;
    const newest = this.#attempt === attempt ? null : this.#attempt;
    hedged.remove(attempt);
    if (newest === null && hedged.all.length === 0 && this.#retry?.waiting !== true) return false;
    this.#attempt = newest;
    attempt.abandon();
    return true;
  }

  /** This one's answer goes to the client: the others are pointless. */
  #settleOn(attempt: UpstreamRequest): void {
    const hedged = this.#hedged;
    if (hedged === null) return;
    hedged.abandonAllBut(attempt);
    this.#hedged = null;
    const connection = hedged.connectionOf(attempt);
    if (connection !== undefined) this.#info.upstreamConnection = connection;
    if (this.#attempt !== null && this.#attempt !== attempt) this.#attempt.abandon();
    this.#attempt = attempt;
    this.#info.host = attempt.host;
  }

  // === The answer

  onUpstream1xxHeaders(attempt: UpstreamRequest, headers: ResponseHeaders): void {
    if (this.#over) return;
    this.#context.charges.response(this, attempt.host, headers);
    // A client that saw part of this attempt's answer must not get another's (§4.7).
    this.#giveUpRetries();
    this.#settleOn(attempt);
    const first = !this.#responseStarted;
    this.#responseStarted = true;
    if (first) this.#callbacks.encode1xxHeaders(headers);
  }

  onUpstreamHeaders(attempt: UpstreamRequest, headers: ResponseHeaders, endStream: boolean): void {
    const nowMs = this.#context.time.monotonicMs();
    this.#info.upstreamFirstByteReceivedMs = nowMs;
    const { meter } = this.#info;
    if (meter !== null) meter.upstream.decompressedReceived += responseHeadersBytes(headers);
    const { reports } = this.#cluster!;
    if (reports !== null) reports.note(attempt.host, headers);
    if (this.#retry !== null && this.#isTriedAgain(attempt, headers)) return;
    const redirect = this.#action!.internalRedirect;
    if (redirect !== null && this.#isFollowed(redirect, headers)) return;
    if (this.#retry !== null) this.#giveUpRetries();
    this.#settleOn(attempt);
    if (this.#handshake !== Handshake.None && !this.#onHandshake(attempt, headers)) return;
    this.#context.charges.response(this, attempt.host, headers);
    this.#responseStarted = true;
    this.#finishResponseHeaders(headers, nowMs);
    if (endStream) this.#complete(attempt, nowMs, headers);
    else this.#callbacks.setDownstreamWatermarkCallbacks(this);
    this.#callbacks.encodeHeaders(headers, endStream);
    if (this.#tunnel && attempt.writable) this.#sendAheadOfTunnel(attempt);
  }

  #finishResponseHeaders(headers: ResponseHeaders, nowMs: number): void {
    const info = this.#info;
    info.responseCodeDetails = 'via_upstream';
    if (this.#requestEnded && !this.#context.suppressEnvoyHeaders) {
      headers.set(H.xEnvoyUpstreamServiceTime, String(Math.floor(nowMs - this.#requestCompleteMs)));
    }
    this.#selection!.setCookiesOn(headers);
    info.responseCode = headers.status;
    this.#route!.finalizeUpstreamResponse(headers, this.headers, info);
  }

  /** True: nobody sees this answer. */
  #isTriedAgain(attempt: UpstreamRequest, headers: ResponseHeaders): boolean {
    const retry = this.#retry!;
    let failed = false;
    if (this.#hedged?.has(attempt) === true) failed = retry.wouldRetry(headers, this.headers);
    else {
      const decision = retry.onResponseHeaders(headers, this.headers);
      if (this.#retries(decision, attempt, false)) {
        this.#context.charges.retried(this, attempt.host, headers.status);
        attempt.abandon();
        return true;
      }
      failed = decision !== RetryDecision.No;
    }
    if (!failed || !this.#leftToOthers(attempt)) return false;
    attempt.host.counts.rqError++;
    return true;
  }

  /** True: the answer sends the request elsewhere, and it goes there (§3.9). */
  #isFollowed(policy: InternalRedirectPolicy, headers: ResponseHeaders): boolean {
    if (!policy.statusCodes.includes(headers.status)) return false;
    return policy.follow(headers, {
      callbacks: this.#callbacks,
      headers: this.headers,
      whole: this.#requestEnded && !this.#bodyOverflow,
      body: this.#body,
      routeName: this.#route!.name,
      context: this.#context,
      clusterStats: this.clusterStats,
    });
  }

  /** What the client sent while the handshake was under way. */
  #sendAheadOfTunnel(attempt: UpstreamRequest): void {
    if (this.#requestEnded) this.#body ??= new KeptBody();
    this.#sendKept(attempt);
  }

  onUpstreamData(attempt: UpstreamRequest, chunk: Buffer, endStream: boolean): void {
    if (endStream) this.#complete(attempt, this.#context.time.monotonicMs(), null);
    this.#callbacks.encodeData(chunk, endStream);
  }

  onUpstreamTrailers(attempt: UpstreamRequest, trailers: HeaderMap): void {
    const { reports } = this.#cluster!;
    if (reports !== null) reports.note(attempt.host, trailers);
    this.#complete(attempt, this.#context.time.monotonicMs(), trailers);
    this.#callbacks.encodeTrailers(trailers);
  }

  onUpstreamReset(
    attempt: UpstreamRequest,
    reason: StreamResetReason,
    transportFailureReason: string,
  ): void {
    if (this.#replaysStale(attempt, reason)) return;
    const info = this.#info;
    if (transportFailureReason !== '')
      info.upstreamTransportFailureReason = transportFailureReason.replaceAll(' ', '_');
    if (this.#retriesReset(attempt, reason, false)) return;
    const overflow = reason === StreamResetReason.Overflow;
    const reply = resetReply(reason, transportFailureReason, {
      retried: info.attemptCount > 1,
      responseStarted: this.#responseStarted,
      tellOverload: !this.#context.suppressEnvoyHeaders,
    });
    this.#chargeAbort(overflow ? null : attempt.host, reply.status);
    if (this.#leftToOthers(attempt)) return;
    this.#reply(reply);
  }

  onAttemptTimeout(attempt: UpstreamRequest, timer: AttemptTimer): void {
    const ofStream = timer === AttemptTimer.StreamDuration;
    // What has begun may go on until the whole time-out.
    if (timer === AttemptTimer.PerTry && this.#responseStarted) return;
    if (!ofStream) attempt.host.monitor?.onTimeout(this.timeouts.emptyReply ? 204 : 504);
    if (this.timeouts.hedge && !ofStream) {
      this.#hedge(attempt);
      return;
    }
    const details = countAttemptTimeout(this.clusterStats, attempt.host, timer);
    if (!ofStream) attempt.log?.onFailure(ResponseFlag.UpstreamRequestTimeout, '');
    attempt.abandon();
    if (this.#retriesReset(attempt, StreamResetReason.LocalReset, !ofStream)) return;
    const reply = ofStream
      ? maxStreamDurationReply(this.#requestEnded)
      : timeoutReply(this.timeouts.emptyReply, details);
    if (!ofStream) this.#chargeAbort(attempt.host, reply.status);
    this.#reply(reply);
  }

  // === TimerOwner: the whole time-out

  onTimer(): void {
    const reply = timeoutReply(this.timeouts.emptyReply, 'response_timeout');
    if (this.#attempt !== null) this.#timeOut(this.#attempt, reply.status);
    if (this.#hedged !== null)
      for (const attempt of this.#hedged.all) this.#timeOut(attempt, reply.status);
    this.#reply(reply);
  }

  #timeOut(attempt: UpstreamRequest, status: number): void {
    const stats = this.clusterStats;
    stats.store.inc(stats.upstreamRqTimeout);
    countIn(this.scopes, 'timeout');
    attempt.host.counts.rqTimeout++;
    if (attempt.headersReceived) return;
    // Hedged ones were told of when their own time was up.
    if (this.#hedged?.has(attempt) !== true) attempt.host.monitor?.onTimeout(status);
    this.#chargeAbort(attempt.host, status);
  }

  // === Back-pressure

  onUpstreamBackedUp(backedUp: boolean): void {
    if (!this.#destroyed) this.#callbacks.requestReadDisable(backedUp);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#attempt?.readDisable(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#attempt?.readDisable(false);
  }

  // === Ends

  /** False: the handshake failed and was answered. */
  #onHandshake(attempt: UpstreamRequest, headers: ResponseHeaders): boolean {
    const kind = this.#handshake;
    if (handshakeAccepted(kind, headers.status)) {
      this.#handshake = Handshake.None;
      this.#tunnel = true;
      if (attempt.over) return true;
      if (this.#globalTimer !== null) this.timers.cancel(this.#globalTimer);
      attempt.stopAttemptTimers();
      attempt.enableTunnel();
      return true;
    }
    // Bytes sent ahead of a refused upgrade are nobody's request (attack checklist 26).
    this.#body = null;
    this.#pauseReading(false);
    if (!handshakeNeedsReply(kind, headers.status)) return true;
    attempt.abandon();
    this.#reply(handshakeFailedReply(headers));
    return false;
  }

  /** `ending`: trailers, or the headers of an answer without body; null where a body ends it. */
  #complete(attempt: UpstreamRequest, nowMs: number, ending: HeaderMap | null): void {
    const { charges } = this.#context;
    this.#info.upstreamLastByteReceivedMs = nowMs;
    const ms = this.#requestEnded ? Math.floor(nowMs - this.#requestCompleteMs) : NaN;
    charges.time(this, attempt.host, ms);
    charges.grpcEnd(this, attempt.host, ending);
    this.#end();
  }

  /** Lets go of attempts, timers and kept bytes; safe to call again. */
  #end(): void {
    if (!this.#over && this.#requestSent && this.#requestEnded) {
      const ms = this.#context.time.monotonicMs() - this.#requestCompleteMs;
      recordBudget(this.#cluster!, ms, this.timeouts.globalMs);
    }
    this.#over = true;
    const attempt = this.#attempt;
    this.#attempt = null;
    if (attempt !== null) attempt.abandon();
    if (this.#hedged !== null) this.#hedged.abandonAllBut(null);
    this.#hedged = null;
    if (this.#globalTimer !== null) this.timers.cancel(this.#globalTimer);
    if (this.#retry !== null) this.#retry.dispose();
    this.#retry = null;
    this.#body = null;
    this.#pauseReading(false);
  }

  /** An attempt, or all of them, will not answer any more. */
  #chargeAbort(host: Host | null, status: number): void {
    const { charges } = this.#context;
    if (this.#responseStarted) charges.cut(this, host);
    else charges.localReply(this, host, status);
  }

  #replyNoHost(): void {
    this.#chargeAbort(null, 503);
    this.#reply(noHostReply());
  }

  #reply(reply: RouterReply): void {
    const attemptCount = this.#info.attemptCount;
    if (attemptCount > 0 && this.#route?.scope.includeAttemptCountInResponse === true) {
      reply.alsoModify((to) => to.set(H.xEnvoyAttemptCount, String(attemptCount)));
    }
    this.#end();
    this.#callbacks.sendLocalReply(reply);
  }
}
