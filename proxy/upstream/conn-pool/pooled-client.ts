// [w] One connection of a pool, connecting or connected: its clocks, its place in counts and breakers. What it speaks is
// the subclass's.
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner } from '../../base/timer-wheel.ts';
import type { RequestEncoder, ResponseDecoder } from '../../http/codec.ts';
import type { Connection } from '../../network/connection.ts';
import type { ConnectListener, Dialled } from '../../network/connect.ts';
import { isBindError } from '../../network/connect.ts';
import { dial } from '../../network/happy-eyeballs.ts';
import type { TransportFacts } from '../../network/upstream-transport.ts';
import { peerHasGone } from '../../network/tcp-state.ts';
import { CloseEvent, CloseType } from '../../network/transport.ts';
import type { ConnectionCallbacks } from '../../network/transport.ts';
import type { UpstreamConnectionFacts } from '../../stream-info/upstream-facts.ts';
import type { Host } from '../host.ts';
import { connectionFacts } from './connection-facts.ts';
import type { HttpPoolCallbacks, PoolFailureReason } from './conn-pool.ts';
import { IdleLimit } from './idle-limit.ts';
import type { MadeConnection } from './version-chooser.ts';
import { addressesOf } from './pool-context.ts';
import type { PoolContext, PoolDialling } from './pool-context.ts';

const Timer = { Connect: 0, Idle: 1, MaxDuration: 2 } as const;
/** A connection used within that time is not looked at before it is used again: under load that saves a system call a request. */
const LOOK_AFTER_MS = 20;

/** The pool as its connections see it. */
export interface ClientPool {
  readonly host: Host;
  readonly context: PoolContext;
  readonly dialling: PoolDialling;
  onClientConnected(client: PooledClient): void;
  onClientFailed(client: PooledClient, reason: PoolFailureReason, detail: string): void;
  /** True: the connection speaks another version and is somebody else's now. */
  takesElsewhere(client: PooledClient, made: MadeConnection): boolean;
  onDialCancelled(client: PooledClient): void;
  onClientGone(client: PooledClient): void;
}

export abstract class PooledClient implements ConnectListener, ConnectionCallbacks, TimerOwner {
  protected readonly context: PoolContext;
  protected connection: Connection | null = null;
  /** Takes no further streams and closes when nothing is on its way. */
  protected draining = false;
  protected closed = false;
  readonly #pool: ClientPool;
  readonly #startMs: number;
  #attempt: Dialled | null;
  #timer: WheelTimer | null;
  #durationTimer: WheelTimer | null = null;
  #facts: UpstreamConnectionFacts | null = null;
  /** When the last request was over; NaN while there is one, and before the first. */
  #idleSinceMs = NaN;
  /** When the requests under way came, the connection had been idle for so long, and had brought so many bytes. */
  #idleBeforeMs = 0;
  #readBefore = 0;
  /** The server closed its side. */
  #remoteEnded = false;

