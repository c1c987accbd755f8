// [m] How long a host waits for its next check (envoy-behaviour §7.8).
import type { RandomSource } from '../base/random.ts';
import type { Runtime } from '../base/runtime.ts';
import type { HealthCheckConfig } from '../config/health-check-config.ts';

/** What this interval depends on besides configuration. */
export interface CheckMoment {
  /** The cluster had a connection for requests, once. */
  readonly traffic: boolean;
  readonly healthy: boolean;
  /** The host changes if more checks end like this one. */
  readonly pending: boolean;
}

export function checkIntervalMs(
  { intervals }: HealthCheckConfig,
  moment: CheckMoment,
  random: RandomSource,
  runtime: Runtime,
): number {
  let ms = baseMs(intervals, moment);
  const percentMs = Math.trunc((intervals.jitterPercent * ms) / 100);
  if (percentMs > 0) ms += random.nextUint32() % percentMs;
  if (intervals.jitterMs > 0) ms += random.nextUint32() % intervals.jitterMs;
  const least = runtime.integer('health_check.min_interval', 0);
  const most = runtime.integer('health_check.max_interval', Infinity);
  return Math.max(1, least, Math.min(ms, most));
}

export const initialDelayMs = ({ initialJitterMs }: HealthCheckConfig, random: RandomSource) =>
  initialJitterMs === 0 ? 0 : random.nextUint32() % initialJitterMs;

function baseMs(
  intervals: HealthCheckConfig['intervals'],
  { traffic, healthy, pending }: CheckMoment,
): number {
  if (!traffic) return healthy && !pending ? intervals.noTrafficHealthyMs : intervals.noTrafficMs;
  if (healthy) return pending ? intervals.healthyEdgeMs : intervals.intervalMs;
  return pending ? intervals.unhealthyEdgeMs : intervals.unhealthyMs;
}
