// [w] Upstream connections that begin with a header of the PROXY protocol, before any handshake
// (envoy.transport_sockets.upstream_proxy_protocol).
import { Connection } from './connection.ts';
import type { IoThread } from './io-thread.ts';
import { errnoName, newWriteRequest } from './socket-binding.ts';
import type { SocketHandle } from './socket-binding.ts';
import { PLAIN_TRANSPORT } from './upstream-transport.ts';
import type { TransportListener, TransportStep, UpstreamTransport } from './upstream-transport.ts';

const DONE: TransportStep = { cancel: () => {} };

export class ProxyHeaderTransport implements UpstreamTransport {
  readonly #header: string;
  readonly #inner: UpstreamTransport | null;

  /** `header`: byte string. `inner`: null: plain. */
  constructor(header: string, inner: UpstreamTransport | null) {
    this.#header = header;
    this.#inner = inner;
  }

  begin(io: IoThread, handle: SocketHandle, listener: TransportListener): TransportStep {
    // A new socket has room for it; what it has not, libuv keeps in order before all that follows.
    const status = handle.writeLatin1String(newWriteRequest(), this.#header);
    if (status < 0) {
      handle.close();
      listener.onTransportFailed(errnoName(status));
      return DONE;
    }
    if (this.#inner !== null) return this.#inner.begin(io, handle, listener);
    listener.onTransportReady(new Connection(io, handle), PLAIN_TRANSPORT);
    return DONE;
  }
}
