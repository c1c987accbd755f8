// [w] One stream a connection: ready connections first (the one used last), else a place in the queue and, where the
// breakers allow, a new connection (envoy-behaviour §7.2, §7.3).
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner } from '../../base/timer-wheel.ts';
import type { ResponseDecoder } from '../../http/codec.ts';
import { Http1ClientConnection } from '../../http/http1/client-connection.ts';
import type { ClientConnectionCallbacks } from '../../http/http1/client-connection.ts';
import type { Connection } from '../../network/connection.ts';
import { ConnectAttempt } from '../../network/connect.ts';
import type { ConnectListener } from '../../network/connect.ts';
import { CloseEvent, CloseType } from '../../network/transport.ts';
import type { ConnectionCallbacks } from '../../network/transport.ts';
import type { UpstreamConnectionFacts } from '../../stream-info/upstream-facts.ts';
import type { Host } from '../host.ts';
import { connectionFacts } from './connection-facts.ts';
import type {
  HttpConnPool,
  HttpPoolCallbacks,
  PoolFailureReason,
  PoolTicket,
} from './conn-pool.ts';
import type { PoolContext } from './pool-context.ts';

const Timer = { Connect: 0, Idle: 1, MaxDuration: 2 } as const;

class PendingStream implements PoolTicket {
  readonly decoder: ResponseDecoder;
  readonly callbacks: HttpPoolCallbacks;
  readonly #pool: Http1ConnPool;

  constructor(pool: Http1ConnPool, decoder: ResponseDecoder, callbacks: HttpPoolCallbacks) {
    this.#pool = pool;
    this.decoder = decoder;
    this.callbacks = callbacks;
  }

  cancel(): void {
    this.#pool.cancelPending(this);
  }
}

