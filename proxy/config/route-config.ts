// [b] Virtual hosts, matches, actions, retries and timeouts as plain data (envoy.config.route.v3).
import type { MetadataStruct } from './metadata-value.ts';
import type { AccessLogFormat } from './access-log-config.ts';
import type { HttpFilterPerRouteConfig } from './http-filter-config.ts';
import type { MatchTreeConfig } from './match-tree-config.ts';
import type { HeaderMutationConfig } from './header-mutation-config.ts';
import type { HeaderOperationConfig } from './header-mutation-filter-config.ts';
import type { UpstreamProxyProtocolConfig } from './proxy-protocol-config.ts';
import type { RateLimitConfig } from './rate-limit-config.ts';
import type {
  CookieMatchConfig,
  FilterStateMatchConfig,
  FractionConfig,
  HeaderMatchConfig,
  MetadataMatchConfig,
  QueryMatchConfig,
  RegexRewriteConfig,
} from './matcher-config.ts';
import type { RouteTracingConfig } from './tracing-config.ts';

/** Per-filter configuration by filter name, in wire order; `disabled` switches the filter off here. */
export type PerFilterConfigs = readonly HttpFilterPerRouteConfig[];

export interface RouteConfig {
  readonly name: string;
  /** What it is kept by where a table of that name may come from elsewhere, too; absent: its name. */
  readonly key?: string;
  /** `version_info` of the resource as the control plane gave it; '' when static or inline. */
  readonly version: string;
  readonly virtualHosts: readonly VirtualHostConfig[];
  readonly headers: HeaderMutationConfig;
  readonly perFilter: PerFilterConfigs;
  /** Lower-case header names removed from external requests. */
  readonly internalOnlyHeaders: readonly string[];
  readonly mostSpecificHeaderMutationsWins: boolean;
  readonly ignorePortInHostMatching: boolean;
  readonly ignorePathParametersInPathMatching: boolean;
  /** A static configuration refuses routes to unknown clusters at load; RDS by default does not. */
  readonly validateClusters: boolean;
  /** Things accepted that do nothing yet, for dumps. */
  readonly inert?: readonly string[] | undefined;
}

export interface VirtualHostConfig {
  readonly name: string;
  /** Lower-case exact names, `*.suffix`, `prefix.*` or `*`. */
  readonly domains: readonly string[];
  readonly routes: readonly RouteEntryConfig[];
  /** Which of `routes` a request may take; undefined or absent: any. */
  readonly matcher?: MatchTreeConfig | undefined;
  readonly headers: HeaderMutationConfig;
  readonly perFilter: PerFilterConfigs;
  readonly retryPolicy: RetryPolicyConfig | undefined;
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  /** `x-envoy-is-timeout-retry` on retries. */
  readonly includeIsTimeoutRetryHeader?: boolean | undefined;
  readonly hedgeOnPerTryTimeout?: boolean | undefined;
  readonly requireTls: 'NONE' | 'EXTERNAL_ONLY' | 'ALL';
  /** Undefined or absent: none. */
  readonly virtualClusters?: readonly VirtualClusterConfig[] | undefined;
  /** `metadata.filter_metadata` as JSON text by namespace; absent: none. */
  readonly metadata?: ReadonlyMap<string, string> | undefined;
  /** Bound of the retry and shadow buffer; undefined or absent: the connection's. */
  readonly perRequestBufferLimitBytes?: number | undefined;
  readonly rateLimits?: readonly RateLimitConfig[] | undefined;
}

/** Requests that are counted together, all of whose headers match. */
export interface VirtualClusterConfig {
  readonly name: string;
  readonly headers: readonly HeaderMatchConfig[];
}

export type PathMatchConfig =
  | { readonly kind: 'prefix'; readonly value: string }
  | { readonly kind: 'path'; readonly value: string }
  | { readonly kind: 'separated_prefix'; readonly value: string }
  | { readonly kind: 'regex'; readonly pattern: string }
  | { readonly kind: 'uri_template'; readonly template: string }
  | { readonly kind: 'connect' };

