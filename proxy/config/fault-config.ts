// [b] Settings of the fault filter as plain data (envoy-behaviour §6).
import type { MetadataStruct } from './metadata-value.ts';
import type { FractionConfig, HeaderMatchConfig } from './matcher-config.ts';

/** envoy.extensions.filters.http.fault.v3.HTTPFault; as a per-route setting it replaces the filter's whole. */
export interface FaultConfig {
  readonly kind: 'fault';
  readonly delay: FaultDelayConfig | undefined;
  readonly abort: FaultAbortConfig | undefined;
  readonly responseRateLimit: FaultRateLimitConfig | undefined;
  /** '' matches any. */
  readonly upstreamCluster: string;
  readonly headers: readonly HeaderMatchConfig[];
  readonly downstreamNodes: readonly string[];
  /** undefined: unlimited. */
  readonly maxActiveFaults: number | undefined;
  readonly disableDownstreamClusterStats: boolean;
  /** Becomes dynamic metadata of streams with a delay or abort; empty: none. */
  readonly filterMetadata: MetadataStruct;
  readonly runtime: FaultRuntimeKeys;
}

/** Runtime keys that win over the settings; Envoy's own names where the settings name none. */
export interface FaultRuntimeKeys {
  readonly delayPercent: string;
  readonly delayDuration: string;
  readonly abortPercent: string;
  readonly abortHttpStatus: string;
  readonly abortGrpcStatus: string;
  readonly responseRateLimitPercent: string;
  readonly maxActiveFaults: string;
}

export interface FaultDelayConfig {
  /** undefined: taken from `x-envoy-fault-delay-request`. */
  readonly fixedDelayMs: number | undefined;
  readonly percentage: FractionConfig;
}

export interface FaultAbortConfig {
  readonly source:
    | { readonly kind: 'http_status'; readonly status: number }
    | { readonly kind: 'grpc_status'; readonly status: number }
    | { readonly kind: 'header' };
  readonly percentage: FractionConfig;
  readonly responseBody: string;
}

export interface FaultRateLimitConfig {
  /** KiB a second, at least 1; undefined: taken from `x-envoy-fault-throughput-response`. */
  readonly limitKbps: number | undefined;
  readonly percentage: FractionConfig;
}
