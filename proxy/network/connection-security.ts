// [w] What stands between a connection and its socket (proxy/tls).
import type { TlsFacts } from '../stream-info/tls-facts.ts';
import type { SocketHandle } from './socket-binding.ts';

export interface ConnectionSecurity {
  /** Bytes are read from and written to it; a write is always done later, and needs nothing of its buffer by then. */
  readonly handle: SocketHandle;
  readonly socket: SocketHandle;
  /** Why the peer or its bytes were not good enough, as `%…_TRANSPORT_FAILURE_REASON%` prints it; '' while they are. */
  readonly failureReason: string;
  readonly facts: TlsFacts;
  /** Closes the socket. `farewell`: the peer is told first that this is no cut. */
  close(reset: boolean, farewell: boolean): void;
}
