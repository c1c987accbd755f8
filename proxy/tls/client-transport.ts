// [w] ClientTransport: TLS towards one host of a cluster, with what its streams ask of it (SNI, ALPN, names).
import { Connection } from '../network/connection.ts';
import type { IoThread } from '../network/io-thread.ts';
import type { SocketHandle } from '../network/socket-binding.ts';
import { CloseType } from '../network/transport.ts';
import type { CloseEvent, ConnectionCallbacks } from '../network/transport.ts';
import type {
  TransportListener,
  TransportStep,
  UpstreamTransport,
} from '../network/upstream-transport.ts';
import { alpnWire } from './alpn.ts';
import type { PeerFacts } from './certificate.ts';
import type { ClientTlsContext, ClientTlsState } from './client-tls-context.ts';
import { evidenceOf, peerOf } from './peer-evidence.ts';
import type { TrustFailure } from './peer-trust.ts';
import type { OpenSslError, TlsHandle } from './tls-binding.ts';
import { NOT_READY, handshakeFailure, verificationFailure } from './tls-errors.ts';
import { groupName } from './tls-groups.ts';
import { TlsSession } from './tls-session.ts';
import type { HandshakeListener } from './tls-session.ts';

export interface ClientTransportOptions {
  /** '': no SNI. */
  readonly serverName: string;
  readonly applicationProtocols: readonly string[];
  /** Null: those of the context alone. */
  readonly requiredNames: readonly string[] | null;
}

export class ClientTransport implements UpstreamTransport {
  readonly context: ClientTlsContext;
  readonly options: ClientTransportOptions;
  /** On the wire; null: none. */
  readonly alpn: Buffer | null;

  constructor(context: ClientTlsContext, options: ClientTransportOptions) {
    this.context = context;
    this.options = options;
    const { applicationProtocols } = options;
    this.alpn = applicationProtocols.length === 0 ? null : alpnWire(applicationProtocols);
  }

  begin(io: IoThread, handle: SocketHandle, listener: TransportListener): TransportStep {
    const state = this.context.current();
    if (state === null) {
      this.context.stats.onSecretMissing('upstream');
      handle.close();
      listener.onTransportFailed(NOT_READY);
      return NOTHING;
    }
    return new ClientHandshake(this, state, new Connection(io, handle), listener);
  }
}

const NOTHING: TransportStep = { cancel: () => {} };

class ClientHandshake implements TransportStep, ConnectionCallbacks, HandshakeListener {
  readonly #transport: ClientTransport;
  readonly #state: ClientTlsState;
  readonly #connection: Connection;
  readonly #session: TlsSession;
  /** The session that the server was asked to resume. */
  #offered: Buffer | null = null;
  /** Null: over. */
  #listener: TransportListener | null;

  constructor(
    transport: ClientTransport,
    state: ClientTlsState,
    connection: Connection,
    listener: TransportListener,
  ) {
    this.#transport = transport;
    this.#state = state;
    this.#connection = connection;
    this.#listener = listener;
    const session = new TlsSession(connection, state.native, 'client', this);
    this.#session = session;
    session.local = state.local;
    this.#prepare(session.handle);
    connection.start(this);
    session.handle.start();
  }

  cancel(): void {
    this.#listener = null;
    this.#connection.close(CloseType.NoFlush);
  }

  // === ConnectionCallbacks, until the handshake is over

  onData(_chunk: Buffer, endStream: boolean): void {
    if (endStream) this.#fail('connectionError', '');
  }

  onClose(_event: CloseEvent, _detail: string): void {
    const listener = this.#take();
    // We closed it ourselves, or nobody waits.
    if (listener === null) return;
    this.#count('connectionError');
    listener.onTransportFailed('');
  }

  onAboveWriteBufferHighWatermark(): void {}

  onBelowWriteBufferLowWatermark(): void {}

  // === HandshakeListener

  onHandshake(): void {
    const session = this.#session;
    const { handle } = session;
    const { context } = this.#transport;
    const peer = peerOf(handle, context.environment);
    if (peer === 'unreadable') {
      this.#fail('failVerifyError', verificationFailure('certificate cannot be read'));
      return;
    }
    const failure = this.#verify(session, peer);
    if (failure !== null) {
      this.#fail(failure.stat, verificationFailure(failure.detail));
      return;
    }
    this.#fillFacts(session, peer);
    // Up to TLS 1.2 a session serves again and again, and no new one comes with it.
    if (this.#offered !== null && session.version !== 'TLSv1.3' && handle.isSessionReused())
      this.#state.keepSession(this.#transport.options.serverName, this.#offered);
    this.#offered = null;
    session.settle();
    this.#take()?.onTransportReady(this.#connection, {
      tls: session,
      alpn: session.alpn,
    });
  }

  onHandshakeError(error: OpenSslError): void {
    this.#fail('connectionError', handshakeFailure(error));
  }

  #prepare(handle: TlsHandle): void {
    const { alpn, context, options } = this.#transport;
    handle.setVerifyMode(false, false);
    if (options.serverName !== '') handle.setServername(options.serverName);
    if (alpn !== null) handle.setALPNProtocols(alpn);
    if (context.config.maxSessionKeys === 0) return;
    const kept = this.#state.takeSession(options.serverName);
    if (kept !== null) handle.setSession(kept);
    this.#offered = kept;
    const state = this.#state;
    const { serverName } = options;
    handle.enableSessionCallbacks();
    handle.onnewsession = (_id, session) => state.keepSession(serverName, session);
  }

  #verify(session: TlsSession, peer: PeerFacts | null): TrustFailure | null {
    const { trust } = this.#state;
    if (trust === null) return null;
    const { context, options } = this.#transport;
    const { requiredNames, serverName } = options;
    const requiredDnsName = context.config.autoSniSanValidation ? serverName : null;
    const failure = trust.check(
      evidenceOf(
        session.handle,
        peer,
        { requiredNames, requiredDnsName },
        context.environment.wallMs(),
      ),
    );
    session.validated = failure === null && trust.caPem !== '';
    if (failure === null || !trust.acceptUntrusted) return failure;
    this.#count(failure.stat);
    return null;
  }

  #fillFacts(session: TlsSession, peer: PeerFacts | null): void {
    const { handle } = session;
    const { stats } = this.#transport.context;
    session.version = handle.getProtocol();
    session.cipher = handle.getCipher().name;
    session.alpn = handle.getALPNNegotiatedProtocol() || '';
    session.group = groupName(handle.getEphemeralKeyInfo()?.name ?? '');
    session.peer = peer;
    session.handshakeEndMs = this.#connection.io.time.monotonicMs();
    stats.store.inc(stats.handshake);
    if (handle.isSessionReused()) stats.store.inc(stats.sessionReused);
    stats.count('versions', session.version);
    stats.count('ciphers', session.cipher);
    stats.count('curves', session.group);
    if (peer !== null && !handle.isSessionReused()) stats.countSignature(peer.certificate);
  }

  #fail(stat: TrustFailure['stat'] | 'connectionError', reason: string): void {
    const listener = this.#take();
    if (listener === null) return;
    this.#count(stat);
    this.#connection.close(CloseType.NoFlush);
    listener.onTransportFailed(reason);
  }

  #take(): TransportListener | null {
    const listener = this.#listener;
    this.#listener = null;
    return listener;
  }

  #count(stat: TrustFailure['stat'] | 'connectionError'): void {
    const { stats } = this.#transport.context;
    stats.store.inc(stats[stat]);
  }
}
