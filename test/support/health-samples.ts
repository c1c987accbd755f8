// Health checks and outlier detection as configuration gives them, with short times, and a host that remembers.
import type { HealthCheckConfig } from '../../proxy/config/health-check-config.ts';
import type { OutlierDetectionConfig } from '../../proxy/config/outlier-detection-config.ts';
import { OutlierState } from '../../proxy/upstream/outlier-detector.ts';
import type { OutlierHost } from '../../proxy/upstream/outlier-detector.ts';

export const sampleCheck = (changes: Partial<HealthCheckConfig> = {}): HealthCheckConfig => ({
  timeoutMs: 500,
  initialJitterMs: 0,
  intervals: {
    intervalMs: 1000,
    noTrafficMs: 60_000,
    noTrafficHealthyMs: 60_000,
    unhealthyMs: 2000,
    unhealthyEdgeMs: 300,
    healthyEdgeMs: 400,
    jitterMs: 0,
    jitterPercent: 0,
  },
  unhealthyThreshold: 2,
  healthyThreshold: 3,
  reuseConnection: true,
  checker: { kind: 'tcp', send: new Uint8Array(), receive: [] },
  log: { paths: [], alwaysFailures: false, alwaysSuccess: false },
  alpnProtocols: [],
  transportSocketMatch: undefined,
  ...changes,
});

export const sampleOutliers = (
  changes: Partial<OutlierDetectionConfig> = {},
): OutlierDetectionConfig => ({
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 100_000,
  maxEjectionJitterMs: 0,
  maxEjectionPercent: 100,
  alwaysEjectOneHost: false,
  splitLocalOrigin: false,
  uneject: true,
  detectDegradedHosts: false,
  consecutive: {
    http5xx: 5,
    gatewayFailure: 5,
    localOriginFailure: 5,
    enforcingHttp5xx: 100,
    enforcingGatewayFailure: 0,
    enforcingLocalOriginFailure: 100,
  },
  successRate: {
    minimumHosts: 5,
    requestVolume: 100,
    stdevFactor: 1900,
    enforcing: 100,
    enforcingLocalOrigin: 100,
  },
  failurePercentage: {
    threshold: 85,
    minimumHosts: 5,
    requestVolume: 50,
    enforcing: 0,
    enforcingLocalOrigin: 0,
  },
  ...changes,
});

export class SampleOutlierHost implements OutlierHost {
  readonly addressText: string;
  readonly outlierSlot: number;
  readonly outlier = new OutlierState();
  flags = 0;

  constructor(slot: number) {
    this.addressText = `10.0.0.${slot}:80`;
    this.outlierSlot = slot;
  }

  setFlags(flags: number): void {
    this.flags = flags;
  }
}
