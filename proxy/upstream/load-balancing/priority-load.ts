// [w] Spill-over between priorities and the panic threshold (envoy-behaviour §7.4): each priority takes as much load
// as its healthy share times the overprovisioning factor allows, the rest goes to the next one.

export interface PriorityHealth {
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
}

export interface PriorityLoad {
  /** Percent of requests; all priorities together 100, or 0 where there is no host at all. */
  readonly loadPercent: number;
  /** Too few healthy hosts: health is ignored here. */
  readonly panic: boolean;
}

/** Percent of all load that a priority could take. */
export const availabilityOf = (health: PriorityHealth, overprovisioningPercent: number): number =>
  health.total === 0
    ? 0
    : Math.min(
        100,
        Math.floor((overprovisioningPercent * (health.healthy + health.degraded)) / health.total),
      );

export function priorityLoads(
  priorities: readonly PriorityHealth[],
  overprovisioningPercent: number,
  panicThresholdPercent: number,
): readonly PriorityLoad[] {
  const shares = priorities.map((p) => availabilityOf(p, overprovisioningPercent));
  const totalShare = Math.min(
    100,
    shares.reduce((sum, share) => sum + share, 0),
  );
  let left = 100;
  const loads = shares.map((share) => {
    const load = totalShare === 0 ? 0 : Math.min(left, Math.round((share * 100) / totalShare));
    left -= load;
    return load;
  });
  // Rounding leaves a rest to the first priority that carries load; a world without health panics everywhere.
  if (totalShare > 0 && left > 0) loads[loads.findIndex((load) => load > 0)]! += left;
  if (totalShare === 0) {
    const everyone = priorities.reduce((sum, p) => sum + p.total, 0);
    let given = 0;
    priorities.forEach((p, i) => {
      loads[i] = everyone === 0 ? 0 : Math.floor((p.total * 100) / everyone);
      given += loads[i]!;
    });
    const first = priorities.findIndex((p) => p.total > 0);
    if (first >= 0) loads[first]! += 100 - given;
  }
  return priorities.map((p, i) => ({
    loadPercent: loads[i]!,
    // With full health across priorities nobody panics.
    panic:
      totalShare < 100 &&
      p.total > 0 &&
      ((p.healthy + p.degraded) * 100) / p.total < panicThresholdPercent,
  }));
}
