// [w] ActiveStream: one request and its timers, first header to access log. The order of its steps is Envoy's
// (envoy-behaviour §1.2); the numbers in comments are that list's.
// Longer than most files: one stream's state machine, kept in one place so that its order can be read off.
// oxlint-disable eslint/max-lines -- see the line above
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../base/timer-wheel.ts';
import type { AccessLogType } from '../config/access-log-config.ts';
import type { MaxStreamDurationConfig } from '../config/route-config.ts';
import { ResponseFlag } from '../stream-info/response-flags.ts';
import { StreamMeter } from '../stream-info/stream-meter.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { CodecError } from './codec-error.ts';
import type {
  RequestDecoder,
  ResponseEncoder,
  StreamCallbacks,
  StreamResetReason,
} from './codec.ts';
import { StreamResetReason as ResetReason } from './codec.ts';
import type { ConnManagerContext } from './conn-manager-context.ts';
import { mutateResponse, stripInternalOnly } from './conn-manager-utility.ts';
import { FilterManager } from './filter-manager.ts';
import type { FilterManagerStream } from './filter-handle.ts';
import { takeStreamDurationMs } from './grpc-timeout.ts';
import { requestHeadersBytes } from './header-bytes.ts';
import { H } from './headers.ts';
import { RequestHeaders, ResponseHeaders } from './header-map.ts';
import type { HeaderMap } from './header-map.ts';
import type { DownstreamWatermarkCallbacks, LocalReply } from './http-filter.ts';
import { buildReply } from './local-reply.ts';
import {
  checkRequest,
  normalizeHost,
  takeExpectation,
  tunnelOpens,
  upgradeAllowed,
} from './request-checks.ts';
import { decideClose } from './response-persistence.ts';
import type { PersistentConnection } from './response-persistence.ts';
import type { Route, RouteTable } from './route-provider.ts';
import {
  codecErrorReply,
  idleTimeoutReply,
  largeRequestReply,
  largeResponseReply,
  maxDurationReply,
  refusal,
  requestTimeoutReply,
} from './stream-replies.ts';
import type { TraceDecider } from './trace-decision.ts';

/** The connection as its streams see it. */
export interface StreamOwner extends PersistentConnection {
  readonly timers: TimerWheel;
  readonly bufferLimitBytes: number;
  readonly localPort: number;
  /** The codec says that this request asks for an upgrade or is a CONNECT. */
  readonly requestIsUpgrade: boolean;
  readonly requestWantsClose: boolean;
  /** A stream that takes the place of `old` on the same encoder. */
  replaceStream(old: ActiveStream, encoder: ResponseEncoder): ActiveStream;
  /** Exactly once per stream, after its log line, unless it was replaced. */
  onStreamDone(stream: ActiveStream): void;
}

const Timer = { Idle: 0, Request: 1, MaxDuration: 2, Log: 3 } as const;

const NO_HEADERS = new RequestHeaders();

/** Details of a stream whose answer was a redirect that another stream follows. */
const INTERNAL_REDIRECT = 'internal_redirect';

