// [w] Http2ConnManager: one downstream HTTP/2 connection and its streams; drain in two steps, idle, floods of resets
// (envoy-behaviour §1.9, §1.10, §2.2).
//
//   Serving ── idle, duration, max requests, drain ──▶ Notified (GOAWAY 2^31 - 1) ── drain time-out ──▶ Closing (GOAWAY
//   last stream) ── no streams left ──▶ closed
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../base/timer-wheel.ts';
import { DELAYED_CLOSE_TIMEOUT } from '../network/connection.ts';
import type { Connection } from '../network/connection.ts';
import { CloseEvent, CloseType } from '../network/transport.ts';
import type { ConnectionCallbacks } from '../network/transport.ts';
import type { DownstreamConnectionInfo } from '../stream-info/stream-info.ts';
import { StreamInfo } from '../stream-info/stream-info.ts';
import { ActiveStream } from './active-stream.ts';
import type { StreamOwner } from './active-stream.ts';
import { StreamResetReason } from './codec.ts';
import type { RequestDecoder } from './codec.ts';
import type { ConnManagerContext } from './conn-manager-context.ts';
import type { ConnManagerSlot } from './conn-manager-slot.ts';
import type { ConnManagerStats } from './conn-manager-stats.ts';
import { Http2ServerConnection } from './http2/server-connection.ts';
import type { Http2ServerCallbacks, Http2ServerStream } from './http2/server-connection.ts';
import { lengthened } from './jitter.ts';

/** Told when the connection is over, so that its owner can forget it. */
export interface ConnManagerListener {
  /** `protocol`: what its requests spoke; absent: it had none. */
  onConnectionDone(protocol?: string): void;
}

/** How the connection began, before it was known to speak HTTP/2. */
export interface ConnectionOrigin {
  readonly startMs: number;
  readonly listener: ConnManagerListener;
  readonly stats: ConnManagerStats;
  /** Of the settings. */
  readonly version: number;
}

const Timer = { Idle: 0, Drain: 1, Headers: 2, MaxDuration: 3 } as const;
const Drain = { Serving: 0, Notified: 1, Closing: 2 } as const;
type Drain = (typeof Drain)[keyof typeof Drain];

/** One stream's view of its connection. */
class Http2StreamOwner implements StreamOwner {
  readonly context: ConnManagerContext;
  readonly protocol = 'HTTP/2';
  readonly requestWantsClose = false;
  readonly stream: Http2ServerStream;
  /** Changes with an internal redirect. */
  current: ActiveStream | null = null;
  readonly #manager: Http2ConnManager;

  constructor(manager: Http2ConnManager, stream: Http2ServerStream) {
    this.context = manager.context;
    this.#manager = manager;
    this.stream = stream;
  }

  get timers(): TimerWheel {
    return this.#manager.timers;
  }

  get bufferLimitBytes(): number {
    return this.#manager.bufferLimitBytes;
  }

  get localPort(): number {
    return this.#manager.localPort;
  }

  get requestIsUpgrade(): boolean {
    return this.stream.isUpgrade;
  }

  /** One answer does not end a connection that carries others. */
  get closing(): boolean {
    return false;
  }

  set closing(_closing: boolean) {}

  get draining(): boolean {
    return this.#manager.draining;
  }

  startDrain(): void {
    this.#manager.startDrain();
  }

  replaceStream(): ActiveStream {
    return this.#manager.replaceStream(this);
  }

  onStreamDone(stream: ActiveStream): void {
    if (stream === this.current) this.#manager.onStreamDone(this.stream, stream);
  }
}

export class Http2ConnManager implements ConnectionCallbacks, Http2ServerCallbacks, TimerOwner {
  readonly #slot: ConnManagerSlot;
  /** Where the connection is counted, whatever update comes. */
  readonly #stats: ConnManagerStats;
  readonly #connection: Connection;
  #info: DownstreamConnectionInfo;
  readonly #listener: ConnManagerListener;
  readonly #codec: Http2ServerConnection;
  readonly #startMs: number;
  #active = 0;
  #requestCount = 0;
  /** Of the settings, when the last request began. */
  #version: number;
  #drain: Drain = Drain.Serving;
  /** No stream that ends now is the client's doing. */
  #closed = false;
  #clientEnded = false;
  readonly #idleTimer: WheelTimer;
  #drainTimer: WheelTimer | null = null;
  #headersTimer: WheelTimer | null = null;
  #durationTimer: WheelTimer | null = null;

