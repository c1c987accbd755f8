// [w] What balancers need and give. A choice only reads; changes of hosts come in between (host-set.ts).
import type { MetadataStruct } from '../config/metadata-value.ts';
import type { DynamicMetadata } from '../stream-info/dynamic-metadata.ts';
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
  /** Name, with or without port, that a dynamic forward proxy is to reach, where not the request's host. */
  readonly forwardTo?: string | undefined;
  /** What filters said of the stream; null or absent: nothing. */
  readonly dynamicMetadata?: DynamicMetadata | null;
  /** Values of `envoy.lb` that hosts must have; absent: any host will do. */
  readonly metadataMatch?: MetadataStruct | undefined;
  /** A host that the stream is to go to, unless it is sick; null or absent: none. */
  readonly overrideHost?: OverrideHost | null;
  /** A host an earlier attempt used and the retry policy wants to avoid: true asks for another choice. */
  shouldSelectAnotherHost(host: Host): boolean;
  /** How often to choose again at most. */
  readonly hostSelectionRetryCount: number;
  /** A retry that has its own mind about priorities; absent or null: the balancer's loads count. */
  readonly retryPriority?: RetryPriority | null;
}

export interface OverrideHost {
  /** `Host.addressText` */
  readonly address: string;
  /** No other host will do. */
  readonly strict: boolean;
}

export interface RetryPriority {
  /**
   * Percent of load by priority, 100 in all; null: the balancer's own. `availability`: percent of the load each could
   * take, by priority.
   */
  loads(availability: readonly number[]): readonly number[] | null;
  /** The loads are those of degraded hosts; absent: of healthy ones. */
  readonly degraded?: boolean;
}

export interface LoadBalancer {
  /** Null: no healthy host. Reads only; one call per attempt. */
  chooseHost(context: LoadBalancerContext | null): Host | null;
}