export interface RouteMatchConfig {
  readonly path: PathMatchConfig;
  readonly caseSensitive: boolean;
  readonly headers: readonly HeaderMatchConfig[];
  readonly query: readonly QueryMatchConfig[];
  readonly grpcOnly: boolean;
  readonly fraction: FractionConfig | undefined;
  /** `tls_context` match: undefined where not asked for. */
  readonly tlsPresented: boolean | undefined;
  readonly tlsValidated: boolean | undefined;
  /** Undefined or absent, as the two below: nothing is asked. */
  readonly cookies?: readonly CookieMatchConfig[] | undefined;
  readonly dynamicMetadata?: readonly MetadataMatchConfig[] | undefined;
  readonly filterState?: readonly FilterStateMatchConfig[] | undefined;
}

export interface RouteEntryConfig {
  readonly name: string;
  readonly match: RouteMatchConfig;
  readonly action:
    | RouteActionConfig
    | RedirectActionConfig
    | DirectResponseConfig
    | NonForwardingConfig;
  readonly headers: HeaderMutationConfig;
  readonly perFilter: PerFilterConfigs;
  /** Decorator and sampling; absent: nothing is said. */
  readonly tracing?: RouteTracingConfig | undefined;
  /** `metadata.filter_metadata`, as JSON text by namespace (Istio puts the resource's name under `istio`). */
  readonly metadata: ReadonlyMap<string, string>;
  /** As in `vhost.<virtual host>.route.<this>.`; '' or absent: no stats of its own. */
  readonly statPrefix?: string | undefined;
  readonly perRequestBufferLimitBytes?: number | undefined;
}

export interface NonForwardingConfig {
  readonly kind: 'non_forwarding';
}

export interface RedirectActionConfig {
  readonly kind: 'redirect';
  readonly scheme: string | undefined;
  readonly httpsRedirect: boolean;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly path: string | undefined;
  /** `path_rewrite`: as `path`, with %COMMANDS%; undefined or absent: none. */
  readonly pathFormat?: string | undefined;
  readonly prefixRewrite: string | undefined;
  readonly regexRewrite: RegexRewriteConfig | undefined;
  readonly stripQuery: boolean;
  readonly status: 301 | 302 | 303 | 307 | 308;
}

export interface DirectResponseConfig {
  readonly kind: 'direct_response';
  readonly status: number;
  readonly body: string;
  /** The body where it was given as bytes (`inline_bytes`, may be no text at all); `body` is then its UTF-8 reading. */
  readonly bodyBytes?: Uint8Array | undefined;
  /** `body_format`: what is made of the body; undefined or absent: the body as it is. */
  readonly format?: AccessLogFormat | undefined;
}

export interface WeightedClusterConfig {
  /** '' where `clusterHeader` names it. */
  readonly name: string;
  /** Request header with the cluster's name; undefined or absent: `name` is it. */
  readonly clusterHeader?: string | undefined;
  readonly weight: number;
  readonly headers: HeaderMutationConfig;
  readonly perFilter: PerFilterConfigs;
  readonly hostRewriteLiteral: string | undefined;
  /** Metadata `envoy.lb` that hosts are to have, over the route's; undefined or absent: none. */
  readonly metadataMatch?: MetadataStruct | undefined;
}

export type ClusterSpecifierConfig =
  | { readonly kind: 'cluster'; readonly name: string }
  | { readonly kind: 'cluster_header'; readonly header: string }
  | {
      readonly kind: 'weighted';
      readonly clusters: readonly WeightedClusterConfig[];
      /** Header that carries the random value; undefined: the stream's own. */
      readonly headerName: string | undefined;
      /** The route's hash policy gives the random value, where it gives any. */
      readonly useHashPolicy?: boolean | undefined;
      /** The runtime may have a weight under `<this>.<cluster name>`. */
      readonly runtimeKeyPrefix?: string | undefined;
    };

export interface CookieAttributeConfig {
  readonly name: string;
  /** '': the name alone is written. */
  readonly value: string;
}

