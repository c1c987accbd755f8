// [w] LocalityWeights: locality-weighted balancing within one priority (envoy-behaviour §7.5): localities take turns by
// their weight times their healthy share, as overprovisioning lets it.
import type { RandomSource } from '../../base/random.ts';
import type { HostList } from '../host-list.ts';
import type { HostSet, LocalityHosts, PriorityHosts } from '../host-set.ts';
import { EdfScheduler } from './edf-scheduler.ts';
import type { EdfEntry } from './edf-scheduler.ts';

export class LocalityWeights {
  readonly #healthy: LocalityTurns;
  readonly #degraded: LocalityTurns;

  constructor(random: RandomSource) {
    this.#healthy = new LocalityTurns(random, (group) => group.healthy);
    this.#degraded = new LocalityTurns(random, (group) => group.degraded);
  }

  /** After every change of the priority. */
  update(hosts: HostSet, priority: PriorityHosts): void {
    this.#healthy.update(hosts, priority);
    this.#degraded.update(hosts, priority);
  }

  /** Null: no locality has both weight and hosts. */
  pick(degraded: boolean): HostList | null {
    return (degraded ? this.#degraded : this.#healthy).pick();
  }
}

interface Turn {
  weight: number;
  readonly entry: EdfEntry<LocalityHosts>;
}

class LocalityTurns {
  readonly #random: RandomSource;
  readonly #listOf: (group: LocalityHosts) => HostList;
  readonly #turns = new Map<LocalityHosts, Turn>();
  readonly #edf = new EdfScheduler<LocalityHosts>();
  readonly #weightOf = (group: LocalityHosts): number => this.#turns.get(group)!.weight;

  constructor(random: RandomSource, listOf: (group: LocalityHosts) => HostList) {
    this.#random = random;
    this.#listOf = listOf;
  }

  /** Localities that stay keep their turn: what changes is how soon the next one comes. */
  update(hosts: HostSet, priority: PriorityHosts): void {
    const gone = new Set(this.#turns.keys());
    for (const group of priority.localities) {
      const part = healthyPart(group, this.#listOf(group), hosts.overprovisioningPercent);
      const weight = hosts.weightOf(priority, group) * part;
      if (weight === 0) continue;
      gone.delete(group);
      const turn = this.#turns.get(group);
      if (turn === undefined) {
        const entry = this.#edf.add(group, weight, this.#random);
        this.#turns.set(group, { weight, entry });
      } else turn.weight = weight;
    }
    for (const group of gone) {
      this.#edf.remove(this.#turns.get(group)!.entry);
      this.#turns.delete(group);
    }
  }

  pick(): HostList | null {
    const group = this.#edf.pick(this.#weightOf);
    return group === null ? null : this.#listOf(group);
  }
}

/** Of the load that the locality could take. */
export function healthyPart(
  group: LocalityHosts,
  list: HostList,
  overprovisioningPercent: number,
): number {
  if (group.counted <= 0) return 0;
  return Math.min(1, (overprovisioningPercent / 100) * (list.hosts.length / group.counted));
}
