// [w] What is done on a socket to an upstream between its TCP connect and the protocol's first byte: a TLS handshake, a
// PROXY header. None of it for plain sockets: those have no UpstreamTransport.
import type { TlsFacts } from '../stream-info/tls-facts.ts';
import type { Connection } from './connection.ts';
import type { IoThread } from './io-thread.ts';
import type { SocketHandle } from './socket-binding.ts';

/** What the transport knows when it is ready. */
export interface TransportFacts {
  readonly tls: TlsFacts | null;
  /** The protocol that both sides agreed on; '': none. */
  readonly alpn: string;
}

export const PLAIN_TRANSPORT: TransportFacts = { tls: null, alpn: '' };

export interface TransportListener {
  /** `connection` was made by the transport, and is not started yet. */
  onTransportReady(connection: Connection, facts: TransportFacts): void;
  /** `reason`: as in response code details, `TLS_error:…`. The transport has closed the socket. */
  onTransportFailed(reason: string): void;
}

export interface TransportStep {
  /** Closes the socket; no call comes after this. */
  cancel(): void;
}

/** The transport socket of one cluster and host as configured; made once for each pool. */
export interface UpstreamTransport {
  /** `handle` is connected and belongs to the transport from now on. One listener call follows, later or at once. */
  begin(io: IoThread, handle: SocketHandle, listener: TransportListener): TransportStep;
}
