// [w] LocalityWeights: locality-weighted balancing within one priority (envoy-behaviour §7.5): localities take turns by
// their weight times their healthy share, as overprovisioning lets it.
import type { RandomSource } from '../../base/random.ts';
import type { HostList } from '../host-list.ts';
import type { LocalityHosts, PriorityHosts } from '../host-set.ts';
import { EdfScheduler } from './edf-scheduler.ts';

export class LocalityWeights {
  readonly #healthy: LocalityTurns;
  readonly #degraded: LocalityTurns;

  constructor(random: RandomSource) {
    this.#healthy = new LocalityTurns(random, (group) => group.healthy);
    this.#degraded = new LocalityTurns(random, (group) => group.degraded);
  }

  /** After every change of the priority. */
  update(priority: PriorityHosts, overprovisioningPercent: number): void {
    this.#healthy.update(priority, overprovisioningPercent);
    this.#degraded.update(priority, overprovisioningPercent);
  }

  /** Null: no locality has both weight and hosts. */
  pick(degraded: boolean): HostList | null {
    return (degraded ? this.#degraded : this.#healthy).pick();
  }
}

class LocalityTurns {
  readonly #random: RandomSource;
  readonly #listOf: (group: LocalityHosts) => HostList;
  readonly #weights = new Map<LocalityHosts, number>();
  #edf = new EdfScheduler<LocalityHosts>();
  readonly #weightOf = (group: LocalityHosts): number => this.#weights.get(group)!;

  constructor(random: RandomSource, listOf: (group: LocalityHosts) => HostList) {
    this.#random = random;
    this.#listOf = listOf;
  }

  /** Localities that stay keep their turn: what changes is how soon the next one comes. */
  update(priority: PriorityHosts, overprovisioningPercent: number): void {
    const gone = new Set(this.#weights.keys());
    for (const group of priority.localities) {
      const weight = effectiveWeight(group, this.#listOf(group), overprovisioningPercent);
      if (weight === 0) continue;
      gone.delete(group);
      const isNew = !this.#weights.has(group);
      this.#weights.set(group, weight);
      if (isNew) this.#edf.add(group, weight, this.#random);
    }
    for (const group of gone) {
      this.#weights.delete(group);
      this.#edf.remove(group);
    }
  }

  pick(): HostList | null {
    const group = this.#edf.pick(this.#weightOf);
    return group === null ? null : this.#listOf(group);
  }
}

export function effectiveWeight(
  group: LocalityHosts,
  list: HostList,
  overprovisioningPercent: number,
): number {
  if (group.counted <= 0) return 0;
  const part = (overprovisioningPercent / 100) * (list.hosts.length / group.counted);
  return group.weight * Math.min(1, part);
}
