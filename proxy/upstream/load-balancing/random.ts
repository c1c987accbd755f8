// [w] Uniform choice; weights are not looked at, as in Envoy.
import type { RandomSource } from '../../base/random.ts';
import type { Host } from '../host.ts';
import type { HostPicker } from './round-robin.ts';

export class RandomPicker implements HostPicker {
  readonly #hosts: readonly Host[];
  readonly #random: RandomSource;

  constructor(hosts: readonly Host[], random: RandomSource) {
    this.#hosts = hosts;
    this.#random = random;
  }

  pick(): Host | null {
    const hosts = this.#hosts;
    return hosts.length === 0 ? null : hosts[this.#random.nextUint32() % hosts.length]!;
  }
}
