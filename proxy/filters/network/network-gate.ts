// [w] Network filters before the last one of a chain. Each is asked once, when a connection has got its chain (and its
// handshake is over): it may note something about the connection, hold it, or refuse it. What they guard is reached by
// nobody they have not let through.
//
//   chain ─▶ gate ─▶ gate ─▶ terminal filter (connection manager, tcp_proxy, …)
import type { Connection } from '../../network/connection.ts';
import { CloseType } from '../../network/transport.ts';
import type { CloseEvent, ConnectionCallbacks } from '../../network/transport.ts';
import type { DownstreamConnectionInfo, StreamInfo } from '../../stream-info/stream-info.ts';
import type {
  ConnectionEnd,
  ConnectionOwner,
  Speculation,
  SpeculationListener,
  TerminalFilterFactory,
} from './network-filter.ts';

/** A connection as gates see it. */
export interface GatedConnection {
  readonly connection: Connection;
  /** Gates may set its filter state and metadata. */
  readonly info: DownstreamConnectionInfo;
  /** Called once, when the connection has ended. */
  onEnd(callback: () => void): void;
}

export type GateVerdict = 'admit' | GateRefusal;

/** The connection is closed: at once, or by the gate that holds it. Nothing that comes is looked at. */
export interface GateRefusal {
  readonly held: boolean;
  /** For logs. */
  readonly end: ConnectionEnd;
}

export interface NetworkGate {
  onNewConnection(session: GatedConnection): GateVerdict;
}

/** A connection that no terminal filter gets. */
export class RefusedConnection implements ConnectionCallbacks {
  readonly #owner: ConnectionOwner;
  readonly #end: ConnectionEnd;

  constructor(owner: ConnectionOwner, end: ConnectionEnd) {
    this.#owner = owner;
    this.#end = end;
  }

  onData(_chunk: Buffer, _endStream: boolean): void {}
  onClose(_event: CloseEvent, _detail: string): void {
    this.#owner.onConnectionDone(this.#end);
  }
  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
}

class GatedSession implements GatedConnection, ConnectionOwner {
  readonly connection: Connection;
  readonly info: DownstreamConnectionInfo;
  owner: ConnectionOwner | null;
  readonly #callbacks: (() => void)[] = [];

  constructor(
    connection: Connection,
    info: DownstreamConnectionInfo,
    owner: ConnectionOwner | null,
  ) {
    this.connection = connection;
    this.info = info;
    this.owner = owner;
  }

  onEnd(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  onConnectionDone(facts?: StreamInfo | string | ConnectionEnd): void {
    for (const callback of this.#callbacks) callback();
    this.owner?.onConnectionDone(facts);
  }
}

/** What a terminal filter behind gates tries. */
class GatedSpeculation implements Speculation {
  readonly #session: GatedSession;
  readonly #speculation: Speculation;

  constructor(session: GatedSession, speculation: Speculation) {
    this.#session = session;
    this.#speculation = speculation;
  }

  commit(owner: ConnectionOwner): ConnectionCallbacks | null {
    this.#session.owner = owner;
    return this.#speculation.commit(this.#session);
  }

  abandon(): void {
    this.#session.onConnectionDone();
    this.#speculation.abandon();
  }
}

/** The terminal filter behind its gates. */
export class GatedFilterFactory implements TerminalFilterFactory {
  readonly #gates: readonly NetworkGate[];
  readonly next: TerminalFilterFactory;

  constructor(gates: readonly NetworkGate[], terminal: TerminalFilterFactory) {
    this.#gates = gates;
    this.next = terminal;
  }

  createFilter(
    connection: Connection,
    info: DownstreamConnectionInfo,
    owner: ConnectionOwner,
  ): ConnectionCallbacks | null {
    const session = new GatedSession(connection, info, owner);
    for (const gate of this.#gates) {
      const verdict = gate.onNewConnection(session);
      if (verdict === 'admit') continue;
      this.next.onRefused?.();
      const refused = new RefusedConnection(session, verdict.end);
      connection.setCallbacks(refused);
      if (verdict.held) {
        connection.readDisable(true);
        return refused;
      }
      connection.close(CloseType.NoFlush);
      return null;
    }
    return this.next.createFilter(connection, info, session);
  }

  /** Nobody is dialled for a connection that a gate would refuse; it may yet be another chain's. */
  speculate(
    connection: Connection,
    info: DownstreamConnectionInfo,
    listener: SpeculationListener,
  ): Speculation | null {
    const session = new GatedSession(connection, info, null);
    const admitted = this.#gates.every((gate) => gate.onNewConnection(session) === 'admit');
    const speculation = admitted
      ? (this.next.speculate?.(connection, info, listener) ?? null)
      : null;
    if (speculation !== null) return new GatedSpeculation(session, speculation);
    session.onConnectionDone();
    return null;
  }
}
