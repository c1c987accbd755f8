// [w] The one place that touches Node's TLS below `tls` (docs/adr/0014-tls-handles.md): a TLSWrap is a stream handle like a
// socket's, laid over one, so a Connection reads and writes through it and no TLSSocket is made.
//
// Rules of the handle, each of which costs a crash: `onread` and the other callbacks must be functions before bytes come;
// `onhandshakedone` runs inside SSL_read, where destroySSL() would free what is in use, so closing always goes through
// close() of the socket below, and destroySSL() through its callback.
import { tls } from '../base/node-builtins.ts';
import type { SecureContextOptions } from 'node:tls';
import type { SocketHandle } from '../network/socket-binding.ts';

/** For OpenSSL: its return value and keys; of a ticket that is made also the key's name and an IV. */
export type TicketKeyAnswer = [
  verdict: number,
  hmac: Uint8Array,
  cipher: Uint8Array,
  name?: Uint8Array,
  iv?: Uint8Array,
];

/** An SSL_CTX. */
export interface NativeContext {
  /** Within a handshake: nothing may be closed here. */
  onticketkeycallback?: (name: Buffer, iv: Buffer, seals: boolean) => TicketKeyAnswer;
  enableTicketKeyCallback(): void;
}

export interface TlsHandle extends SocketHandle {
  onhandshakestart: (this: TlsHandle) => void;
  onhandshakedone: (this: TlsHandle) => void;
  onerror: (this: TlsHandle, error: OpenSslError) => void;
  /** Of a client, for each ticket. */
  onnewsession: (this: TlsHandle, id: Uint8Array, session: Buffer) => void;
  /** A line of the key log; see enableKeylogCallback. */
  onkeylog: (this: TlsHandle, line: Buffer) => void;
  /** For all handles of this one's context, of which each needs `onkeylog`. */
  enableKeylogCallback(): void;
  setVerifyMode(requestCertificate: boolean, requireCertificate: boolean): void;
  setALPNProtocols(wire: Buffer): void;
  setServername(name: string): void;
  setSession(session: Buffer): void;
  enableSessionCallbacks(): void;
  /** Client: sends its hello. */
  start(): void;
  /** Bytes that were read from the socket before. */
  receive(bytes: Uint8Array): void;
  /** Null: the chain verified (or there is none to verify, and none is wanted). */
  verifyError(): (Error & { readonly code: string }) | null | undefined;
  isSessionReused(): boolean;
  getALPNNegotiatedProtocol(): string | false;
  getProtocol(): string;
  getCipher(): { readonly name: string; readonly standardName: string };
  /** Client only: the group; null on a server. */
  getEphemeralKeyInfo(): { readonly name?: string; readonly type?: string } | null;
  /** DER of SSL_SESSION, which holds the peer's certificate. */
  getSession(): Buffer | undefined;
  getPeerX509Certificate(): NativeCertificate | undefined;
  destroySSL(): void;
}

/** What an X509Certificate is below its class: methods where the class has properties. */
export interface NativeCertificate {
  raw(): Uint8Array;
  getIssuerCert(): NativeCertificate | undefined;
}

export interface OpenSslError extends Error {
  /** `sslv3 alert certificate unknown` */
  readonly reason?: string;
  readonly library?: string;
  readonly code?: string;
}

interface TlsBinding {
  readonly TLSWrap: new () => TlsHandle;
  wrap(
    socket: SocketHandle,
    context: NativeContext,
    server: boolean,
    hasSession: boolean,
  ): TlsHandle;
}

let loaded: TlsBinding | undefined;

/** Loaded by the first context: a plaintext proxy pays nothing. */
function binding(): TlsBinding {
  if (loaded !== undefined) return loaded;
  const internals = process as unknown as { binding(name: string): unknown };
  loaded = internals.binding('tls_wrap') as TlsBinding;
  check(loaded);
  return loaded;
}

/** Fails with a sentence when a Node is run that has the shapes above no longer. */
function check(found: TlsBinding): void {
  const { prototype } = found.TLSWrap as { prototype: Partial<TlsHandle> };
  const complete =
    typeof found.wrap === 'function' &&
    typeof prototype.useUserBuffer === 'function' &&
    typeof prototype.receive === 'function' &&
    typeof prototype.verifyError === 'function' &&
    typeof prototype.destroySSL === 'function';
  if (!complete)
    throw new Error(
      `this Node (${process.version}) has other TLS internals: run Outrigger on Node 26`,
    );
}

export const wrapSocket = (
  socket: SocketHandle,
  context: NativeContext,
  side: 'server' | 'client',
): TlsHandle => binding().wrap(socket, context, side === 'server', false);

export const newContext = (options: SecureContextOptions): NativeContext =>
  tls().createSecureContext(options).context as unknown as NativeContext;
