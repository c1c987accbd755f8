// [w] ConnManager: codec and streams of one downstream connection; drain, idle (envoy-behaviour §1.9, §1.10).
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../base/timer-wheel.ts';
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
import { Http1ServerConnection } from './http1/server-connection.ts';
import type { ServerConnectionCallbacks } from './http1/server-connection.ts';

const Timer = { Idle: 0, Drain: 1, Headers: 2, MaxDuration: 3 } as const;

/** Told when the connection is over, so that its owner can forget it. */
export interface ConnManagerListener {
  onConnectionDone(): void;
}

export class ConnManager
  implements ConnectionCallbacks, ServerConnectionCallbacks, StreamOwner, TimerOwner
{
  readonly context: ConnManagerContext;
  closing = false;
  readonly #connection: Connection;
  readonly #info: DownstreamConnectionInfo;
  readonly #listener: ConnManagerListener;
  readonly #codec: Http1ServerConnection;
  readonly #startMs: number;
  #stream: ActiveStream | null = null;
  #requestCount = 0;
  #idleTimer: WheelTimer;
  #drainTimer: WheelTimer | null = null;
  #headersTimer: WheelTimer | null = null;
  #durationTimer: WheelTimer | null = null;

  constructor(
    context: ConnManagerContext,
    connection: Connection,
    info: DownstreamConnectionInfo,
    listener: ConnManagerListener,
  ) {
    this.context = context;
    this.#connection = connection;
    this.#info = info;
    this.#listener = listener;
    this.#codec = new Http1ServerConnection(connection, this, context.config);
    this.#startMs = context.time.monotonicMs();
    connection.delayedCloseTimeoutMs = context.config.delayedCloseTimeoutMs;
    const { stats, config } = context;
    stats.store.inc(stats.cxTotal);
    stats.store.inc(stats.cxActive);
    stats.store.inc(stats.cxHttp1Total);
    stats.store.inc(stats.cxHttp1Active);
    this.#idleTimer = new WheelTimer(this, Timer.Idle);
    if (config.idleTimeoutMs > 0) this.timers.arm(this.#idleTimer, config.idleTimeoutMs);
    if (config.maxConnectionDurationMs > 0) {
      this.#durationTimer = new WheelTimer(this, Timer.MaxDuration);
      this.timers.arm(this.#durationTimer, config.maxConnectionDurationMs);
    }
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
      this.#codec.dispatch(chunk);
      if (this.context.config.requestHeadersTimeoutMs > 0) this.#watchHead();
    }
    // A client that closes its side has gone (envoy-behaviour §1.10).
    if (endStream && this.#connection.open) {
      this.#goneDownstream('downstream_remote_disconnect');
      this.#connection.close(CloseType.NoFlush);
    }
  }

  onClose(event: CloseEvent, _detail: string): void {
    this.#goneDownstream(
      event === CloseEvent.Remote ? 'downstream_remote_disconnect' : 'downstream_local_disconnect',
    );
    this.#codec.stop();
    const { stats } = this.context;
    const store = stats.store;
    store.dec(stats.cxActive);
    store.dec(stats.cxHttp1Active);
    store.inc(stats.cxDestroy);
    store.inc(event === CloseEvent.Remote ? stats.cxDestroyRemote : stats.cxDestroyLocal);
    store.add(stats.cxRxBytesTotal, this.#connection.bytesRead);
    store.add(stats.cxTxBytesTotal, this.#connection.bytesWritten);
    store.record(stats.cxLengthMs, this.context.time.monotonicMs() - this.#startMs);
    this.timers.cancel(this.#idleTimer);
    this.#cancel(this.#drainTimer);
    this.#cancel(this.#headersTimer);
    this.#cancel(this.#durationTimer);
    this.#listener.onConnectionDone();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#codec.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#codec.onBelowWriteBufferLowWatermark();
  }

  // === ServerConnectionCallbacks

  newStream(encoder: ResponseEncoder): RequestDecoder {
    const { config, stats } = this.context;
    this.timers.cancel(this.#idleTimer);
    this.#cancel(this.#headersTimer);
    this.#headersTimer = null;
    this.#requestCount++;
    const stream = this.#createStream(encoder);
    if (
      config.maxRequestsPerConnection > 0 &&
      this.#requestCount >= config.maxRequestsPerConnection
    ) {
      stats.store.inc(stats.cxMaxRequestsReached);
      this.closing = true;
    }
    return stream;
  }

  onCodecError(error: CodecError): void {
    this.timers.cancel(this.#idleTimer);
    this.#cancel(this.#headersTimer);
    const stream = this.#stream ?? this.#createStream(this.#codec);
    stream.onCodecError(error);
  }

  // === StreamOwner

  onStreamDone(stream: ActiveStream): void {
    if (this.#stream !== stream) return;
    this.#stream = null;
    if (!this.#connection.open) return;
    if (this.closing || this.#codec.responseEndsWithConnection) {
      this.#codec.stop();
      // No need to wait for a client that has said all it wanted to say.
      this.#connection.close(
        stream.requestComplete ? CloseType.FlushWrite : CloseType.FlushWriteAndDelay,
      );
      return;
    }
    if (this.context.config.idleTimeoutMs > 0)
      this.timers.arm(this.#idleTimer, this.context.config.idleTimeoutMs);
    this.#codec.readyForNext();
  }

  /** The listener drains: idle connections stay until its end, the next response says close. */
  get idle(): boolean {
    return this.#stream === null;
  }

  // === TimerOwner

  onTimer(kind: number): void {
    const { stats, config } = this.context;
    switch (kind) {
      case Timer.Idle:
        stats.store.inc(stats.cxIdleTimeout);
        if (this.#requestCount === 0) this.#connection.close(CloseType.FlushWrite);
        else this.#startDrain(config.drainTimeoutMs);
        return;
      case Timer.MaxDuration:
        stats.store.inc(stats.cxMaxDurationReached);
        if (this.#requestCount === 0) this.#connection.close(CloseType.FlushWrite);
        else this.#startDrain(config.drainTimeoutMs);
        return;
      case Timer.Drain:
        if (this.#stream === null) this.#connection.close(CloseType.FlushWrite);
        return;
      default:
        stats.store.inc(stats.rqHeaderTimeout);
        this.#headersTimedOut();
    }
  }

  #createStream(encoder: ResponseEncoder): ActiveStream {
    const { time, random } = this.context;
    const info = new StreamInfo(this.#info, time.wallMs(), time.monotonicMs(), random.nextUint32());
    this.#stream = new ActiveStream(this, encoder, info);
    return this.#stream;
  }

  #goneDownstream(details: string): void {
    const stream = this.#stream;
    if (stream === null) return;
    this.#stream = null;
    const { stats } = this.context;
    stats.store.inc(stats.cxDestroyActiveRq);
    stats.store.inc(
      details === 'downstream_remote_disconnect'
        ? stats.cxDestroyRemoteActiveRq
        : stats.cxDestroyLocalActiveRq,
    );
    stream.onDownstreamGone(details);
  }

  #startDrain(drainTimeoutMs: number): void {
    this.closing = true;
    this.#drainTimer ??= new WheelTimer(this, Timer.Drain);
    this.timers.arm(this.#drainTimer, drainTimeoutMs);
  }

  #watchHead(): void {
    if (!this.#codec.headBegun || this.#headersTimer !== null) return;
    this.#headersTimer = new WheelTimer(this, Timer.Headers);
    this.timers.arm(this.#headersTimer, this.context.config.requestHeadersTimeoutMs);
  }

  #headersTimedOut(): void {
    this.closing = true;
    const stream = this.#createStream(this.#codec);
    stream.sendLocalReply({
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