export class ActiveStream
  implements RequestDecoder, StreamCallbacks, FilterManagerStream, TimerOwner
{
  readonly streamInfo: StreamInfo;
  route: Route | null = null;
  requestHeaders: RequestHeaders = NO_HEADERS;
  responseStarted = false;
  requestComplete = false;
  upgradeRequested = false;
  readonly #owner: StreamOwner;
  readonly #context: ConnManagerContext;
  readonly #encoder: ResponseEncoder;
  readonly #filters: FilterManager;
  #responseHeaders: ResponseHeaders | null = null;
  #responseTrailers: HeaderMap | null = null;
  #watermarks: DownstreamWatermarkCallbacks | null = null;
  #aboveWatermark = 0;
  #idleTimeoutMs: number;
  #idleTimer: WheelTimer | null = null;
  #requestTimer: WheelTimer | null = null;
  #durationTimer: WheelTimer | null = null;
  #logTimer: WheelTimer | null = null;
  #localReplySent = false;
  /** What the response tells in x-envoy-decorator-operation; null until it is known. */
  #operation: string | null = null;
  #done = false;

  constructor(owner: StreamOwner, encoder: ResponseEncoder, info: StreamInfo) {
    this.#owner = owner;
    this.#context = owner.context;
    this.#encoder = encoder;
    this.#filters = new FilterManager(this);
    this.streamInfo = info;
    info.protocol = owner.protocol;
    encoder.setCallbacks(this);
    if (this.#context.metersStreams) {
      info.meter = new StreamMeter();
      encoder.meter(info.meter.downstream);
    }
    // (1)
    const { stats, config } = this.#context;
    stats.store.inc(stats.rqTotal);
    stats.store.inc(info.protocol === 'HTTP/2' ? stats.rqHttp2Total : stats.rqHttp1Total);
    stats.store.inc(stats.rqActive);
    this.#idleTimeoutMs = config.streamIdleTimeoutMs;
    if (this.#idleTimeoutMs > 0) this.#touch();
    if (config.requestTimeoutMs > 0)
      this.#requestTimer = this.#arm(Timer.Request, config.requestTimeoutMs);
    if (config.maxStreamDurationMs > 0)
      this.#durationTimer = this.#arm(Timer.MaxDuration, config.maxStreamDurationMs);
    const logIntervalMs = config.accessLogOptions?.flushIntervalMs ?? 0;
    if (logIntervalMs > 0) this.#logTimer = this.#arm(Timer.Log, logIntervalMs);
  }

  get bufferLimitBytes(): number {
    return this.#owner.bufferLimitBytes;
  }

  // === RequestDecoder

  decodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.#begin(headers, endStream, false);
  }

  /** `again`: the connection manager's changes have been made already, by the stream this one follows. */
  #begin(headers: RequestHeaders, endStream: boolean, again: boolean): void {
    this.requestHeaders = headers;
    const { meter } = this.streamInfo;
    if (meter !== null && !again)
      meter.downstream.decompressedReceived = requestHeadersBytes(headers);
    if (endStream) this.#onRequestComplete();
    // (2)
    if (this.#owner.requestWantsClose) this.#owner.closing = true;
    if (!this.#check(headers)) return;
    // (14)
    const upgrade = this.#owner.requestIsUpgrade;
    if (!again && !this.#mutate(headers, upgrade)) return;
    // (3), (15): the table stays this one for the whole request
    const table = this.#context.routes.current(headers);
    if (table !== null) {
      if (table.internalOnlyHeaders.length > 0 && !headers.has(H.xEnvoyInternal)) {
        stripInternalOnly(headers, table.internalOnlyHeaders);
      }
      this.#resolveRoute(table);
    }
    if (this.#context.tracer !== null) this.#decideTrace(headers, this.#context.tracer);
    // (16)
    if (upgrade && !this.#allowUpgrade(headers)) return;
    this.#startFilters(headers, endStream);
  }

  /** (5) to (13); false when a reply was sent. */
  #check(headers: RequestHeaders): boolean {
    const { config } = this.#context;
    if (headers.has(H.expect) && takeExpectation(headers, config)) this.#encodeContinue();
    const refused = checkRequest(headers, this.#context);
    if (refused === null) {
      normalizeHost(headers, config, this.#owner.localPort);
      return true;
    }
    this.sendLocalReply(refused);
    return false;
  }

  #decideTrace(headers: RequestHeaders, tracer: TraceDecider): void {
    tracer.decide(headers, this.streamInfo, this.route?.tracing);
  }

  #startFilters(headers: RequestHeaders, endStream: boolean): void {
    const { filterFactories, config, tracer } = this.#context;
    this.#filters.createFilters(filterFactories);
    if (config.accessLogOptions?.flushOnStart === true) this.#logStart();
    // (17)
    if (tracer !== null)
      this.#operation = tracer.begin(headers, this.streamInfo, this.route?.tracing);
    this.#filters.decodeHeaders(headers, endStream);
  }

  decodeData(chunk: Buffer, endStream: boolean): void {
    if (this.#done) return;
    this.streamInfo.bytesReceived += chunk.length;
    if (endStream) this.#onRequestComplete();
    if (this.#idleTimeoutMs > 0) this.#touch();
    if (!this.#localReplySent) this.#filters.decodeData(chunk, endStream);
  }

  decodeTrailers(trailers: HeaderMap): void {
    if (this.#done) return;
    this.#onRequestComplete();
    if (!this.#localReplySent) this.#filters.decodeTrailers(trailers);
  }

  /** The head, or a later part, could not be understood. */
  onCodecError(error: CodecError): void {
    const { stats } = this.#context;
    stats.store.inc(stats.cxProtocolError);
    this.#owner.closing = true;
    if (this.responseStarted) {
      this.streamInfo.setFlag(ResponseFlag.DownstreamProtocolError);
      this.streamInfo.responseCodeDetails = error.details;
      stats.store.inc(stats.rqRxReset);
      this.#encoder.resetStream(ResetReason.LocalReset);
      this.#finish();
      return;
    }
    this.sendLocalReply(codecErrorReply(error));
  }

  // === StreamCallbacks: the downstream socket

  /** HTTP/2: the client, or its mistake, ended this stream. */
  onResetStream(reason: StreamResetReason, details: string): void {
    if (reason === ResetReason.ConnectionTermination) this.onDownstreamGone(details);
    else if (reason === ResetReason.ProtocolError)
      this.#onGone(ResponseFlag.DownstreamProtocolError, details);
    else if (reason === ResetReason.Overflow) this.#onGone(undefined, details);
    else this.#onGone(ResponseFlag.DownstreamRemoteReset, details);
  }

  /** The client is gone; whatever was on its way is pointless. */
  onDownstreamGone(details: string): void {
    this.#onGone(ResponseFlag.DownstreamConnectionTermination, details);
  }

  #onGone(flag: ResponseFlag | undefined, details: string): void {
    if (this.#done) return;
    const { stats } = this.#context;
    stats.store.inc(stats.rqRxReset);
    if (flag !== undefined) this.streamInfo.setFlag(flag);
    this.streamInfo.responseCodeDetails = details;
    if (this.streamInfo.cluster === null) this.#noteCluster();
    this.#finish();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#aboveWatermark++;
    const { stats } = this.#context;
    stats.store.inc(stats.flowControlPaused);
    this.#watermarks?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    if (this.#aboveWatermark === 0) return;
    this.#aboveWatermark--;
    const { stats } = this.#context;
    stats.store.inc(stats.flowControlResumed);
    this.#watermarks?.onBelowWriteBufferLowWatermark();
  }

  // === FilterManagerStream

  requestReadDisable(disable: boolean): void {
    if (!this.#done) this.#encoder.readDisable(disable);
  }

  setDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks | null): void {
    this.#watermarks = callbacks;
    if (callbacks === null) return;
    for (let i = 0; i < this.#aboveWatermark; i++) callbacks.onAboveWriteBufferHighWatermark();
  }

  responseReadDisable(disable: boolean): void {
    if (disable) {
      this.#aboveWatermark++;
      this.#watermarks?.onAboveWriteBufferHighWatermark();
    } else if (this.#aboveWatermark > 0) {
      this.#aboveWatermark--;
      this.#watermarks?.onBelowWriteBufferLowWatermark();
    }
  }

  refreshRoute(): void {
    const table = this.#context.routes.current(this.requestHeaders);
    if (table !== null) this.#resolveRoute(table);
  }

  refuseLargeRequest(): void {
    const { stats } = this.#context;
    stats.store.inc(stats.rqTooLarge);
    // Envoy's HTTP/1 codec tells the end of a body apart from its last bytes: these were too many before the end.
    if (this.#owner.protocol !== 'HTTP/2') {
      this.requestComplete = false;
      this.streamInfo.requestCompleteMs = NaN;
    }
    this.sendLocalReply(largeRequestReply());
  }

  refuseLargeResponse(): void {
    const { stats } = this.#context;
    stats.store.inc(stats.rsTooLarge);
    this.sendLocalReply(largeResponseReply());
  }

  sendLocalReply(reply: LocalReply): void {
    if (this.#done) return;
    const info = this.streamInfo;
    // Envoy sets this one when the reply is out: `local_reply_config` does not see it.
    const late = reply.flag === ResponseFlag.DownstreamProtocolError;
    if (reply.flag !== undefined && !(late && !this.responseStarted)) info.setFlag(reply.flag);
    if (this.responseStarted) {
      info.responseCodeDetails = reply.details;
      this.resetStream();
      return;
    }
    if (this.#localReplySent) return;
    this.#localReplySent = true;
    info.responseCodeDetails = reply.details;
    if (reply.status === 400 && !this.#context.config.streamErrorOnInvalidHttpMessage)
      this.#owner.closing = true;
    this.#noteEarlyReply();
    const { localReply, time } = this.#context;
    // %DURATION% of a format means until now.
    if (localReply !== null) info.endMs = time.monotonicMs();
    const { headers, body } = buildReply(reply, this, localReply);
    if (late) info.setFlag(reply.flag!);
    this.#filters.abandonHeld();
    this.#filters.encodeHeaders(headers, body === null);
    if (body !== null && !this.#done) this.#filters.encodeData(body, true);
  }

  recreateStream(response: ResponseHeaders, body: readonly Buffer[]): boolean {
    const info = this.streamInfo;
    if (this.#done || !this.requestComplete || this.responseStarted) return false;
    this.#responseHeaders = response;
    info.responseCode = response.status;
    info.responseCodeDetails = INTERNAL_REDIRECT;
    const next = this.#owner.replaceStream(this, this.#encoder);
    next.streamInfo.filterState = info.filterState;
    next.streamInfo.remoteAddress = info.remoteAddress;
    next.streamInfo.remoteIp = info.remoteIp;
    next.streamInfo.bytesReceived = info.bytesReceived;
    this.#finish();
    next.#begin(this.requestHeaders, body.length === 0, true);
    for (let i = 0; i < body.length && !next.#done; i++)
      next.decodeData(body[i]!, i === body.length - 1);
    return true;
  }

  resetStream(): void {
    if (this.#done) return;
    const { stats } = this.#context;
    stats.store.inc(stats.rqTxReset);
    stats.store.inc(stats.rqRxReset);
    this.#owner.closing = true;
    this.#encoder.resetStream(ResetReason.LocalReset);
    this.#finish();
  }

  writeHeaders1xx(headers: ResponseHeaders): void {
    if (this.#done || this.responseStarted || !this.#context.config.proxy100Continue) return;
    headers.remove(H.connection);
    headers.remove(H.transferEncoding);
    headers.remove(H.keepAlive);
    this.#encode1xx(headers);
  }

  writeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (this.#done) return;
    const { config, stats, date, time, proxyStatus, tracer } = this.#context;
    const upgraded =
      this.upgradeRequested && !endStream && tunnelOpens(this.requestHeaders, headers.status);
    mutateResponse(
      headers,
      this.requestHeaders,
      config,
      date.value(),
      upgraded && headers.status === 101,
    );
    const info = this.streamInfo;
    if (proxyStatus !== null) proxyStatus.apply(headers, info);
    decideClose(this.#owner, headers, this.requestComplete, upgraded);
    if (tracer !== null) tracer.end(headers, this.#operation ?? '');
    info.responseCode = headers.status;
    info.downstreamFirstByteSentMs = time.monotonicMs();
    this.#responseHeaders = headers;
    this.responseStarted = true;
    this.#disarm(this.#requestTimer);
    this.#requestTimer = null;
    if (!info.healthCheck) stats.chargeResponse(headers.status);
    if (this.#idleTimeoutMs > 0) this.#touch();
    if (upgraded && config.accessLogOptions?.flushOnTunnel === true)
      this.#log('DownstreamTunnelSuccessfullyEstablished');
    this.#encoder.encodeHeaders(headers, endStream);
    if (endStream) this.#onResponseComplete();
  }

  writeData(chunk: Buffer, endStream: boolean): void {
    if (this.#done) return;
    this.streamInfo.bytesSent += chunk.length;
    if (this.#idleTimeoutMs > 0) this.#touch();
    this.#encoder.encodeData(chunk, endStream);
    if (endStream) this.#onResponseComplete();
  }

  writeTrailers(trailers: HeaderMap): void {
    if (this.#done) return;
    this.#responseTrailers = trailers;
    this.#encoder.encodeTrailers(trailers);
    this.#onResponseComplete();
  }

  // === TimerOwner

  onTimer(kind: number): void {
    const { stats } = this.#context;
    if (kind === Timer.Log) {
      this.#log('DownstreamPeriodic');
      const { accessLogOptions } = this.#context.config;
      this.#owner.timers.arm(this.#logTimer!, accessLogOptions!.flushIntervalMs);
      return;
    }
    if (this.#done) return;
    if (kind === Timer.Idle) {
      stats.store.inc(stats.rqIdleTimeout);
      this.sendLocalReply(idleTimeoutReply(this.requestComplete));
    } else if (kind === Timer.Request) {
      stats.store.inc(stats.rqTimeout);
      this.sendLocalReply(requestTimeoutReply(this.requestComplete));
    } else {
      stats.store.inc(stats.rqMaxDurationReached);
      this.sendLocalReply(maxDurationReply(this.requestComplete));
    }
  }

  // === steps

  /** (14); false when a reply was sent. */
  #mutate(headers: RequestHeaders, upgrade: boolean): boolean {
    const { mutator, stats } = this.#context;
    const rejectStatus = mutator.mutate(headers, this.streamInfo, upgrade);
    if (rejectStatus === 0) return true;
    stats.store.inc(stats.rqRejectedViaIpDetection);
    this.sendLocalReply(refusal(rejectStatus, 'rejecting_because_detection_failed'));
    return false;
  }

  /** One that is answered in front of all filters is counted as (not) traced, too. */
  #noteEarlyReply(): void {
    if (this.#operation === null) this.#context.tracer?.charge(this.streamInfo);
    if (this.streamInfo.cluster === null) this.#noteCluster();
  }

  /** A request that is answered in front of the router has a cluster as well. */
  #noteCluster(): void {
    const name = this.route?.clusterName ?? '';
    if (name !== '') this.streamInfo.cluster = this.#context.clusterConfig(name);
  }

  #encodeContinue(): void {
    const reply = new ResponseHeaders();
    reply.status = 100;
    this.#encode1xx(reply);
  }

  #encode1xx(headers: ResponseHeaders): void {
    this.#context.stats.chargeResponse(headers.status);
    this.#encoder.encode1xxHeaders(headers);
  }

  #resolveRoute(table: RouteTable): void {
    const { meter } = this.streamInfo;
    const { time } = this.#context;
    const startMs = meter === null ? 0 : time.monotonicMs();
    const route = table.route(this.requestHeaders, this.streamInfo);
    if (meter !== null) meter.onRouteResolved(time.monotonicMs() - startMs);
    this.#setRoute(route);
  }

  #setRoute(route: Route | null): void {
    const before = this.route?.maxStreamDuration;
    this.route = route;
    this.streamInfo.route = route;
    if (route === null) return;
    if (route.idleTimeoutMs !== undefined) {
      this.#idleTimeoutMs = route.idleTimeoutMs;
      if (this.#idleTimeoutMs > 0) this.#touch();
      else {
        this.#disarm(this.#idleTimer);
        this.#idleTimer = null;
      }
    }
    if (route.maxStreamDuration !== undefined || before !== undefined)
      this.#limitDuration(route.maxStreamDuration);
  }

  #limitDuration(duration: MaxStreamDurationConfig | undefined): void {
    const { config, time } = this.#context;
    const limitMs = takeStreamDurationMs(this.requestHeaders, duration, config.maxStreamDurationMs);
    this.#disarm(this.#durationTimer);
    const goneMs = time.monotonicMs() - this.streamInfo.startMs;
    this.#durationTimer =
      limitMs === undefined ? null : this.#arm(Timer.MaxDuration, Math.max(0, limitMs - goneMs));
  }

  /** False: answered with 403 (envoy-behaviour §1.11). */
  #allowUpgrade(headers: RequestHeaders): boolean {
    const { stats, config } = this.#context;
    if (upgradeAllowed(headers, this.route, config)) {
      this.upgradeRequested = true;
      stats.store.inc(stats.cxUpgradesTotal);
      stats.store.inc(stats.cxUpgradesActive);
      return true;
    }
    // Without a route the router's 404 is the better answer.
    if (this.route === null) return true;
    stats.store.inc(stats.rqWsOnNonWsRoute);
    this.#owner.closing = true;
    this.sendLocalReply(refusal(403, 'upgrade_failed'));
    return false;
  }

  #onRequestComplete(): void {
    this.requestComplete = true;
    if (this.#requestTimer !== null) {
      this.#owner.timers.cancel(this.#requestTimer);
      this.#requestTimer = null;
    }
    this.streamInfo.requestCompleteMs = this.#context.time.monotonicMs();
  }

  #onResponseComplete(): void {
    this.streamInfo.responseEnded = true;
    if (!this.requestComplete) {
      // What is left of the request is for nobody: Envoy resets the stream, and counts that as the client's.
      const { stats } = this.#context;
      stats.store.inc(stats.rqRxReset);
      this.#owner.closing = true;
    }
    this.#finish();
  }

  /** Accounting, exactly once, whatever the end was. */
  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    const { stats, accessLogs, time } = this.#context;
    const info = this.streamInfo;
    info.endMs = time.monotonicMs();
    this.#disarm(this.#idleTimer);
    this.#disarm(this.#requestTimer);
    this.#disarm(this.#durationTimer);
    this.#disarm(this.#logTimer);
    this.#filters.destroy();
    stats.store.dec(stats.rqActive);
    if (this.upgradeRequested) stats.store.dec(stats.cxUpgradesActive);
    stats.store.record(stats.rqTime, info.endMs - info.startMs);
    if (accessLogs.length > 0) this.#log('DownstreamEnd');
    this.#owner.onStreamDone(this);
  }

  #logStart(): void {
    this.#noteCluster();
    this.#log('DownstreamStart');
  }

  #log(type: AccessLogType): void {
    const entry = {
      info: this.streamInfo,
      requestHeaders: this.requestHeaders === NO_HEADERS ? undefined : this.requestHeaders,
      responseHeaders: this.#responseHeaders ?? undefined,
      responseTrailers: this.#responseTrailers ?? undefined,
      type,
      localReplyBody: '',
    };
    const logs = this.#context.accessLogs;
    for (let i = 0; i < logs.length; i++) logs[i]!.log(entry);
  }

  #touch(): void {
    this.#idleTimer ??= new WheelTimer(this, Timer.Idle);
    this.#owner.timers.arm(this.#idleTimer, this.#idleTimeoutMs);
  }

  #arm(kind: number, delayMs: number): WheelTimer {
    const timer = new WheelTimer(this, kind);
    this.#owner.timers.arm(timer, delayMs);
    return timer;
  }

  #disarm(timer: WheelTimer | null): void {
    if (timer !== null) this.#owner.timers.cancel(timer);
  }
}
