// [m] OutlierSettings: what a detector goes by: its configuration, and runtime keys in its place (envoy-behaviour §7.9).
import type { Runtime } from '../base/runtime.ts';
import type {
  OutlierDetectionConfig,
  OutlierFailurePercentageConfig,
  OutlierSuccessRateConfig,
} from '../config/outlier-detection-config.ts';
import type { OutlierType } from './outlier-detector.ts';

const KEYS = 'outlier_detection.';

export class OutlierSettings {
  readonly intervalMs: number;
  readonly maxJitterMs: number;
  readonly successRate: OutlierSuccessRateConfig;
  readonly failurePercentage: OutlierFailurePercentageConfig;
  readonly #baseMs: number;
  readonly #maxMs: number;
  readonly #maxPercent: number;
  readonly #alwaysOne: boolean;
  readonly #enforcing: Readonly<Record<OutlierType, number>>;

  constructor(config: OutlierDetectionConfig, runtime: Runtime) {
    const value = (key: string, fallback: number): number => runtime.integer(KEYS + key, fallback);
    this.intervalMs = Math.max(1, value('interval_ms', config.intervalMs));
    this.maxJitterMs = value('max_ejection_time_jitter_ms', config.maxEjectionJitterMs);
    this.#baseMs = value('base_ejection_time_ms', config.baseEjectionMs);
    this.#maxMs = value('max_ejection_time_ms', config.maxEjectionMs);
    this.#maxPercent = Math.min(100, value('max_ejection_percent', config.maxEjectionPercent));
    this.#alwaysOne = config.alwaysEjectOneHost;
    const { successRate, failurePercentage } = config;
    this.successRate = {
      ...successRate,
      minimumHosts: value('success_rate_minimum_hosts', successRate.minimumHosts),
      requestVolume: value('success_rate_request_volume', successRate.requestVolume),
      stdevFactor: value('success_rate_stdev_factor', successRate.stdevFactor),
    };
    this.failurePercentage = {
      ...failurePercentage,
      threshold: value('failure_percentage_threshold', failurePercentage.threshold),
      minimumHosts: value('failure_percentage_minimum_hosts', failurePercentage.minimumHosts),
      requestVolume: value('failure_percentage_request_volume', failurePercentage.requestVolume),
    };
    this.#enforcing = enforcingOf(config, value);
  }

  /** Of a host that was ejected so many times in a row. */
  ejectionMs(backoff: number): number {
    return Math.min(this.#baseMs * backoff, this.#maxMs);
  }

  nextBackoff(backoff: number): number {
    return backoff * this.#baseMs < this.#maxMs + this.#baseMs ? backoff + 1 : backoff;
  }

  /** Whether one more of `hosts` may go when `ejected` are away. */
  mayEject(ejected: number, hosts: number): boolean {
    if (this.#alwaysOne && ejected === 0) return true;
    return (100 * (ejected + 1)) / hosts <= this.#maxPercent;
  }

  enforces(type: OutlierType, random: number): boolean {
    return random % 100 < this.#enforcing[type];
  }
}

function enforcingOf(
  { consecutive, successRate, failurePercentage }: OutlierDetectionConfig,
  value: (key: string, fallback: number) => number,
): Readonly<Record<OutlierType, number>> {
  const enforcing = (key: string, fallback: number): number => value(`enforcing_${key}`, fallback);
  return {
    CONSECUTIVE_5XX: enforcing('consecutive_5xx', consecutive.enforcingHttp5xx),
    CONSECUTIVE_GATEWAY_FAILURE: enforcing(
      'consecutive_gateway_failure',
      consecutive.enforcingGatewayFailure,
    ),
    CONSECUTIVE_LOCAL_ORIGIN_FAILURE: enforcing(
      'consecutive_local_origin_failure',
      consecutive.enforcingLocalOriginFailure,
    ),
    SUCCESS_RATE: enforcing('success_rate', successRate.enforcing),
    SUCCESS_RATE_LOCAL_ORIGIN: enforcing(
      'local_origin_success_rate',
      successRate.enforcingLocalOrigin,
    ),
    FAILURE_PERCENTAGE: enforcing('failure_percentage', failurePercentage.enforcing),
    FAILURE_PERCENTAGE_LOCAL_ORIGIN: enforcing(
      'failure_percentage_local_origin',
      failurePercentage.enforcingLocalOrigin,
    ),
    DEGRADED: 100,
  };
}
