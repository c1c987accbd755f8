// [w] ConnectTermination: the upstream of a CONNECT that ends here (`connect_config`, envoy-behaviour §1.11): its payload goes to the
// host over a connection of its own, raw. One per attempt; to the router it is a pool that gives an HTTP stream whose answer is 200.
import type { RequestEncoder, ResponseDecoder, StreamCallbacks } from '../http/codec.ts';
import { StreamResetReason } from '../http/codec.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { ResponseHeaders } from '../http/header-map.ts';
import type { ConnectConfig } from '../config/route-config.ts';
import type { Connection } from '../network/connection.ts';
import { CloseEvent, CloseType } from '../network/transport.ts';
import type { ConnectionCallbacks } from '../network/transport.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { WireCounts } from '../stream-info/stream-meter.ts';
import type { UpstreamConnectionFacts } from '../stream-info/upstream-facts.ts';
import type { ClusterStats } from '../upstream/cluster-stats.ts';
import type {
  HttpConnPool,
  HttpPoolCallbacks,
  PoolFailureReason,
  PoolTicket,
  TcpConnPool,
  TcpPoolCallbacks,
} from '../upstream/conn-pool/conn-pool.ts';
import type { Host } from '../upstream/host.ts';
import { proxyHeaderFor } from '../upstream/proxied-connection.ts';
import type { ThreadLocalCluster } from '../upstream/thread-local-cluster.ts';
import type { TransportOverrides } from '../upstream/upstream-transports.ts';
import type { RouteAction } from './route-action.ts';

/** Of a route where they may end. Loaded by the first one. */
export class ConnectRule {
  readonly #config: ConnectConfig;

  constructor(config: ConnectConfig) {
    this.#config = config;
  }

  endsHere(headers: RequestHeaders): boolean {
    const { method } = headers;
    return method === 'CONNECT' || (this.#config.allowPost && method === 'POST');
  }

  poolFor(tunnel: Tunnel): HttpConnPool {
    return new ConnectTermination(tunnel, this.#config);
  }
}

/** Who wants to be connected with whom. */
interface Tunnel {
  readonly cluster: ThreadLocalCluster;
  readonly host: Host;
  readonly action: Pick<RouteAction, 'priority'>;
  readonly info: StreamInfo;
  readonly overrides: TransportOverrides | null;
}

class ConnectTermination
  implements HttpConnPool, TcpPoolCallbacks, RequestEncoder, ConnectionCallbacks
{
  readonly #pool: TcpConnPool;
  readonly #stats: ClusterStats;
  /** A PROXY protocol header, or ''. */
  readonly #firstBytes: string;
  readonly #overrides: TransportOverrides | null;
  #decoder: ResponseDecoder | null = null;
  #waiter: HttpPoolCallbacks | null = null;
  #user: StreamCallbacks | null = null;
  /** Null: not there yet, or gone. */
  #connection: Connection | null = null;
  #facts: UpstreamConnectionFacts | null = null;
  #counts: WireCounts | null = null;
  #requestEnded = false;
  /** Both sides have ended: nothing is under way. */
  #idle = false;

  constructor(
    { cluster, host, action, info, overrides }: Tunnel,
    { proxyHeader: header }: ConnectConfig,
  ) {
    this.#pool = cluster.tcpPool(host, action.priority);
    this.#stats = cluster.stats;
    this.#firstBytes = header === undefined ? '' : proxyHeaderFor(info.connection, header);
    this.#overrides = overrides;
  }

  // === HttpConnPool

  newStream(decoder: ResponseDecoder, callbacks: HttpPoolCallbacks): PoolTicket | null {
    this.#decoder = decoder;
    this.#waiter = callbacks;
    return this.#pool.newConnection(this, this.#overrides);
  }

  // === TcpPoolCallbacks

  onPoolReady(connection: Connection, host: Host, facts: UpstreamConnectionFacts): void {
    this.#connection = connection;
    this.#facts = facts;
    connection.setCallbacks(this);
    this.#waiter!.onPoolReady(this, host, facts);
  }

  onPoolFailure(reason: PoolFailureReason, transportFailureReason: string, host: Host): void {
    this.#waiter!.onPoolFailure(reason, transportFailureReason, host);
  }

  // === RequestEncoder

  /** There is no host that could answer: the connection is the answer. */
  encodeHeaders(_headers: RequestHeaders, endStream: boolean): void {
    const connection = this.#connection;
    if (connection === null) return;
    if (this.#firstBytes !== '') {
      connection.writeText(this.#firstBytes);
      this.#noteSent(this.#firstBytes.length);
    }
    if (endStream) this.#endRequest(connection);
    const answer = new ResponseHeaders();
    answer.status = 200;
    this.#decoder!.decodeHeaders(answer, false);
    if (this.#connection !== null) connection.start(this);
  }

  encodeData(chunk: Buffer, endStream: boolean): void {
    const connection = this.#connection;
    if (connection === null) return;
    connection.write(chunk);
    this.#noteSent(chunk.length);
    if (endStream) this.#endRequest(connection);
  }

  encodeTrailers(): void {
    if (this.#connection !== null) this.#endRequest(this.#connection);
  }

  readDisable(disable: boolean): void {
    this.#connection?.readDisable(disable);
  }

  resetStream(): void {
    this.#user = null;
    this.#decoder = null;
    this.#connection?.close(CloseType.NoFlush);
  }

  setCallbacks(callbacks: StreamCallbacks): void {
    this.#user = callbacks;
  }

  /** It is one from its first byte. */
  enableTunnel(): void {}

  meter(counts: WireCounts): void {
    this.#counts = counts;
  }

  // === ConnectionCallbacks

  onData(chunk: Buffer, endStream: boolean): void {
    const { store, upstreamCxRxBytesTotal } = this.#stats;
    store.add(upstreamCxRxBytesTotal, chunk.length);
    if (this.#counts !== null) this.#counts.received += chunk.length;
    const decoder = this.#decoder;
    if (decoder === null) return;
    if (!endStream) {
      decoder.decodeData(chunk, false);
      return;
    }
    this.#user = null;
    this.#decoder = null;
    this.#idle = this.#requestEnded;
    decoder.decodeData(chunk, true);
    this.#connection?.close(CloseType.FlushWrite);
  }

  onClose(event: CloseEvent, _detail: string): void {
    this.#connection = null;
    this.#pool.connectionDone(this.#idle ? CloseEvent.Remote : event, this.#facts!, this.#idle);
    const user = this.#user;
    this.#user = null;
    this.#decoder = null;
    user?.onResetStream(StreamResetReason.ConnectionTermination, '');
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#user?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#user?.onBelowWriteBufferLowWatermark();
  }

  #endRequest(connection: Connection): void {
    this.#requestEnded = true;
    connection.endWrite();
  }

  #noteSent(byteCount: number): void {
    const { store, upstreamCxTxBytesTotal } = this.#stats;
    store.add(upstreamCxTxBytesTotal, byteCount);
    if (this.#counts !== null) this.#counts.sent += byteCount;
  }
}
