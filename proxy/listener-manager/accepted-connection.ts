// [w] A connection between accept and its filter chain: original destination, first bytes, choice (envoy-behaviour
// §8.2 to §8.4). Afterwards it stays as the one who closes the connection when its chain ends.
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner } from '../base/timer-wheel.ts';
import { assert } from '../base/assert.ts';
import type { InspectedConnection, Inspector } from '../filters/listener/inspector.ts';
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
import { StreamInfo } from '../stream-info/stream-info.ts';
import type { DownstreamConnectionInfo } from '../stream-info/stream-info.ts';
import { ServerHandshake } from '../tls/server-handshake.ts';
import type { ServerHandshakeListener } from '../tls/server-handshake.ts';
import type { ServerTlsContext } from '../tls/server-tls-context.ts';
import { listenerFacts } from './active-chain.ts';
import type { ActiveChain, LiveConnection } from './active-chain.ts';
import type { TcpListener } from './tcp-listener.ts';

/** First bytes kept for inspectors; a client that says more before it is understood is passed on as it is. */
const MAX_INSPECTED_BYTES = 65536;
const EMPTY = Buffer.alloc(0);

const Timer = { Inspect: 0, Handshake: 1 } as const;
/** Of a handshake that took longer than transport_socket_connect_timeout. */
const HANDSHAKE_TIMEOUT = 'transport_socket_timeout';

