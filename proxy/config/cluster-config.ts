// [b] Clusters as plain data (envoy.config.cluster.v3; defaults from envoy-behaviour §7).
import type { SourceRef } from './config-source.ts';
import type { DnsCacheConfig } from './dns-cache-config.ts';
import type { Http2Config } from './http2-config.ts';
import type { HeaderKeyFormat } from './http-connection-manager-config.ts';
import type { FractionConfig } from './matcher-config.ts';
import type { LocalityEndpointsConfig } from './endpoint-config.ts';
import type { HealthCheckConfig } from './health-check-config.ts';
import type { LoadBalancingPolicyConfig } from './load-balancing-config.ts';
import type {
  HappyEyeballsConfig,
  TcpKeepaliveConfig,
  UpstreamBindConfig,
} from './socket-config.ts';
import type { OutlierDetectionConfig } from './outlier-detection-config.ts';
import type { TransportSocketConfig } from './transport-socket-config.ts';

export type ClusterDiscoveryType =
  | 'STATIC'
  | 'STRICT_DNS'
  | 'LOGICAL_DNS'
  | 'EDS'
  | 'ORIGINAL_DST'
  /** `envoy.clusters.aggregate`: the priorities of other clusters, one cluster after the other. */
  | 'AGGREGATE'
  /** `envoy.clusters.dynamic_forward_proxy`: the host is the one the request names. */
  | 'DYNAMIC_FORWARD_PROXY';

export interface CircuitBreakerConfig {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  readonly retryBudget:
    | { readonly budgetPercent: number; readonly minRetryConcurrency: number }
    | undefined;
  readonly trackRemaining: boolean;
  /** Absent: no limit. */
  readonly maxConnectionPools?: number | undefined;
  /** `per_host_thresholds`; absent: no limit. */
  readonly maxConnectionsPerHost?: number | undefined;
}

export interface TransportSocketMatchConfig {
  readonly name: string;
  /** Endpoint metadata `envoy.transport_socket_match` must hold all of these; empty matches any. */
  readonly match: ReadonlyMap<string, string>;
  readonly transportSocket: TransportSocketConfig;
}

/** As `health_status` of EDS. */
export type HostStatus = 'UNKNOWN' | 'HEALTHY' | 'UNHEALTHY' | 'DRAINING' | 'TIMEOUT' | 'DEGRADED';

export interface ClusterConfig {
  readonly name: string;
  /** `alt_stat_name`, else the name, with `:` made `_`. */
  readonly statName: string;
  /** `alt_stat_name` as written; absent: none. What logs call the cluster. */
  readonly altStatName?: string | undefined;
  /** `version_info` of the resource; '' when static. */
  readonly version: string;
  /** Came by CDS (not from the bootstrap). */
  readonly addedViaApi: boolean;
  readonly type: ClusterDiscoveryType;
  /** Name asked of EDS; '': the cluster's own. */
  readonly edsServiceName: string;
  /** Where EDS is asked; absent: by ADS, and waited for for ever. */
  readonly edsSource?: SourceRef | undefined;
  /** Endpoints of STATIC and DNS clusters (addresses may be names in the latter). */
  readonly localities: readonly LocalityEndpointsConfig[];
  readonly lbPolicy: LoadBalancingPolicyConfig;
  /** Default 5000. */
  readonly connectTimeoutMs: number;
  readonly circuitBreakers: {
    readonly default: CircuitBreakerConfig;
    readonly high: CircuitBreakerConfig;
  };
  readonly perConnectionBufferLimitBytes: number;
  readonly transportSocket: TransportSocketConfig;
  readonly transportSocketMatches: readonly TransportSocketMatchConfig[];
  /** Some of its sockets begin with a PROXY header; absent: none. */
  readonly sendsProxyHeader?: boolean | undefined;
  readonly http: UpstreamHttpConfig;
  /** `track_cluster_stats`; absent: nothing of it. */
  readonly measures?: { readonly timeoutBudgets: boolean; readonly sizes: boolean } | undefined;
  /** TCP connections to a host end when it fails its health check or is ejected; absent: false. */
  readonly closeConnectionsOnHostFailure?: boolean;
  /** All pools start anew whenever a host comes or goes; absent: false. */
  readonly drainOnHostSetChange?: boolean;
  /** Streams share connections only with those of the same client connection. */
  readonly poolPerDownstreamConnection?: boolean;
  /** The same of the whole cluster, for hosts that are chosen ahead; absent: none is. */
  readonly preconnectAheadRatio?: number | undefined;
  /** Connections there should be for each stream, by host: 1 to 3; absent: 1. */
  readonly preconnectRatio?: number | undefined;
  readonly tcpKeepalive: TcpKeepaliveConfig | undefined;
  /** Undefined: the bootstrap's. */
  readonly bind: UpstreamBindConfig | undefined;
  /** Of hosts with several addresses; absent: they take turns, by the first one's family. */
  readonly happyEyeballs?: HappyEyeballsConfig | undefined;
  readonly originalDst: OriginalDstConfig | undefined;
  /** Of an AGGREGATE cluster: the clusters it is made of, preferred ones first. */
  readonly aggregateOf?: readonly string[] | undefined;
  /** Of a DYNAMIC_FORWARD_PROXY cluster: where addresses come from. */
  readonly forwardProxy?: DnsCacheConfig | undefined;
  readonly dns: DnsConfig;
  /** False: a DNS cluster is ready before its first answer. */
  readonly waitForWarmOnInit?: boolean;
  readonly panicThresholdPercent: number;
  /** Hosts that a request may insist on; absent: UNKNOWN, HEALTHY, DEGRADED. */
  readonly overrideHostStatuses?: readonly HostStatus[];
  readonly overprovisioningPercent: number;
  /** Percentage of requests dropped by EDS policy; empty: none. */
  readonly dropOverloads: readonly FractionConfig[];
  /** Of inline endpoints: priorities count the weights of their hosts. */
  readonly weightedPriorityHealth?: boolean;
  /** Absent: no active health checks. */
  readonly healthCheck?: HealthCheckConfig | undefined;
  /** Absent: hosts are never ejected. */
  readonly outlierDetection?: OutlierDetectionConfig | undefined;
  /** `common_lb_config.ignore_new_hosts_until_first_hc`. */
  readonly ignoreNewHostsUntilFirstCheck?: boolean | undefined;
  /** A host that is removed goes at once, whatever its checks say. */
  readonly ignoreHealthOnHostRemoval?: boolean | undefined;
  /** `metadata.filter_metadata` as JSON text by namespace. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Things accepted by name that do nothing yet (cluster filters …), for dumps. */
  readonly inert: readonly string[];
}

