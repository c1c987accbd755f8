// [w] ServerHandshake: from a client's first byte to a connection that filters may have. It reads the hello first, since that
// decides on certificate and protocol, so a client that says nothing costs no TLS state.
import type { Connection } from '../network/connection.ts';
import type { CloseEvent, ConnectionCallbacks } from '../network/transport.ts';
import { chosenGroup } from './tls-groups.ts';
import { offersSession, readClientHello } from './client-hello.ts';
import type { ClientHello } from './client-hello.ts';
import { evidenceOf, peerOf } from './peer-evidence.ts';
import type { PeerFacts } from './certificate.ts';
import { alertOf, plainAlert, sealedAlert, trafficSecretOf } from './refusal-alert.ts';
import type { TrustFailure } from './peer-trust.ts';
import type { ServerTlsContext, ServerTlsState } from './server-tls-context.ts';
import { NOT_READY, handshakeFailure, isNoCertificate, verificationFailure } from './tls-errors.ts';
import type { OpenSslError } from './tls-binding.ts';
import { TlsSession } from './tls-session.ts';
import type { HandshakeListener } from './tls-session.ts';

export interface ServerHandshakeListener {
  /** Set the connection's callbacks: bytes may follow at once. */
  onSecured(session: TlsSession): void;
  /** The listener closes the connection. */
  onHandshakeFailed(reason: string): void;
  /** The client, or we, closed the connection before. */
  onGone(event: CloseEvent, detail: string): void;
}

/** Bytes of a hello and of records around it; what is longer goes to OpenSSL, which knows what to say. */
const MAX_HELLO_BYTES = 32768;
const EMPTY = Buffer.alloc(0);

export class ServerHandshake implements ConnectionCallbacks, HandshakeListener {
  readonly #context: ServerTlsContext;
  readonly #connection: Connection;
  readonly #listener: ServerHandshakeListener;
  #bytes: Buffer = EMPTY;
  #hello: ClientHello | null = null;
  #state: ServerTlsState | null = null;
  #session: TlsSession | null = null;
  /** The client was asked for its certificate. */
  #asks = false;
  /** Of an alert, in TLS 1.3. */
  #secret: Buffer | null = null;
  #over = false;

  constructor(
    context: ServerTlsContext,
    connection: Connection,
    listener: ServerHandshakeListener,
  ) {
    this.#context = context;
    this.#connection = connection;
    this.#listener = listener;
  }

  /** `bytes`: read before, by inspectors. The connection's callbacks are set to this one. */
  begin(bytes: Buffer, ended: boolean): void {
    this.#bytes = bytes;
    this.#connection.start(this);
    this.#readHello(ended);
  }

  // === ConnectionCallbacks

  onData(chunk: Buffer, endStream: boolean): void {
    if (this.#session !== null) {
      // The end of a client that says nothing more: no byte comes before the handshake is done.
      if (endStream) this.#fail('');
      return;
    }
    if (chunk.length > 0)
      this.#bytes =
        this.#bytes.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#bytes, chunk]);
    this.#readHello(endStream);
  }

  onClose(event: CloseEvent, detail: string): void {
    if (!this.#over) this.#count('connectionError');
    this.#over = true;
    this.#listener.onGone(event, detail);
  }

  onAboveWriteBufferHighWatermark(): void {}

  onBelowWriteBufferLowWatermark(): void {}

  // === HandshakeListener

  onHandshake(): void {
    const session = this.#session!;
    const { handle } = session;
    const peer = this.#asks ? peerOf(handle, this.#context.environment) : null;
    if (peer === 'unreadable') {
      this.#fillFacts(session, null);
      this.#refuse(session, { stat: 'failVerifyError', detail: 'certificate cannot be read' });
      return;
    }
    this.#fillFacts(session, peer);
    if (!this.#trusts(session, peer)) return;
    const { stats } = this.#context;
    const { store } = stats;
    store.inc(stats.handshake);
    if (peer === null) store.inc(stats.noCertificate);
    if (handle.isSessionReused()) store.inc(stats.sessionReused);
    stats.count('versions', session.version);
    stats.count('ciphers', session.cipher);
    stats.count('curves', session.group);
    if (peer !== null && !handle.isSessionReused()) stats.countSignature(peer.certificate);
    session.settle();
    this.#over = true;
    this.#hello = null;
    this.#listener.onSecured(session);
  }

  onHandshakeError(error: OpenSslError): void {
    this.#failAs(
      isNoCertificate(error) ? 'failVerifyNoCert' : 'connectionError',
      handshakeFailure(error),
    );
  }

  onSecret(line: Buffer): void {
    this.#secret ??= trafficSecretOf(line);
  }

  #readHello(ended: boolean): void {
    const bytes = this.#bytes;
    const hello = bytes.length > MAX_HELLO_BYTES ? 'no' : readClientHello(bytes);
    // A client that ends its side now cannot finish the handshake.
    if (ended) this.#fail('');
    if (ended || hello === 'wait') return;
    this.#hello = hello === 'no' || hello === 'long' ? null : hello;
    // One that cannot be read names nobody.
    if (this.#context.config.requireSni && (this.#hello?.serverName ?? '') === '') {
      this.#fail('');
      return;
    }
    this.#bytes = EMPTY;
    this.#startTls(bytes);
  }

