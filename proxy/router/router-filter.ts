// [w] RouterFilter: the last HTTP filter. Chooses cluster and host, sends the request, tries again, gives the answer
// back (envoy-behaviour §3.3–§3.8, §4, §5.1). One per request; attempts are UpstreamRequest objects, one at a time.
//
// Longer than most files because one request's state belongs in one object: what could be cut out of it (retry
// decisions, time-outs, replies, kept body, attempts, mirrors) has been.
/* oxlint-disable max-lines */
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../base/timer-wheel.ts';
import { StreamResetReason } from '../http/codec.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import { FilterStatus, PassThroughFilter } from '../http/http-filter.ts';
import type { DownstreamWatermarkCallbacks, FilterCallbacks } from '../http/http-filter.ts';
import { isGrpcRequest } from '../http/local-reply.ts';
import type { Route } from '../http/route-provider.ts';
import { ResponseFlag } from '../stream-info/response-flags.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { UpstreamConnectionFacts } from '../stream-info/upstream-facts.ts';
import type { Host } from '../upstream/host.ts';
import type { ThreadLocalCluster } from '../upstream/thread-local-cluster.ts';
import { Handshake, handshakeAccepted, handshakeNeedsReply, handshakeOf } from './handshake.ts';
import { HostSelection } from './host-selection.ts';
import { KeptBody } from './kept-body.ts';
import { detailsOfReset, flagOfReset } from './reset-reply.ts';
import { RetryDecision, RetryState } from './retry-state.ts';
import type { RouteAction } from './route-action.ts';
import { RouteEntry } from './route-entry.ts';
import type { RouterContext } from './router-context.ts';
import {
  bufferFullReply,
  directReply,
  droppedReply,
  handshakeFailedReply,
  invalidHeaderReply,
  noClusterReply,
  noHostReply,
  noRouteReply,
  resetReply,
  timeoutReply,
} from './router-reply.ts';
import type { RouterReply } from './router-reply.ts';
import { ShadowRequest } from './shadow-request.ts';
import { firstInvalidHeader } from './strict-headers.ts';
import {
  MAX_TIMER_MS,
  expectedTimeoutMs,
  takeGlobalTimeoutMs,
  takePerTryTimeoutMs,
} from './timeouts.ts';
import { TlsRedirectRoute } from './tls-redirect-route.ts';
import { chargeLocalReply, chargeResponse, chargeRetried } from './upstream-charges.ts';
import { UpstreamRequest } from './upstream-request.ts';
import type { UpstreamRequestOwner } from './upstream-request.ts';

const TIMER_GLOBAL = 0;
const TIMER_BACKOFF = 1;

