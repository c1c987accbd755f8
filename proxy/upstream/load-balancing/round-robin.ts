// [w] Weighted round robin; plain turns where all weights are equal, earliest deadline first where not.
import type { RandomSource } from '../../base/random.ts';
import type { HostList } from '../host-list.ts';
import type { Host } from '../host.ts';
import type { SlowStart } from './slow-start.ts';
import { WeightedPicker } from './weighted-picker.ts';

export class RoundRobinPicker extends WeightedPicker {
  #next: number;

  constructor(list: HostList, random: RandomSource, slowStart: SlowStart | null = null) {
    super(list, random, slowStart);
    // Workers begin at different places, or the first host would get every first request.
    this.#next = random.nextUint32() >>> 2;
  }

  protected override pickPlain(hosts: readonly Host[]): Host {
    if (this.#next >= hosts.length) this.#next %= hosts.length;
    return hosts[this.#next++]!;
  }

  protected override weightOf(host: Host): number {
    return host.weight;
  }
}