/** One connection, connecting or connected. */
class ActiveClient
  implements ConnectListener, ConnectionCallbacks, ClientConnectionCallbacks, TimerOwner
{
  readonly #pool: Http1ConnPool;
  readonly #context: PoolContext;
  readonly #startMs: number;
  #attempt: ConnectAttempt | null;
  #connection: Connection | null = null;
  #codec: Http1ClientConnection | null = null;
  #timer: WheelTimer | null;
  #durationTimer: WheelTimer | null = null;
  #facts: UpstreamConnectionFacts | null = null;
  #requestCount = 0;
  #draining = false;
  /** The server closed its side. */
  #remoteEnded = false;
  /** The last stream did not come to its end. */
  #streamCut = false;
  #closed = false;

  constructor(pool: Http1ConnPool, context: PoolContext, host: Host) {
    this.#pool = pool;
    this.#context = context;
    this.#startMs = context.io.time.monotonicMs();
    this.#timer = new WheelTimer(this, Timer.Connect);
    context.io.timers.arm(this.#timer, context.config.connectTimeoutMs);
    this.#attempt = new ConnectAttempt(context.io, host.address, context.connectOptions, this);
  }

  get busy(): boolean {
    return this.#codec !== null && this.#codec.busy;
  }

  attach(stream: PendingStream): void {
    this.#disarm();
    this.#requestCount++;
    const { stats } = this.#context;
    stats.store.inc(stats.upstreamRqTotal);
    stats.store.inc(stats.upstreamRqActive);
    const encoder = this.#codec!.newStream(stream.decoder);
    stream.callbacks.onPoolReady(encoder, this.#pool.host, this.#facts!);
  }

  get connecting(): boolean {
    return this.#attempt !== null;
  }

  /** No further streams; closes as soon as nothing is on its way. */
  drain(): void {
    this.#draining = true;
    if (!this.busy) this.close(CloseType.FlushWrite);
  }

  close(type: CloseType): void {
    if (this.#attempt !== null) {
      this.#attempt.cancel();
      this.#attempt = null;
      this.#end();
      this.#countDestroyed(false);
      this.#pool.onDialCancelled(this);
    } else this.#connection?.close(type);
  }

  // === ConnectListener

  onConnected(connection: Connection): void {
    this.#attempt = null;
    this.#disarm();
    const { config, stats, io } = this.#context;
    const nowMs = io.time.monotonicMs();
    stats.store.record(stats.upstreamCxConnectMs, nowMs - this.#startMs);
    connection.bufferLimitBytes = config.perConnectionBufferLimitBytes;
    this.#connection = connection;
    this.#facts = connectionFacts(connection, this.#pool.host, 'HTTP/1.1', {
      connectStartMs: this.#startMs,
      connectEndMs: nowMs,
    });
    this.#codec = new Http1ClientConnection(connection, this, config.http);
    if (config.http.maxConnectionDurationMs > 0) {
      this.#durationTimer = new WheelTimer(this, Timer.MaxDuration);
      io.timers.arm(this.#durationTimer, config.http.maxConnectionDurationMs);
    }
    connection.start(this);
    this.#pool.onClientConnected(this);
  }

  onConnectFailed(reason: string): void {
    this.#attempt = null;
    this.#end();
    this.#countDestroyed(true);
    this.#pool.onClientFailed(this, 'remote connection failure', reason);
  }

  // === ConnectionCallbacks

  onData(chunk: Buffer, endStream: boolean): void {
    if (endStream) this.#remoteEnded = true;
    this.#codec?.dispatch(chunk, endStream);
    if (endStream) this.#connection?.close(CloseType.NoFlush);
  }

  onClose(event: CloseEvent, _detail: string): void {
    const { stats, io } = this.#context;
    const store = stats.store;
    const connection = this.#connection!;
    store.add(stats.upstreamCxRxBytesTotal, connection.bytesRead);
    store.add(stats.upstreamCxTxBytesTotal, connection.bytesWritten);
    store.record(stats.upstreamCxLengthMs, io.time.monotonicMs() - this.#startMs);
    this.#end();
    this.#codec?.onConnectionClosed(event);
    this.#countDestroyed(this.#remoteEnded || event === CloseEvent.Remote);
    this.#pool.onClientGone(this);
  }

  #countDestroyed(remote: boolean): void {
    const { stats } = this.#context;
    const { store } = stats;
    store.inc(stats.upstreamCxDestroy);
    store.inc(remote ? stats.upstreamCxDestroyRemote : stats.upstreamCxDestroyLocal);
    if (!this.#streamCut) return;
    store.inc(stats.upstreamCxDestroyWithActiveRq);
    store.inc(
      remote ? stats.upstreamCxDestroyRemoteWithActiveRq : stats.upstreamCxDestroyLocalWithActiveRq,
    );
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#codec?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#codec?.onBelowWriteBufferLowWatermark();
  }

  // === ClientConnectionCallbacks

  onStreamReset(): void {
    this.#streamCut = true;
  }

  onStreamComplete(reusable: boolean): void {
    const { stats, config, io } = this.#context;
    stats.store.dec(stats.upstreamRqActive);
    this.#pool.onStreamOver();
    if (this.#closed || !this.#connection!.open) return;
    const max = config.http.maxRequestsPerConnection;
    if (max > 0 && this.#requestCount >= max) {
      stats.store.inc(stats.upstreamCxMaxRequests);
      this.#draining = true;
    }
    if (!reusable || this.#draining) {
      this.#connection!.close(CloseType.NoFlush);
      return;
    }
    if (config.http.idleTimeoutMs > 0) {
      this.#timer ??= new WheelTimer(this, Timer.Idle);
      io.timers.arm(this.#timer, config.http.idleTimeoutMs);
    }
    this.#pool.onClientReady(this);
  }

  onProtocolError(): void {
    const { stats } = this.#context;
    stats.store.inc(stats.upstreamCxProtocolError);
    this.#connection?.close(CloseType.NoFlush);
  }

  // === TimerOwner

  onTimer(kind: number): void {
    const { stats } = this.#context;
    if (kind === Timer.Connect) {
      stats.store.inc(stats.upstreamCxConnectTimeout);
      this.#attempt?.cancel();
      this.#attempt = null;
      this.#end();
      this.#countDestroyed(false);
      this.#pool.onClientFailed(this, 'connection timeout', '');
    } else if (kind === Timer.Idle) {
      stats.store.inc(stats.upstreamCxIdleTimeout);
      this.#connection?.close(CloseType.NoFlush);
    } else this.drain();
  }

  /** The connection's place in counts and breakers is free again. */
  #end(): void {
    this.#closed = true;
    this.#disarm();
    if (this.#durationTimer !== null) this.#context.io.timers.cancel(this.#durationTimer);
  }

  #disarm(): void {
    if (this.#timer === null) return;
    this.#context.io.timers.cancel(this.#timer);
    // The connect timer never comes back; the idle one is made when first needed.
    if (this.#timer.kind === Timer.Connect) this.#timer = null;
  }
}

export class Http1ConnPool implements HttpConnPool {
  readonly host: Host;
  readonly #context: PoolContext;
  /** Ready for a stream; the last one is taken first. */
  readonly #idle: ActiveClient[] = [];
  readonly #clients = new Set<ActiveClient>();
  #connecting = 0;
  #pending: PendingStream[] = [];
  #draining = false;

  constructor(context: PoolContext, host: Host) {
    this.#context = context;
    this.host = host;
  }

  newStream(decoder: ResponseDecoder, callbacks: HttpPoolCallbacks): PoolTicket | null {
    const { resources, stats } = this.#context;
    const stream = new PendingStream(this, decoder, callbacks);
    const client = this.#idle.pop();
    if (client !== undefined) {
      if (this.#attach(client, stream)) return null;
      this.#idle.push(client);
      return null;
    }
    const unsupported = this.#context.unsupported(this.host);
    if (unsupported !== '') {
      callbacks.onPoolFailure('local connection failure', unsupported, this.host);
      return null;
    }
    if (!resources.pendingRequests.canCreate()) {
      stats.store.inc(stats.upstreamRqPendingOverflow);
      callbacks.onPoolFailure('overflow', '', this.host);
      return null;
    }
    resources.pendingRequests.inc();
    stats.store.inc(stats.upstreamRqPendingTotal);
    stats.store.inc(stats.upstreamRqPendingActive);
    this.#pending.push(stream);
    this.#openIfNeeded();
    return stream;
  }

  cancelPending(stream: PendingStream): void {
    const index = this.#pending.indexOf(stream);
    if (index < 0) return;
    this.#pending.splice(index, 1);
    this.#notPending();
    const { stats } = this.#context;
    stats.store.inc(stats.upstreamRqCancelled);
    this.#checkIdle();
  }

  /** The host has left, or the cluster was replaced. */
  drain(): void {
    this.#draining = true;
    for (const client of [...this.#clients]) {
      // Those who wait are served by the connections dialled for them.
      if (!client.connecting || this.#pending.length === 0) client.drain();
    }
    this.#checkIdle();
  }

  get inUse(): boolean {
    return this.#clients.size > 0 || this.#pending.length > 0;
  }

  onClientConnected(client: ActiveClient): void {
    this.#connecting--;
    this.onClientReady(client);
  }

  onClientReady(client: ActiveClient): void {
    const stream = this.#pending.shift();
    if (stream === undefined) {
      if (this.#draining) client.drain();
      else this.#idle.push(client);
      return;
    }
    this.#notPending();
    if (!this.#attach(client, stream)) this.onClientReady(client);
  }

  /** Connect failure fails all who wait, each by its own retry policy (envoy-behaviour §7.2). */
  onClientFailed(client: ActiveClient, reason: PoolFailureReason, detail: string): void {
    this.#connecting--;
    const { stats } = this.#context;
    stats.store.inc(stats.upstreamCxConnectFail);
    this.host.counts.cxConnectFail++;
    this.#forget(client);
    const waiting = this.#pending;
    this.#pending = [];
    for (const stream of waiting) {
      this.#notPending();
      stats.store.inc(stats.upstreamRqPendingFailureEject);
      stream.callbacks.onPoolFailure(reason, detail, this.host);
    }
    this.#checkIdle();
  }

  onDialCancelled(client: ActiveClient): void {
    this.#connecting--;
    this.#forget(client);
    this.#checkIdle();
  }

  onClientGone(client: ActiveClient): void {
    const index = this.#idle.indexOf(client);
    if (index >= 0) this.#idle.splice(index, 1);
    this.#forget(client);
    if (this.#pending.length > 0) this.#openIfNeeded();
    this.#checkIdle();
  }

  onStreamOver(): void {
    this.#context.resources.requests.dec();
    this.host.counts.rqActive--;
  }

  /** False: refused by the request breaker; the stream has been told. */
  #attach(client: ActiveClient, stream: PendingStream): boolean {
    const { resources, stats } = this.#context;
    if (!resources.requests.canCreate()) {
      stats.store.inc(stats.upstreamRqActiveOverflow);
      stream.callbacks.onPoolFailure('overflow', '', this.host);
      return false;
    }
    resources.requests.inc();
    const counts = this.host.counts;
    counts.rqTotal++;
    counts.rqActive++;
    client.attach(stream);
    return true;
  }

  /** A pool may always open its first connection, limit or not. */
  #openIfNeeded(): void {
    const { resources, stats } = this.#context;
    while (this.#connecting < this.#pending.length) {
      if (!resources.connections.canCreate()) {
        stats.store.inc(stats.upstreamCxOverflow);
        if (this.#clients.size > 0) return;
      }
      resources.connections.inc();
      stats.store.inc(stats.upstreamCxTotal);
      stats.store.inc(stats.upstreamCxActive);
      stats.store.inc(stats.upstreamCxHttp1Total);
      this.host.counts.cxTotal++;
      this.host.counts.cxActive++;
      this.#connecting++;
      this.#clients.add(new ActiveClient(this, this.#context, this.host));
    }
  }

  #forget(client: ActiveClient): void {
    if (!this.#clients.delete(client)) return;
    const { resources, stats } = this.#context;
    resources.connections.dec();
    stats.store.dec(stats.upstreamCxActive);
    this.host.counts.cxActive--;
  }

  #notPending(): void {
    const { resources, stats } = this.#context;
    resources.pendingRequests.dec();
    stats.store.dec(stats.upstreamRqPendingActive);
  }

  #checkIdle(): void {
    if (this.#draining && !this.inUse) this.#context.onPoolIdle(this);
  }
}
