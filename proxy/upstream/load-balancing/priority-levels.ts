// [w] PriorityLevels: how requests divide over the priorities of a host set; worked out when asked after a change.
import type { HostSet, PriorityHosts } from '../host-set.ts';
import type { BalancerEnvironment } from './balancer-environment.ts';
import { priorityLoads, usablePercent } from './priority-load.ts';
import type { PriorityHealth, PriorityLoads } from './priority-load.ts';

const PANIC_KEY = 'upstream.healthy_panic_threshold';

export class PriorityLevels {
  readonly hosts: HostSet;
  loads: PriorityLoads = { healthy: [], degraded: [], panic: [], availability: [] };
  readonly #panicThresholdPercent: number;
  #version = -1;

  constructor(hosts: HostSet, environment: BalancerEnvironment) {
    this.hosts = hosts;
    const { runtime, panicThresholdPercent } = environment;
    this.#panicThresholdPercent = Math.min(100, runtime.integer(PANIC_KEY, panicThresholdPercent));
  }

  /** True: `loads` are new. */
  evaluate(): boolean {
    const { hosts } = this;
    if (this.#version === hosts.version) return false;
    this.#version = hosts.version;
    this.loads = priorityLoads(
      hosts.priorities.map((priority) => healthOf(priority, hosts.weightedHealth)),
      hosts.overprovisioningPercent,
      this.#panicThresholdPercent,
    );
    return true;
  }

  /** Whether the hosts of a priority, alone, are in panic. */
  isPanicking({ hosts }: PriorityHealth): boolean {
    return usablePercent(hosts) < this.#panicThresholdPercent;
  }
}

export function healthOf(priority: PriorityHosts, weighted: boolean): PriorityHealth {
  const { all, healthy, degraded, counted, excludedWeight } = priority;
  const hosts = {
    all: all.hosts.length,
    counted,
    usable: healthy.hosts.length + degraded.hosts.length,
  };
  if (!weighted) {
    return {
      total: counted,
      healthy: healthy.hosts.length,
      degraded: degraded.hosts.length,
      hosts,
    };
  }
  return {
    total: all.totalWeight - excludedWeight,
    healthy: healthy.totalWeight,
    degraded: degraded.totalWeight,
    hosts,
  };
}
