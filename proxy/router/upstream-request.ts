// [w] UpstreamRequest: one attempt of a request, from the pool's queue to the end of the answer. The router filter
// decides; this one knows the stream.
//
//   waiting ──onPoolReady──▶ open ──last byte of the answer──▶ over
//      └──────────── onPoolFailure, onResetStream, abandon() ──▶ over
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../base/timer-wheel.ts';
import { StreamResetReason } from '../http/codec.ts';
import type { RequestEncoder, ResponseDecoder, StreamCallbacks } from '../http/codec.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import type {
  HttpConnPool,
  HttpPoolCallbacks,
  PoolFailureReason,
  PoolTicket,
} from '../upstream/conn-pool/conn-pool.ts';
import type { WireCounts } from '../stream-info/stream-meter.ts';
import type { UpstreamConnectionFacts } from '../stream-info/upstream-facts.ts';
import type { Host } from '../upstream/host.ts';

/** The router filter, as its attempts see it. No call comes from an attempt that is over. */
export interface UpstreamRequestOwner {
  readonly timers: TimerWheel;
  /** 0: none. */
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  /** The stream is there; the owner sends headers and what it has of the body. */
  onUpstreamReady(attempt: UpstreamRequest, connection: UpstreamConnectionFacts): void;
  onUpstream1xxHeaders(headers: ResponseHeaders): void;
  onUpstreamHeaders(attempt: UpstreamRequest, headers: ResponseHeaders, endStream: boolean): void;
  onUpstreamData(attempt: UpstreamRequest, chunk: Buffer, endStream: boolean): void;
  onUpstreamTrailers(attempt: UpstreamRequest, trailers: HeaderMap): void;
  onUpstreamReset(
    attempt: UpstreamRequest,
    reason: StreamResetReason,
    transportFailureReason: string,
  ): void;
  /** `idle`: nothing moved for the per-try idle time-out. */
  onPerTryTimeout(attempt: UpstreamRequest, idle: boolean): void;
  /** The upstream takes the request's body too slowly, or again fast enough. */
  onUpstreamBackedUp(backedUp: boolean): void;
}

const TIMER_PER_TRY = 0;
const TIMER_PER_TRY_IDLE = 1;

export class UpstreamRequest
  implements ResponseDecoder, HttpPoolCallbacks, StreamCallbacks, TimerOwner
{
  /** As chosen by the balancer. */
  readonly host: Host;
  readonly #owner: UpstreamRequestOwner;
  #ticket: PoolTicket | null = null;
  #encoder: RequestEncoder | null = null;
  #over = false;
  #headersSent = false;
  #requestEnded = false;
  #headersReceived = false;
  /** Watermark calls still to be answered by their opposite. */
  #backedUp = 0;
  #perTryTimer: WheelTimer | null = null;
  #idleTimer: WheelTimer | null = null;

  constructor(owner: UpstreamRequestOwner, host: Host) {
    this.#owner = owner;
    this.host = host;
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

  /** The owner may hear of success or failure before this returns. */
  start(pool: HttpConnPool): void {
    const ticket = pool.newStream(this, this);
    if (!this.#over && this.#encoder === null) this.#ticket = ticket;
  }

  /** Before sendHeaders(). */
  meter(counts: WireCounts): void {
    this.#encoder!.meter(counts);
  }

  sendHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.#headersSent = true;
    this.#requestEnded = endStream;
    this.#encoder!.encodeHeaders(headers, endStream);
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (this.#idleTimer !== null) this.#armIdle();
    this.#requestEnded = endStream;
    this.#encoder!.encodeData(chunk, endStream);
  }

  sendTrailers(trailers: HeaderMap): void {
    this.#requestEnded = true;
    this.#encoder!.encodeTrailers(trailers);
  }

  enableTunnel(): void {
    this.#encoder!.enableTunnel();
  }

  /** The request is complete, or an upgrade's handshake went out: the attempt's clocks start. */
  armTimers(): void {
    const owner = this.#owner;
    if (!this.#headersSent || this.#over) return;
    if (owner.perTryTimeoutMs > 0 && !this.#headersReceived && this.#perTryTimer === null) {
      this.#perTryTimer = new WheelTimer(this, TIMER_PER_TRY);
      owner.timers.arm(this.#perTryTimer, owner.perTryTimeoutMs);
    }
    if (owner.perTryIdleTimeoutMs > 0 && this.#idleTimer === null) this.#armIdle();
  }

  /** For tunnels, which live as long as their ends like. */
  cancelTimers(): void {
    if (this.#perTryTimer !== null) this.#owner.timers.cancel(this.#perTryTimer);
    if (this.#idleTimer !== null) {
      this.#owner.timers.cancel(this.#idleTimer);
      this.#idleTimer = null;
    }
  }

  /** The client takes the answer too slowly, or again fast enough. */
  readDisable(disable: boolean): void {
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
    this.#owner.onUpstreamReady(this, connection);
  }

  onPoolFailure(reason: PoolFailureReason, transportFailureReason: string, _host: Host): void {
    this.#ticket = null;
    this.#fail(reason, transportFailureReason);
  }

  // === ResponseDecoder

  decode1xxHeaders(headers: ResponseHeaders): void {
    if (!this.#over) this.#owner.onUpstream1xxHeaders(headers);
  }

  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (this.#over) return;
    this.#headersReceived = true;
    if (this.#perTryTimer !== null) this.#owner.timers.cancel(this.#perTryTimer);
    if (endStream) this.#onResponseEnd();
    else if (this.#idleTimer !== null) this.#armIdle();
    this.#owner.onUpstreamHeaders(this, headers, endStream);
  }

  decodeData(chunk: Buffer, endStream: boolean): void {
    if (this.#over) return;
    if (endStream) this.#onResponseEnd();
    else if (this.#idleTimer !== null) this.#armIdle();
    this.#owner.onUpstreamData(this, chunk, endStream);
  }

  decodeTrailers(trailers: HeaderMap): void {
    if (this.#over) return;
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
    this.#owner.onUpstreamBackedUp(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    if (this.#over || this.#backedUp === 0) return;
    this.#backedUp--;
    this.#owner.onUpstreamBackedUp(false);
  }

  // === TimerOwner

  onTimer(kind: number): void {
    if (!this.#over) this.#owner.onPerTryTimeout(this, kind === TIMER_PER_TRY_IDLE);
  }

  #fail(reason: StreamResetReason, transportFailureReason: string): void {
    if (this.#over) return;
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
    this.#encoder = null;
    this.#ticket = null;
    if (this.#perTryTimer !== null) this.#owner.timers.cancel(this.#perTryTimer);
    if (this.#idleTimer !== null) this.#owner.timers.cancel(this.#idleTimer);
    for (; this.#backedUp > 0; this.#backedUp--) this.#owner.onUpstreamBackedUp(false);
  }

  #armIdle(): void {
    this.#idleTimer ??= new WheelTimer(this, TIMER_PER_TRY_IDLE);
    this.#owner.timers.arm(this.#idleTimer, this.#owner.perTryIdleTimeoutMs);
  }
}
