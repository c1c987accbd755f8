// [w] UpstreamRequest: one attempt of a request, from the pool's queue to the end of the answer. The router filter
// decides; this one knows the stream.
//
//   waiting ──onPoolReady──▶ open ──last byte of the answer──▶ over
//      └──────────── onPoolFailure, onResetStream, abandon() ──▶ over
import type { TimerOwner, TimerWheel } from '../base/timer-wheel.ts';
import { StreamResetReason } from '../http/codec.ts';
import type { RequestEncoder, ResponseDecoder, StreamCallbacks } from '../http/codec.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { isGrpcRequest } from '../http/local-reply.ts';
import type { ClusterStats } from '../upstream/cluster-stats.ts';
import type {
  HttpConnPool,
  HttpPoolCallbacks,
  PoolFailureReason,
  PoolTicket,
} from '../upstream/conn-pool/conn-pool.ts';
import type { WireCounts } from '../stream-info/stream-meter.ts';
import type { UpstreamConnectionFacts } from '../stream-info/upstream-facts.ts';
import type { Host } from '../upstream/host.ts';
import type { AttemptWatch } from './attempt-watch.ts';
import { AttemptTimers } from './attempt-timers.ts';
import type { AttemptTimer } from './attempt-timers.ts';
import type { RequestTimeouts } from './request-timeouts.ts';
import { flagOfReset } from './reset-reply.ts';

/** The router filter, as its attempts see it. No call comes from an attempt that is over. */
export interface UpstreamRequestOwner {
  readonly timers: TimerWheel;
  readonly timeouts: RequestTimeouts;
  readonly headers: RequestHeaders;
  /** The stream is there; the owner sends headers and what it has of the body. */
  onUpstreamReady(attempt: UpstreamRequest, connection: UpstreamConnectionFacts): void;
  onUpstream1xxHeaders(attempt: UpstreamRequest, headers: ResponseHeaders): void;
  onUpstreamHeaders(attempt: UpstreamRequest, headers: ResponseHeaders, endStream: boolean): void;
  onUpstreamData(attempt: UpstreamRequest, chunk: Buffer, endStream: boolean): void;
  onUpstreamTrailers(attempt: UpstreamRequest, trailers: HeaderMap): void;
  onUpstreamReset(
    attempt: UpstreamRequest,
    reason: StreamResetReason,
    transportFailureReason: string,
  ): void;
  onAttemptTimeout(attempt: UpstreamRequest, timer: AttemptTimer): void;
  /** The upstream takes the request's body too slowly, or again fast enough. */
  onUpstreamBackedUp(backedUp: boolean): void;
}

