// [w] ConnManager: codec and streams of one downstream connection; drain, idle (envoy-behaviour §1.9, §1.10). The first
// bytes decide the version; a connection that speaks HTTP/2 is handed to an Http2ConnManager.
import { lazyPart } from '../base/lazy-part.ts';
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
import type { CodecError } from './codec-error.ts';
import type { RequestDecoder, ResponseEncoder } from './codec.ts';
import type { ConnManagerContext } from './conn-manager-context.ts';
import type { ConnManagerSlot } from './conn-manager-slot.ts';
import type { ConnManagerStats } from './conn-manager-stats.ts';
import { trimmed } from './http1/framing.ts';
import { Http1ServerConnection } from './http1/server-connection.ts';
import type { ServerConnectionCallbacks } from './http1/server-connection.ts';
import { lengthened } from './jitter.ts';
import { startsWithPreface } from './http2/protocol.ts';
import type { ConnManagerListener } from './http2-conn-manager.ts';

/** With the codec: a tenth of a worker's code. */
const http2 = lazyPart<typeof import('./http2-conn-manager.ts')>('http/http2-conn-manager');

const Timer = { Idle: 0, Drain: 1, Headers: 2, MaxDuration: 3 } as const;

export class ConnManager
  implements ConnectionCallbacks, ServerConnectionCallbacks, StreamOwner, TimerOwner
{
  /** The connection ends with the response under way. */
  closing = false;
  /** Responses say so, and the connection ends when the drain time is over. */
  draining = false;
  readonly #slot: ConnManagerSlot;
  /** A connection is counted where it began, whatever update comes. */
  readonly #stats: ConnManagerStats;
  readonly #connection: Connection;
  #info: DownstreamConnectionInfo;
  readonly #listener: ConnManagerListener;
  readonly #codec: Http1ServerConnection;
  readonly #startMs: number;
  #stream: ActiveStream | null = null;
  #requestCount = 0;
  /** Of the settings, when the last request began. */
  #version: number;
  /** The first byte came and with it the version: Envoy makes its codec then. */
  #begun = false;
  #clientEnded = false;
  /** Past its age: the next request is the last (http1_safe_max_connection_duration). */
  #softDrain = false;
  #lastRequest = false;
  #idleTimer: WheelTimer;
  #drainTimer: WheelTimer | null = null;
  #headersTimer: WheelTimer | null = null;
  #durationTimer: WheelTimer | null = null;

  constructor(
    slot: ConnManagerSlot,
    connection: Connection,
    info: DownstreamConnectionInfo,
    listener: ConnManagerListener,
  ) {
    const context = slot.current;
    this.#slot = slot;
    this.#version = slot.version;
    this.#stats = context.stats;
    this.#connection = connection;
    this.#info = info;
    this.#listener = listener;
    this.#codec = new Http1ServerConnection(connection, this, context.config, info.tls);
    this.#startMs = context.time.monotonicMs();
    connection.delayedCloseTimeoutMs = context.config.delayedCloseTimeoutMs;
    const { stats, config } = context;
    stats.store.inc(stats.cxTotal);
    stats.store.inc(stats.cxActive);
    this.#idleTimer = new WheelTimer(this, Timer.Idle);
    if (config.idleTimeoutMs > 0) this.timers.arm(this.#idleTimer, config.idleTimeoutMs);
    if (config.maxConnectionDurationMs > 0) {
      this.#durationTimer = new WheelTimer(this, Timer.MaxDuration);
      const { maxConnectionDurationMs: ms, maxConnectionDurationJitterPercent: jitter } = config;
      this.timers.arm(this.#durationTimer, lengthened(ms, jitter, context.random));
    }
  }

  /** What is in force now; a request keeps what it began with. */
  get context(): ConnManagerContext {
    return this.#slot.current;
  }

  get timers(): TimerWheel {
    return this.#connection.io.timers;
  }

  get bufferLimitBytes(): number {
    return this.#connection.bufferLimitBytes;
  }

  get protocol(): 'HTTP/1.0' | 'HTTP/1.1' {
    return this.#codec.protocol;
  }

  get localPort(): number {
    return this.#info.localPort;
  }

  get requestIsUpgrade(): boolean {
    return this.#codec.requestIsUpgrade;
  }

  get requestWantsClose(): boolean {
    return this.#codec.requestWantsClose;
  }

  // === ConnectionCallbacks

  onData(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0) {
      if (!this.#begun && this.#begin(chunk, endStream)) return;
      this.#codec.dispatch(chunk);
      // A request whose head is still coming is one already: it has a log line and time-outs.
      if (this.#codec.headBegun && this.#stream === null) this.#awaitHead();
    }
    // A client that closes its side has gone (envoy-behaviour §1.10).
    if (endStream && this.#connection.open) {
      this.#clientEnded = true;
      this.#goneDownstream('downstream_remote_disconnect');
      this.#connection.close(CloseType.NoFlush);
    }
  }

  onClose(event: CloseEvent, detail: string): void {
    const remote = this.#clientEnded || event === CloseEvent.Remote;
    this.#goneDownstream(remote ? 'downstream_remote_disconnect' : 'downstream_local_disconnect');
    this.#codec.stop();
    const stats = this.#stats;
    const { time } = this.context;
    if (this.#begun) stats.store.dec(stats.cxHttp1Active);
    if (this.#softDrain) stats.store.dec(stats.cxHttp1SoftDrain);
    if (detail === DELAYED_CLOSE_TIMEOUT) stats.store.inc(stats.cxDelayedCloseTimeout);
    stats.chargeClose(remote, this.#connection, time.monotonicMs() - this.#startMs);
    this.timers.cancel(this.#idleTimer);
    this.#cancel(this.#drainTimer);
    this.#cancel(this.#headersTimer);
    this.#cancel(this.#durationTimer);
    this.#listener.onConnectionDone(this.#requestCount > 0 ? this.protocol : undefined);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#codec.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#codec.onBelowWriteBufferLowWatermark();
  }

  // === ServerConnectionCallbacks

  newStream(encoder: ResponseEncoder): RequestDecoder {
    const stream = this.#stream ?? this.#createStream(encoder);
    if (this.#headersTimer !== null) {
      this.timers.cancel(this.#headersTimer);
      this.#headersTimer = null;
    }
    stream.streamInfo.protocol = this.#codec.protocol;
    return stream;
  }

  onCodecError(error: CodecError): void {
    this.#cancel(this.#headersTimer);
    const stream = this.#stream ?? this.#createStream(this.#codec);
    // Until a head is accepted Envoy's stream has the protocol it began with.
    if (stream.requestHeaders.method === '') stream.streamInfo.protocol = 'HTTP/1.1';
    stream.onCodecError(error);
  }

  upgradesLeft(wanted: string): string {
    const ignored = this.context.ignoredUpgrades;
    if (ignored === null) return wanted;
    const types = wanted.split(',').map((type) => trimmed(type, 0, type.length));
    return types.filter((type) => !ignored.matches(type)).join(',');
  }

  onUnderscores(count: number): void {
    const { stats, config } = this.context;
    if (config.headersWithUnderscoresAction === 'DROP_HEADER')
      stats.store.add(stats.http1DroppedUnderscores, count);
    else stats.store.inc(stats.http1RejectedUnderscores);
  }

  // === StreamOwner

  replaceStream(_old: ActiveStream, encoder: ResponseEncoder): ActiveStream {
    return this.#createStream(encoder);
  }

  onStreamDone(stream: ActiveStream): void {
    if (this.#stream !== stream) return;
    this.#stream = null;
    if (!this.#connection.open) return;
    if (this.closing || this.#codec.responseEndsWithConnection) {
      const skipDelay = this.#skipsDelay(stream);
      this.#codec.stop();
      this.#connection.close(skipDelay ? CloseType.FlushWrite : CloseType.FlushWriteAndDelay);
      return;
    }
    if (this.context.config.idleTimeoutMs > 0)
      this.timers.arm(this.#idleTimer, this.context.config.idleTimeoutMs);
    this.#codec.readyForNext();
    if (this.#codec.headBegun && this.#stream === null) this.#awaitHead();
  }

  startDrain(): void {
    if (this.draining) return;
    this.draining = true;
    this.#drainTimer = new WheelTimer(this, Timer.Drain);
    const { config, random } = this.context;
    const { drainTimeoutMs: ms, drainTimeoutJitterPercent: jitter } = config;
    this.timers.arm(this.#drainTimer, lengthened(ms, jitter, random));
  }

  /** envoy-behaviour §1.10: no need to wait for a client that asked for the end and has said all it wanted to say. */
  #skipsDelay(stream: ActiveStream): boolean {
    return (
      (this.#codec.requestWantsClose || this.#lastRequest) &&
      (stream.requestComplete ||
        (this.#codec.protocol === 'HTTP/1.0' && this.#codec.responseEndsWithConnection))
    );
  }

  #hasServedEnough(): boolean {
    const { maxRequestsPerConnection } = this.context.config;
    return maxRequestsPerConnection > 0 && this.#requestCount >= maxRequestsPerConnection;
  }

  // === TimerOwner

  onTimer(kind: number): void {
    const stats = this.#stats;
    switch (kind) {
      case Timer.Idle:
        stats.store.inc(stats.cxIdleTimeout);
        if (this.#begun) this.startDrain();
        else this.#connection.close(CloseType.FlushWrite);
        return;
      case Timer.MaxDuration:
        stats.store.inc(stats.cxMaxDurationReached);
        this.#tooOld();
        return;
      case Timer.Drain:
        this.closing = true;
        if (this.#stream === null) {
          this.#codec.stop();
          this.#connection.close(CloseType.FlushWriteAndDelay);
        }
        return;
      default:
        stats.store.inc(stats.rqHeaderTimeout);
        this.#headersTimedOut();
    }
  }

  /** First bytes. True: this connection is not ours any more. */
  #begin(chunk: Buffer, endStream: boolean): boolean {
    this.#begun = true;
    const stats = this.#stats;
    const { config } = this.context;
    const speaksHttp2 =
      config.codecType === 'HTTP2' || (config.codecType === 'AUTO' && this.#speaksHttp2(chunk));
    if (!speaksHttp2) {
      stats.store.inc(stats.cxHttp1Total);
      stats.store.inc(stats.cxHttp1Active);
      return false;
    }
    this.timers.cancel(this.#idleTimer);
    this.#cancel(this.#durationTimer);
    const manager = new (http2().Http2ConnManager)(this.#slot, this.#connection, this.#info, {
      startMs: this.#startMs,
      listener: this.#listener,
      stats,
      version: this.#version,
    });
    this.#connection.setCallbacks(manager);
    manager.onData(chunk, endStream);
    return true;
  }

  /** What TLS agreed on, else what the first bytes are. */
  #speaksHttp2(chunk: Buffer): boolean {
    const alpn = this.#info.tlsFacts?.alpn ?? '';
    return alpn === '' ? startsWithPreface(chunk) : alpn === 'h2';
  }

  #tooOld(): void {
    if (!this.#begun) {
      this.#connection.close(CloseType.FlushWrite);
      return;
    }
    if (this.draining) return;
    const stats = this.#stats;
    const { config } = this.context;
    if (!config.http1SafeMaxConnectionDuration) {
      this.startDrain();
      return;
    }
    // An HTTP/1 client may be sending its next request just now: that one is answered, as the last.
    this.#softDrain = true;
    stats.store.inc(stats.cxHttp1SoftDrain);
  }

  #createStream(encoder: ResponseEncoder): ActiveStream {
    if (this.#version !== this.#slot.version) this.#follow();
    const stats = this.#stats;
    const { time, random } = this.context;
    this.timers.cancel(this.#idleTimer);
    this.#requestCount++;
    if (this.#hasServedEnough()) stats.store.inc(stats.cxMaxRequestsReached);
    if (this.#softDrain || this.#hasServedEnough()) {
      this.#lastRequest = true;
      this.closing = true;
    }
    const info = new StreamInfo(this.#info, time.wallMs(), time.monotonicMs(), random.nextUint32());
    this.#stream = new ActiveStream(this, encoder, info);
    return this.#stream;
  }

  /** Settings were replaced since the last request. */
  #follow(): void {
    const slot = this.#slot;
    if (this.#version < slot.retiredBefore) this.startDrain();
    this.#version = slot.version;
    this.#info = slot.bringUpToDate(this.#connection, this.#info);
  }

  #goneDownstream(details: string): void {
    const stream = this.#stream;
    if (stream === null) return;
    this.#stream = null;
    this.#stats.chargeActiveGone(details === 'downstream_remote_disconnect');
    stream.onDownstreamGone(details);
  }

  #awaitHead(): void {
    this.#createStream(this.#codec);
    if (this.context.config.requestHeadersTimeoutMs <= 0) return;
    this.#headersTimer = new WheelTimer(this, Timer.Headers);
    this.timers.arm(this.#headersTimer, this.context.config.requestHeadersTimeoutMs);
  }

  #headersTimedOut(): void {
    this.#stream?.sendLocalReply({
      status: 408,
      body: 'request header timeout',
      details: 'request_header_timeout',
      flag: undefined,
      grpcStatus: undefined,
      modifyHeaders: undefined,
    });
  }

  #cancel(timer: WheelTimer | null): void {
    if (timer !== null) this.timers.cancel(timer);
  }
}
