// [w] Uniform choice; weights are not looked at, as in Envoy.
import type { RandomSource } from '../../base/random.ts';
import type { HostList, HostPicker } from '../host-list.ts';
import type { Host } from '../host.ts';

export class RandomPicker implements HostPicker {
  readonly #list: HostList;
  readonly #random: RandomSource;

  constructor(list: HostList, random: RandomSource) {
    this.#list = list;
    this.#random = random;
  }

  pick(): Host | null {
    const { hosts } = this.#list;
    return hosts.length === 0 ? null : hosts[this.#random.nextUint32() % hosts.length]!;
  }

  onAdded(_host: Host): void {
    // Reads the list.
  }

  onRemoved(_host: Host): void {
    // Reads the list.
  }
}
