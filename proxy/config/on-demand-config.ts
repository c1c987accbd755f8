// [b] Where clusters are asked for that a request or a connection names first, as plain data.
import type { SourceRef } from './config-source.ts';

/** envoy.extensions.filters.http.on_demand.v3.OnDemandCds; TcpProxy.OnDemand */
export interface OnDemandClustersConfig {
  readonly ref: SourceRef;
  /** So long somebody waits for a cluster. Default 5000 for requests, 60 000 for connections; 0: not at all. */
  readonly timeoutMs: number;
}

/** envoy.extensions.filters.http.on_demand.v3.OnDemand; PerRouteConfig replaces it whole. */
export interface OnDemandFilterConfig {
  readonly kind: 'on_demand';
  /** Undefined: clusters are not asked for. */
  readonly clusters: OnDemandClustersConfig | undefined;
}
