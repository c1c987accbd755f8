// [w] One listening socket of one worker. Workers share the port by SO_REUSEPORT: the kernel spreads connections.
import type { AddressConfig } from '../config/listener-config.ts';
import type { Closable } from '../base/lifetime.ts';
import { errorText } from './connect.ts';
import type { IoThread } from './io-thread.ts';
import { IPV6_ONLY, REUSE_PORT, newTcpServer } from './socket-binding.ts';
import type { SocketHandle, SocketName } from './socket-binding.ts';

export type AcceptHandler = (handle: SocketHandle) => void;

/** Thrown by the constructor: `cannot bind '127.0.0.1:80': Permission denied`. */
export class BindError extends Error {
  constructor(address: string, status: number) {
    super(`cannot bind '${address}': ${errorText(status)}`);
    this.name = 'BindError';
  }
}

export class ListenSocket implements Closable {
  readonly #io: IoThread;
  readonly #handle: SocketHandle;
  readonly #onAccept: AcceptHandler;
  #closed = false;

  constructor(io: IoThread, address: AddressConfig, backlog: number, onAccept: AcceptHandler) {
    if (address.kind === 'pipe')
      throw new Error(`listening on a pipe (${address.path}) is not supported`);
    this.#io = io;
    this.#onAccept = onAccept;
    const handle = newTcpServer();
    this.#handle = handle;
    const v6 = address.address.includes(':');
    const bound = v6
      ? handle.bind6(address.address, address.port, IPV6_ONLY | REUSE_PORT)
      : handle.bind(address.address, address.port, REUSE_PORT);
    const status = bound === 0 ? handle.listen(backlog) : bound;
    if (status !== 0) {
      handle.close();
      throw new BindError(`${address.address}:${address.port}`, status);
    }
    handle.owner = this;
    handle.onconnection = onHandleConnection;
  }

  /** The port the kernel gave when 0 was asked for. */
  get port(): number {
    const name: SocketName = {};
    this.#handle.getsockname(name);
    return name.port ?? 0;
  }

  accept(status: number, client: SocketHandle): void {
    if (status !== 0) return;
    if (this.#closed) {
      client.close();
      return;
    }
    client.setNoDelay(true);
    this.#io.enter();
    this.#onAccept(client);
    this.#io.leave();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handle.close();
  }
}

function onHandleConnection(this: SocketHandle, status: number, client: SocketHandle): void {
  (this.owner as ListenSocket).accept(status, client);
}
