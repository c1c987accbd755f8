// [w] HostList: the hosts of one kind (all, healthy, degraded) of a priority or a locality. Coming and going costs the
// same however many there are; balancers read `hosts` and hang their picker here.
import type { Host } from './host.ts';

/** Chooses among the hosts of one list; hears of changes after they happened. */
export interface HostPicker {
  pick(): Host | null;
  onAdded(host: Host): void;
  onRemoved(host: Host): void;
}

/** Shorter lists have no positions. */
const SEARCHED = 64;

export class HostList {
  /** For reading. The order is that of coming, until one leaves: the last one takes its place. */
  readonly hosts: Host[] = [];
  /** Null: nobody picked from it yet. */
  picker: HostPicker | null = null;
  #totalWeight = 0;
  /** By `Host.slot`; made when the first host leaves: most lists never change, and short ones are searched. */
  #positions: Int32Array | null = null;
  /** How many hosts by weight; null while all weights are the same. */
  #weights: Map<number, number> | null = null;

  get sameWeights(): boolean {
    return this.#weights === null;
  }

  get totalWeight(): number {
    return this.#totalWeight;
  }

  add(host: Host): void {
    const { hosts } = this;
    if (this.#positions !== null) this.#place(host, hosts.length);
    hosts.push(host);
    this.#totalWeight += host.weight;
    if (this.#weights !== null) count(this.#weights, host.weight, 1);
    else if (host.weight !== hosts[0]!.weight) this.#countWeights();
    this.picker?.onAdded(host);
  }

  /** With the weight it was added with. */
  remove(host: Host): void {
    const { hosts } = this;
    const position = this.#positionOf(host);
    if (position < 0) return;
    const last = hosts.pop()!;
    if (last !== host) {
      hosts[position] = last;
      if (this.#positions !== null) this.#positions[last.slot] = position;
    }
    this.#totalWeight -= host.weight;
    if (this.#weights !== null) {
      count(this.#weights, host.weight, -1);
      if (this.#weights.size < 2) this.#weights = null;
    }
    this.picker?.onRemoved(host);
  }

  #positionOf(host: Host): number {
    const { hosts } = this;
    if (hosts.length < SEARCHED) return hosts.indexOf(host);
    // A Map would do, if V8 did not copy it whole at every other change.
    if (this.#positions === null) {
      this.#positions = new Int32Array(hosts.length);
      hosts.forEach((each, i) => this.#place(each, i));
    }
    const position = this.#positions[host.slot] ?? -1;
    return hosts[position] === host ? position : -1;
  }

  #place({ slot }: Host, position: number): void {
    let positions = this.#positions!;
    if (slot >= positions.length) {
      positions = new Int32Array(Math.max(slot + 1, positions.length * 2));
      positions.set(this.#positions!);
      this.#positions = positions;
    }
    positions[slot] = position;
  }

  #countWeights(): void {
    this.#weights = new Map();
    for (const { weight } of this.hosts) count(this.#weights, weight, 1);
  }
}

function count(weights: Map<number, number>, weight: number, change: 1 | -1): void {
  const left = (weights.get(weight) ?? 0) + change;
  if (left === 0) weights.delete(weight);
  else weights.set(weight, left);
}
