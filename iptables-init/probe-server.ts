// Stands where the proxy will stand, and notes which probes arrive at which port. [m]
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Family } from './options.ts';

export const tokenLength = 16;
const heldConnections = 64;

export class ProbeServer {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #arrivals = new Map<string, number>();

  /** Listens on all addresses of the family. Rejects where the port is taken. */
  listen(family: Family, port: number, options: { readonly transparent: boolean }): Promise<void> {
    const server = createServer((socket) => this.#accept(socket, port));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(
        { host: family === 'IPv4' ? '0.0.0.0' : '::', port, ipv6Only: family === 'IPv6' },
        () => {
          if (options.transparent) makeTransparent(server, family);
          resolve();
        },
      );
    });
  }

  /** The port at which the probe with this token arrived. */
  portOf(token: string): number | undefined {
    return this.#arrivals.get(token);
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket, port: number): void {
    if (this.#sockets.size >= heldConnections) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {}); // Probes hang up as soon as they are answered.
    let token = '';
    socket.setEncoding('latin1').on('data', (text: string) => {
      token = (token + text).slice(0, tokenLength);
      if (token.length < tokenLength) return;
      this.#arrivals.set(token, port);
      socket.end(token);
    });
  }
}

/** TPROXY hands packets to such sockets only (IP_TRANSPARENT, IPV6_TRANSPARENT). Throws where that is not to be had. */
function makeTransparent(server: Server, family: Family): void {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const setSockOpt = koffi
    .load(null)
    .func('int setsockopt(int fd, int level, int name, void *value, int length)');
  const { fd } = (server as Server & { readonly _handle: { readonly fd: number } })._handle;
  const [level, name] = family === 'IPv4' ? [0, 19] : [41, 75];
  const on = Buffer.alloc(4);
  on.writeUInt8(1, 0);
  on.writeUInt8(1, 3);
  if (setSockOpt(fd, level, name, on, on.length) !== 0)
    throw new Error('a transparent socket needs the capability NET_ADMIN');
}
