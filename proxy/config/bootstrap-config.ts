// [m] The bootstrap as plain data (envoy.config.bootstrap.v3; what pilot-agent writes: istio-contract §5).
import type { UpstreamBindConfig } from './socket-config.ts';
import type { AccessLogConfig } from './access-log-config.ts';
import type { ClusterConfig } from './cluster-config.ts';
import type { SourceRef, SubscriptionRef } from './config-source.ts';
import type { AddressConfig, ListenerConfig } from './listener-config.ts';
import type { SecretConfig } from './secret-config.ts';

export interface NodeConfig {
  readonly id: string;
  readonly cluster: string;
  /** `metadata` as canonical JSON text of the Struct; '{}' when absent. */
  readonly metadataJson: string;
  readonly locality: NodeLocalityConfig | undefined;
}

export interface NodeLocalityConfig {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

export interface AdminConfig {
  /** Undefined: no admin endpoint is served. */
  readonly address: AddressConfig | undefined;
  readonly accessLogs: readonly AccessLogConfig[];
  readonly profilePath: string;
}

/** `dynamic_resources.ads_config`: where the one aggregated stream goes. */
export interface AdsConfig {
  /** DELTA_GRPC or GRPC. */
  readonly mode: 'delta' | 'sotw';
  /** Static cluster that `envoy_grpc` names. */
  readonly clusterName: string;
  readonly setNodeOnFirstMessageOnly: boolean;
}

export type StatsTagConfig =
  /** RE2-like text as written; group 1 is cut from the name, group 2 (else 1) is the value. */
  | { readonly kind: 'regex'; readonly tagName: string; readonly regex: string }
  | { readonly kind: 'fixed'; readonly tagName: string; readonly value: string }
  /** Only `tag_name`: one of Envoy's default extractors of that name. */
  | { readonly kind: 'default'; readonly tagName: string };

/** Patterns of a stats matcher list; full match, as in StringMatcher. */
export type StatsPatternConfig =
  | { readonly kind: 'exact'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'prefix'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'suffix'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'contains'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'regex'; readonly pattern: string };

export type StatsMatcherConfig =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  | { readonly kind: 'inclusion'; readonly patterns: readonly StatsPatternConfig[] }
  | { readonly kind: 'exclusion'; readonly patterns: readonly StatsPatternConfig[] };

export interface HistogramBucketsConfig {
  readonly match: StatsPatternConfig;
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
}

export interface StatsConfig {
  readonly tags: readonly StatsTagConfig[];
  /** Default true. */
  readonly useAllDefaultTags: boolean;
  readonly matcher: StatsMatcherConfig;
  readonly histogramBuckets: readonly HistogramBucketsConfig[];
  /** Default 5000. */
  readonly flushIntervalMs: number;
  readonly flushOnAdmin: boolean;
}

export interface RuntimeLayerConfig {
  readonly name: string;
  readonly kind: 'static' | 'admin' | 'rtds' | 'inert';
  /** Static layers only: keys joined with dots; values as text. */
  readonly values: ReadonlyMap<string, string>;
  /** Where the values of a layer of kind `rtds` come from. */
  readonly rtds?: SubscriptionRef;
}

export interface BootstrapConfig {
  readonly node: NodeConfig;
  readonly admin: AdminConfig;
  readonly clusters: readonly ClusterConfig[];
  readonly listeners: readonly ListenerConfig[];
  /** `static_resources.secrets`. */
  readonly secrets: readonly SecretConfig[];
  /** Undefined: static configuration only. */
  readonly ads: AdsConfig | undefined;
  /** `cds_config` and `lds_config`; undefined: static ones only. */
  readonly cds: SourceRef | undefined;
  readonly lds: SourceRef | undefined;
  readonly stats: StatsConfig;
  readonly runtimeLayers: readonly RuntimeLayerConfig[];
  /** All static layers merged, a later layer wins. */
  readonly runtime: ReadonlyMap<string, string>;
  /** `cluster_manager.local_cluster_name`; '' when absent. */
  readonly localClusterName: string;
  /** `cluster_manager.upstream_bind_config`: of clusters that say none. */
  readonly upstreamBind?: UpstreamBindConfig | undefined;
  /** By the overload manager; absent: no limit of it. */
  readonly maxDownstreamConnections?: number | undefined;
  /** `cluster_manager.outlier_detection.event_log_path`; '' when absent. */
  readonly outlierEventLogPath: string;
  /** Things accepted by name that do nothing yet (overload manager, tracing, extensions …), for dumps. */
  readonly inert: readonly string[];
}
