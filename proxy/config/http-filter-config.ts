// [b] Settings of HTTP filters as plain data: one tagged shape per filter that is built.
import type { StatefulSessionConfig } from './stateful-session-config.ts';
import type { DnsCacheConfig } from './dns-cache-config.ts';
import type { AccessLogConfig, AccessLogOptionsConfig } from './access-log-config.ts';
import type {
  CompressorConfig,
  CompressorPerRouteConfig,
  DecompressorConfig,
} from './compression-config.ts';
import type { DiscoveredFilterConfig } from './discovered-filter-config.ts';
import type { ExtAuthzConfig, ExtAuthzPerRouteConfig } from './ext-authz-config.ts';
import type { FaultConfig } from './fault-config.ts';
import type {
  HeaderToMetadataConfig,
  SetFilterStateConfig,
  SetMetadataConfig,
} from './metadata-filter-config.ts';
import type {
  HeaderMutationFilterConfig,
  HeaderMutationPerRouteConfig,
} from './header-mutation-filter-config.ts';
import type { OnDemandFilterConfig } from './on-demand-config.ts';
import type { LocalRateLimitConfig } from './local-rate-limit-config.ts';
import type {
  RateLimitServiceConfig,
  RateLimitServicePerRouteConfig,
} from './rate-limit-service-config.ts';
import type { FractionConfig, HeaderMatchConfig, StringMatchConfig } from './matcher-config.ts';

/** One entry of `http_filters`, in order. The last one is always the router. */
export interface HttpFilterConfig {
  /** Name of the entry, the key of per-route settings. */
  readonly name: string;
  readonly disabled: boolean;
  readonly settings: HttpFilterSettings;
}

/** One entry of `typed_per_filter_config`. `settings` is undefined where only `disabled` was said. */
export interface HttpFilterPerRouteConfig {
  readonly name: string;
  readonly disabled: boolean;
  readonly settings: HttpFilterPerRouteSettings | undefined;
}

export type HttpFilterSettings =
  | DiscoveredFilterConfig<HttpFilterSettings>
  | RouterFilterConfig
  | StatefulSessionConfig
  | FaultConfig
  | { readonly kind: 'cors' }
  | HeaderMutationFilterConfig
  | LocalRateLimitConfig
  | ExtAuthzConfig
  | RateLimitServiceConfig
  | GrpcStatsConfig
  | { readonly kind: 'grpc_web' }
  | GrpcHttp1BridgeConfig
  | AlpnOverrideConfig
  | BufferFilterConfig
  | CsrfPolicyConfig
  | HeaderToMetadataConfig
  | SetFilterStateConfig
  | SetMetadataConfig
  | HealthCheckFilterConfig
  | CompressorConfig
  | DecompressorConfig
  | ForwardProxyFilterConfig
  | OnDemandFilterConfig
  | InertFilterConfig
  | RefusingFilterConfig;

export type HttpFilterPerRouteSettings =
  | FaultConfig
  | StatefulSessionConfig
  | CorsPolicyConfig
  | HeaderMutationPerRouteConfig
  | LocalRateLimitConfig
  | ExtAuthzPerRouteConfig
  | RateLimitServicePerRouteConfig
  | BufferFilterConfig
  | CsrfPolicyConfig
  | HeaderToMetadataConfig
  | SetFilterStateConfig
  | SetMetadataConfig
  | CompressorPerRouteConfig
  | ForwardProxyRouteConfig
  | OnDemandFilterConfig
  | InertFilterConfig
  | RefusingFilterConfig;

/** envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig */
export interface ForwardProxyFilterConfig {
  readonly kind: 'dynamic_forward_proxy';
  readonly cache: DnsCacheConfig;
}

/** …PerRouteConfig: what the host of a request becomes before it is looked up. */
export interface ForwardProxyRouteConfig {
  readonly kind: 'dynamic_forward_proxy_route';
  readonly hostRewriteLiteral: string | undefined;
  /** Lower case; the value of this header. */
  readonly hostRewriteHeader: string | undefined;
}

