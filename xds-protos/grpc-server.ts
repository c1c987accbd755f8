// [m] GrpcServer: what our gRPC servers have in common; services are added by the *-service.ts files. Listens in plaintext, or over
// TLS with client certificates that are asked for and, where one came, must be good.
import type { Server, Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { channelOptions } from './grpc-library.ts';
import type { ConnectionOptions } from './grpc-library.ts';

// Not imported: the ES facade of node:fs costs 0.9 MB private.
const fs = process.getBuiltinModule('node:fs');
const net = process.getBuiltinModule('node:net');

/** PEM texts. */
export interface ServerTls {
  /** Who signs the certificates of clients. */
  readonly clientRootPem: string;
  readonly chainPem: string;
  readonly keyPem: string;
}

const contextOptions = (tls: ServerTls): SecureContextOptions => ({
  ca: tls.clientRootPem,
  cert: tls.chainPem,
  key: tls.keyPem,
});

/** A client without certificate is let in: it may show a token instead. Of one with a bad certificate nothing is believed. */
class OptionalClientCertificates extends grpc.ServerCredentials {
  constructor(tls: ServerTls) {
    super(
      { requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2' },
      contextOptions(tls),
    );
  }

  replace(tls: ServerTls): void {
    this.updateSecureContextOptions(contextOptions(tls));
  }

  override _equals(other: grpc.ServerCredentials): boolean {
    return this === other;
  }
}

export class GrpcServer {
  /** For the *-service.ts files. */
  readonly grpc: grpc.Server;
  readonly #secure: OptionalClientCertificates[] = [];
  readonly #secureListeners: Server[] = [];
  /** Over TLS, handshakes that are under way included: the library does not know of those. */
  readonly #secureSockets = new Set<Socket>();

  constructor(options: ConnectionOptions = {}) {
    this.grpc = new grpc.Server(channelOptions(options));
  }

  /**
   * Takes what clients connect to; port 0 picks a free one. Resolves with the target that clients use. A socket file left
   * behind at a unix path is replaced. Rejects when the address cannot be bound. May be called for several addresses.
   */
  async listen(target: string, tls?: ServerTls): Promise<string> {
    if (tls !== undefined) return this.#listenSecurely(target, tls);
    const unixPath = unixPathOf(target);
    if (unixPath !== undefined) removeStaleSocket(unixPath);
    const port = await new Promise<number>((resolve, reject) => {
      this.grpc.bindAsync(target, grpc.ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    return unixPath === undefined ? target.replace(/:\d+$/, `:${port}`) : target;
  }

  /** For new connections of every TLS address. */
  replaceTls(tls: ServerTls): void {
    for (const credentials of this.#secure) credentials.replace(tls);
  }

  /** Drops every stream and stops listening. */
  close(): void {
    this.grpc.forceShutdown();
    for (const server of this.#secureListeners) server.close();
    for (const socket of this.#secureSockets) socket.destroy();
  }

  /** A socket of our own: a handshake that ends after forceShutdown() would leave a connection that nobody ever closes. */
  async #listenSecurely(target: string, tls: ServerTls): Promise<string> {
    const credentials = new OptionalClientCertificates(tls);
    const injector = this.grpc.createConnectionInjector(credentials);
    const server = net.createServer({ noDelay: true }, (socket) => {
      this.#secureSockets.add(socket);
      socket.once('close', () => this.#secureSockets.delete(socket));
      injector.injectConnection(socket);
    });
    const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(target) ?? [];
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(Number(port), host.replaceAll(/[[\]]/g, ''), resolve);
    });
    this.#secure.push(credentials);
    this.#secureListeners.push(server);
    const bound = server.address() as { readonly port: number };
    return `${host}:${bound.port}`;
  }
}

function unixPathOf(target: string): string | undefined {
  if (target.startsWith('unix://')) return target.slice('unix://'.length);
  return target.startsWith('unix:') ? target.slice('unix:'.length) : undefined;
}

function removeStaleSocket(path: string): void {
  const found = fs.lstatSync(path, { throwIfNoEntry: false });
  if (found?.isSocket() === true) fs.unlinkSync(path);
}