export class RouterFilter
  extends PassThroughFilter
  implements UpstreamRequestOwner, TimerOwner, DownstreamWatermarkCallbacks
{
  readonly timers: TimerWheel;
  perTryTimeoutMs = 0;
  perTryIdleTimeoutMs = 0;
  readonly #context: RouterContext;
  readonly #callbacks: FilterCallbacks;
  readonly #info: StreamInfo;
  #headers: RequestHeaders;
  #route: RouteEntry | null = null;
  #action: RouteAction | null = null;
  #cluster: ThreadLocalCluster | null = null;
  #attempt: UpstreamRequest | null = null;
  #retry: RetryState | null = null;
  #body: KeptBody | null = null;
  #trailers: HeaderMap | null = null;
  #shadows: ShadowRequest[] | null = null;
  #selection: HostSelection | null = null;
  #globalTimer: WheelTimer | null = null;
  #backoffTimer: WheelTimer | null = null;
  #globalTimeoutMs = 0;
  #requestCompleteMs = 0;
  #handshake: Handshake = Handshake.None;
  /** Answered, reset or destroyed: nothing more is to be done. */
  #over = false;
  #grpcTimeout = false;
  #requestEnded = false;
  #requestSent = false;
  #responseStarted = false;
  #informationalSent = false;
  /** The client was told to wait because no attempt takes its body. */
  #readPaused = false;
  /** An accepted upgrade: bytes flow both ways for as long as the ends like. */
  #tunnel = false;
  #destroyed = false;
  #alternateTimeoutReply = false;

  constructor(context: RouterContext, callbacks: FilterCallbacks) {
    super();
    this.#context = context;
    this.#callbacks = callbacks;
    this.timers = context.timers;
    this.#info = callbacks.streamInfo;
    this.#headers = callbacks.requestHeaders;
  }

  // === HttpFilter: the request

  override decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterStatus {
    const { stats } = this.#context;
    stats.store.inc(stats.rqTotal);
    const route = this.#callbacks.route;
    this.#headers = headers;
    this.#requestEnded = endStream;
    if (!(route instanceof RouteEntry) || route.action === null) {
      this.#answerWithoutUpstream(route);
      return FilterStatus.StopIteration;
    }
    this.#route = route;
    this.#action = route.action;
    const host = this.#admit(route.action);
    if (host === null) return FilterStatus.StopIteration;
    this.#prepareHeaders(route, route.action);
    if (route.action.mirrors.length > 0) this.#startShadows(route.action);
    this.#startAttempt(host);
    if (!this.#over && (endStream || this.#handshake !== Handshake.None)) this.#onRequestComplete();
    return FilterStatus.Continue;
  }

  override decodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    if (this.#over) return FilterStatus.Continue;
    this.#requestEnded = endStream;
    if (this.#shadows !== null)
      for (const shadow of this.#shadows) shadow.sendData(chunk, endStream);
    const attempt = this.#attempt;
    if (attempt !== null && attempt.writable && this.#handshake === Handshake.None) {
      if (this.#retry !== null) this.#keep(chunk);
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
    if (this.#shadows !== null) for (const shadow of this.#shadows) shadow.sendTrailers();
    const attempt = this.#attempt;
    if (attempt !== null && attempt.writable && this.#handshake === Handshake.None)
      attempt.sendTrailers(trailers);
    if (!this.#over) this.#onRequestComplete();
    return FilterStatus.Continue;
  }

  override onDestroy(): void {
    this.#destroyed = true;
    if (this.#shadows !== null && !this.#requestEnded)
      for (const shadow of this.#shadows) shadow.cancel();
    this.#end();
  }

  // === Before the first attempt

  /** Null when the request was answered here; else the host to send it to. */
  #admit(action: RouteAction): Host | null {
    const { clusters, stats, strictChecks } = this.#context;
    const info = this.#info;
    const headers = this.#headers;
    const name = this.#route!.clusterNameFor(headers);
    const cluster = clusters.get(name);
    if (cluster === undefined) {
      stats.store.inc(stats.noCluster);
      this.#reply(noClusterReply(action.clusterNotFoundStatus));
      return null;
    }
    info.cluster = cluster.config;
    this.#cluster = cluster;
    headers.remove(H.xEnvoyUpstreamAltStatName);
    const invalid =
      strictChecks.length === 0 ? undefined : firstInvalidHeader(strictChecks, headers);
    if (invalid !== undefined) {
      this.#reply(invalidHeaderReply(invalid, headers));
      return null;
    }
    if (cluster.shouldDrop(info.streamRandom)) {
      this.#replyDropped(cluster);
      return null;
    }
    info.attemptCount = 1;
    this.#selection = new HostSelection(headers, info, action.hashPolicy);
    const host = cluster.chooseHost(this.#selection);
    if (host === null) this.#replyNoHost();
    return host;
  }

  /** Time-outs, attempt count, configured changes, retry headers: in the order they have on the wire (§1.3). */
  #prepareHeaders(route: RouteEntry, action: RouteAction): void {
    const { suppressEnvoyHeaders, respectExpectedRqTimeout, random } = this.#context;
    const headers = this.#headers;
    this.#grpcTimeout = action.maxGrpcTimeoutMs !== undefined && isGrpcRequest(headers);
    this.#globalTimeoutMs = takeGlobalTimeoutMs(
      action,
      headers,
      this.#grpcTimeout,
      respectExpectedRqTimeout,
    );
    this.perTryTimeoutMs = takePerTryTimeoutMs(action, headers, this.#globalTimeoutMs);
    if (headers.remove(H.xEnvoyUpstreamRqTimeoutAltResponse)) this.#alternateTimeoutReply = true;
    headers.remove(H.xEnvoyUpstreamStreamDurationMs);
    this.#tellTimeout(0);
    if (route.scope.includeRequestAttemptCount) headers.set(H.xEnvoyAttemptCount, '1');
    route.finalizeRequestHeaders(headers, this.#info, !suppressEnvoyHeaders);
    this.#retry = RetryState.create(action, headers, this.#cluster!, random);
    if (this.#retry !== null) {
      const { perTryIdleTimeoutMs, hostSelectionRetryMaxAttempts } = this.#retry.policy;
      this.perTryIdleTimeoutMs = perTryIdleTimeoutMs;
      this.#selection!.hostSelectionRetryCount = hostSelectionRetryMaxAttempts;
    }
    if (this.#callbacks.upgradeRequested) this.#handshake = handshakeOf(headers);
  }

  #tellTimeout(elapsedMs: number): void {
    if (this.#globalTimeoutMs === 0 && this.perTryTimeoutMs === 0) return;
    const timeoutMs = expectedTimeoutMs(this.#globalTimeoutMs, this.perTryTimeoutMs, elapsedMs);
    const { suppressEnvoyHeaders, respectExpectedRqTimeout } = this.#context;
    const headers = this.#headers;
    const keep =
      suppressEnvoyHeaders ||
      (respectExpectedRqTimeout && headers.has(H.xEnvoyExpectedRqTimeoutMs));
    if (!keep) headers.set(H.xEnvoyExpectedRqTimeoutMs, String(timeoutMs));
    if (this.#grpcTimeout) headers.set(H.grpcTimeout, `${Math.min(timeoutMs, 99_999_999)}m`);
  }

  #startShadows(action: RouteAction): void {
    const request = { headers: this.#headers, info: this.#info, endStream: this.#requestEnded };
    const shadows: ShadowRequest[] = [];
    for (const policy of action.mirrors) {
      const shadow = ShadowRequest.start(policy, action, this.#context, request);
      if (shadow !== null) shadows.push(shadow);
    }
    if (shadows.length > 0) this.#shadows = shadows;
  }

  #answerWithoutUpstream(route: Route | null): void {
    const { stats } = this.#context;
    const direct =
      route instanceof RouteEntry || route instanceof TlsRedirectRoute ? route.direct : null;
    if (direct === null) {
      stats.store.inc(stats.noRoute);
      this.#reply(noRouteReply());
      return;
    }
    stats.store.inc(stats.rqDirectResponse);
    this.#reply(directReply(direct, this.#headers, this.#info));
  }

  // === Attempts

  #startAttempt(host: Host): void {
    const info = this.#info;
    const action = this.#action!;
    info.host = host;
    info.upstreamConnection = null;
    if (info.meter !== null) info.meter.attemptStartMs = this.#context.time.monotonicMs();
    if (this.#retry !== null && this.#retry.policy.avoidPreviousHosts) this.#selection!.avoid(host);
    const attempt = new UpstreamRequest(this, host);
    this.#attempt = attempt;
    attempt.start(this.#cluster!.httpPool(host, action.priority));
  }

  onUpstreamReady(attempt: UpstreamRequest, connection: UpstreamConnectionFacts): void {
    const info = this.#info;
    const action = this.#action!;
    info.upstreamConnection = connection;
    if (action.autoHostRewrite && attempt.host.hostname !== '') {
      action.replaceHost(this.#headers, attempt.host.hostname, !this.#context.suppressEnvoyHeaders);
    }
    const nowMs = this.#context.time.monotonicMs();
    info.upstreamFirstByteSentMs = nowMs;
    if (info.meter !== null) {
      info.meter.poolReadyMs = nowMs;
      attempt.meter(info.meter.upstream);
    }
    this.#requestSent = true;
    attempt.sendHeaders(
      this.#headers,
      this.#requestEnded && this.#body === null && this.#trailers === null,
    );
    if (!attempt.writable) return;
    if (this.#handshake !== Handshake.None) attempt.armTimers();
    else this.#sendKept(attempt);
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
    if (this.#retry === null) this.#body = null;
    this.#pauseReading(false);
  }

  #keep(chunk: Buffer): void {
    if (chunk.length === 0) return;
    const kept = (this.#body?.byteLength ?? 0) + chunk.length;
    if (kept > this.#bodyLimit() && this.#onBufferFull()) return;
    this.#body ??= new KeptBody();
    this.#body.add(chunk);
  }

  #bodyLimit(): number {
    return this.#route!.bodyBufferLimitBytes ?? this.#context.bodyBufferLimitBytes;
  }

  /** True: there is nobody to keep the chunk for. */
  #onBufferFull(): boolean {
    const attempt = this.#attempt;
    if (this.#retry !== null) {
      const { stats } = this.#cluster!;
      stats.store.inc(stats.store.counter(`${stats.prefix}retry_or_shadow_abandoned`));
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
    if (this.#attempt !== null && this.#attempt.writable && this.#handshake === Handshake.None)
      this.#body = null;
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
    if (this.#globalTimeoutMs > 0 && this.#globalTimer === null) {
      this.#globalTimer = new WheelTimer(this, TIMER_GLOBAL);
      this.timers.arm(this.#globalTimer, Math.min(this.#globalTimeoutMs, MAX_TIMER_MS));
    }
    const attempt = this.#attempt;
    if (attempt === null || !attempt.writable || this.#tunnel) return;
    if (this.#requestEnded) info.upstreamLastByteSentMs = nowMs;
    attempt.armTimers();
  }

  /** True: the attempt that failed will be followed by another. */
  #retries(decision: RetryDecision): boolean {
    const retry = this.#retry!;
    if (decision === RetryDecision.Yes) {
      this.#attempt = null;
      this.#backoffTimer ??= new WheelTimer(this, TIMER_BACKOFF);
      this.timers.arm(this.#backoffTimer, retry.nextBackoffMs());
      return true;
    }
    if (decision === RetryDecision.LimitExceeded)
      this.#info.setFlag(ResponseFlag.UpstreamRetryLimitExceeded);
    else if (decision === RetryDecision.Overflow) this.#info.setFlag(ResponseFlag.UpstreamOverflow);
    return false;
  }

  #retryNow(): void {
    const info = this.#info;
    info.attemptCount++;
    if (this.#route!.scope.includeRequestAttemptCount) {
      this.#headers.set(H.xEnvoyAttemptCount, String(info.attemptCount));
    }
    const elapsedMs = this.#requestEnded
      ? this.#context.time.monotonicMs() - this.#requestCompleteMs
      : 0;
    this.#tellTimeout(elapsedMs);
    const cluster = this.#context.clusters.get(info.upstreamCluster);
    const host = cluster === undefined ? null : cluster.chooseHost(this.#selection);
    if (cluster === undefined || host === null) {
      this.#replyNoHost();
      return;
    }
    this.#cluster = cluster;
    this.#startAttempt(host);
  }

  // === The answer

  onUpstream1xxHeaders(headers: ResponseHeaders): void {
    // A client that saw part of this attempt's answer must not get another's (§4.7).
    this.#giveUpRetries();
    if (this.#informationalSent || this.#over) return;
    this.#informationalSent = true;
    this.#callbacks.encode1xxHeaders(headers);
  }

  onUpstreamHeaders(attempt: UpstreamRequest, headers: ResponseHeaders, endStream: boolean): void {
    const info = this.#info;
    const nowMs = this.#context.time.monotonicMs();
    info.upstreamFirstByteReceivedMs = nowMs;
    if (this.#retry !== null) {
      if (this.#retries(this.#retry.onResponseHeaders(headers))) {
        chargeRetried(this.#cluster!.stats, attempt.host, headers.status);
        attempt.abandon();
        return;
      }
      this.#giveUpRetries();
    }
    chargeResponse(this.#cluster!.stats, attempt.host, headers);
    if (this.#handshake !== Handshake.None && !this.#onHandshake(attempt, headers)) return;
    info.responseCodeDetails = 'via_upstream';
    if (this.#requestEnded && !this.#context.suppressEnvoyHeaders) {
      headers.set(H.xEnvoyUpstreamServiceTime, String(Math.floor(nowMs - this.#requestCompleteMs)));
    }
    const cookies = this.#selection!.setCookies;
    if (cookies !== null) for (const cookie of cookies) headers.push(H.setCookie, cookie);
    const route = this.#route!;
    route.finalizeResponseHeaders(headers, this.#headers, info);
    if (route.scope.includeAttemptCountInResponse)
      headers.set(H.xEnvoyAttemptCount, String(info.attemptCount));
    this.#responseStarted = true;
    if (endStream) this.#complete(nowMs);
    else this.#callbacks.setDownstreamWatermarkCallbacks(this);
    this.#callbacks.encodeHeaders(headers, endStream);
    if (this.#tunnel && attempt.writable) this.#sendAheadOfTunnel(attempt);
  }

  /** What the client sent while the handshake was under way. */
  #sendAheadOfTunnel(attempt: UpstreamRequest): void {
    if (this.#requestEnded) this.#body ??= new KeptBody();
    this.#sendKept(attempt);
  }

  onUpstreamData(_attempt: UpstreamRequest, chunk: Buffer, endStream: boolean): void {
    if (endStream) this.#complete(this.#context.time.monotonicMs());
    this.#callbacks.encodeData(chunk, endStream);
  }

  onUpstreamTrailers(_attempt: UpstreamRequest, trailers: HeaderMap): void {
    this.#complete(this.#context.time.monotonicMs());
    this.#callbacks.encodeTrailers(trailers);
  }

  onUpstreamReset(
    attempt: UpstreamRequest,
    reason: StreamResetReason,
    transportFailureReason: string,
  ): void {
    const info = this.#info;
    if (transportFailureReason !== '')
      info.upstreamTransportFailureReason = transportFailureReason.replaceAll(' ', '_');
    if (this.#responseStarted) {
      info.setFlag(flagOfReset(reason));
      this.#cutResponse(detailsOfReset(reason, transportFailureReason, true));
      return;
    }
    if (this.#retry !== null && this.#retries(this.#retry.onReset(reason, this.#requestSent)))
      return;
    const overflow = reason === StreamResetReason.Overflow;
    const reply = resetReply(reason, transportFailureReason, info.attemptCount > 1);
    chargeLocalReply(this.#cluster!.stats, overflow ? null : attempt.host, reply.status);
    if (overflow && !this.#context.suppressEnvoyHeaders)
      reply.alsoModify((to) => to.set(H.xEnvoyOverloaded, 'true'));
    this.#reply(reply);
  }

  onPerTryTimeout(attempt: UpstreamRequest, idle: boolean): void {
    const stats = this.#cluster!.stats;
    const counter = idle
      ? stats.store.counter(`${stats.prefix}upstream_rq_per_try_idle_timeout`)
      : stats.upstreamRqPerTryTimeout;
    stats.store.inc(counter);
    attempt.host.counts.rqTimeout++;
    attempt.abandon();
    if (
      !this.#responseStarted &&
      this.#retry !== null &&
      this.#retries(this.#retry.onReset(StreamResetReason.LocalReset, this.#requestSent))
    ) {
      return;
    }
    this.#replyTimeout(
      attempt,
      idle ? 'upstream_per_try_idle_timeout' : 'upstream_per_try_timeout',
    );
  }

  // === TimerOwner

  onTimer(kind: number): void {
    if (this.#over) return;
    if (kind === TIMER_BACKOFF) this.#retryNow();
    else this.#onGlobalTimeout();
  }

  #onGlobalTimeout(): void {
    const stats = this.#cluster!.stats;
    stats.store.inc(stats.upstreamRqTimeout);
    const attempt = this.#attempt;
    if (attempt !== null && !attempt.headersReceived) attempt.host.counts.rqTimeout++;
    this.#replyTimeout(attempt, 'response_timeout');
  }

  // === Back-pressure

  onUpstreamBackedUp(backedUp: boolean): void {
    const stats = this.#cluster!.stats;
    stats.store.inc(
      backedUp ? stats.upstreamFlowControlBackedUp : stats.upstreamFlowControlDrained,
    );
    if (!this.#destroyed) this.#callbacks.requestReadDisable(backedUp);
  }

  onAboveWriteBufferHighWatermark(): void {
    if (this.#attempt === null) return;
    const stats = this.#cluster!.stats;
    stats.store.inc(stats.upstreamFlowControlPaused);
    this.#attempt.readDisable(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    if (this.#attempt === null) return;
    const stats = this.#cluster!.stats;
    stats.store.inc(stats.upstreamFlowControlResumed);
    this.#attempt.readDisable(false);
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
      attempt.cancelTimers();
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

  #complete(nowMs: number): void {
    const stats = this.#cluster!.stats;
    this.#info.upstreamLastByteReceivedMs = nowMs;
    if (this.#requestEnded)
      stats.store.record(stats.upstreamRqTime, Math.floor(nowMs - this.#requestCompleteMs));
    this.#end();
  }

  /** Lets go of attempts, timers and kept bytes; safe to call again. */
  #end(): void {
    this.#over = true;
    const attempt = this.#attempt;
    this.#attempt = null;
    if (attempt !== null) attempt.abandon();
    if (this.#globalTimer !== null) this.timers.cancel(this.#globalTimer);
    if (this.#backoffTimer !== null) this.timers.cancel(this.#backoffTimer);
    if (this.#retry !== null) this.#retry.dispose();
    this.#retry = null;
    this.#body = null;
    this.#pauseReading(false);
  }

  #cutResponse(details: string): void {
    const { stats } = this.#context;
    if (isGrpcRequest(this.#headers)) stats.store.inc(stats.rqResetAfterDownstreamResponseStarted);
    this.#info.responseCodeDetails = details;
    this.#end();
    this.#callbacks.resetStream();
  }

  #replyTimeout(attempt: UpstreamRequest | null, details: string): void {
    const flag = ResponseFlag.UpstreamRequestTimeout;
    if (this.#responseStarted) {
      this.#info.setFlag(flag);
      this.#cutResponse(details);
      return;
    }
    const reply = timeoutReply(this.#alternateTimeoutReply, details);
    chargeLocalReply(this.#cluster!.stats, attempt === null ? null : attempt.host, reply.status);
    this.#reply(reply);
  }

  #replyNoHost(): void {
    chargeLocalReply(this.#cluster!.stats, null, 503);
    this.#reply(noHostReply());
  }

  #replyDropped(cluster: ThreadLocalCluster): void {
    const all = cluster.config.dropOverloads.some((drop) => drop.numerator >= drop.denominator);
    chargeLocalReply(this.#cluster!.stats, null, 503);
    this.#reply(droppedReply(all, !this.#context.suppressEnvoyHeaders));
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
