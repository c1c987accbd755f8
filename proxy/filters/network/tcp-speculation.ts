// [w] An upstream that is dialled for a connection whose client has not spoken yet: should the server speak first, the
// connection is tcp_proxy's and the greeting goes out at once (docs/adr/0010-server-first.md).
import type { RequestHeaders } from '../../http/header-map.ts';
import type { MetadataStruct } from '../../config/metadata-value.ts';
import type { Connection } from '../../network/connection.ts';
import { CloseType } from '../../network/transport.ts';
import type { CloseEvent, ConnectionCallbacks } from '../../network/transport.ts';
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
import type { ThreadLocalCluster } from '../../upstream/thread-local-cluster.ts';
import type { SpeculationListener } from './network-filter.ts';
import { transportOverridesOf } from '../../router/transport-overrides.ts';
import { NO_HEADERS } from './tcp-proxy-context.ts';
import type { TcpProxyContext } from './tcp-proxy-context.ts';

/** Where the session goes that takes it over. */
export interface SpeculationTarget {
  readonly cluster: ThreadLocalCluster;
  readonly pool: TcpConnPool;
}

interface DialledUpstream {
  readonly connection: Connection;
  readonly host: Host;
  readonly facts: UpstreamConnectionFacts;
}

export class TcpSpeculation implements ConnectionCallbacks, TcpPoolCallbacks, LoadBalancerContext {
  readonly downstreamConnection: DownstreamConnectionInfo;
  readonly requestHeaders: RequestHeaders | undefined = undefined;
  readonly hostSelectionRetryCount = 0;
  metadataMatch: MetadataStruct | undefined = undefined;
  /** What the server has said; valid within onServerSpoke(). */
  greeting: Buffer | null = null;
  readonly #context: TcpProxyContext;
  readonly #listener: SpeculationListener;
  readonly #info: StreamInfo;
  #ticket: PoolTicket | null = null;
  #dialled: DialledUpstream | null = null;
  #target: SpeculationTarget | null = null;
  /** Hears of the end of a dial that is under way. */
  #heir: TcpPoolCallbacks | null = null;
  #over = false;

  constructor(
    context: TcpProxyContext,
    info: DownstreamConnectionInfo,
    listener: SpeculationListener,
  ) {
    this.#context = context;
    this.#listener = listener;
    this.downstreamConnection = info;
    const { time, random } = context;
    this.#info = new StreamInfo(info, time.wallMs(), time.monotonicMs(), random.nextUint32());
  }

  /** False: there is nobody to dial. */
  start(): boolean {
    const { routes, clusters } = this.#context;
    const route = routes.choose(this.#info);
    this.metadataMatch = route.metadataMatch;
    const cluster = clusters.get(route.cluster);
    const host = cluster?.chooseHost(this) ?? null;
    if (cluster === undefined || host === null) return false;
    const pool = cluster.tcpPool(host, 'DEFAULT');
    this.#target = { cluster, pool };
    this.#ticket = pool.newConnection(
      this,
      transportOverridesOf(cluster.config, host, NO_HEADERS, this.#info),
    );
    return !this.#over;
  }

  /**
   * The upstream is the heir's from now on: it is called as by a pool, at once or when the dial has come to its end, unless the
   * ticket is cancelled. Null: there is none any more.
   */
  handOver(heir: (target: SpeculationTarget) => TcpPoolCallbacks): PoolTicket | null {
    const dialled = this.#dialled;
    if (this.#target === null || this.#over) return null;
    this.#dialled = null;
    this.#over = true;
    this.#heir = heir(this.#target);
    if (dialled === null) return this.#ticket;
    this.#heir.onPoolReady(dialled.connection, dialled.host, dialled.facts);
    return { cancel: () => {} };
  }

  abandon(): void {
    this.#over = true;
    this.#ticket?.cancel();
    this.#ticket = null;
    this.#dialled?.connection.close(CloseType.NoFlush);
  }

  // === LoadBalancerContext

  hashKey(): bigint | undefined {
    return this.#context.routes.hashKey(this.#info);
  }

  shouldSelectAnotherHost(_host: Host): boolean {
    return false;
  }

  // === TcpPoolCallbacks

  onPoolReady(connection: Connection, host: Host, facts: UpstreamConnectionFacts): void {
    this.#ticket = null;
    if (this.#heir !== null) {
      this.#heir.onPoolReady(connection, host, facts);
      return;
    }
    this.#dialled = { connection, host, facts };
    connection.start(this);
  }

  onPoolFailure(reason: PoolFailureReason, detail: string, host: Host): void {
    this.#ticket = null;
    this.#over = true;
    this.#heir?.onPoolFailure(reason, detail, host);
  }

  // === ConnectionCallbacks of the upstream

  onData(chunk: Buffer, endStream: boolean): void {
    // A server that only ends its side has not spoken.
    if (endStream || chunk.length === 0) {
      this.#dialled?.connection.close(CloseType.NoFlush);
      return;
    }
    this.greeting = chunk;
    this.#listener.onServerSpoke();
    this.greeting = null;
  }

  onClose(event: CloseEvent, _detail: string): void {
    const dialled = this.#dialled;
    this.#dialled = null;
    this.#over = true;
    if (dialled !== null) this.#target!.pool.connectionDone(event, dialled.facts);
  }

  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
}