export interface OriginalDstConfig {
  readonly useHttpHeader: boolean;
  readonly httpHeaderName: string;
  /** Dynamic metadata that names the destination: namespace first; absent: none does. */
  readonly metadataPath?: readonly string[] | undefined;
  readonly upstreamPortOverride: number | undefined;
  readonly cleanupIntervalMs: number;
}

export type DnsLookupFamily = 'AUTO' | 'V4_ONLY' | 'V6_ONLY' | 'V4_PREFERRED' | 'ALL';

export interface DnsConfig {
  readonly lookupFamily: DnsLookupFamily;
  /** Default 5000. */
  readonly refreshRateMs: number;
  readonly respectTtl: boolean;
  /** Added to each wait, at random below this; 0 or absent: nothing. */
  readonly jitterMs?: number | undefined;
  /** Least wait that a TTL can bring about; absent: none. */
  readonly minRefreshRateMs?: number | undefined;
  /** Waits after failures, exponential and jittered; absent: the refresh rate. */
  readonly failureRefresh?: BackoffRangeConfig | undefined;
  /** Absent: the one of the system. */
  readonly resolver?: DnsResolverConfig | undefined;
}

export interface BackoffRangeConfig {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** `typed_dns_resolver_config`, `dns_resolution_config` or `dns_resolvers`. */
export interface DnsResolverConfig {
  /** By name servers (default), or by the system's getaddrinfo, whose answers count for 60 s. */
  readonly kind: 'cares' | 'getaddrinfo';
  /** Name servers to ask, `ip:port` or `[ip]:port`; empty: as the system does. */
  readonly servers: readonly string[];
  /** Asked only when those of the system give no answer. */
  readonly serversAreFallback: boolean;
  /** Short names are tried with the search domains of /etc/resolv.conf. */
  readonly searchDomains: boolean;
  /** Of one query; 0: the default. */
  readonly timeoutMs: number;
  /** Queries per server; 0: the default. */
  readonly tries: number;
  readonly rotate: boolean;
  /** `use_tcp_for_dns_lookups`: does nothing, queries go over UDP first; absent: not said. */
  readonly overTcp?: boolean;
}

/** What a request's host says to TLS; absent: nothing. */
export interface AutoTlsConfig {
  readonly sni: boolean;
  readonly sanValidation: boolean;
  /** Lower-case name of a header that goes before the host; '': none. */
  readonly header: string;
}

export interface UpstreamHttpConfig {
  readonly autoTls?: AutoTlsConfig | undefined;
  /** `auto` asks ALPN: without TLS it is HTTP/1, as in Envoy. */
  readonly protocol: 'http1' | 'http2' | 'use_downstream' | 'auto';
  /** Default 3 600 000; 0: none. */
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  /** Of one attempt, from its connection to its end; 0 or absent: none. */
  readonly maxStreamDurationMs?: number | undefined;
  /** 0: unlimited. */
  readonly maxRequestsPerConnection: number;
  readonly maxResponseHeadersKb: number;
  readonly maxHeadersCount: number;
  readonly enableTrailers: boolean;
  readonly http2: Http2Config;
  readonly headerKeyFormat: HeaderKeyFormat;
  /** An answer with both is taken for chunked, and loses its length. */
  readonly allowChunkedLength?: boolean;
  /** Requests name the whole address: `GET http://host/path`. */
  readonly sendFullyQualifiedUrl?: boolean;
}
