// [w] A connection between accept and its filter chain: original destination, detection, choice (envoy-behaviour §8.2 to
// §8.4). Afterwards it stays as the one who closes the connection when its chain ends.
import { assert } from '../base/assert.ts';
import { lazyPart } from '../base/lazy-part.ts';
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner } from '../base/timer-wheel.ts';
import type { InspectedConnection } from '../filters/listener/inspector.ts';
import type {
  ConnectionEnd,
  ConnectionOwner,
  TerminalFilterFactory,
} from '../filters/network/network-filter.ts';
import { plainIp, printAddress } from '../network/address.ts';
import { Connection } from '../network/connection.ts';
import { originalDestination } from '../network/original-dst.ts';
import type { SocketHandle } from '../network/socket-binding.ts';
import { CloseType } from '../network/transport.ts';
import type { CloseEvent, ConnectionCallbacks } from '../network/transport.ts';
import { noteClose } from '../stream-info/close-facts.ts';
import { ResponseFlag } from '../stream-info/response-flags.ts';
import type { UpstreamSource } from '../stream-info/proxy-facts.ts';
import { StreamInfo } from '../stream-info/stream-info.ts';
import type { DownstreamConnectionInfo } from '../stream-info/stream-info.ts';
import type { ServerHandshakeListener } from '../tls/server-handshake.ts';
import type { ServerTlsContext } from '../tls/server-tls-context.ts';
import { listenerFacts } from './active-chain.ts';
import type { ActiveChain, LiveConnection } from './active-chain.ts';
import type { Detection } from './detection.ts';
import type { DetectionOwner } from './detection.ts';
import type { TcpListener } from './tcp-listener.ts';

const detectionPart = lazyPart<typeof import('./detection.ts')>('listener-manager/detection');
const serverHandshake =
  lazyPart<typeof import('../tls/server-handshake.ts')>('tls/server-handshake');

/** Of a handshake that took longer than transport_socket_connect_timeout. */
const HANDSHAKE_TIMEOUT = 'transport_socket_timeout';

const NO_BYTES = Buffer.alloc(0);
const NOTHING_FOUND: Readonly<InspectedConnection> = {
  serverName: '',
  transportProtocol: '',
  applicationProtocols: [],
};