  /** `made`: nothing has to be dialled; onConnected() follows. */
  constructor(pool: ClientPool, made?: MadeConnection) {
    const { context } = pool;
    this.#pool = pool;
    this.context = context;
    this.#startMs = made?.startMs ?? context.io.time.monotonicMs();
    this.#timer = null;
    this.#attempt = null;
    if (made !== undefined) return;
    this.#timer = new WheelTimer(this, Timer.Connect);
    context.io.timers.arm(this.#timer, context.config.connectTimeoutMs);
    const { options } = pool.dialling;
    this.#attempt = dial(context.io, addressesOf(pool.host), options, this);
  }

  /** Some stream is on its way. */
  abstract get busy(): boolean;
  abstract get activeStreams(): number;
  /** That may be attached now; 0 while it is dialled. */
  abstract get freeStreams(): number;
  /** Another stream may be attached now. */
  abstract get acceptsStream(): boolean;
  protected abstract readonly protocol: string;
  protected abstract startCodec(connection: Connection): void;
  protected abstract openStream(decoder: ResponseDecoder): RequestEncoder;
  protected abstract dispatch(chunk: Buffer, endStream: boolean): void;
  /** Whether some stream did not come to its end. */
  protected abstract onSocketClosed(event: CloseEvent): boolean;
  abstract onAboveWriteBufferHighWatermark(): void;
  abstract onBelowWriteBufferLowWatermark(): void;

  get connecting(): boolean {
    return this.#attempt !== null;
  }

  attach(decoder: ResponseDecoder, callbacks: HttpPoolCallbacks): void {
    this.#disarm();
    const facts = this.#facts!;
    const { stats, io } = this.context;
    if (!this.busy) {
      this.#readBefore = this.connection!.bytesRead;
      this.#idleBeforeMs = io.time.monotonicMs() - this.#idleSinceMs;
      this.#idleSinceMs = NaN;
      facts.kept = facts.requestCount > 0 || this.#idleBeforeMs > LOOK_AFTER_MS;
    }
    facts.requestCount++;
    stats.store.inc(stats.upstreamRqTotal);
    stats.store.inc(stats.upstreamRqActive);
    const encoder = this.openStream(decoder);
    callbacks.onPoolReady(encoder, this.#pool.host, facts);
  }

  /** Asked of an idle connection before it is used again; false: it is closed now. */
  checkAlive(): boolean {
    const idleMs = this.context.io.time.monotonicMs() - this.#idleSinceMs;
    // NaN, before the first request, is alive, too.
    if (!(idleMs > LOOK_AFTER_MS)) return true;
    const limit = this.#pool.host.idleLimit;
    if (limit !== null && idleMs > limit.limitMs) {
      this.#retire();
      return false;
    }
    if (!peerHasGone(this.connection!.fd)) return true;
    this.#onRemoteEnd();
    this.connection!.close(CloseType.NoFlush);
    return false;
  }

  /** No further streams; closes as soon as nothing is on its way. */
  drain(): void {
    this.draining = true;
    if (!this.busy) this.close(CloseType.FlushWrite);
  }

  close(type: CloseType): void {
    if (this.#attempt !== null) {
      this.#attempt.cancel();
      this.#attempt = null;
      this.#end();
      this.#countDestroyed(false, false);
      this.#pool.onDialCancelled(this);
    } else this.connection?.close(type);
  }

  // === ConnectListener

  onConnected(connection: Connection, transport: TransportFacts): void {
    this.#attempt = null;
    this.#disarm();
    if (this.#pool.takesElsewhere(this, { connection, transport, startMs: this.#startMs })) {
      this.closed = true;
      return;
    }
    const { config, stats, io } = this.context;
    const nowMs = io.time.monotonicMs();
    stats.store.record(stats.upstreamCxConnectMs, nowMs - this.#startMs);
    connection.bufferLimitBytes = config.perConnectionBufferLimitBytes;
    this.connection = connection;
    stats.bytes.add(connection);
    this.#facts = connectionFacts(connection, this.#pool.host, this.protocol, {
      connectStartMs: this.#startMs,
      connectEndMs: nowMs,
      tls: transport.tls,
    });
    this.startCodec(connection);
    if (config.http.maxConnectionDurationMs > 0) {
      this.#durationTimer = new WheelTimer(this, Timer.MaxDuration);
      io.timers.arm(this.#durationTimer, config.http.maxConnectionDurationMs);
    }
    connection.start(this);
    this.#pool.onClientConnected(this);
    // Whom it was dialled for may have found another one.
    if (!this.busy && !this.closed && this.#timer === null) this.armIdle();
  }

  onConnectFailed(reason: string, local: boolean): void {
    this.#attempt = null;
    this.#end();
    this.#countDestroyed(!local, false);
    if (isBindError(reason)) this.context.stats.store.inc(this.context.stats.bindErrors);
    const failure = local ? 'local connection failure' : 'remote connection failure';
    this.#pool.onClientFailed(this, failure, reason);
  }

  onFurtherAttempt(): void {
    const { stats } = this.context;
    stats.store.inc(stats.upstreamCxTotal);
  }

  // === ConnectionCallbacks

  onData(chunk: Buffer, endStream: boolean): void {
    if (endStream) this.#onRemoteEnd();
    this.dispatch(chunk, endStream);
    if (endStream) this.connection?.close(CloseType.NoFlush);
  }

  onClose(event: CloseEvent, _detail: string): void {
    if (event === CloseEvent.Remote) this.#onRemoteEnd();
    const { stats, io } = this.context;
    const store = stats.store;
    const connection = this.connection!;
    stats.bytes.remove(connection);
    store.record(stats.upstreamRqPerCx, this.#facts!.requestCount);
    store.record(stats.upstreamCxLengthMs, io.time.monotonicMs() - this.#startMs);
    this.#end();
    const cut = this.onSocketClosed(event);
    this.#countDestroyed(this.#remoteEnded, cut);
    this.#pool.onClientGone(this);
  }

  /** `cut`: some stream did not come to its end. */
  #countDestroyed(remote: boolean, cut: boolean): void {
    const { stats } = this.context;
    const { store } = stats;
    store.inc(stats.upstreamCxDestroy);
    store.inc(remote ? stats.upstreamCxDestroyRemote : stats.upstreamCxDestroyLocal);
    if (!cut) return;
    store.inc(stats.upstreamCxDestroyWithActiveRq);
    store.inc(
      remote ? stats.upstreamCxDestroyRemoteWithActiveRq : stats.upstreamCxDestroyLocalWithActiveRq,
    );
  }

  // === TimerOwner

  onTimer(kind: number): void {
    const { stats } = this.context;
    if (kind === Timer.Connect) {
      stats.store.inc(stats.upstreamCxConnectTimeout);
      this.#attempt?.cancel();
      this.#attempt = null;
      this.#end();
      this.#countDestroyed(false, false);
      this.#pool.onClientFailed(this, 'connection timeout', '');
    } else if (kind === Timer.Idle) this.#onIdle();
    else {
      stats.store.inc(stats.upstreamCxMaxDurationReached);
      this.drain();
    }
  }

  // === For the subclasses

  /** As many requests as the connection may have were made: it drains. */
  protected checkRequestLimit(): void {
    const { config, stats } = this.context;
    const max = config.http.maxRequestsPerConnection;
    if (max === 0 || this.#facts!.requestCount < max || this.draining) return;
    stats.store.inc(stats.upstreamCxMaxRequests);
    this.draining = true;
  }

  protected armIdle(): void {
    const { config, io } = this.context;
    this.#idleSinceMs = io.time.monotonicMs();
    let idleMs = config.http.idleTimeoutMs === 0 ? Infinity : config.http.idleTimeoutMs;
    const limit = this.#pool.host.idleLimit;
    if (limit !== null && limit.limitMs < idleMs) idleMs = limit.limitMs;
    if (idleMs === Infinity) return;
    this.#timer ??= new WheelTimer(this, Timer.Idle);
    io.timers.arm(this.#timer, idleMs);
  }

  /** The server took none of the requests that it has not answered and is about to refuse. */
  protected markStale(): void {
    this.#facts!.stale = true;
  }

  /** What the host is known to do to idle connections. */
  protected idleLimit(): IdleLimit {
    return (this.#pool.host.idleLimit ??= new IdleLimit());
  }

  #onIdle(): void {
    const { config, stats, io } = this.context;
    const idleMs = io.time.monotonicMs() - this.#idleSinceMs;
    if (config.http.idleTimeoutMs === 0 || idleMs < config.http.idleTimeoutMs) {
      this.#retire();
      return;
    }
    stats.store.inc(stats.upstreamCxIdleTimeout);
    this.connection?.close(CloseType.NoFlush);
  }

  /** Before the server does it. */
  #retire(): void {
    const { store, prefix } = this.context.stats;
    store.inc(store.counter(`${prefix}upstream_cx_retired_before_peer`));
    this.connection?.close(CloseType.NoFlush);
  }

  /** The server ended its side, or reset: before its streams hear of it. */
  #onRemoteEnd(): void {
    if (this.#remoteEnded) return;
    this.#remoteEnded = true;
    const facts = this.#facts!;
    if (facts.requestCount === 0 || (this.connection!.bytesRead !== this.#readBefore && this.busy))
      return;
    const nowMs = this.context.io.time.monotonicMs();
    if (this.busy) {
      facts.stale = facts.kept;
      if (facts.stale) this.idleLimit().onClosed(this.#idleBeforeMs, nowMs);
    } else if (!Number.isNaN(this.#idleSinceMs))
      this.idleLimit().onClosed(nowMs - this.#idleSinceMs, nowMs);
  }

  /** The connection's place in counts and breakers is free again. */
  #end(): void {
    this.closed = true;
    this.#disarm();
    if (this.#durationTimer !== null) this.context.io.timers.cancel(this.#durationTimer);
  }

  #disarm(): void {
    if (this.#timer === null) return;
    this.context.io.timers.cancel(this.#timer);
    // The connect timer never comes back; the idle one is made when first needed.
    if (this.#timer.kind === Timer.Connect) this.#timer = null;
  }
}
