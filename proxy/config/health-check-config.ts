// [m] Active health checks as plain data (envoy.config.core.v3.HealthCheck; envoy-behaviour §7.8). Only main runs them.
import type { HeaderOperationConfig } from './header-mutation-filter-config.ts';
import type { StringMatchConfig } from './matcher-config.ts';

export interface HealthCheckConfig {
  readonly timeoutMs: number;
  readonly initialJitterMs: number;
  readonly intervals: HealthCheckIntervalsConfig;
  /** Consecutive failures of the network, and answers of `retriableStatuses`, before a host is unhealthy. */
  readonly unhealthyThreshold: number;
  /** Consecutive good checks before it is healthy again. */
  readonly healthyThreshold: number;
  /** Whether one connection serves several checks. */
  readonly reuseConnection: boolean;
  readonly checker: HealthCheckerConfig;
  readonly log: HealthCheckLogConfig;
  /** `tls_options.alpn_protocols`; empty: those of the transport socket. */
  readonly alpnProtocols: readonly string[];
  /** Labels by which checks choose among `transport_socket_matches`; undefined: those of the endpoint. */
  readonly transportSocketMatch: ReadonlyMap<string, string> | undefined;
}

export interface HealthCheckIntervalsConfig {
  readonly intervalMs: number;
  /** In place of the others until the cluster had its first connection. */
  readonly noTrafficMs: number;
  readonly noTrafficHealthyMs: number;
  readonly unhealthyMs: number;
  /** While a failure, or a success, waits for its threshold. */
  readonly unhealthyEdgeMs: number;
  readonly healthyEdgeMs: number;
  /** Something up to it is added to each interval; 0: nothing. */
  readonly jitterMs: number;
  readonly jitterPercent: number;
}

export interface HealthCheckLogConfig {
  /** Files that events are written to, one JSON object a line. */
  readonly paths: readonly string[];
  readonly alwaysFailures: boolean;
  readonly alwaysSuccess: boolean;
}

export type HealthCheckerConfig =
  | HttpHealthCheckConfig
  | GrpcHealthCheckConfig
  | TcpHealthCheckConfig;

export interface StatusRangeConfig {
  readonly start: number;
  /** Not in it. */
  readonly end: number;
}

export interface HttpHealthCheckConfig {
  readonly kind: 'http';
  /** Where the endpoint has no hostname for checks; '': the cluster's name. */
  readonly host: string;
  readonly path: string;
  readonly method: string;
  readonly http2: boolean;
  /** Body; undefined: none. */
  readonly send: Uint8Array | undefined;
  /** Pieces the answer's body must have, in this order. */
  readonly receive: readonly Uint8Array[];
  /** Bytes of the answer's body that are looked at. */
  readonly responseBufferBytes: number;
  readonly headers: readonly HeaderOperationConfig[];
  readonly expectedStatuses: readonly StatusRangeConfig[];
  readonly retriableStatuses: readonly StatusRangeConfig[];
  /** Of `x-envoy-upstream-healthchecked-cluster`. */
  readonly serviceNameMatcher: StringMatchConfig | undefined;
}

export interface GrpcHealthCheckConfig {
  readonly kind: 'grpc';
  readonly serviceName: string;
  /** As `host` of HTTP checks. */
  readonly authority: string;
  readonly headers: readonly HeaderOperationConfig[];
}

export interface TcpHealthCheckConfig {
  readonly kind: 'tcp';
  readonly send: Uint8Array;
  /** Empty: a connection is all that is asked for. */
  readonly receive: readonly Uint8Array[];
}
