// [w] Facts of one request (or one TCP session): times, bytes, peers, route, cluster, attempts. Filled along the
// walk, read once at the end by access logs and stats.
import { DynamicMetadata } from './dynamic-metadata.ts';
import { FilterState } from './filter-state.ts';
import type { ResponseFlag } from './response-flags.ts';

/** Facts of the downstream connection; shared by all its streams. Addresses are printed as `ip:port` or `[v6]:port`. */
export interface DownstreamConnectionInfo {
  readonly connectionId: number;
  /** Peer of the socket. */
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
  /** 0: nothing was sent. */
  responseCode = 0;
  responseCodeDetails = '';
  connectionTerminationDetails = '';
  /** Body bytes on the downstream side. */
  bytesReceived = 0;
  bytesSent = 0;
  headerBytesReceived = 0;
  headerBytesSent = 0;
  /** Client address after X-Forwarded-For rules, printed; port 0 when taken from the header. */
  remoteAddress: string;
  remoteIp: string;
  routeName = '';
  virtualHostName = '';
  /** Cluster the route named (raw name, tags and all). */
  upstreamCluster = '';
  /** Printed address of the host of the last attempt; '' until one was chosen. */
  upstreamHost = '';
  upstreamHostName = '';
  upstreamLocalAddress = '';
  upstreamTransportFailureReason = '';
  /** Attempts made so far. */
  attemptCount = 0;
  /** Random number of this stream: weighted clusters, fractions. */
  readonly streamRandom: number;
  /** Health-check request per filter, not logged where asked. */
  healthCheck = false;
  /** Null until a filter set something: readers ask these, writers ask the two methods below. */
  dynamicMetadata: DynamicMetadata | null = null;
  filterState: FilterState | null = null;
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
    this.remoteAddress = connection.directRemoteAddress;
    this.remoteIp = connection.directRemoteIp;
  }

  metadataForWriting(): DynamicMetadata {
    return (this.dynamicMetadata ??= new DynamicMetadata());
  }

  filterStateForWriting(): FilterState {
    return (this.filterState ??= new FilterState());
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
