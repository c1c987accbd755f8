// An HTTP/1 server whose answers a test switches, and which remembers what it was asked.
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

interface Teardowns {
  teardown(fn: () => void | Promise<void>): void;
}

/** A status, with further header lines behind `; `, or what it does instead of an answer: `hang`, `reset`. */
export type Behaviour = number | string;

export class SwitchedUpstream {
  behaviour: Behaviour = 200;
  /** Heads as they came. */
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
      socket.on('data', (bytes) => this.#answer(socket, bytes.toString('latin1')));
    });
  }

  static async start(t: Teardowns): Promise<SwitchedUpstream> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const upstream = new SwitchedUpstream(server);
    t.teardown(() => upstream.close());
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #answer(socket: Socket, request: string): void {
    this.requests.push(request);
    const { behaviour } = this;
    if (behaviour === 'hang') return;
    if (behaviour === 'reset') {
      socket.destroy();
      return;
    }
    const [status, ...headers] = String(behaviour).split('; ');
    const lines = headers.map((header) => `${header}\r\n`).join('');
    socket.write(`HTTP/1.1 ${status} X\r\n${lines}content-length: 0\r\n\r\n`);
  }
}
