// [w] What a stream's end may tell of route, cluster, host and connection. The owners (router, upstream) hand their own
// objects; nothing is copied per request.
import type { TlsFacts } from './tls-facts.ts';

/** `filter_metadata` as JSON text by namespace, as configuration carries it. */
export type ConfigMetadata = ReadonlyMap<string, string>;

export const NO_METADATA: ConfigMetadata = new Map();

export interface RouteFacts {
  readonly name: string;
  readonly virtualHostName: string;
  readonly metadata: ConfigMetadata;
  readonly virtualHostMetadata: ConfigMetadata;
}

export interface ClusterFacts {
  readonly name: string;
  /** `alt_stat_name`: what logs call it; undefined: its name. */
  readonly altStatName?: string | undefined;
  readonly metadata: ConfigMetadata;
}

export interface HostFacts {
  /** `ip:port`, `[v6]:port` or the path of a pipe. */
  readonly addressText: string;
  /** '' where the endpoint names none. */
  readonly hostname: string;
  readonly metadata: ConfigMetadata;
}

/** One upstream connection; made once, shared by all its streams. */
export interface UpstreamConnectionFacts {
  readonly host: HostFacts;
  readonly id: number;
  /** `ip:port`; '' where the socket has none. */
  readonly localAddress: string;
  /** Which of a host's several addresses it leads to; absent: the host's own. */
  readonly remoteAddress?: string;
  /** Monotonic: dialled, connected. */
  readonly connectStartMs: number;
  readonly connectEndMs: number;
  /** `HTTP/1.1` …; '' for TCP. */
  readonly protocol: string;
  readonly tls: TlsFacts | null;
  /** So far, those under way included. */
  requestCount: number;
  /** It had carried others, or been idle, before it was given the requests under way. */
  kept: boolean;
  /**
   * It died without a byte for the requests under way: it was dead, or about to be, when it was given to them. Or its server
   * said goodbye.
   */
  stale: boolean;
}
