// [b] Settings of the TCP proxy as plain data (envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy).
import type { AccessLogConfig, AccessLogOptionsConfig } from './access-log-config.ts';
import type { HeaderAddConfig } from './header-mutation-config.ts';
import type { MetadataStruct } from './metadata-value.ts';
import type { OnDemandClustersConfig } from './on-demand-config.ts';
import type { SessionTlvsConfig } from './proxy-protocol-config.ts';

export interface TcpProxyConfig {
  readonly statPrefix: string;
  readonly cluster:
    | { readonly kind: 'cluster'; readonly name: string }
    | { readonly kind: 'weighted'; readonly clusters: readonly WeightedTcpCluster[] };
  /** Keys of `envoy.lb` that hosts must have; absent: any host. */
  readonly metadataMatch?: MetadataStruct | undefined;
  /** Default 3 600 000; 0: none. */
  readonly idleTimeoutMs: number;
  readonly maxDownstreamConnectionDurationMs: number | undefined;
  /** Up to so much longer, by chance; absent: 0. */
  readonly maxDurationJitterPercent?: number | undefined;
  readonly maxConnectAttempts: number;
  /** Absent: the next attempt comes at once. */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number } | undefined;
  /** Undefined: none. */
  readonly hashPolicy?: TcpHashPolicy | undefined;
  /** `data`: dial when the client has said something. Absent: at once. */
  readonly connectOn?: 'data' | undefined;
  /** Read and kept before there is an upstream; absent: the client is not read before. */
  readonly maxEarlyDataBytes?: number | undefined;
  readonly tunneling?: TunnelingConfig | undefined;
  /** For upstreams that are sent a PROXY header; absent: none. */
  readonly proxyProtocolTlvs?: SessionTlvsConfig | undefined;
  /** Absent: a cluster that is not there ends the connection. */
  readonly onDemand?: OnDemandClustersConfig | undefined;
  readonly accessLogs: readonly AccessLogConfig[];
  /** Absent: a line at the end only. */
  readonly accessLogOptions?: AccessLogOptionsConfig | undefined;
}

export interface WeightedTcpCluster {
  readonly name: string;
  readonly weight: number;
  /** Over those of the proxy. */
  readonly metadataMatch?: MetadataStruct | undefined;
}

export type TcpHashPolicy =
  | { readonly kind: 'source_ip' }
  | { readonly kind: 'filter_state'; readonly key: string };

/** Bytes go as the body of a CONNECT or POST. */
export interface TunnelingConfig {
  /** A format. */
  readonly hostname: string;
  /** Path of the POST; undefined: CONNECT. */
  readonly postPath: string | undefined;
  readonly headersToAdd: readonly HeaderAddConfig[];
  /** Into filter state of the session. */
  readonly propagateResponseHeaders: boolean;
  readonly propagateResponseTrailers: boolean;
}
