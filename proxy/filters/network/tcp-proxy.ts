// [w] envoy.filters.network.tcp_proxy: bytes both ways, half-close and back-pressure passed on (envoy-behaviour §8.1).
//
//   downstream ──data──▶ upstream        reading downstream begins when the upstream is connected, so that nothing
//   downstream ◀──data── upstream        has to be kept and server-first protocols work
import type { TcpProxyConfig } from '../../config/listener-config.ts';
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner } from '../../base/timer-wheel.ts';
import type { RandomSource } from '../../base/random.ts';
import type { TimeSource } from '../../base/clock.ts';
import type { RequestHeaders } from '../../http/header-map.ts';
import type { Connection } from '../../network/connection.ts';
import { CloseEvent, CloseType } from '../../network/transport.ts';
import type { ConnectionCallbacks } from '../../network/transport.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import { ResponseFlag } from '../../stream-info/response-flags.ts';
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
import type { Host } from '../../upstream/host.ts';
import type { LoadBalancerContext } from '../../upstream/load-balancer.ts';
import type {
  ThreadLocalCluster,
  ThreadLocalClusterManager,
} from '../../upstream/thread-local-cluster.ts';
import type { ConnectionOwner, TerminalFilterFactory } from './network-filter.ts';
import { TcpSessionLog } from './tcp-session-log.ts';
import type { TcpLogSettings } from './tcp-session-log.ts';

export class TcpProxyStats {
  readonly store: StatsStore;
  readonly cxTotal: StatId;
  readonly cxNoRoute: StatId;
  readonly cxRxBytesTotal: StatId;
  readonly cxTxBytesTotal: StatId;
  readonly flowControlPaused: StatId;
  readonly flowControlResumed: StatId;
  readonly idleTimeout: StatId;
  readonly maxDuration: StatId;

  constructor(store: StatsStore, statPrefix: string) {
    const prefix = `tcp.${statPrefix}.`;
    this.store = store;
    this.cxTotal = store.counter(`${prefix}downstream_cx_total`);
    this.cxNoRoute = store.counter(`${prefix}downstream_cx_no_route`);
    this.cxRxBytesTotal = store.counter(`${prefix}downstream_cx_rx_bytes_total`);
    this.cxTxBytesTotal = store.counter(`${prefix}downstream_cx_tx_bytes_total`);
    this.flowControlPaused = store.counter(`${prefix}downstream_flow_control_paused_reading_total`);
    this.flowControlResumed = store.counter(
      `${prefix}downstream_flow_control_resumed_reading_total`,
    );
    this.idleTimeout = store.counter(`${prefix}idle_timeout`);
    this.maxDuration = store.counter(`${prefix}max_downstream_connection_duration`);
  }
}

export interface TcpProxyContext {
  readonly config: TcpProxyConfig;
  readonly clusters: ThreadLocalClusterManager;
  readonly stats: TcpProxyStats;
  readonly log: TcpLogSettings;
  readonly time: TimeSource;
  readonly random: RandomSource;
}

/** Why a session never began; Envoy's numbers and, in the log, its spelling. */
const Failure = { Connect: 0, NoHost: 1, Overflow: 2, NoCluster: 3 } as const;
type Failure = (typeof Failure)[keyof typeof Failure];

/** As the kernel calls it. */
const RESET = 'ECONNRESET';

const Timer = { Idle: 0, MaxDuration: 1 } as const;

/** The upstream connection's side of a session. */
class UpstreamSide implements ConnectionCallbacks {
  readonly #session: TcpProxySession;

  constructor(session: TcpProxySession) {
    this.#session = session;
  }

  onData(chunk: Buffer, endStream: boolean): void {
    this.#session.onUpstreamData(chunk, endStream);
  }
  onClose(_event: CloseEvent, detail: string): void {
    this.#session.onUpstreamClose(detail);
  }
  onAboveWriteBufferHighWatermark(): void {
    this.#session.pauseDownstream(true);
  }
  onBelowWriteBufferLowWatermark(): void {
    this.#session.pauseDownstream(false);
  }
}

