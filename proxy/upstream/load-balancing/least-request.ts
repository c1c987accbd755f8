// [w] Least request: the least busy of a few random hosts where weights are equal; weighted by weight / (active + 1)
// on the deadline scheduler where not (envoy-behaviour §7.6).
import type { RandomSource } from '../../base/random.ts';
import type { Host } from '../host.ts';
import { EdfScheduler } from './edf-scheduler.ts';
import { sameWeights } from './round-robin.ts';
import type { HostPicker } from './round-robin.ts';

const busyWeight = (host: Host): number => host.weight / (host.counts.rqActive + 1);

export class LeastRequestPicker implements HostPicker {
  readonly #hosts: readonly Host[];
  readonly #random: RandomSource;
  readonly #choiceCount: number;
  readonly #edf: EdfScheduler<Host> | null;

  constructor(hosts: readonly Host[], choiceCount: number, random: RandomSource) {
    this.#hosts = hosts;
    this.#random = random;
    this.#choiceCount = choiceCount;
    this.#edf = hosts.length > 1 && !sameWeights(hosts) ? new EdfScheduler<Host>() : null;
    if (this.#edf !== null) for (const host of hosts) this.#edf.add(host, host.weight);
  }

  pick(): Host | null {
    if (this.#edf !== null) return this.#edf.pick(busyWeight);
    const hosts = this.#hosts;
    if (hosts.length < 2) return hosts[0] ?? null;
    let best = hosts[this.#random.nextUint32() % hosts.length]!;
    for (let i = 1; i < this.#choiceCount; i++) {
      const other = hosts[this.#random.nextUint32() % hosts.length]!;
      if (other.counts.rqActive < best.counts.rqActive) best = other;
    }
    return best;
  }
}
