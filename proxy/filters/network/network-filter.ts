// [w] The contract of terminal network filters (connection manager, tcp_proxy): made once per filter chain, asked for
// each connection.
import type { Connection } from '../../network/connection.ts';
import type { ConnectionCallbacks } from '../../network/transport.ts';
import type { ResponseFlag } from '../../stream-info/response-flags.ts';
import type {
  DownstreamConnectionInfo,
  ListenerFacts,
  StreamInfo,
} from '../../stream-info/stream-info.ts';

/** For the listener's log: how a connection ended that is no stream of its own. */
export interface ConnectionEnd {
  readonly flag?: ResponseFlag;
  readonly details?: string;
  /** Why we closed. */
  readonly closeReason?: string;
}

/** Told once, when the connection's filters are done with it. */
export interface ConnectionOwner {
  /** For the listener's log: facts of a connection that is a stream itself (tcp_proxy), the protocol of its requests, or its end. */
  onConnectionDone(facts?: StreamInfo | string | ConnectionEnd): void;
}

export interface SpeculationListener {
  /** The server spoke first: the connection is the filter's. commit() is due within this call. */
  onServerSpoke(): void;
}

export interface Speculation {
  /** As createFilter(), with the upstream that was dialled, where it is there. */
  commit(owner: ConnectionOwner): ConnectionCallbacks | null;
  /** The connection is another chain's, or gone. */
  abandon(): void;
}

/** An update in place of a filter chain. */
export interface ChainUpdate {
  readonly facts: ListenerFacts;
  /** Connections from before end when they have no request any more. */
  readonly retires: boolean;
}

export interface TerminalFilterFactory {
  /** The connection's bytes go to what is returned; null: refused, the connection has been closed. */
  createFilter(
    connection: Connection,
    info: DownstreamConnectionInfo,
    owner: ConnectionOwner,
  ): ConnectionCallbacks | null;
  /**
   * Dials upstream for a connection that may turn out to be this filter's: the client is silent, perhaps the server is to
   * speak first. Null: not here. Absent: never.
   */
  speculate?(
    connection: Connection,
    info: DownstreamConnectionInfo,
    listener: SpeculationListener,
  ): Speculation | null;
  /** A filter before it has refused a connection of its chain. */
  onRefused?(): void;
  /** This one is in the place of `before`, of the same kind: connections go on here with their next request. Absent: they stay as they began. */
  succeed?(before: TerminalFilterFactory, update: ChainUpdate): void;
  /** What it hands connections on to; absent: it is the last. */
  readonly next?: TerminalFilterFactory;
}

/** The filter that ends the chain, behind those that stand before it. */
export function lastOf(factory: TerminalFilterFactory): TerminalFilterFactory {
  let last = factory;
  while (last.next !== undefined) last = last.next;
  return last;
}