class TcpProxySession
  implements ConnectionCallbacks, TcpPoolCallbacks, LoadBalancerContext, TimerOwner
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
  #upstream: Connection | null = null;
  #pool: TcpConnPool | null = null;
  #ticket: PoolTicket | null = null;
  #attempts = 0;
  #idleTimer: WheelTimer | null = null;
  #durationTimer: WheelTimer | null = null;
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
    stats.store.inc(stats.cxTotal);
    if (config.maxDownstreamConnectionDurationMs !== undefined) {
      this.#durationTimer = new WheelTimer(this, Timer.MaxDuration);
      downstream.io.timers.arm(this.#durationTimer, config.maxDownstreamConnectionDurationMs);
    }
    this.#touch();
    // A side that has nothing more to say still gets what waits for it, for as long as an idle session may last.
    downstream.delayedCloseTimeoutMs = config.idleTimeoutMs;
    downstream.readDisable(true);
  }

  /** After the connection's callbacks are set. */
  begin(): void {
    this.#connect();
  }

  hashKey(): bigint | undefined {
    return undefined;
  }

  shouldSelectAnotherHost(_host: Host): boolean {
    return false;
  }

  // === downstream ConnectionCallbacks

  onData(chunk: Buffer, endStream: boolean): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    this.#info.bytesReceived += chunk.length;
    this.#touch();
    upstream.write(chunk);
    if (endStream) this.#halfClose(upstream, this.#downstream);
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
    this.#owner.onConnectionDone(this.#info);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#upstream?.readDisable(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#upstream?.readDisable(false);
  }

  // === upstream

  onUpstreamData(chunk: Buffer, endStream: boolean): void {
    this.#info.bytesSent += chunk.length;
    this.#touch();
    this.#downstream.write(chunk);
    if (endStream && this.#upstream !== null) this.#halfClose(this.#downstream, this.#upstream);
  }

  onUpstreamClose(detail: string): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    this.#upstream = null;
    this.#pool?.connectionDone(upstream.bytesRead, upstream.bytesWritten);
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
      this.#pool?.connectionDone(0, 0);
      return;
    }
    this.#upstream = connection;
    connection.delayedCloseTimeoutMs = this.#context.config.idleTimeoutMs;
    this.#info.host = host;
    this.#info.upstreamConnection = facts;
    this.#log?.onConnected();
    connection.start(new UpstreamSide(this));
    this.#downstream.readDisable(false);
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
    this.#info.setFlag(ResponseFlag.UpstreamConnectionFailure);
    this.#info.upstreamTransportFailureReason = transportFailureReason;
    // A local failure comes at once and would come again at once.
    if (
      reason !== 'local connection failure' &&
      this.#attempts < this.#context.config.maxConnectAttempts
    ) {
      this.#connect();
      return;
    }
    this.#info.setFlag(ResponseFlag.UpstreamRetryLimitExceeded);
    this.#giveUp(Failure.Connect);
  }

  onTimer(kind: number): void {
    const { stats } = this.#context;
    let reason = 'tcp_session_idle_timeout';
    if (kind === Timer.Idle) stats.store.inc(stats.idleTimeout);
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

  #connect(): void {
    const { stats } = this.#context;
    const cluster = this.#cluster();
    if (cluster === undefined) {
      stats.store.inc(stats.cxNoRoute);
      this.#info.setFlag(ResponseFlag.NoClusterFound);
      this.#giveUp(Failure.NoCluster);
      return;
    }
    this.#attempts++;
    const host = cluster.chooseHost(this);
    if (host === null) {
      this.#info.setFlag(ResponseFlag.NoHealthyUpstream);
      this.#giveUp(Failure.NoHost);
      return;
    }
    this.#info.attemptCount = this.#attempts;
    this.#pool = cluster.tcpPool(host, 'DEFAULT');
    this.#ticket = this.#pool.newConnection(this);
  }

  #cluster(): ThreadLocalCluster | undefined {
    const { config, clusters, random } = this.#context;
    let name = '';
    if (config.cluster.kind === 'cluster') name = config.cluster.name;
    else {
      const total = config.cluster.clusters.reduce((sum, entry) => sum + entry.weight, 0);
      let roll = total === 0 ? 0 : random.nextUint32() % total;
      for (const entry of config.cluster.clusters) {
        name = entry.name;
        if (roll < entry.weight) break;
        roll -= entry.weight;
      }
    }
    const cluster = clusters.get(name);
    this.#info.cluster = cluster?.config ?? null;
    return cluster;
  }

  /** FIN goes on to the other side; when both have ended, the session is over. */
  #halfClose(to: Connection, from: Connection): void {
    if (to.readEnded) {
      from.close(CloseType.FlushWrite);
      to.close(CloseType.FlushWrite);
    } else to.endWrite();
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    const { stats, time } = this.#context;
    const timers = this.#downstream.io.timers;
    if (this.#idleTimer !== null) timers.cancel(this.#idleTimer);
    if (this.#durationTimer !== null) timers.cancel(this.#durationTimer);
    stats.store.add(stats.cxRxBytesTotal, this.#downstream.bytesRead);
    stats.store.add(stats.cxTxBytesTotal, this.#downstream.bytesWritten);
    this.#info.endMs = time.monotonicMs();
    this.#log?.onEnd();
  }

  #touch(): void {
    const { config } = this.#context;
    if (config.idleTimeoutMs === 0) return;
    this.#idleTimer ??= new WheelTimer(this, Timer.Idle);
    this.#downstream.io.timers.arm(this.#idleTimer, config.idleTimeoutMs);
  }
}

export class TcpProxyFactory implements TerminalFilterFactory {
  readonly #context: TcpProxyContext;

  constructor(context: TcpProxyContext) {
    this.#context = context;
  }

  createFilter(
    connection: Connection,
    info: DownstreamConnectionInfo,
    owner: ConnectionOwner,
  ): ConnectionCallbacks {
    const session = new TcpProxySession(this.#context, connection, info, owner);
    connection.setCallbacks(session);
    session.begin();
    return session;
  }
}
