// Carries TCP connections from one place to another, such as from a port of this machine into a pod's namespace by a unix socket.
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

export type ForwardPlace =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

const connectTo = (place: ForwardPlace): Socket =>
  'path' in place
    ? connect({ path: place.path, allowHalfOpen: true })
    : connect({ host: place.host, port: place.port, allowHalfOpen: true, noDelay: true });

function join(one: Socket, other: Socket): void {
  one.pipe(other);
  other.pipe(one);
  const end = (): void => {
    one.destroy();
    other.destroy();
  };
  for (const socket of [one, other]) {
    socket.on('error', end);
    socket.on('close', () => {
      // Each half closes by itself in the orderly case; a reset must not leave the other side waiting.
      if (!one.readableEnded || !other.readableEnded) end();
    });
  }
}

export class Forwarder {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(to: ForwardPlace) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      join(socket, connectTo(to));
    });
  }

  /** Port 0: any free one. Rejects as listen does. */
  static async listen(from: ForwardPlace, to: ForwardPlace): Promise<Forwarder> {
    const forwarder = new Forwarder(to);
    await new Promise<void>((resolve, reject) => {
      forwarder.#server.once('error', reject);
      forwarder.#server.listen(
        'path' in from ? { path: from.path } : { host: from.host, port: from.port },
        resolve,
      );
    });
    return forwarder;
  }

  /** 0 for a unix socket. */
  get port(): number {
    const address = this.#server.address() as AddressInfo | string | null;
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