export type HashPolicyConfig = { readonly terminal: boolean } & (
  | {
      readonly kind: 'header';
      readonly name: string;
      readonly rewrite: RegexRewriteConfig | undefined;
    }
  | {
      readonly kind: 'cookie';
      readonly name: string;
      /** undefined: never generated; 0: session cookie. */
      readonly ttlMs: number | undefined;
      readonly path: string;
      /** Written behind the path as they stand; undefined or absent: none. */
      readonly attributes?: readonly CookieAttributeConfig[] | undefined;
    }
  | { readonly kind: 'filter_state'; readonly key: string }
  | { readonly kind: 'source_ip' }
  | { readonly kind: 'query'; readonly name: string }
);

export interface RequestMirrorConfig {
  /** '' where a header names it. */
  readonly cluster: string;
  /** Lower-case; absent: `cluster` does. */
  readonly clusterHeader?: string | undefined;
  readonly fraction: FractionConfig | undefined;
  readonly disableShadowHostSuffixAppend: boolean;
  /** Done to the copy, in order; absent: nothing. */
  readonly headerOperations?: readonly HeaderOperationConfig[] | undefined;
  readonly hostRewriteLiteral?: string | undefined;
}

export interface MaxStreamDurationConfig {
  readonly maxStreamDurationMs: number | undefined;
  readonly grpcTimeoutHeaderMaxMs: number | undefined;
  readonly grpcTimeoutHeaderOffsetMs: number;
}

export interface RouteActionConfig {
  readonly kind: 'route';
  readonly cluster: ClusterSpecifierConfig;
  readonly clusterNotFoundStatus: 503 | 404 | 500;
  /** Whole request, retries included; 0 is infinite. Default 15 000 (envoy-behaviour §3.8). */
  readonly timeoutMs: number;
  /**
   * `max_grpc_timeout`, which Istio sends on every route: a gRPC request's timeout is its `grpc-timeout` (missing: 0,
   * infinite) capped by this; 0 caps nothing. Undefined or absent: `grpc-timeout` is not looked at.
   */
  readonly maxGrpcTimeoutMs?: number | undefined;
  /** Taken off the gRPC timeout where it is smaller. */
  readonly grpcTimeoutOffsetMs?: number | undefined;
  /** Stream idle time-out override; undefined: the connection manager's; 0: none. */
  readonly idleTimeoutMs: number | undefined;
  readonly maxStreamDuration: MaxStreamDurationConfig | undefined;
  readonly retryPolicy: RetryPolicyConfig | undefined;
  /** An attempt that takes longer than `per_try_timeout` gets company instead of being cut; absent: the virtual host's word. */
  readonly hedgeOnPerTryTimeout?: boolean | undefined;
  readonly internalRedirect?: InternalRedirectConfig | undefined;
  /** Metadata `outrigger.guard_replays` (docs/replay-guard.md); absent: as the command line says. */
  readonly guardReplays?: boolean | undefined;
  /** Metadata `outrigger.replay_stale` (docs/stale-connections.md); absent: as the command line says. */
  readonly replayStale?: boolean | undefined;
  readonly prefixRewrite: string | undefined;
  readonly regexRewrite: RegexRewriteConfig | undefined;
  readonly pathRewriteTemplate: string | undefined;
  /** `path_rewrite` and `host_rewrite`, with %COMMANDS%; undefined or absent: none. */
  readonly pathRewriteFormat?: string | undefined;
  readonly hostRewriteFormat?: string | undefined;
  readonly hostRewriteLiteral: string | undefined;
  readonly hostRewriteHeader: string | undefined;
  readonly hostRewritePathRegex: RegexRewriteConfig | undefined;
  readonly autoHostRewrite: boolean;
  readonly appendXForwardedHost: boolean;
  readonly priority: 'DEFAULT' | 'HIGH';
  readonly hashPolicy: readonly HashPolicyConfig[];
  readonly mirrors: readonly RequestMirrorConfig[];
  readonly upgrades: readonly UpgradeConfig[];
  /** Metadata `envoy.lb` that hosts are to have (subset balancing); undefined or absent: none. */
  readonly metadataMatch?: MetadataStruct | undefined;
  readonly rateLimits?: readonly RateLimitConfig[] | undefined;
  /** Those of the virtual host count even where the route has its own. */
  readonly includeVirtualHostRateLimits?: boolean | undefined;
}

