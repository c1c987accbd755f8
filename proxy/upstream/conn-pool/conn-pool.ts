// [w] The contract of connection pools: one per host, priority and worker.
import type { ResponseDecoder, RequestEncoder } from '../../http/codec.ts';
import type { Connection } from '../../network/connection.ts';
import type { CloseEvent } from '../../network/transport.ts';
import type { UpstreamConnectionFacts } from '../../stream-info/upstream-facts.ts';
import type { Host } from '../host.ts';
import type { TransportOverrides } from '../upstream-transports.ts';

/** Reasons as in response code details; `overflow` is the circuit breakers'. */
export type PoolFailureReason =
  | 'overflow'
  | 'local connection failure'
  | 'remote connection failure'
  | 'connection timeout';

export interface HttpPoolCallbacks {
  /** A stream is there. May be called before newStream() returned. */
  onPoolReady(encoder: RequestEncoder, host: Host, connection: UpstreamConnectionFacts): void;
  /** `transportFailureReason`: for example `delayed_connect_error:_Connection_refused`, '' when there is none. */
  onPoolFailure(reason: PoolFailureReason, transportFailureReason: string, host: Host): void;
}

export interface TcpPoolCallbacks {
  /** The connection is the caller's from now on. */
  onPoolReady(connection: Connection, host: Host, facts: UpstreamConnectionFacts): void;
  onPoolFailure(reason: PoolFailureReason, transportFailureReason: string, host: Host): void;
}

/** A place in the queue. */
export interface PoolTicket {
  /** No callback comes after this. */
  cancel(): void;
}

export interface HttpConnPool {
  /**
   * Null when a callback was made already; otherwise a ticket for the wait. `fresh`: not on a connection that has been idle,
   * on a new one or one that has just answered.
   */
  newStream(
    decoder: ResponseDecoder,
    callbacks: HttpPoolCallbacks,
    fresh?: boolean,
  ): PoolTicket | null;
}

/** Streams that wait, that are on their way, and that connections, dialled ones too, have room for. */
export interface PoolLoad {
  readonly pending: number;
  readonly active: number;
  readonly free: number;
}

/** As those who keep it see it. */
export interface ManagedPool extends HttpConnPool {
  readonly load: PoolLoad;
  /** Dials a connection where a stream to come, and `ratio` for each, would want it; false: it does not. */
  preconnect(ratio: number): boolean;
  readonly host: Host;
  /** Has connections or waiters. */
  readonly inUse: boolean;
  /** Has streams on their way, or some that wait. */
  readonly active: boolean;
  /** The connections it has are not used again; those who wait, or come later, get new ones. */
  drainConnections(): void;
  /** No further connections are kept; what is on its way, or waits, comes to its end. */
  drain(): void;
}

export interface TcpConnPool {
  newConnection(
    callbacks: TcpPoolCallbacks,
    overrides?: TransportOverrides | null,
  ): PoolTicket | null;
  /**
   * The user's connection is closed: frees its place in the breakers. Exactly once per onPoolReady. Bytes are counted by
   * the user, as they come: some connections live for days. `idle`: nothing was under way on it any more.
   */
  connectionDone(event: CloseEvent, facts: UpstreamConnectionFacts, idle?: boolean): void;
}
