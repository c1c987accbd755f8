// [w] Facts of one request (or one TCP session): times, bytes, peers, route, cluster, attempts. Filled along the
// walk, read once at the end by access logs and stats.
import { DynamicMetadata } from './dynamic-metadata.ts';
import { FilterState } from './filter-state.ts';
import type { ProxyHeader, UpstreamSource } from './proxy-facts.ts';
import type { ResponseFlag } from './response-flags.ts';
import type { StreamMeter } from './stream-meter.ts';
import type { TlsFacts } from './tls-facts.ts';
import type {
  ClusterFacts,
  ConfigMetadata,
  HostFacts,
  RouteFacts,
  UpstreamConnectionFacts,
} from './upstream-facts.ts';
import { TraceReason } from './trace-reason.ts';

/** Of the listener and filter chain that took a connection; one object per chain. */
export interface ListenerFacts {
  readonly listenerName: string;
  readonly filterChainName: string;
  readonly metadata: ConfigMetadata;
}

/** Facts of the downstream connection; shared by all its streams. Addresses are printed as `ip:port` or `[v6]:port`. */
export interface DownstreamConnectionInfo {
  readonly connectionId: number;
  /** Peer of the socket, or whom a PROXY header named. */
  readonly directRemoteAddress: string;
  readonly directRemoteIp: string;
  /** Where the connection arrived; the original destination when that was restored. */
  readonly localAddress: string;
  readonly localIp: string;
  readonly localPort: number;
  /** The local address is an original destination that the kernel gave back. */
  readonly localAddressRestored: boolean;
  /** SNI; '' when there was none. */
  readonly requestedServerName: string;
  readonly tls: boolean;
  /** Absent: the connection is no TLS. */
  readonly tlsFacts?: TlsFacts | undefined;
  /** Of a handshake that failed; absent or '': it did not. */
  readonly transportFailureReason?: string | undefined;
  /** `ip:port` of the socket itself, where that is not the local address (an original destination was restored). */
  readonly directLocalAddress?: string | undefined;
  /** Peer of the socket, where a PROXY header named another. */
  readonly socketRemoteAddress?: string | undefined;
  readonly listener?: ListenerFacts | undefined;
  /** Fingerprints of the client hello; absent: not taken. */
  readonly ja3?: string | undefined;
  readonly ja4?: string | undefined;
  /** Of a listener filter: what a PROXY header said, and TLVs of tcp_proxy. */
  proxyHeader?: ProxyHeader | undefined;
  /** Where its upstream connections come from (original_src); absent: as the cluster says. */
  readonly upstreamSource?: UpstreamSource | undefined;
  /** What listener and network filters set; streams see it under their own. Absent: nothing. */
  filterState?: FilterState | undefined;
  /** What listener filters set; TCP sessions have it as theirs, requests do not. Absent: nothing. */
  dynamicMetadata?: DynamicMetadata | undefined;
}

export class StreamInfo {
  readonly connection: DownstreamConnectionInfo;
  /** Milliseconds since the epoch, and on the monotonic clock, when the first byte of the request was parsed. */
  readonly startWallMs: number;
  readonly startMs: number;
  /** `HTTP/1.1`, `HTTP/1.0`, `HTTP/2`; '' for TCP. */
  protocol = '';
  /** Monotonic; NaN until it happened. */
  requestCompleteMs = NaN;
  upstreamFirstByteSentMs = NaN;
  upstreamLastByteSentMs = NaN;
  upstreamFirstByteReceivedMs = NaN;
  upstreamLastByteReceivedMs = NaN;
  downstreamFirstByteSentMs = NaN;
  endMs = NaN;
  /** The client was sent the whole answer. */
  responseEnded = false;
  /** 0: nothing was sent. */
  responseCode = 0;
  responseCodeDetails = '';
  connectionTerminationDetails = '';
  /** Body bytes on the downstream side. */
  bytesReceived = 0;
  bytesSent = 0;
  /** Client address after X-Forwarded-For rules, printed; port 0 when taken from the header. */
  remoteAddress: string;
  remoteIp: string;
  route: RouteFacts | null = null;
  /** Cluster the route named; null while none was found. */
  cluster: ClusterFacts | null = null;
  /** Host of the last attempt. */
  host: HostFacts | null = null;
  /** The last attempt's; null until it got one. */
  upstreamConnection: UpstreamConnectionFacts | null = null;
  upstreamTransportFailureReason = '';
  /** Of the virtual host's `virtual_clusters`; '' where it has none. */
  virtualClusterName = '';
  /** Attempts made so far. */
  attemptCount = 0;
  /** Random number of this stream: weighted clusters, fractions. */
  readonly streamRandom: number;
  /** Health-check request per filter, not logged where asked. */
  healthCheck = false;
  /** A filter speaks gRPC in the client's stead: replies of our own are HTTP. */
  repliesAsHttp = false;
  traceReason: TraceReason = TraceReason.None;
  /** Null until a filter set something: readers ask these, writers ask the two methods below. */
  dynamicMetadata: DynamicMetadata | null = null;
  filterState: FilterState | null;
  /** Null where no log asks for what it counts. */
  meter: StreamMeter | null = null;
  #flags = '';

  constructor(
    connection: DownstreamConnectionInfo,
    startWallMs: number,
    startMs: number,
    streamRandom: number,
  ) {
    this.connection = connection;
    this.startWallMs = startWallMs;
    this.startMs = startMs;
    this.streamRandom = streamRandom;
    this.filterState = connection.filterState ?? null;
    this.remoteAddress = connection.directRemoteAddress;
    this.remoteIp = connection.directRemoteIp;
  }

  /** Raw name (tags and all); '' where there is none. */
  get upstreamCluster(): string {
    return this.cluster === null ? '' : this.cluster.name;
  }

  get routeName(): string {
    return this.route === null ? '' : this.route.name;
  }

  get virtualHostName(): string {
    return this.route === null ? '' : this.route.virtualHostName;
  }

  /** Printed address of the host of the last attempt; '' until one was chosen. */
  get upstreamHost(): string {
    return this.host === null ? '' : this.host.addressText;
  }

  /** '' until the last attempt is connected. */
  get upstreamLocalAddress(): string {
    return this.upstreamConnection === null ? '' : this.upstreamConnection.localAddress;
  }

  metadataForWriting(): DynamicMetadata {
    return (this.dynamicMetadata ??= new DynamicMetadata());
  }

  filterStateForWriting(): FilterState {
    const inherited = this.connection.filterState;
    if (this.filterState === null || this.filterState === inherited)
      this.filterState = new FilterState(inherited);
    return this.filterState;
  }

  /** Kept in the order they were set, each once. */
  setFlag(flag: ResponseFlag): void {
    if (this.#flags === '') this.#flags = flag;
    else if (!this.hasFlag(flag)) this.#flags += `,${flag}`;
  }

  hasFlag(flag: ResponseFlag): boolean {
    return this.#flags !== '' && `,${this.#flags},`.includes(`,${flag},`);
  }

  /** As logged: `URX,UF`, or `-` when none. */
  get flags(): string {
    return this.#flags === '' ? '-' : this.#flags;
  }
}