  #startTls(bytes: Buffer): void {
    const state = this.#context.current();
    if (state === null) {
      this.#over = true;
      this.#context.stats.onSecretMissing('downstream');
      this.#listener.onHandshakeFailed(NOT_READY);
      return;
    }
    this.#state = state;
    const certificate = this.#context.choose(state, this.#hello);
    const session = new TlsSession(
      this.#connection,
      certificate.contextFor(this.#hello),
      'server',
      this,
    );
    session.local = certificate.leaf;
    this.#session = session;
    const { trust } = state;
    const { requireClientCertificate } = this.#context.config;
    const requires = requireClientCertificate || trust?.requiresCertificate === true;
    this.#asks = requires || trust?.asksForCertificate === true;
    session.handle.setVerifyMode(this.#asks, requires);
    // Who comes back was let in before: not worth the cost of some 15 µs.
    const comesBack = this.#hello !== null && offersSession(this.#hello);
    if (this.#asks && trust !== null && !comesBack) session.tellSecrets();
    const alpn = this.#context.alpnFor(this.#hello);
    if (alpn !== null) session.handle.setALPNProtocols(alpn);
    session.handle.receive(bytes);
  }

  #fillFacts(session: TlsSession, peer: PeerFacts | null): void {
    const { handle } = session;
    session.version = handle.getProtocol();
    session.cipher = handle.getCipher().name;
    session.alpn = handle.getALPNNegotiatedProtocol() || '';
    session.peer = peer;
    session.handshakeEndMs = this.#connection.io.time.monotonicMs();
    const { curves } = this.#context.config.parameters;
    if (this.#hello !== null) session.group = chosenGroup(this.#hello, curves, session.version);
  }

  #trusts(session: TlsSession, peer: PeerFacts | null): boolean {
    const { trust } = this.#state!;
    if (trust === null) return true;
    // OpenSSL has refused a client without one where one is required.
    if (peer === null) return true;
    const { environment } = this.#context;
    const names = { requiredNames: null, requiredDnsName: null };
    const failure = trust.check(evidenceOf(session.handle, peer, names, environment.wallMs()));
    session.validated = failure === null && trust.caPem !== '';
    if (failure === null) return true;
    if (trust.acceptUntrusted) {
      this.#count(failure.stat);
      return true;
    }
    this.#refuse(session, failure);
    return false;
  }

  #refuse(session: TlsSession, failure: TrustFailure): void {
    const code = alertOf(failure);
    const record =
      session.version === 'TLSv1.3'
        ? this.#secret && sealedAlert(code, session.cipher, this.#secret)
        : plainAlert(code);
    if (record !== null) session.sayLast(record);
    this.#failAs(failure.stat, verificationFailure(failure.detail));
  }

  /** Without a word of OpenSSL's. */
  #fail(reason: string): void {
    this.#failAs('connectionError', reason);
  }

  #failAs(stat: TrustFailure['stat'] | 'connectionError', reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#count(stat);
    this.#listener.onHandshakeFailed(reason);
  }

  #count(stat: TrustFailure['stat'] | 'connectionError'): void {
    const { stats } = this.#context;
    stats.store.inc(stats[stat]);
  }
}