export class AcceptedConnection
  implements
    ConnectionCallbacks,
    ConnectionOwner,
    LiveConnection,
    DetectionOwner,
    TimerOwner,
    ServerHandshakeListener
{
  readonly connection: Connection;
  readonly #startMs: number;
  /** Who accepted it; #listener is who serves it. */
  readonly #acceptor: TcpListener;
  #listener: TcpListener;
  #chain: ActiveChain | null = null;
  #localIp = '';
  #localPort = 0;
  #remoteIp = '';
  #remotePort = 0;
  #restored = false;
  /** Of the socket; '': as above. */
  #directRemote = '';
  #directRemoteIp = '';
  /** Where the socket arrived; undefined: at the local address. */
  #directLocal: string | undefined = undefined;
  #found: Readonly<InspectedConnection> = NOTHING_FOUND;
  /** Null: no listener filter looks at first bytes, or they are done. */
  #detection: Detection | null = null;
  /** Of the handshake. */
  #timer: WheelTimer | null = null;
  #logged = false;
  /** Of a handshake that came to nothing. */
  #failureReason = '';
  #closeReason = '';

  constructor(listener: TcpListener, handle: SocketHandle) {
    this.#acceptor = listener;
    this.#listener = listener;
    this.connection = new Connection(listener.environment.io, handle);
    this.#startMs = listener.environment.io.time.monotonicMs();
  }

  get listener(): TcpListener {
    return this.#listener;
  }

  get destination(): string {
    return `${this.#localIp}|${this.#localPort}`;
  }

  begin(): void {
    const local = this.connection.localName();
    const remote = this.connection.remoteName();
    this.#localIp = plainIp(local.address ?? '');
    this.#localPort = local.port ?? 0;
    this.#remoteIp = plainIp(remote.address ?? '');
    this.#remotePort = remote.port ?? 0;
    if (this.#listener.restoresDestination) this.#restoreDestination();
    this.#listener.undecided.add(this);
    this.#listener.environment.onConnectionCount(1);
    const { stats } = this.#listener;
    stats.store.inc(stats.cxTotal);
    stats.store.inc(stats.cxActive);
    stats.store.inc(stats.workerCxTotal);
    stats.store.inc(stats.workerCxActive);
    const inspectors = this.#listener.inspectorsFor(this.#localPort);
    if (inspectors.length === 0) {
      this.#chooseChain(false);
      return;
    }
    const detection = new (detectionPart().Detection)(this, inspectors);
    this.#detection = detection;
    this.#found = detection.found;
    this.connection.start(this);
    detection.start();
  }

  // === ConnectionCallbacks, until there is a chain

  onData(chunk: Buffer, endStream: boolean): void {
    this.#detection?.onData(chunk, endStream);
  }

  onClose(_event: CloseEvent, _detail: string): void {
    this.#detection?.stop();
    this.#detection?.takeTried(null);
    this.onConnectionDone();
  }

  onAboveWriteBufferHighWatermark(): void {}

  onBelowWriteBufferLowWatermark(): void {}

  // === DetectionOwner

  onDetected(server: ActiveChain | null): void {
    this.#takeProxiedAddresses();
    if (server === null) this.#chooseChain(true);
    else this.#useChain(server, true);
  }

  onDetectionFailed(reason: 'timeout' | 'error' | 'remote_close'): void {
    const { stats } = this.#listener;
    if (reason === 'error') stats.store.inc(stats.filterError);
    if (reason === 'remote_close') stats.store.inc(stats.filterRemoteClose);
    this.#closeUnread();
  }

  findChain(): ActiveChain | null {
    return this.#listener.matcher.find({
      localIp: this.#localIp,
      localPort: this.#localPort,
      remoteIp: this.#remoteIp,
      remotePort: this.#remotePort,
      directRemoteIp: this.#directRemoteIp || this.#remoteIp,
      serverName: this.#found.serverName,
      transportProtocol: this.#found.transportProtocol || 'raw_buffer',
      applicationProtocols: this.#found.applicationProtocols,
    });
  }

  // === ConnectionOwner, LiveConnection

  onConnectionDone(facts: StreamInfo | string | ConnectionEnd = ''): void {
    if (this.#listener.accessLogs.length > 0 && !this.#logged) this.#log(this.#factsOf(facts));
    const { stats, environment } = this.#listener;
    stats.store.dec(stats.cxActive);
    stats.store.dec(stats.workerCxActive);
    stats.store.inc(stats.cxDestroy);
    stats.store.record(stats.cxLengthMs, environment.io.time.monotonicMs() - this.#startMs);
    this.#listener.undecided.delete(this);
    this.#chain?.leave(this);
    this.#acceptor.onConnectionGone();
    environment.onConnectionCount(-1);
  }

  closeNow(): void {
    this.connection.close(CloseType.NoFlush);
  }

  /** A PROXY header may say who is there, and whom they meant. */
  #takeProxiedAddresses(): void {
    const { remote, local } = this.#found;
    if (remote === undefined || local === undefined) return;
    this.#directRemote = printAddress(this.#remoteIp, this.#remotePort);
    this.#directRemoteIp = this.#remoteIp;
    this.#remoteIp = remote.ip;
    this.#remotePort = remote.port;
    if (local.ip === this.#localIp && local.port === this.#localPort) return;
    this.#directLocal ??= printAddress(this.#localIp, this.#localPort);
    this.#localIp = local.ip;
    this.#localPort = local.port;
    this.#restored = true;
  }

  /** A connection that was redirected to us belongs to the listener of the address its client meant. */
  #restoreDestination(): void {
    const family = this.#localIp.includes(':') ? 'IPv6' : 'IPv4';
    const destination = originalDestination(this.connection.fd, family, this.#onUnavailable);
    if (destination === undefined) return;
    this.#directLocal = printAddress(this.#localIp, this.#localPort);
    this.#localIp = plainIp(destination.address);
    this.#localPort = destination.port;
    this.#restored = true;
    if (!this.#listener.config.useOriginalDst) return;
    const owner = this.#listener.environment.findByAddress(this.#localIp, this.#localPort);
    if (owner !== null) this.#listener = owner;
  }

  readonly #onUnavailable = (reason: string): void => {
    this.#listener.environment.log.error(`original destinations cannot be read: ${reason}`);
  };

  #chooseChain(started: boolean): void {
    const chain = this.findChain();
    if (chain === null) {
      const { stats } = this.#listener;
      stats.store.inc(stats.noFilterChainMatch);
      this.#refuse('filter_chain_not_found', started);
      return;
    }
    this.#useChain(chain, started);
  }

  #useChain(chain: ActiveChain, started: boolean): void {
    if (chain.ended) {
      this.#refuse('', started);
      return;
    }
    const factory = chain.factory();
    if (typeof factory === 'string') {
      if (!chain.refusalLogged) {
        chain.refusalLogged = true;
        const { config, environment } = this.#listener;
        environment.log.warn(
          `listener '${config.name}', filter chain '${chain.config.name}': connections are closed: ${factory}`,
        );
      }
      this.#refuse('filter_chain_refused', started);
      return;
    }
    this.#chain = chain;
    this.#listener.undecided.delete(this);
    chain.connections.add(this);
    this.connection.bufferLimitBytes = this.#listener.config.perConnectionBufferLimitBytes;
    const tls = chain.tls();
    if (tls === null) this.#startFilter(factory, started);
    else this.#startHandshake(tls);
  }

  #startFilter(factory: TerminalFilterFactory, started: boolean): void {
    const chain = this.#chain!;
    const detection = this.#detection;
    this.#detection = null;
    const tried = detection === null ? null : detection.takeTried(chain);
    const callbacks =
      tried === null
        ? factory.createFilter(this.connection, this.infoOn(chain), this)
        : tried.commit(this);
    if (callbacks === null || !this.connection.open) return;
    if (started) this.connection.setCallbacks(callbacks);
    else this.connection.start(callbacks);
    if (detection === null) return;
    const bytes = detection.takeBytes();
    // A filter that does not read yet (tcp_proxy) gets the bytes inspectors looked at when it does.
    if (bytes.length > 0 || detection.ended) this.connection.replay(bytes, detection.ended);
  }

  #startHandshake(tls: ServerTlsContext): void {
    const timeoutMs = this.#chain!.config.transportSocketConnectTimeoutMs;
    if (timeoutMs > 0) {
      this.#timer = new WheelTimer(this, 0);
      this.#listener.environment.io.timers.arm(this.#timer, timeoutMs);
    }
    const detection = this.#detection;
    this.#detection = null;
    detection?.takeTried(null);
    const bytes = detection === null ? NO_BYTES : detection.takeBytes();
    const { ServerHandshake } = serverHandshake();
    new ServerHandshake(tls, this.connection, this).begin(bytes, detection?.ended ?? false);
  }

  // === ServerHandshakeListener

  onSecured(): void {
    this.#disarm();
    const factory = this.#chain!.factory();
    assert(typeof factory !== 'string', 'a chain that refuses has no handshakes');
    this.#startFilter(factory, true);
  }

  onHandshakeFailed(reason: string): void {
    this.#failureReason = reason.replaceAll(' ', '_');
    this.connection.close(CloseType.NoFlush);
  }

  onGone(): void {
    this.#disarm();
    const closeReason = this.#closeReason;
    this.onConnectionDone(closeReason === '' ? {} : { closeReason });
  }

  onTimer(_kind: number): void {
    const { stats } = this.#listener;
    stats.store.inc(stats.handshakeTimeout);
    this.#closeReason = HANDSHAKE_TIMEOUT;
    this.connection.close(CloseType.NoFlush);
  }

  #disarm(): void {
    if (this.#timer === null) return;
    this.#listener.environment.io.timers.cancel(this.#timer);
    this.#timer = null;
  }

  /** Bytes that nobody read make a reset of a close, as if they lay in the kernel still. */
  #closeUnread(): void {
    this.connection.close(this.connection.bytesRead > 0 ? CloseType.Abort : CloseType.NoFlush);
  }

  #refuse(details: string, started: boolean): void {
    if (this.#listener.accessLogs.length > 0) {
      const info = this.#summary('');
      info.setFlag(ResponseFlag.NoRouteFound);
      info.responseCodeDetails = details;
      this.#log(info);
    }
    if (!started) this.connection.start(this);
    this.#closeUnread();
  }

  /** The connection as a whole, as the listener's log tells of it. */
  #summary(protocol: string): StreamInfo {
    const time = this.#listener.environment.io.time;
    const nowMs = time.monotonicMs();
    const startWallMs = time.wallMs() - (nowMs - this.#startMs);
    const info = new StreamInfo(this.infoOn(this.#chain), startWallMs, this.#startMs, 0);
    info.endMs = nowMs;
    info.bytesReceived = this.connection.bytesRead;
    info.bytesSent = this.connection.bytesWritten;
    info.protocol = protocol;
    return info;
  }

  #factsOf(facts: StreamInfo | string | ConnectionEnd): StreamInfo {
    if (typeof facts === 'string') return this.#summary(facts);
    if (facts instanceof StreamInfo) return facts;
    const info = this.#summary('');
    if (facts.flag !== undefined) info.setFlag(facts.flag);
    info.responseCodeDetails = facts.details ?? '';
    if (facts.closeReason !== undefined) noteClose(info, { downstreamReason: facts.closeReason });
    return info;
  }

  #log(info: StreamInfo): void {
    this.#logged = true;
    const entry = {
      info,
      requestHeaders: undefined,
      responseHeaders: undefined,
      responseTrailers: undefined,
      type: 'NotSet',
      localReplyBody: '',
    } as const;
    for (const log of this.#listener.accessLogs) log.log(entry);
  }

  #source(): UpstreamSource | undefined {
    const mark = this.#listener.sourceMark(this.#localPort);
    return mark === null || this.#remoteIp === '' ? undefined : { ip: this.#remoteIp, mark };
  }

  infoOn(chain: ActiveChain | null): DownstreamConnectionInfo {
    const found = this.#found;
    const { security } = this.connection;
    return {
      connectionId: this.connection.id,
      directRemoteAddress: printAddress(this.#remoteIp, this.#remotePort),
      directRemoteIp: this.#remoteIp,
      localAddress: printAddress(this.#localIp, this.#localPort),
      localIp: this.#localIp,
      localPort: this.#localPort,
      localAddressRestored: this.#restored,
      requestedServerName: this.#found.serverName,
      tls: security !== null,
      tlsFacts: security === null ? undefined : security.facts,
      transportFailureReason: this.#failureReason,
      directLocalAddress: this.#directLocal,
      socketRemoteAddress: this.#directRemote === '' ? undefined : this.#directRemote,
      ja3: found.ja3,
      ja4: found.ja4,
      proxyHeader: found.proxyHeader,
      upstreamSource: this.#source(),
      filterState: found.filterState,
      dynamicMetadata: found.dynamicMetadata,
      listener: chain === null ? listenerFacts(this.#listener.config, '') : chain.facts,
    };
  }
}
