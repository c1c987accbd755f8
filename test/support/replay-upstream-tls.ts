// TLS for the services of a recording: on one port with plaintext, told apart by the first byte; an identity for each service by its server name. [m]
import type { Server as HttpServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { Socket } from 'node:net';
import { createSecureContext, createServer as createTlsServer } from 'node:tls';
import type { SecureContext, TLSSocket } from 'node:tls';

export interface UpstreamTls {
  readonly rootPem: string;
  /** By the first label of a service's host. */
  readonly identities: Readonly<
    Record<string, { readonly chainPem: string; readonly keyPem: string }>
  >;
}

const HANDSHAKE = 0x16;

/** As sidecars say, but for the one that announces bytes in front of the request. */
const ALPN = ['istio-http/1.1', 'istio', 'http/1.1'];

/** `outbound_.9080_.v1_.reviews.default.svc.cluster.local` is for `reviews`. */
const serviceOf = (serverName: string): string => serverName.split('_.').at(-1)!.split('.', 1)[0]!;

/** Takes what `http` would listen for; clients over TLS must show a certificate of the root. */
export function listenWithTls(
  http: HttpServer,
  { rootPem, identities }: UpstreamTls,
  port: number,
  onListening: () => void,
): void {
  const contexts = new Map<string, SecureContext>();
  for (const [service, { chainPem, keyPem }] of Object.entries(identities))
    contexts.set(service, createSecureContext({ cert: chainPem, key: keyPem, ca: rootPem }));
  const fallback = Object.values(identities)[0]!;
  const tls = createTlsServer({
    cert: fallback.chainPem,
    key: fallback.keyPem,
    ca: rootPem,
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ALPN,
    SNICallback: (name, done) => done(null, contexts.get(serviceOf(name))),
  });
  tls.on('secureConnection', (socket: TLSSocket) => http.emit('connection', socket));
  tls.on('tlsClientError', () => {});
  const server = createTcpServer({ pauseOnConnect: false }, (socket: Socket) => {
    socket.on('error', () => {});
    socket.once('readable', () => {
      const first = socket.read(1) as Buffer | null;
      if (first === null) return;
      socket.unshift(first);
      (first[0] === HANDSHAKE ? tls : http).emit('connection', socket);
    });
  });
  server.listen(port, '0.0.0.0', onListening);
}
