// [w] Weighted round robin; plain turns where all weights are equal, earliest deadline first where not.
import type { RandomSource } from '../../base/random.ts';
import type { Host } from '../host.ts';
import { EdfScheduler } from './edf-scheduler.ts';

/** Chooses among a fixed list of hosts. */
export interface HostPicker {
  pick(): Host | null;
}

const weightOf = (host: Host): number => host.weight;

export const sameWeights = (hosts: readonly Host[]): boolean =>
  hosts.every((host) => host.weight === hosts[0]!.weight);

export class RoundRobinPicker implements HostPicker {
  readonly #hosts: readonly Host[];
  readonly #edf: EdfScheduler<Host> | null;
  #next: number;

  constructor(hosts: readonly Host[], random: RandomSource) {
    this.#hosts = hosts;
    // Workers and updates begin at different places, or the first host would get every first request.
    this.#next = hosts.length === 0 ? 0 : random.nextUint32() % hosts.length;
    this.#edf = hosts.length > 1 && !sameWeights(hosts) ? new EdfScheduler<Host>() : null;
    if (this.#edf !== null) for (const host of hosts) this.#edf.add(host, host.weight);
  }

  pick(): Host | null {
    if (this.#edf !== null) return this.#edf.pick(weightOf);
    const hosts = this.#hosts;
    if (hosts.length === 0) return null;
    const host = hosts[this.#next]!;
    this.#next = this.#next + 1 === hosts.length ? 0 : this.#next + 1;
    return host;
  }
}