export interface UpgradeConfig {
  /** Lower-case token, for example `websocket`. */
  readonly type: string;
  readonly enabled: boolean;
  /** Of routes, type `connect`: the tunnel ends here, and its bytes go to the cluster raw. Undefined: passed on. */
  readonly connect?: ConnectConfig | undefined;
}

/** envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig */
export interface ConnectConfig {
  /** POST is taken for a CONNECT, too. */
  readonly allowPost: boolean;
  /** A PROXY protocol header goes ahead. Undefined: none. */
  readonly proxyHeader: UpstreamProxyProtocolConfig | undefined;
}

export interface RetryPolicyConfig {
  /** Condition names as in `retry_on` and `x-envoy-retry-grpc-on`, split at commas, unknown ones kept out. */
  readonly retryOn: readonly string[];
  /** Default 1. */
  readonly numRetries: number;
  /** undefined: none. */
  readonly perTryTimeoutMs: number | undefined;
  readonly perTryIdleTimeoutMs: number | undefined;
  /** Default 25. */
  readonly baseIntervalMs: number;
  /** Default 10 × base. */
  readonly maxIntervalMs: number;
  /** Neither was said: the runtime key `upstream.base_retry_backoff_ms` may say another base; absent: they were. */
  readonly defaultBackoff?: true | undefined;
  readonly retriableStatusCodes: readonly number[];
  readonly retriableHeaders: readonly HeaderMatchConfig[];
  readonly retriableRequestHeaders: readonly HeaderMatchConfig[];
  /** Absent: answers say nothing of when to come back. */
  readonly rateLimitedBackoff?: RateLimitedBackoffConfig | undefined;
  /** Hosts that retries pass over, where they can. */
  readonly hostPredicates: readonly RetryHostPredicateConfig[];
  /** Default 1. */
  readonly hostSelectionRetryMaxAttempts: number;
  /** `envoy.retry_priorities.previous_priorities` update frequency; undefined: off. */
  readonly previousPrioritiesUpdateFrequency: number | undefined;
}

export interface RateLimitedBackoffConfig {
  /** Lower-case names; the first one whose value can be used counts. */
  readonly resetHeaders: readonly {
    readonly name: string;
    readonly format: 'SECONDS' | 'UNIX_TIMESTAMP';
  }[];
  /** What asks for more is not listened to. Default 300 000. */
  readonly maxIntervalMs: number;
}

/** envoy.retry_host_predicates.* */
export type RetryHostPredicateConfig =
  | { readonly kind: 'previous_hosts' }
  | { readonly kind: 'omit_canary_hosts' }
  /** Hosts whose metadata `envoy.lb` holds all of these; values as JSON text. */
  | { readonly kind: 'omit_host_metadata'; readonly match: ReadonlyMap<string, string> };

export interface InternalRedirectConfig {
  /** Default 1. */
  readonly maxInternalRedirects: number;
  /** Out of 301, 302, 303, 307, 308. Default 302. */
  readonly statusCodes: readonly number[];
  readonly allowCrossScheme: boolean;
  readonly predicates: readonly InternalRedirectPredicateConfig[];
  /** Lower-case names, taken from the answer into the request that follows. */
  readonly responseHeadersToCopy: readonly string[];
}

/** envoy.internal_redirect_predicates.* */
export type InternalRedirectPredicateConfig =
  | { readonly kind: 'previous_routes' }
  | { readonly kind: 'allow_listed_routes'; readonly names: readonly string[] }
  | { readonly kind: 'safe_cross_scheme' };

export const routeKey = ({ key, name }: Pick<RouteConfig, 'key' | 'name'>): string => key ?? name;
