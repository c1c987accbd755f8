// [w] What balancers need and give. A balancer reads an immutable host set; the slow side replaces it whole.
import type { DownstreamConnectionInfo } from '../stream-info/stream-info.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import type { Host } from './host.ts';

/** What a balancer may ask about the stream it chooses for; TCP sessions have no headers. */
export interface LoadBalancerContext {
  /** Undefined: no hash policy gave one. */
  hashKey(): bigint | undefined;
  readonly downstreamConnection: DownstreamConnectionInfo | undefined;
  readonly requestHeaders: RequestHeaders | undefined;
  /** `ip:port` that a filter put in place of the original destination; undefined or absent: none did. */
  readonly originalDestination?: string | undefined;
  /** A host an earlier attempt used and the retry policy wants to avoid: true asks for another choice. */
  shouldSelectAnotherHost(host: Host): boolean;
  /** How often to choose again at most. */
  readonly hostSelectionRetryCount: number;
}

export interface LoadBalancer {
  /** Null: no healthy host. Reads only; one call per attempt. */
  chooseHost(context: LoadBalancerContext | null): Host | null;
}