  constructor(
    slot: ConnManagerSlot,
    connection: Connection,
    info: DownstreamConnectionInfo,
    origin: ConnectionOrigin,
  ) {
    const context = slot.current;
    const { config } = context;
    const { stats } = origin;
    this.#slot = slot;
    this.#stats = stats;
    this.#version = origin.version;
    this.#connection = connection;
    this.#info = info;
    this.#listener = origin.listener;
    this.#startMs = origin.startMs;
    stats.store.inc(stats.cxHttp2Total);
    stats.store.inc(stats.cxHttp2Active);
    this.#codec = new Http2ServerConnection(connection, this, context.http2());
    this.#idleTimer = new WheelTimer(this, Timer.Idle);
    if (config.idleTimeoutMs > 0) this.timers.arm(this.#idleTimer, config.idleTimeoutMs);
    if (config.maxConnectionDurationMs > 0) {
      const elapsedMs = context.time.monotonicMs() - this.#startMs;
      this.#durationTimer = new WheelTimer(this, Timer.MaxDuration);
      const { maxConnectionDurationMs: ms, maxConnectionDurationJitterPercent: jitter } = config;
      const wholeMs = lengthened(ms, jitter, context.random);
      this.timers.arm(this.#durationTimer, Math.max(1, wholeMs - elapsedMs));
    }
  }

  /** What is in force now; a stream keeps what it began with. */
  get context(): ConnManagerContext {
    return this.#slot.current;
  }

  get timers(): TimerWheel {
    return this.#connection.io.timers;
  }

  get bufferLimitBytes(): number {
    return this.#codec.bufferLimitBytes;
  }

  get localPort(): number {
    return this.#info.localPort;
  }

  get draining(): boolean {
    return this.#drain !== Drain.Serving;
  }

  // === ConnectionCallbacks

  onData(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0) {
      this.#codec.dispatch(chunk);
      if (this.context.config.requestHeadersTimeoutMs > 0) this.#watchHead();
    }
    // A client that closes its side has gone (envoy-behaviour §1.10).
    if (!endStream || !this.#connection.open) return;
    this.#closed = true;
    this.#clientEnded = true;
    this.#goneDownstream(true);
    this.#connection.close(CloseType.NoFlush);
  }

  onClose(event: CloseEvent, detail: string): void {
    const remote = this.#clientEnded || event === CloseEvent.Remote;
    this.#closed = true;
    this.#goneDownstream(remote);
    this.#codec.stop();
    const stats = this.#stats;
    const { time } = this.context;
    stats.store.dec(stats.cxHttp2Active);
    if (detail === DELAYED_CLOSE_TIMEOUT) stats.store.inc(stats.cxDelayedCloseTimeout);
    stats.chargeClose(remote, this.#connection, time.monotonicMs() - this.#startMs);
    this.timers.cancel(this.#idleTimer);
    this.#cancel(this.#drainTimer);
    this.#cancel(this.#headersTimer);
    this.#cancel(this.#durationTimer);
    this.#listener.onConnectionDone(this.#requestCount > 0 ? 'HTTP/2' : undefined);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#codec.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#codec.onBelowWriteBufferLowWatermark();
  }

  // === Http2ServerCallbacks

  newStream(stream: Http2ServerStream): RequestDecoder {
    if (this.#version !== this.#slot.version) this.#follow();
    const { config } = this.context;
    this.timers.cancel(this.#idleTimer);
    this.#active++;
    this.#requestCount++;
    const owner = new Http2StreamOwner(this, stream);
    const active = this.#create(owner);
    owner.current = active;
    if (this.#requestCount === config.maxRequestsPerConnection) {
      const stats = this.#stats;
      stats.store.inc(stats.cxMaxRequestsReached);
      this.startDrain();
    }
    return active;
  }

  /** An internal redirect goes on as another stream on the same encoder. */
  replaceStream(owner: Http2StreamOwner): ActiveStream {
    owner.current = this.#create(owner);
    return owner.current;
  }

  onStreamClosed(): void {
    if (this.#drain === Drain.Closing) this.#closeWhenIdle();
  }

  onSessionError(details: string, silent: boolean): void {
    const stats = this.#stats;
    stats.store.inc(stats.cxProtocolError);
    this.#closed = true;
    this.#codec.killStreams(StreamResetReason.ProtocolError, details);
    this.#connection.close(silent ? CloseType.NoFlush : CloseType.FlushWriteAndDelay);
  }

  // === Streams

  /** Exactly once per stream, after its log line. */
  onStreamDone(stream: Http2ServerStream, active: ActiveStream): void {
    this.#active--;
    stream.forget();
    if (this.#closed || !this.#connection.open) return;
    // An answer that came before its request was complete (envoy-behaviour §1.8, step 6).
    if (!active.requestComplete) stream.resetWhenFlushed();
    const { endMs, startMs, responseCode } = active.streamInfo;
    if (!this.#codec.flood.onStreamClosed(endMs - startMs, responseCode > 0)) {
      const stats = this.#stats;
      stats.store.inc(stats.rqTooManyPrematureResets);
      this.#abandon('too_many_premature_resets');
      return;
    }
    if (this.#active > 0) return;
    if (this.#drain === Drain.Closing) this.#closeWhenIdle();
    else if (this.context.config.idleTimeoutMs > 0)
      this.timers.arm(this.#idleTimer, this.context.config.idleTimeoutMs);
  }

  /** GOAWAY in two steps: what the client sends before it heard of it is still served. */
  startDrain(): void {
    if (this.#drain !== Drain.Serving) return;
    this.#drain = Drain.Notified;
    this.#codec.shutdownNotice();
    this.#drainTimer = new WheelTimer(this, Timer.Drain);
    const { config, random } = this.context;
    const { drainTimeoutMs: ms, drainTimeoutJitterPercent: jitter } = config;
    this.timers.arm(this.#drainTimer, lengthened(ms, jitter, random));
  }

  // === TimerOwner

  onTimer(kind: number): void {
    const stats = this.#stats;
    switch (kind) {
      case Timer.Idle:
        stats.store.inc(stats.cxIdleTimeout);
        this.startDrain();
        return;
      case Timer.MaxDuration:
        stats.store.inc(stats.cxMaxDurationReached);
        this.startDrain();
        return;
      case Timer.Drain:
        this.#drain = Drain.Closing;
        this.#codec.goAway();
        this.#closeWhenIdle();
        return;
      default:
        // The head of a request began and does not end: nothing else can come on this connection.
        stats.store.inc(stats.rqHeaderTimeout);
        this.#abandon('request_header_timeout');
    }
  }

  /** Settings were replaced since the last request. */
  #follow(): void {
    const slot = this.#slot;
    if (this.#version < slot.retiredBefore) this.startDrain();
    this.#version = slot.version;
    this.#info = slot.bringUpToDate(this.#connection, this.#info);
  }

  #create(owner: Http2StreamOwner): ActiveStream {
    const { time, random } = this.context;
    const info = new StreamInfo(this.#info, time.wallMs(), time.monotonicMs(), random.nextUint32());
    return new ActiveStream(owner, owner.stream, info);
  }

  /** The client asks for more than is good. */
  #abandon(details: string): void {
    this.#closed = true;
    this.#codec.abandon();
    this.#codec.killStreams(StreamResetReason.Overflow, details);
    this.#connection.close(CloseType.FlushWriteAndDelay);
  }

  #closeWhenIdle(): void {
    if (this.#active > 0 || this.#codec.streamCount > 0) return;
    this.#codec.flush();
    this.#connection.close(CloseType.FlushWriteAndDelay);
  }

  #goneDownstream(remote: boolean): void {
    if (this.#active === 0) return;
    this.#stats.chargeActiveGone(remote);
    this.#codec.killStreams(
      StreamResetReason.ConnectionTermination,
      remote ? 'downstream_remote_disconnect' : 'downstream_local_disconnect',
    );
  }

  #watchHead(): void {
    if (!this.#codec.headBegun) {
      this.#cancel(this.#headersTimer);
      return;
    }
    this.#headersTimer ??= new WheelTimer(this, Timer.Headers);
    if (!this.#headersTimer.armed)
      this.timers.arm(this.#headersTimer, this.context.config.requestHeadersTimeoutMs);
  }

  #cancel(timer: WheelTimer | null): void {
    if (timer !== null) this.timers.cancel(timer);
  }
}
