// [w] Connections for tcp_proxy: dialled one for one, never reused (envoy-behaviour §8.1).
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner } from '../../base/timer-wheel.ts';
import type { Connection } from '../../network/connection.ts';
import type { ConnectListener, Dialled } from '../../network/connect.ts';
import { CloseEvent, CloseType } from '../../network/transport.ts';
import { isBindError } from '../../network/connect.ts';
import { dial } from '../../network/happy-eyeballs.ts';
import type { TransportFacts } from '../../network/upstream-transport.ts';
import type { UpstreamConnectionFacts } from '../../stream-info/upstream-facts.ts';
import type { Host } from '../host.ts';
import type { TransportOverrides } from '../upstream-transports.ts';
import { connectionFacts } from './connection-facts.ts';
import type { PoolFailureReason, PoolTicket, TcpConnPool, TcpPoolCallbacks } from './conn-pool.ts';
import { addressesOf, diallingOf } from './pool-context.ts';
import type { PoolContext, PoolDialling } from './pool-context.ts';

class TcpDial implements ConnectListener, PoolTicket, TimerOwner {
  readonly #pool: SingleUseTcpConnPool;
  readonly #context: PoolContext;
  readonly #startMs: number;
  readonly #timer: WheelTimer;
  #callbacks: TcpPoolCallbacks | null;
  #attempt: Dialled | null;

  constructor(
    pool: SingleUseTcpConnPool,
    context: PoolContext,
    callbacks: TcpPoolCallbacks,
    { options }: PoolDialling,
  ) {
    this.#pool = pool;
    this.#context = context;
    this.#callbacks = callbacks;
    this.#startMs = context.io.time.monotonicMs();
    this.#timer = new WheelTimer(this, 0);
    context.io.timers.arm(this.#timer, context.config.connectTimeoutMs);
    const { stats, resources } = context;
    resources.pendingRequests.inc();
    stats.store.inc(stats.upstreamRqPendingTotal);
    stats.store.inc(stats.upstreamRqPendingActive);
    this.#attempt = dial(context.io, addressesOf(pool.host), options, this);
  }

  cancel(): void {
    if (this.#callbacks === null) return;
    this.#end();
    const { stats } = this.#context;
    stats.store.inc(stats.upstreamRqCancelled);
    this.#pool.dialDone(CloseEvent.Local);
  }

  onConnected(connection: Connection, transport: TransportFacts): void {
    const callbacks = this.#callbacks;
    this.#attempt = null;
    this.#end();
    const { stats, io, config } = this.#context;
    const connectEndMs = io.time.monotonicMs();
    stats.store.record(stats.upstreamCxConnectMs, connectEndMs - this.#startMs);
    stats.store.inc(stats.upstreamRqTotal);
    this.#pool.host.counts.rqTotal++;
    connection.bufferLimitBytes = config.perConnectionBufferLimitBytes;
    const made = { connectStartMs: this.#startMs, connectEndMs, tls: transport.tls };
    const facts = connectionFacts(connection, this.#pool.host, '', made);
    this.#pool.live.set(facts.id, connection);
    callbacks?.onPoolReady(connection, this.#pool.host, facts);
  }

  onConnectFailed(reason: string, local: boolean): void {
    this.#attempt = null;
    const { stats } = this.#context;
    if (isBindError(reason)) stats.store.inc(stats.bindErrors);
    this.#fail(local ? 'local connection failure' : 'remote connection failure', reason);
  }

  onFurtherAttempt(): void {
    const { stats } = this.#context;
    stats.store.inc(stats.upstreamCxTotal);
  }

  onTimer(_kind: number): void {
    const { stats } = this.#context;
    stats.store.inc(stats.upstreamCxConnectTimeout);
    this.#fail('connection timeout', '');
  }

  #fail(reason: PoolFailureReason, detail: string): void {
    const callbacks = this.#callbacks;
    this.#end();
    const { stats } = this.#context;
    stats.store.inc(stats.upstreamCxConnectFail);
    stats.store.inc(stats.upstreamRqPendingFailureEject);
    this.#pool.host.counts.cxConnectFail++;
    this.#pool.dialDone(
      reason === 'local connection failure' ? CloseEvent.Local : CloseEvent.Remote,
    );
    callbacks?.onPoolFailure(reason, detail, this.#pool.host);
  }

  #end(): void {
    this.#callbacks = null;
    const { stats, resources } = this.#context;
    resources.pendingRequests.dec();
    stats.store.dec(stats.upstreamRqPendingActive);
    this.#context.io.timers.cancel(this.#timer);
    this.#attempt?.cancel();
    this.#attempt = null;
  }
}

export class SingleUseTcpConnPool implements TcpConnPool {
  readonly host: Host;
  readonly dialling: PoolDialling;
  /** In use, by id. */
  readonly live = new Map<number, Connection>();
  readonly #context: PoolContext;

  constructor(context: PoolContext, host: Host) {
    this.#context = context;
    this.host = host;
    this.dialling = diallingOf(context, host, null);
  }

  get inUse(): boolean {
    return this.host.counts.cxActive > 0;
  }

  /** Their users see them closed from here. */
  closeConnections(): void {
    for (const connection of [...this.live.values()]) connection.close(CloseType.NoFlush);
  }

  newConnection(
    callbacks: TcpPoolCallbacks,
    overrides: TransportOverrides | null = null,
  ): PoolTicket | null {
    const { resources, stats } = this.#context;
    const dialling =
      overrides === null ? this.dialling : diallingOf(this.#context, this.host, overrides);
    const { unsupported } = dialling;
    if (unsupported !== '') {
      callbacks.onPoolFailure('local connection failure', unsupported, this.host);
      return null;
    }
    if (!resources.canConnect(this.host)) {
      stats.store.inc(stats.upstreamCxOverflow);
      callbacks.onPoolFailure('overflow', '', this.host);
      return null;
    }
    if (!resources.pendingRequests.canCreate()) {
      stats.store.inc(stats.upstreamRqPendingOverflow);
      callbacks.onPoolFailure('overflow', '', this.host);
      return null;
    }
    resources.connections.inc();
    const store = stats.store;
    store.inc(stats.upstreamCxTotal);
    store.inc(stats.upstreamCxActive);
    this.host.onConnectionMade();
    return new TcpDial(this, this.#context, callbacks, dialling);
  }

  connectionDone(event: CloseEvent, facts: UpstreamConnectionFacts, idle = false): void {
    this.live.delete(facts.id);
    const { stats, io } = this.#context;
    const { store } = stats;
    store.record(stats.upstreamCxLengthMs, io.time.monotonicMs() - facts.connectStartMs);
    if (!idle) {
      store.inc(stats.upstreamCxDestroyWithActiveRq);
      store.inc(
        event === CloseEvent.Remote
          ? stats.upstreamCxDestroyRemoteWithActiveRq
          : stats.upstreamCxDestroyLocalWithActiveRq,
      );
    }
    this.dialDone(event);
  }

  /** A connection, or what was to become one, is over. */
  dialDone(event: CloseEvent): void {
    const { resources, stats } = this.#context;
    const { store } = stats;
    resources.connections.dec();
    store.dec(stats.upstreamCxActive);
    store.inc(stats.upstreamCxDestroy);
    store.inc(
      event === CloseEvent.Remote ? stats.upstreamCxDestroyRemote : stats.upstreamCxDestroyLocal,
    );
    this.host.onConnectionGone();
  }
}
