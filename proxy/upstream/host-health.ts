// [b] What is known of a host's health, as bits: main finds out (EDS, active checks, outlier detection) and tells the
// workers, whose balancers look at the sum (envoy-behaviour §7.4, §7.8, §7.9).
import type { EndpointConfig } from '../config/endpoint-config.ts';

export const HealthFlag = {
  FailedActiveCheck: 0x01,
  FailedOutlierCheck: 0x02,
  FailedEds: 0x04,
  DegradedActiveCheck: 0x08,
  DegradedEds: 0x10,
  /** Gone from its assignment, kept because active checks still pass. */
  PendingRemoval: 0x20,
  /** New, and not counted until its first active check (`ignore_new_hosts_until_first_hc`). */
  PendingFirstCheck: 0x40,
  /** Said `x-envoy-immediate-health-check-fail`: not counted. */
  ExcludedByResponse: 0x80,
  ActiveCheckTimeout: 0x100,
  DegradedOutlierCheck: 0x200,
  DrainingEds: 0x400,
} as const;

/** Flags that the assignment itself sets; all others come from main's checks. */
const EDS_FLAGS = HealthFlag.FailedEds | HealthFlag.DegradedEds | HealthFlag.DrainingEds;
const UNHEALTHY =
  HealthFlag.FailedActiveCheck |
  HealthFlag.FailedOutlierCheck |
  HealthFlag.FailedEds |
  HealthFlag.DrainingEds;
const DEGRADED =
  HealthFlag.DegradedActiveCheck | HealthFlag.DegradedEds | HealthFlag.DegradedOutlierCheck;
const EXCLUDED =
  HealthFlag.PendingFirstCheck | HealthFlag.ExcludedByResponse | HealthFlag.DrainingEds;

/** The worst of what is known. */
export const Health = { Unhealthy: 0, Degraded: 1, Healthy: 2 } as const;
export type HealthState = (typeof Health)[keyof typeof Health];

export const edsFlags = (
  health: EndpointConfig['health'],
  status?: EndpointConfig['edsStatus'],
): number => {
  if (status === 'DRAINING') return HealthFlag.DrainingEds;
  if (health === 'HEALTHY') return 0;
  return health === 'DEGRADED' ? HealthFlag.DegradedEds : HealthFlag.FailedEds;
};

/** `flags` with the assignment's word replaced. */
export const withEdsHealth = (
  flags: number,
  health: EndpointConfig['health'],
  status?: EndpointConfig['edsStatus'],
): number => (flags & ~EDS_FLAGS) | edsFlags(health, status);

/** `flags` with all but the assignment's word replaced by `checks`. */
export const withCheckHealth = (flags: number, checks: number): number =>
  (flags & EDS_FLAGS) | (checks & ~EDS_FLAGS);

export const healthOf = (flags: number): HealthState => {
  if ((flags & UNHEALTHY) !== 0) return Health.Unhealthy;
  return (flags & DEGRADED) === 0 ? Health.Healthy : Health.Degraded;
};

/** Left out of the totals that shares of healthy hosts are taken of. */
export const isExcluded = (flags: number): boolean => (flags & EXCLUDED) !== 0;
