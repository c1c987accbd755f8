// [w] Spill-over between priorities and the panic threshold (envoy-behaviour §7.4), in whole percents as Envoy has them:
// each priority takes as much load as its healthy share times the overprovisioning factor allows, the rest goes on to
// the next one; what is left after the last goes to degraded hosts in the same way.

/** Numbers of hosts, or sums of their weights where `weighted_priority_health` is on. */
export interface PriorityHealth {
  /** Without excluded hosts. */
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
  /** Numbers of hosts in any case: what panic goes by. */
  readonly hosts: {
    /** With excluded ones. */
    readonly all: number;
    readonly counted: number;
    /** Healthy or degraded. */
    readonly usable: number;
  };
}

/** By priority; percents of requests, 100 in all. */
export interface PriorityLoads {
  readonly healthy: readonly number[];
  readonly degraded: readonly number[];
  /** Too few usable hosts: health is ignored here. */
  readonly panic: readonly boolean[];
  /** Percent of all load that the usable hosts of a priority could take. */
  readonly availability: readonly number[];
}

const sum = (numbers: readonly number[]): number =>
  numbers.reduce((total, number) => total + number, 0);

const share = (part: number, total: number, overprovisioningPercent: number): number =>
  total <= 0 ? 0 : Math.min(100, Math.floor((overprovisioningPercent * part) / total));

export function priorityLoads(
  priorities: readonly PriorityHealth[],
  overprovisioningPercent: number,
  panicThresholdPercent: number,
): PriorityLoads {
  const healthyShares = priorities.map((p) => share(p.healthy, p.total, overprovisioningPercent));
  const degradedShares = priorities.map((p) => share(p.degraded, p.total, overprovisioningPercent));
  const available = Math.min(100, sum(healthyShares) + sum(degradedShares));
  const panic = priorities.map(
    ({ hosts }) =>
      // With full health across priorities nobody panics.
      available < 100 && usablePercent(hosts) < panicThresholdPercent,
  );
  const loads = panic.every(Boolean)
    ? loadsInTotalPanic(priorities)
    : distribute(healthyShares, degradedShares, available);
  const availability = healthyShares.map((percent, i) =>
    Math.min(100, percent + degradedShares[i]!),
  );
  return { ...loads, panic, availability };
}

/** Of the hosts that count. */
export const usablePercent = (hosts: PriorityHealth['hosts']): number =>
  hosts.counted <= 0 ? 0 : (100 * hosts.usable) / hosts.counted;

type Loads = Pick<PriorityLoads, 'healthy' | 'degraded'>;

function distribute(
  healthyShares: readonly number[],
  degradedShares: readonly number[],
  available: number,
): Loads {
  let left = 100;
  const take = (percent: number): number => {
    const load = available === 0 ? 0 : Math.min(left, Math.floor((percent * 100) / available));
    left -= load;
    return load;
  };
  const healthy = healthyShares.map(take);
  const degraded = degradedShares.map(take);
  // What rounding left over.
  const firstHealthy = healthyShares.findIndex((percent) => percent > 0);
  const firstDegraded = degradedShares.findIndex((percent) => percent > 0);
  if (firstHealthy >= 0) healthy[firstHealthy]! += left;
  else if (firstDegraded >= 0) degraded[firstDegraded]! += left;
  // Nobody can answer, and panic is off: the first priority says so.
  else healthy[0] = 100;
  return { healthy, degraded };
}

/** By the number of hosts, whatever their health. */
function loadsInTotalPanic(priorities: readonly PriorityHealth[]): Loads {
  const total = sum(priorities.map((p) => p.hosts.all));
  const healthy = priorities.map((p) =>
    total === 0 ? 0 : Math.floor((100 * p.hosts.all) / total),
  );
  const first = Math.max(
    0,
    priorities.findIndex((p) => p.hosts.all > 0),
  );
  healthy[first]! += 100 - sum(healthy);
  return { healthy, degraded: priorities.map(() => 0) };
}
