// [w] One session of tcp_proxy: bytes both ways, half-close and back-pressure passed on (envoy-behaviour §8.1).
//
//   downstream ──data──▶ upstream        reading downstream begins when the upstream is connected, so that nothing
//   downstream ◀──data── upstream        has to be kept and server-first protocols work; early data is asked for
import { FORWARD_TO_STATE } from '../../upstream/forward-proxy-balancer.ts';
import { JitteredBackoff } from '../../base/backoff.ts';
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner } from '../../base/timer-wheel.ts';
import type { MetadataStruct } from '../../config/metadata-value.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import type { Connection } from '../../network/connection.ts';
import { CloseEvent, CloseType } from '../../network/transport.ts';
import type { ConnectionCallbacks } from '../../network/transport.ts';
import { ResponseFlag } from '../../stream-info/response-flags.ts';
import type { DynamicMetadata } from '../../stream-info/dynamic-metadata.ts';
import { noteClose } from '../../stream-info/close-facts.ts';
import { StreamInfo } from '../../stream-info/stream-info.ts';
import type { DownstreamConnectionInfo } from '../../stream-info/stream-info.ts';
import type { UpstreamConnectionFacts } from '../../stream-info/upstream-facts.ts';
import type {
  PoolFailureReason,
  PoolTicket,
  TcpConnPool,
  TcpPoolCallbacks,
} from '../../upstream/conn-pool/conn-pool.ts';
import type { ClusterWaiter, DiscoveryOutcome } from '../../upstream/cluster-discovery.ts';
import type { Host } from '../../upstream/host.ts';
import type { LoadBalancerContext } from '../../upstream/load-balancer.ts';
import type { ThreadLocalCluster } from '../../upstream/thread-local-cluster.ts';
import { EarlyData } from './early-data.ts';
import type { ConnectionOwner } from './network-filter.ts';
import { SessionClocks, idleTimeoutOf } from './session-clocks.ts';
import type { SessionEnd } from './session-clocks.ts';
import type { TcpProxyContext } from './tcp-proxy-context.ts';
import { HttpTunnel, keepTunnelFields } from './tcp-tunnel.ts';
import type { TunnelOwner } from './tcp-tunnel.ts';
import { UpstreamSide } from './tcp-upstream.ts';
import type { TcpUpstream } from './tcp-upstream.ts';
import type { TcpSpeculation } from './tcp-speculation.ts';
import { transportOverridesOf } from '../../router/transport-overrides.ts';
import { NO_HEADERS } from './tcp-proxy-context.ts';
import { TcpSessionLog } from './tcp-session-log.ts';

/** Why a session never began; Envoy's numbers and, in the log, its spelling. */
const Failure = { Connect: 0, NoHost: 1, Overflow: 2, NoCluster: 3 } as const;
type Failure = (typeof Failure)[keyof typeof Failure];

/** As the kernel calls it. */
const RESET = 'ECONNRESET';

/** Filter state that lets bytes go as they are. */
const NO_TUNNEL_STATE = 'envoy.tcp_proxy.disable_tunneling';
/** Filter state that overrides the destination of an ORIGINAL_DST cluster. */
const DESTINATION_STATE = 'envoy.network.transport_socket.original_dst_address';

