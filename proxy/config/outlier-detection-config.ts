// [b] Outlier detection as plain data (envoy.config.cluster.v3.OutlierDetection; envoy-behaviour §7.9). Workers look at
// the consecutive counts, main at the rest. Percentages are whole numbers from 0 to 100.

export interface OutlierDetectionConfig {
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectionJitterMs: number;
  readonly maxEjectionPercent: number;
  /** The first ejection is not held against the percentage. */
  readonly alwaysEjectOneHost: boolean;
  /** What we meet on the way to a host is counted apart from what it answers. */
  readonly splitLocalOrigin: boolean;
  readonly uneject: boolean;
  readonly consecutive: OutlierConsecutiveConfig;
  readonly successRate: OutlierSuccessRateConfig;
  readonly failurePercentage: OutlierFailurePercentageConfig;
  /** A host that says `x-envoy-degraded` is taken for degraded. */
  readonly detectDegradedHosts: boolean;
}

export interface OutlierConsecutiveConfig {
  /** 0 detects nothing, in all three. */
  readonly http5xx: number;
  readonly gatewayFailure: number;
  readonly localOriginFailure: number;
  readonly enforcingHttp5xx: number;
  readonly enforcingGatewayFailure: number;
  readonly enforcingLocalOriginFailure: number;
}

export interface OutlierSuccessRateConfig {
  readonly minimumHosts: number;
  readonly requestVolume: number;
  /** Thousandths. */
  readonly stdevFactor: number;
  readonly enforcing: number;
  readonly enforcingLocalOrigin: number;
}

export interface OutlierFailurePercentageConfig {
  readonly threshold: number;
  readonly minimumHosts: number;
  readonly requestVolume: number;
  readonly enforcing: number;
  readonly enforcingLocalOrigin: number;
}
