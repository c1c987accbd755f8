// [w] The balancer of a cluster: chooses a priority by load, then a host by the cluster's policy. Made anew when
// hosts change; choosing only reads.
import type { LoadBalancingPolicyConfig } from '../../config/cluster-config.ts';
import type { RandomSource } from '../../base/random.ts';
import { Health } from '../host-health.ts';
import type { Host } from '../host.ts';
import type { LoadBalancer, LoadBalancerContext } from '../load-balancer.ts';
import { LeastRequestPicker } from './least-request.ts';
import { availabilityOf, priorityLoads } from './priority-load.ts';
import { RandomPicker } from './random.ts';
import { RoundRobinPicker } from './round-robin.ts';
import type { HostPicker } from './round-robin.ts';

export interface BalancerSettings {
  readonly policy: LoadBalancingPolicyConfig;
  readonly overprovisioningPercent: number;
  readonly panicThresholdPercent: number;
}

interface Tier {
  readonly loadPercent: number;
  readonly picker: HostPicker;
}

function createPicker(
  policy: LoadBalancingPolicyConfig,
  hosts: readonly Host[],
  random: RandomSource,
): HostPicker {
  switch (policy.kind) {
    case 'round_robin':
      return new RoundRobinPicker(hosts, random);
    case 'least_request':
      return new LeastRequestPicker(hosts, policy.choiceCount, random);
    default:
      return new RandomPicker(hosts, random);
  }
}

/** Healthy hosts, degraded ones where there is no healthy one, all of them in panic. */
function usable(hosts: readonly Host[], panic: boolean): readonly Host[] {
  if (panic) return hosts;
  const healthy = hosts.filter((host) => host.healthy);
  return healthy.length > 0 ? healthy : hosts.filter((host) => host.health === Health.Degraded);
}

export class PriorityBalancer implements LoadBalancer {
  /** Those that carry load. */
  readonly #tiers: Tier[] = [];
  readonly #settings: BalancerSettings;
  readonly #random: RandomSource;
  readonly #byPriority: readonly (readonly Host[])[];
  /** Percent of load that each priority could take. */
  readonly #availability: readonly number[];
  /** By priority: for retries with loads of their own; made when first needed. */
  readonly #retryPickers: HostPicker[] = [];

  constructor(hosts: readonly Host[], settings: BalancerSettings, random: RandomSource) {
    this.#settings = settings;
    this.#random = random;
    const highest = hosts.reduce((max, host) => Math.max(max, host.priority), 0);
    const byPriority: Host[][] = Array.from({ length: highest + 1 }, () => []);
    for (const host of hosts) byPriority[host.priority]!.push(host);
    this.#byPriority = byPriority;
    const health = byPriority.map((tier) => ({
      total: tier.length,
      healthy: tier.filter((host) => host.healthy).length,
      degraded: tier.filter((host) => host.health === Health.Degraded).length,
    }));
    const { overprovisioningPercent, panicThresholdPercent } = settings;
    this.#availability = health.map((tier) => availabilityOf(tier, overprovisioningPercent));
    const loads = priorityLoads(health, overprovisioningPercent, panicThresholdPercent);
    byPriority.forEach((tier, i) => {
      const load = loads[i]!;
      if (load.loadPercent === 0) return;
      this.#tiers.push({
        loadPercent: load.loadPercent,
        picker: createPicker(settings.policy, usable(tier, load.panic), random),
      });
    });
  }

  chooseHost(context: LoadBalancerContext | null): Host | null {
    let host = this.#pick(context);
    const retries = context === null ? 0 : context.hostSelectionRetryCount;
    for (let i = 0; i < retries && host !== null && context!.shouldSelectAnotherHost(host); i++)
      host = this.#pick(context);
    return host;
  }

  #pick(context: LoadBalancerContext | null): Host | null {
    const retryPriority = context === null ? null : context.retryPriority;
    const loads = retryPriority ? retryPriority.loads(this.#availability) : null;
    if (loads !== null) return this.#pickForRetry(loads);
    const tiers = this.#tiers;
    if (tiers.length === 1) return tiers[0]!.picker.pick();
    let roll = this.#random.nextUint32() % 100;
    for (const tier of tiers) {
      if (roll < tier.loadPercent) return tier.picker.pick();
      roll -= tier.loadPercent;
    }
    return null;
  }

  #pickForRetry(loads: readonly number[]): Host | null {
    let roll = this.#random.nextUint32() % 100;
    for (let i = 0; i < loads.length; i++) {
      if (roll < loads[i]!) {
        this.#retryPickers[i] ??= createPicker(
          this.#settings.policy,
          usable(this.#byPriority[i]!, false),
          this.#random,
        );
        return this.#retryPickers[i]!.pick();
      }
      roll -= loads[i]!;
    }
    return null;
  }
}