export class UpstreamRequest
  implements ResponseDecoder, HttpPoolCallbacks, StreamCallbacks, TimerOwner
{
  /** As chosen by the balancer. */
  readonly host: Host;
  /** Null: nobody wants to know of attempts. Set before start(). */
  log: AttemptWatch | null = null;
  readonly #owner: UpstreamRequestOwner;
  readonly #stats: ClusterStats;
  #ticket: PoolTicket | null = null;
  #encoder: RequestEncoder | null = null;
  #over = false;
  #headersSent = false;
  #requestEnded = false;
  #headersReceived = false;
  /** Watermark calls still to be answered by their opposite. */
  #backedUp = 0;
  /** Null: no clock runs for this attempt. */
  #timers: AttemptTimers | null = null;

  constructor(owner: UpstreamRequestOwner, host: Host, stats: ClusterStats) {
    this.#owner = owner;
    this.host = host;
    this.#stats = stats;
  }

  /** True while body may be sent: headers went out and the attempt is not over. */
  get writable(): boolean {
    return this.#headersSent && !this.#over;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Some bytes of the request left. */
  get requestSent(): boolean {
    return this.#headersSent;
  }

  get headersReceived(): boolean {
    return this.#headersReceived;
  }

  /** The owner may hear of success or failure before this returns. `fresh`: see HttpConnPool. */
  start(pool: HttpConnPool, fresh = false): void {
    const ticket = pool.newStream(this, this, fresh);
    if (!this.#over && this.#encoder === null) this.#ticket = ticket;
  }

  /** Before sendHeaders(). */
  meter(counts: WireCounts): void {
    this.#encoder!.meter(counts);
  }

  sendHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.#headersSent = true;
    this.#requestEnded = endStream;
    if (this.log !== null) this.log.onSent(0, endStream);
    this.#encoder!.encodeHeaders(headers, endStream);
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (this.#timers !== null) this.#timers.touch();
    if (this.log !== null) this.log.onSent(chunk.length, endStream);
    this.#requestEnded = endStream;
    this.#encoder!.encodeData(chunk, endStream);
  }

  sendTrailers(trailers: HeaderMap): void {
    if (this.log !== null) this.log.onSent(0, true);
    this.#requestEnded = true;
    this.#encoder!.encodeTrailers(trailers);
  }

  enableTunnel(): void {
    this.#encoder!.enableTunnel();
  }

  /** The request is complete, or an upgrade's handshake went out: the attempt's clocks start. */
  armTimers(): void {
    const { perTryMs, perTryIdleMs } = this.#owner.timeouts;
    if (!this.#headersSent || this.#over) return;
    if (perTryMs > 0 && !this.#headersReceived) this.#ownTimers().startPerTry(perTryMs);
    if (perTryIdleMs > 0) this.#ownTimers().startIdle(perTryIdleMs);
  }

  /** The stream may live so long, whatever happens on it. */
  limitDuration(ms: number): void {
    this.#ownTimers().startDuration(ms);
  }

  /** For tunnels, which live as long as their ends like. */
  stopAttemptTimers(): void {
    if (this.#timers === null) return;
    this.#timers.stopPerTry();
    this.#timers.stopIdle();
  }

  /** The client takes the answer too slowly, or again fast enough. */
  readDisable(disable: boolean): void {
    const { store, upstreamFlowControlPaused, upstreamFlowControlResumed } = this.#stats;
    store.inc(disable ? upstreamFlowControlPaused : upstreamFlowControlResumed);
    if (this.#over || this.#encoder === null) return;
    this.#encoder.readDisable(disable);
  }

  /** Gives the attempt up: its place in the queue, or its stream. Nothing is reported afterwards. */
  abandon(): void {
    if (this.#over) return;
    const encoder = this.#encoder;
    const ticket = this.#ticket;
    this.#finish();
    if (encoder !== null) encoder.resetStream(StreamResetReason.LocalReset);
    else if (ticket !== null) ticket.cancel();
  }

  // === HttpPoolCallbacks

  onPoolReady(encoder: RequestEncoder, _host: Host, connection: UpstreamConnectionFacts): void {
    this.#ticket = null;
    if (this.#over) {
      encoder.resetStream(StreamResetReason.LocalReset);
      return;
    }
    this.#encoder = encoder;
    encoder.setCallbacks(this);
    if (this.host.monitor !== null) this.host.monitor.onConnected();
    if (this.log !== null) this.log.onReady(connection);
    this.#owner.onUpstreamReady(this, connection);
  }

  onPoolFailure(reason: PoolFailureReason, transportFailureReason: string, _host: Host): void {
    this.#ticket = null;
    this.#fail(reason, transportFailureReason);
  }

  // === ResponseDecoder

  decode1xxHeaders(headers: ResponseHeaders): void {
    if (this.#over) return;
    if (this.#timers !== null) this.#timers.touch();
    this.#owner.onUpstream1xxHeaders(this, headers);
  }

  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (this.#over) return;
    this.#headersReceived = true;
    const { monitor } = this.host;
    if (monitor !== null) monitor.onResponse(headers, isGrpcRequest(this.#owner.headers));
    if (this.log !== null) this.log.onHeaders(headers);
    if (this.#timers !== null) {
      this.#timers.stopPerTry();
      this.#timers.touch();
    }
    if (endStream) this.#onResponseEnd();
    this.#owner.onUpstreamHeaders(this, headers, endStream);
  }

  decodeData(chunk: Buffer, endStream: boolean): void {
    if (this.#over) return;
    if (this.log !== null) this.log.onReceived(chunk.length);
    if (endStream) this.#onResponseEnd();
    else if (this.#timers !== null) this.#timers.touch();
    this.#owner.onUpstreamData(this, chunk, endStream);
  }

  decodeTrailers(trailers: HeaderMap): void {
    if (this.#over) return;
    if (this.log !== null) this.log.onTrailers(trailers);
    this.#onResponseEnd();
    this.#owner.onUpstreamTrailers(this, trailers);
  }

  // === StreamCallbacks

  onResetStream(reason: StreamResetReason, details: string): void {
    this.#fail(reason, details);
  }

  onAboveWriteBufferHighWatermark(): void {
    if (this.#over) return;
    this.#backedUp++;
    this.#stats.store.inc(this.#stats.upstreamFlowControlBackedUp);
    this.#owner.onUpstreamBackedUp(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    if (this.#over || this.#backedUp === 0) return;
    this.#backedUp--;
    this.#onCaughtUp();
  }

  // === TimerOwner

  onTimer(kind: number): void {
    if (!this.#over) this.#owner.onAttemptTimeout(this, kind as AttemptTimer);
  }

  #fail(reason: StreamResetReason, transportFailureReason: string): void {
    if (this.#over) return;
    const { monitor } = this.host;
    // Circuit breakers are the cluster's, no fault of the host.
    if (monitor !== null && reason !== StreamResetReason.Overflow) monitor.onLocalFailure();
    if (this.log !== null) this.log.onFailure(flagOfReset(reason), transportFailureReason);
    this.#finish();
    this.#owner.onUpstreamReset(this, reason, transportFailureReason);
  }

  /** An answer that came before its request was complete ends the request, too (envoy-behaviour, RTF table). */
  #onResponseEnd(): void {
    const encoder = this.#encoder;
    this.#finish();
    if (!this.#requestEnded && encoder !== null) encoder.resetStream(StreamResetReason.LocalReset);
  }

  /** Lets go of everything; the encoder belongs to somebody else from here on. */
  #finish(): void {
    this.#over = true;
    if (this.log !== null) this.log.onEnd();
    this.#encoder = null;
    this.#ticket = null;
    if (this.#timers !== null) this.#timers.stop();
    for (; this.#backedUp > 0; this.#backedUp--) this.#onCaughtUp();
  }

  #onCaughtUp(): void {
    this.#stats.store.inc(this.#stats.upstreamFlowControlDrained);
    this.#owner.onUpstreamBackedUp(false);
  }

  #ownTimers(): AttemptTimers {
    return (this.#timers ??= new AttemptTimers(this, this.#owner.timers));
  }
}