export class AcceptedConnection
  implements
    ConnectionCallbacks,
    ConnectionOwner,
    LiveConnection,
    TimerOwner,
    ServerHandshakeListener
{
  readonly #connection: Connection;
  readonly #found: InspectedConnection = {
    serverName: '',
    transportProtocol: '',
    applicationProtocols: [],
  };
  readonly #startMs: number;
  #listener: TcpListener;
  #chain: ActiveChain | null = null;
  #localIp = '';
  #localPort = 0;
  #remoteIp = '';
  #remotePort = 0;
  #restored = false;
  /** Where the socket arrived; undefined: at the local address. */
  #directLocal: string | undefined = undefined;
  #inspectors: readonly Inspector[] = [];
  #nextInspector = 0;
  #bytes: Buffer = EMPTY;
  #ended = false;
  #timer: WheelTimer | null = null;
  #logged = false;
  /** Of a handshake that came to nothing. */
  #failureReason = '';
  #closeReason = '';

  constructor(listener: TcpListener, handle: SocketHandle) {
    this.#listener = listener;
    this.#connection = new Connection(listener.environment.io, handle);
    this.#startMs = listener.environment.io.time.monotonicMs();
  }

  begin(): void {
    const local = this.#connection.localName();
    const remote = this.#connection.remoteName();
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
    this.#inspectors = this.#listener.inspectorsFor(this.#localPort);
    if (this.#inspectors.length === 0) this.#chooseChain(false);
    else this.#startInspecting();
  }

  // === ConnectionCallbacks, while inspecting

  onData(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0)
      this.#bytes =
        this.#bytes.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#bytes, chunk]);
    if (endStream) this.#ended = true;
    this.#inspect();
  }

  onClose(_event: CloseEvent, _detail: string): void {
    this.#stopInspecting();
    this.onConnectionDone();
  }

  onAboveWriteBufferHighWatermark(): void {}

  onBelowWriteBufferLowWatermark(): void {}

  onTimer(kind: number): void {
    const { stats, config } = this.#listener;
    if (kind === Timer.Handshake) {
      stats.store.inc(stats.handshakeTimeout);
      this.#closeReason = HANDSHAKE_TIMEOUT;
      this.#connection.close(CloseType.NoFlush);
      return;
    }
    stats.store.inc(stats.preCxTimeout);
    if (config.continueOnListenerFiltersTimeout) {
      this.#stopInspecting();
      this.#chooseChain(true);
    } else this.#connection.close(CloseType.NoFlush);
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
    this.#chain?.connections.delete(this);
    environment.onConnectionCount(-1);
  }

  closeNow(): void {
    this.#connection.close(CloseType.NoFlush);
  }

  /** A connection that was redirected to us belongs to the listener of the address its client meant. */
  #restoreDestination(): void {
    const family = this.#localIp.includes(':') ? 'IPv6' : 'IPv4';
    const destination = originalDestination(this.#connection.fd, family, this.#onUnavailable);
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

  #startInspecting(): void {
    const { stats, config, environment } = this.#listener;
    stats.store.inc(stats.preCxActive);
    if (config.listenerFiltersTimeoutMs > 0) {
      this.#timer = new WheelTimer(this, Timer.Inspect);
      environment.io.timers.arm(this.#timer, config.listenerFiltersTimeoutMs);
    }
    this.#connection.start(this);
  }

  #stopInspecting(): void {
    if (this.#inspectors.length === 0) return;
    this.#inspectors = [];
    const { stats, environment } = this.#listener;
    stats.store.dec(stats.preCxActive);
    if (this.#timer !== null) environment.io.timers.cancel(this.#timer);
    this.#timer = null;
  }

  #inspect(): void {
    while (this.#nextInspector < this.#inspectors.length) {
      const verdict = this.#inspectors[this.#nextInspector]!.inspect(this.#bytes, this.#found);
      if (verdict === 'wait' && !this.#ended && this.#bytes.length < MAX_INSPECTED_BYTES) return;
      this.#nextInspector++;
    }
    this.#stopInspecting();
    this.#chooseChain(true);
  }

  #chooseChain(started: boolean): void {
    const found = this.#found;
    const chain = this.#listener.matcher.find({
      localIp: this.#localIp,
      localPort: this.#localPort,
      remoteIp: this.#remoteIp,
      remotePort: this.#remotePort,
      serverName: found.serverName,
      transportProtocol: found.transportProtocol === '' ? 'raw_buffer' : found.transportProtocol,
      applicationProtocols: found.applicationProtocols,
    });
    if (chain === null) {
      const { stats } = this.#listener;
      stats.store.inc(stats.noFilterChainMatch);
      this.#refuse('filter_chain_not_found', started);
      return;
    }
    this.#useChain(chain, started);
  }

  #useChain(chain: ActiveChain, started: boolean): void {
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
    this.#connection.bufferLimitBytes = this.#listener.config.perConnectionBufferLimitBytes;
    const tls = chain.tls();
    if (tls === null) this.#startFilter(factory, started);
    else this.#startHandshake(tls);
  }

  #startFilter(factory: TerminalFilterFactory, started: boolean): void {
    const callbacks = factory.createFilter(this.#connection, this.#info(), this);
    if (callbacks === null || !this.#connection.open) return;
    if (started) this.#connection.setCallbacks(callbacks);
    else this.#connection.start(callbacks);
    const bytes = this.#bytes;
    this.#bytes = EMPTY;
    // A filter that does not read yet (tcp_proxy) gets the bytes inspectors looked at when it does.
    if (bytes.length > 0 || this.#ended) this.#connection.replay(bytes, this.#ended);
  }

  #startHandshake(tls: ServerTlsContext): void {
    const timeoutMs = this.#chain!.config.transportSocketConnectTimeoutMs;
    if (timeoutMs > 0) {
      this.#timer = new WheelTimer(this, Timer.Handshake);
      this.#listener.environment.io.timers.arm(this.#timer, timeoutMs);
    }
    const bytes = this.#bytes;
    this.#bytes = EMPTY;
    new ServerHandshake(tls, this.#connection, this).begin(bytes, this.#ended);
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
    this.#connection.close(CloseType.NoFlush);
  }

  onGone(): void {
    this.#disarm();
    const closeReason = this.#closeReason;
    this.onConnectionDone(closeReason === '' ? {} : { closeReason });
  }

  #disarm(): void {
    if (this.#timer === null) return;
    this.#listener.environment.io.timers.cancel(this.#timer);
    this.#timer = null;
  }

  #refuse(details: string, started: boolean): void {
    if (this.#listener.accessLogs.length > 0) {
      const info = this.#summary('');
      info.setFlag(ResponseFlag.NoRouteFound);
      info.responseCodeDetails = details;
      this.#log(info);
    }
    if (!started) this.#connection.start(this);
    this.#connection.close(CloseType.NoFlush);
  }

  /** The connection as a whole, as the listener's log tells of it. */
  #summary(protocol: string): StreamInfo {
    const time = this.#listener.environment.io.time;
    const nowMs = time.monotonicMs();
    const startWallMs = time.wallMs() - (nowMs - this.#startMs);
    const info = new StreamInfo(this.#info(), startWallMs, this.#startMs, 0);
    info.endMs = nowMs;
    info.bytesReceived = this.#connection.bytesRead;
    info.bytesSent = this.#connection.bytesWritten;
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

  #info(): DownstreamConnectionInfo {
    const { security } = this.#connection;
    return {
      connectionId: this.#connection.id,
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
      listener: this.#chain === null ? listenerFacts(this.#listener.config, '') : this.#chain.facts,
    };
  }
}