/** Istio's own filter that is known but not built yet: accepted by name, does nothing, said so in dumps. */
export interface InertFilterConfig {
  readonly kind: 'inert';
  readonly typeUrl: string;
}

/** A security filter that is known but not enforced yet: every request it guards is refused. */
export interface RefusingFilterConfig {
  readonly kind: 'refuse';
  readonly typeUrl: string;
  /** What the operator reads in the log and the reply's details. */
  readonly reason: string;
}

/** envoy.extensions.filters.http.router.v3.Router */
export interface RouterFilterConfig {
  readonly kind: 'router';
  readonly suppressEnvoyHeaders: boolean;
  readonly respectExpectedRqTimeout: boolean;
  /** Lower-case names out of the five that may be checked. */
  readonly strictCheckHeaders: readonly string[];
  /** Absent: true. False: no counts by code or time in the clusters' stats. */
  readonly dynamicStats?: boolean | undefined;
  readonly suppressGrpcRequestFailureCodeStats?: boolean | undefined;
  /** Of attempts; absent: none. */
  readonly upstreamLogs?: readonly AccessLogConfig[] | undefined;
  readonly upstreamLogOptions?: AccessLogOptionsConfig | undefined;
}

/** envoy.extensions.filters.http.cors.v3.CorsPolicy. What a level does not say, a less specific one may. */
export interface CorsPolicyConfig {
  readonly kind: 'cors_policy';
  readonly allowOrigins: readonly StringMatchConfig[];
  /** Header values as sent; undefined: not said. */
  readonly allowMethods: string | undefined;
  readonly allowHeaders: string | undefined;
  readonly exposeHeaders: string | undefined;
  readonly maxAge: string | undefined;
  readonly allowCredentials: boolean | undefined;
  readonly allowPrivateNetworkAccess: boolean | undefined;
  readonly forwardNotMatchingPreflights: boolean | undefined;
  /** Undefined: always on. */
  readonly enabled: FractionConfig | undefined;
  readonly shadowEnabled: FractionConfig | undefined;
}

/** envoy.extensions.filters.http.grpc_stats.v3.FilterConfig */
export interface GrpcStatsConfig {
  readonly kind: 'grpc_stats';
  readonly emitFilterState: boolean;
  readonly enableUpstreamStats: boolean;
  /** Which methods have counters of their own: those named, as `/service/method`, or all. */
  readonly methods: ReadonlySet<string> | 'all';
  readonly replaceDots: boolean;
}

/** istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig; empty lists change nothing. */
export interface AlpnOverrideConfig {
  readonly kind: 'alpn_override';
  readonly protocols: {
    readonly http10: readonly string[];
    readonly http11: readonly string[];
    readonly http2: readonly string[];
  };
}

/** envoy.extensions.filters.http.grpc_http1_bridge.v3.Config */
export interface GrpcHttp1BridgeConfig {
  readonly kind: 'grpc_http1_bridge';
  /** `application/x-protobuf` bodies get a gRPC frame around them, and answers lose theirs. */
  readonly upgradeProtobuf: boolean;
  readonly ignoreQueryParameters: boolean;
}

/** envoy.extensions.filters.http.buffer.v3.Buffer */
export interface BufferFilterConfig {
  readonly kind: 'buffer';
  readonly maxRequestBytes: number;
}

/** envoy.extensions.filters.http.health_check.v3.HealthCheck */
export interface HealthCheckFilterConfig {
  readonly kind: 'health_check';
  readonly passThrough: boolean;
  /** 0: answers are not kept. */
  readonly cacheTimeMs: number;
  /** Whole percents by cluster. */
  readonly minHealthyPercentages: ReadonlyMap<string, number>;
  /** All have to match; none: every request is a health check. */
  readonly headers: readonly HeaderMatchConfig[];
}

/** envoy.extensions.filters.http.csrf.v3.CsrfPolicy; as a per-route setting it replaces the filter's whole. */
export interface CsrfPolicyConfig {
  readonly kind: 'csrf';
  readonly enabled: FractionConfig;
  /** Counted only. */
  readonly shadowEnabled: FractionConfig | undefined;
  readonly additionalOrigins: readonly StringMatchConfig[];
}
