// [w] Bounded loads (Mirrokni, Thorup, Zadimoghaddam, 2016): a host that has more than its share of the requests under way
// hands over to others, in an order that depends on the key alone (Chen, Coleman, Shrivastava, 2019).
import type { Host } from '../host.ts';
import type { HashTable, WeightedHosts } from './hash-table.ts';
import { MersenneTwister } from './mersenne-twister.ts';

const TWO_TO_32 = 4294967296;

export class BoundedLoad implements HashTable {
  readonly #table: HashTable;
  readonly #hosts: readonly Host[];
  readonly #weights: ReadonlyMap<Host, number>;
  readonly #factorPercent: number;
  readonly #activeRequests: () => number;

  /** `factorPercent`: of the mean load; at least 100. `activeRequests`: of the cluster. */
  constructor(
    table: HashTable,
    { hosts, weights }: WeightedHosts,
    factorPercent: number,
    activeRequests: () => number,
  ) {
    this.#table = table;
    this.#hosts = hosts;
    this.#weights = new Map(hosts.map((host, i) => [host, weights[i]!]));
    this.#factorPercent = factorPercent;
    this.#activeRequests = activeRequests;
  }

  choose(high: number, low: number, attempt: number): Host | null {
    const first = this.#table.choose(high, low, attempt);
    if (first === null) return null;
    const load = this.#loadOf(first);
    return load <= 1 ? first : this.#another(first, load, low);
  }

  /** One that is not overloaded, or the least overloaded. */
  #another(first: Host, load: number, seed: number): Host {
    const count = this.#hosts.length;
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    const random = new MersenneTwister(seed);
    let best = first;
    let bestLoad = load;
    for (let i = 0; i < count; i++) {
      const other = i + below(count - i, random);
      const index = order[other]!;
      order[other] = order[i]!;
      order[i] = index;
      const host = this.#hosts[index]!;
      if (host === first) continue;
      const hostLoad = this.#loadOf(host);
      if (hostLoad <= 1) return host;
      if (hostLoad >= bestLoad) continue;
      best = host;
      bestLoad = hostLoad;
    }
    return best;
  }

  /** Requests under way as part of what the host may have. */
  #loadOf(host: Host): number {
    const slots = Math.floor(((this.#activeRequests() + 1) * this.#factorPercent + 99) / 100);
    const own = Math.max(1, Math.ceil(slots * (this.#weights.get(host) ?? 0)));
    return host.counts.rqActive / own;
  }
}

/** Uniform in [0, count). */
function below(count: number, random: MersenneTwister): number {
  const width = Math.floor(TWO_TO_32 / count);
  for (;;) {
    const value = Math.floor(random.nextUint32() / width);
    if (value < count) return value;
  }
}