export class TcpProxySession
  implements
    ConnectionCallbacks,
    TcpPoolCallbacks,
    LoadBalancerContext,
    TimerOwner,
    SessionEnd,
    ClusterWaiter,
    TunnelOwner
{
  readonly downstreamConnection: DownstreamConnectionInfo;
  readonly requestHeaders: RequestHeaders | undefined = undefined;
  readonly hostSelectionRetryCount = 0;
  readonly #context: TcpProxyContext;
  readonly #downstream: Connection;
  readonly #owner: ConnectionOwner;
  readonly #info: StreamInfo;
  /** Null where nothing is logged. */
  readonly #log: TcpSessionLog | null;
  readonly #idleTimeoutMs: number;
  metadataMatch: MetadataStruct | undefined = undefined;
  #cluster: ThreadLocalCluster | null = null;
  #upstream: TcpUpstream | null = null;
  /** Of connections of our own; null: the bytes go through a tunnel. */
  #pool: TcpConnPool | null = null;
  #ticket: PoolTicket | null = null;
  #attempts = 0;
  #early: EarlyData | null = null;
  readonly #clocks: SessionClocks;
  #backoff: JitteredBackoff | null = null;
  #backoffTimer: WheelTimer | null = null;
  /** The cluster that is waited for, or was. */
  #wanted = '';
  /** The client is gone and the upstream still takes what it said. */
  #flushing = false;
  /** Of both sides the upstream was the last to end. */
  #upstreamLeft = false;
  #done = false;

  constructor(
    context: TcpProxyContext,
    downstream: Connection,
    info: DownstreamConnectionInfo,
    owner: ConnectionOwner,
  ) {
    this.#context = context;
    this.#downstream = downstream;
    this.#owner = owner;
    this.downstreamConnection = info;
    const { time, random, stats, config } = context;
    this.#info = new StreamInfo(info, time.wallMs(), time.monotonicMs(), random.nextUint32());
    this.#log =
      context.log.logs.length === 0 && !context.log.needsMeter
        ? null
        : new TcpSessionLog(context.log, this.#info, downstream);
    if (info.dynamicMetadata !== undefined) this.#info.dynamicMetadata = info.dynamicMetadata;
    stats.store.inc(stats.cxTotal);
    this.#idleTimeoutMs = idleTimeoutOf(config, info);
    this.#clocks = new SessionClocks(context, downstream.io.timers, this.#idleTimeoutMs, this);
    // A side that has nothing more to say still gets what waits for it, for as long as an idle session may last.
    downstream.delayedCloseTimeoutMs = this.#idleTimeoutMs;
    if (config.maxEarlyDataBytes === undefined) downstream.readDisable(true);
    else this.#early = new EarlyData(config.maxEarlyDataBytes);
  }

  /** After the connection's callbacks are set. */
  begin(): void {
    this.#log?.onBegin();
    if (this.#context.config.connectOn === undefined) this.#connect();
  }

  /** The server may have spoken. */
  beginWith(tried: TcpSpeculation): void {
    const { greeting } = tried;
    this.#log?.onBegin();
    const ticket = tried.handOver(({ cluster, pool }) => {
      this.#cluster = cluster;
      this.#pool = pool;
      this.#info.cluster = cluster.config;
      this.#attempts = 1;
      this.#info.attemptCount = 1;
      return this;
    });
    if (ticket === null) this.#connect();
    else if (this.#upstream === null && !this.#done) this.#ticket = ticket;
    if (greeting !== null && this.#upstream !== null) this.onUpstreamData(greeting, false);
  }

  hashKey(): bigint | undefined {
    return this.#context.routes.hashKey(this.#info);
  }

  get dynamicMetadata(): DynamicMetadata | null {
    return this.#info.dynamicMetadata;
  }

  get originalDestination(): string | undefined {
    return this.#info.filterState?.get(DESTINATION_STATE)?.text ?? undefined;
  }

  shouldSelectAnotherHost(_host: Host): boolean {
    return false;
  }

  // === downstream ConnectionCallbacks

  onData(chunk: Buffer, endStream: boolean): void {
    const upstream = this.#upstream;
    const { length } = chunk;
    this.#info.bytesReceived += length;
    const { stats, time } = this.#context;
    this.#clocks.activeMs = time.monotonicMs();
    stats.store.add(stats.cxRxBytesTotal, length);
    if (upstream === null) this.#keepEarly(chunk, endStream);
    else this.#send(upstream, chunk, endStream);
  }

  onClose(event: CloseEvent, detail: string): void {
    this.#ticket?.cancel();
    this.#ticket = null;
    // Who leaves a session that is under way ends it; who leaves before it began gives it up.
    if (event === CloseEvent.Remote && this.#info.upstreamConnection === null && !this.#done)
      this.#info.setFlag(ResponseFlag.DownstreamConnectionTermination);
    if (detail === RESET) noteClose(this.#info, { downstream: 'RemoteReset' });
    this.#finish();
    // What the client had sent is still delivered, but for a reset, which is passed on.
    this.#upstream?.close(detail === RESET ? CloseType.Abort : CloseType.FlushWrite);
    if (this.#upstream !== null) {
      const { stats } = this.#context;
      this.#flushing = true;
      stats.store.inc(stats.upstreamFlushTotal);
      stats.store.inc(stats.upstreamFlushActive);
    }
    this.#owner.onConnectionDone(this.#info);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#pauseUpstream(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#pauseUpstream(false);
  }

  // === upstream

  onUpstreamData(chunk: Buffer, endStream: boolean): void {
    const { length } = chunk;
    this.#info.bytesSent += length;
    const { stats, time } = this.#context;
    this.#clocks.activeMs = time.monotonicMs();
    stats.store.add(stats.cxTxBytesTotal, length);
    if (this.#pool !== null) {
      const { stats: ofCluster } = this.#cluster!;
      ofCluster.store.add(ofCluster.upstreamCxRxBytesTotal, length);
    }
    this.#downstream.write(chunk);
    if (!endStream || this.#upstream === null) return;
    this.#upstreamLeft = this.#downstream.readEnded;
    this.#halfClose(this.#downstream, this.#upstream);
  }

  onUpstreamClose(event: CloseEvent, detail: string): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    this.#upstream = null;
    this.#pool?.connectionDone(
      this.#upstreamLeft ? CloseEvent.Remote : event,
      this.#info.upstreamConnection!,
    );
    if (this.#flushing) {
      const { stats } = this.#context;
      stats.store.dec(stats.upstreamFlushActive);
    }
    if (detail === RESET) {
      this.#info.setFlag(ResponseFlag.UpstreamRemoteReset);
      noteClose(this.#info, { downstream: 'LocalReset', upstream: 'RemoteReset' });
    }
    this.#downstream.close(detail === RESET ? CloseType.Abort : CloseType.FlushWrite);
  }

  pauseDownstream(pause: boolean): void {
    const { stats } = this.#context;
    stats.store.inc(pause ? stats.flowControlPaused : stats.flowControlResumed);
    this.#downstream.readDisable(pause);
  }

  // === TcpPoolCallbacks

  onPoolReady(connection: Connection, host: Host, facts: UpstreamConnectionFacts): void {
    this.#ticket = null;
    if (this.#done) {
      connection.close(CloseType.NoFlush);
      this.#pool?.connectionDone(CloseEvent.Local, facts);
      return;
    }
    connection.delayedCloseTimeoutMs = this.#idleTimeoutMs;
    host.monitor?.onConnectedForGood();
    this.#onConnected(connection, host, facts);
    connection.start(new UpstreamSide(this));
    this.#beginReading(connection);
  }

  // === TunnelOwner

  onTunnelReady(tunnel: TcpUpstream, host: Host, facts: UpstreamConnectionFacts): void {
    this.#ticket = null;
    this.#onConnected(tunnel, host, facts);
    this.#beginReading(tunnel);
  }

  onTunnelHeaders(headers: ResponseHeaders): void {
    if (this.#context.tunnel?.config.propagateResponseHeaders === true)
      keepTunnelFields(this.#info, 'headers', headers);
  }

  onTunnelTrailers(trailers: HeaderMap): void {
    if (this.#context.tunnel?.config.propagateResponseTrailers === true)
      keepTunnelFields(this.#info, 'trailers', trailers);
  }

  #onConnected(upstream: TcpUpstream, host: Host, facts: UpstreamConnectionFacts): void {
    this.#upstream = upstream;
    this.#info.host = host;
    this.#info.upstreamConnection = facts;
    this.#log?.onConnected();
  }

  #beginReading(upstream: TcpUpstream): void {
    const early = this.#early;
    if (early === null) {
      this.#downstream.readDisable(false);
      return;
    }
    this.#early = null;
    this.#send(upstream, early.take(), early.ended);
    if (early.full) this.#downstream.readDisable(false);
  }

  onPoolFailure(reason: PoolFailureReason, transportFailureReason: string, host: Host): void {
    this.#ticket = null;
    this.#info.host = host;
    if (reason === 'overflow') {
      // Envoy does not call that an attempt.
      this.#info.attemptCount = this.#attempts - 1;
      this.#info.setFlag(ResponseFlag.UpstreamOverflow);
      this.#giveUp(Failure.Overflow);
      return;
    }
    if (reason === 'connection timeout') host.monitor?.onTimeout(504);
    else host.monitor?.onLocalFailure();
    this.#info.setFlag(ResponseFlag.UpstreamConnectionFailure);
    this.#info.upstreamTransportFailureReason = transportFailureReason;
    // A local failure comes at once and would come again at once.
    if (
      reason !== 'local connection failure' &&
      this.#attempts < this.#context.config.maxConnectAttempts
    ) {
      this.#connectAgain();
      return;
    }
    this.#info.setFlag(ResponseFlag.UpstreamRetryLimitExceeded);
    const { stats } = this.#cluster!;
    stats.store.inc(stats.upstreamCxConnectAttemptsExceeded);
    this.#giveUp(Failure.Connect);
  }

  /** The pause before another attempt is over. */
  onTimer(_kind: number): void {
    this.#connect();
  }

  // === SessionEnd

  onTooLong(why: 'idle' | 'duration'): void {
    const { stats } = this.#context;
    let reason = 'tcp_session_idle_timeout';
    if (why === 'idle') stats.store.inc(stats.idleTimeout);
    else {
      stats.store.inc(stats.maxDuration);
      this.#info.setFlag(ResponseFlag.DurationTimeout);
      reason = 'max_connection_duration_reached';
    }
    noteClose(this.#info, { downstreamReason: reason, upstreamReason: reason });
    this.#downstream.close(CloseType.NoFlush);
  }

  #giveUp(failure: Failure): void {
    noteClose(this.#info, { downstreamReason: `tcp_initializion_failure:${failure}` });
    this.#downstream.close(CloseType.NoFlush);
  }

  get forwardTo(): string | undefined {
    return this.downstreamConnection.filterState?.get(FORWARD_TO_STATE)?.text ?? undefined;
  }

  #connect(): void {
    const { clusters, routes, onDemand } = this.#context;
    const route = routes.choose(this.#info);
    const cluster = clusters.get(route.cluster);
    this.metadataMatch = route.metadataMatch;
    if (cluster !== undefined) this.#connectTo(cluster);
    else if (onDemand === undefined || route.cluster === '') this.#endWithoutCluster();
    else {
      onDemand.stats.store.inc(onDemand.stats.attempt);
      this.#wanted = route.cluster;
      this.#ticket = onDemand.discovery.ask(onDemand.config, route.cluster, this);
    }
  }

  // === ClusterWaiter

  onClusterDiscovery(outcome: DiscoveryOutcome): void {
    this.#ticket = null;
    const { stats } = this.#context.onDemand!;
    stats.store.inc(outcome === 'available' ? stats.success : stats[outcome]);
    const cluster = this.#context.clusters.get(this.#wanted);
    if (cluster === undefined) this.#endWithoutCluster();
    else this.#connectTo(cluster);
  }

  #endWithoutCluster(): void {
    const { stats } = this.#context;
    this.#info.cluster = null;
    stats.store.inc(stats.cxNoRoute);
    this.#info.setFlag(ResponseFlag.NoClusterFound);
    this.#giveUp(Failure.NoCluster);
  }

  #connectTo(cluster: ThreadLocalCluster): void {
    this.#cluster = cluster;
    this.#info.cluster = cluster.config;
    const { tunnel, tlvs } = this.#context;
    if (tlvs !== null && this.#attempts === 0)
      this.downstreamConnection.proxyHeader = tlvs.headerFor(this.#info);
    this.#attempts++;
    const host = cluster.chooseHost(this);
    if (host === null) {
      this.#info.setFlag(ResponseFlag.NoHealthyUpstream);
      this.#giveUp(Failure.NoHost);
      return;
    }
    this.#info.attemptCount = this.#attempts;
    const wishes = transportOverridesOf(cluster.config, host, NO_HEADERS, this.#info);
    if (tunnel !== null && this.#info.filterState?.get(NO_TUNNEL_STATE)?.text !== 'true') {
      const pool = cluster.httpPool(host, 'DEFAULT', this.#info, wishes);
      if (pool === null) {
        this.onPoolFailure('overflow', '', host);
        return;
      }
      const attempt = new HttpTunnel(this, tunnel.headersFor(this.#info));
      this.#ticket = attempt;
      attempt.start(pool);
      return;
    }
    this.#pool = cluster.tcpPool(host, 'DEFAULT');
    this.#ticket = this.#pool.newConnection(this, wishes);
  }

  #connectAgain(): void {
    const { config, random } = this.#context;
    if (config.backoff === undefined) {
      this.#connect();
      return;
    }
    const { baseMs, maxMs } = config.backoff;
    this.#backoff ??= new JitteredBackoff(baseMs, maxMs, random);
    this.#backoffTimer ??= new WheelTimer(this, 0);
    this.#downstream.io.timers.arm(this.#backoffTimer, this.#backoff.nextMs());
  }

  #keepEarly(chunk: Buffer, endStream: boolean): void {
    const early = this.#early;
    if (early === null) return;
    const { stats, config } = this.#context;
    stats.store.inc(stats.earlyData);
    const waits = config.connectOn === 'data' && early.empty;
    if (early.add(chunk, endStream)) this.#downstream.readDisable(true);
    if (!waits) return;
    if (!early.empty) this.#connect();
    // Nobody will ever be dialled for a client that ends without a word.
    else if (endStream) this.#downstream.close(CloseType.NoFlush);
  }

  #send(upstream: TcpUpstream, chunk: Buffer, endStream: boolean): void {
    upstream.write(chunk);
    if (this.#pool !== null) {
      const { stats } = this.#cluster!;
      stats.store.add(stats.upstreamCxTxBytesTotal, chunk.length);
    }
    if (endStream) this.#halfClose(upstream, this.#downstream);
  }

  #pauseUpstream(pause: boolean): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    upstream.readDisable(pause);
    const { stats } = this.#cluster!;
    stats.store.inc(pause ? stats.upstreamFlowControlPaused : stats.upstreamFlowControlResumed);
  }

  /** FIN goes on to the other side; when both have ended, the session is over. */
  #halfClose(to: TcpUpstream, from: TcpUpstream): void {
    if (to.readEnded) {
      from.close(CloseType.FlushWrite);
      to.close(CloseType.FlushWrite);
    } else to.endWrite();
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.#clocks.cancel();
    if (this.#backoffTimer !== null) this.#downstream.io.timers.cancel(this.#backoffTimer);
    this.#info.endMs = this.#context.time.monotonicMs();
    this.#log?.onEnd();
  }
}
