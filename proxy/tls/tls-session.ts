// [w] TlsSession: one TLS connection, either side. Its handle takes the socket's place in a Connection; here are its handshake,
// its end, and what logs may tell of it.
import type { Connection } from '../network/connection.ts';
import type { ConnectionSecurity } from '../network/connection-security.ts';
import { newShutdownRequest, newWriteRequest } from '../network/socket-binding.ts';
import type { ShutdownRequest, SocketHandle } from '../network/socket-binding.ts';
import type { SubjectAltNames, TlsFacts } from '../stream-info/tls-facts.ts';
import type { Certificate, PeerFacts } from './certificate.ts';
import { handshakeFailure } from './tls-errors.ts';
import { wrapSocket } from './tls-binding.ts';
import type { NativeContext, OpenSslError, TlsHandle } from './tls-binding.ts';

export interface HandshakeListener {
  /** OpenSSL is done; nobody has looked at the peer yet. Inside SSL_read: see tls-binding.ts. */
  onHandshake(): void;
  /** The peer's fault or ours; the connection is still there. */
  onHandshakeError(error: OpenSslError): void;
  /** After `tellSecrets`. */
  onSecret?(line: Buffer): void;
}

export class TlsSession implements ConnectionSecurity, TlsFacts {
  readonly socket: SocketHandle;
  readonly handle: TlsHandle;
  version = '';
  cipher = '';
  group = '';
  sessionId = '';
  alpn = '';
  handshakeEndMs = NaN;
  peer: PeerFacts | null = null;
  local: Certificate | null = null;
  /** The peer's certificate was verified. */
  validated = false;
  /** '' until something went wrong. */
  failureReason = '';
  readonly #connection: Connection;
  /** Null once the handshake is over, well or not. */
  #listener: HandshakeListener | null;

  /** What is set on `handle` before its first byte is the caller's. */
  constructor(
    connection: Connection,
    context: NativeContext,
    side: 'server' | 'client',
    listener: HandshakeListener,
  ) {
    this.#connection = connection;
    this.#listener = listener;
    this.socket = connection.socket!;
    const handle = wrapSocket(this.socket, context, side);
    this.handle = handle;
    handle.onhandshakestart = ignore;
    handle.onhandshakedone = onHandshakeDone;
    handle.onnewsession = ignore;
    handle.onkeylog = ignore;
    handle.onerror = onError;
    connection.secure(this);
  }

  get facts(): TlsFacts {
    return this;
  }

  get localSubject(): string {
    return this.local === null ? '' : this.local.subject;
  }

  get localNames(): SubjectAltNames | null {
    return this.local === null ? null : this.local.names;
  }

  /** Before the first byte: the listener's `onSecret` gets what OpenSSL would write into a key log. */
  tellSecrets(): void {
    this.handle.onkeylog = onKeylog;
    this.handle.enableKeylogCallback();
  }

  keylog(line: Buffer): void {
    this.#listener?.onSecret?.(line);
  }

  /** A record past OpenSSL: the last bytes before the listener closes the connection. */
  sayLast(record: Buffer): void {
    const { socket } = this;
    // Behind others it would come too late.
    if (socket.writeQueueSize > 0) return;
    const request = newWriteRequest();
    request.oncomplete = ignore;
    request.buffer = record;
    socket.writeBuffer(request, record);
  }

  /** The handshake counts as done from now on. */
  settle(): void {
    this.#listener = null;
  }

  handshakeDone(): void {
    const listener = this.#listener;
    if (listener === null) return;
    const { io } = this.#connection;
    io.enter();
    listener.onHandshake();
    io.leave();
  }

  onError(error: OpenSslError): void {
    const { io } = this.#connection;
    io.enter();
    const listener = this.#listener;
    this.#listener = null;
    this.failureReason = handshakeFailure(error);
    if (this.version === '') this.version = this.handle.getProtocol();
    if (listener === null) this.#connection.fail(this.failureReason);
    else listener.onHandshakeError(error);
    io.leave();
  }

  /** ConnectionSecurity: ends the session and the socket below it. */
  close(reset: boolean, farewell: boolean): void {
    const { handle, socket } = this;
    handle.onhandshakedone = ignore;
    handle.onerror = ignore;
    handle.onnewsession = ignore;
    const settled = this.#listener === null;
    this.#listener = null;
    // Not within a handshake's callback, and not where nobody agreed on keys.
    if (farewell && settled && this.failureReason === '') {
      const request: ShutdownRequest = newShutdownRequest();
      request.oncomplete = ignore;
      request.owner = handle;
      handle.shutdown(request);
    }
    // The handle lives as long as its socket, which libuv holds until it is closed.
    (socket as SecuredSocket).tls = handle;
    if (reset) socket.reset(onSocketClosed);
    else socket.close(onSocketClosed);
  }
}

type SecuredSocket = SocketHandle & { tls: TlsHandle };

function ignore(): void {}

function onSocketClosed(this: unknown): void {
  (this as SecuredSocket).tls.destroySSL();
}

const sessionOf = (handle: TlsHandle): TlsSession =>
  (handle.owner as Connection).security as TlsSession;

function onHandshakeDone(this: TlsHandle): void {
  sessionOf(this).handshakeDone();
}

function onKeylog(this: TlsHandle, line: Buffer): void {
  sessionOf(this).keylog(line);
}

function onError(this: TlsHandle, error: OpenSslError): void {
  sessionOf(this).onError(error);
}
