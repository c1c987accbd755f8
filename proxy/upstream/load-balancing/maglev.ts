// [w] Maglev, with Envoy's hashes and order, so that a key goes to the same host in both (envoy-behaviour §7.6; Eisenbud et
// al., NSDI 2016, §3.4). Hosts take turns choosing places of the table, each by a permutation of its own.
import { Hash64 } from '../../base/hash64.ts';
import type { MaglevConfig } from '../../config/load-balancing-config.ts';
import type { Host } from '../host.ts';
import { hashKeyOf } from './hash-table.ts';
import type { HashTable, TableBuild, WeightedHosts } from './hash-table.ts';
import type { LbStats } from './lb-stats.ts';

const TWO_TO_32 = 4294967296;
const STEP = 32_768;
const KEYS_STEP = 128;
const EMPTY = 0xffffffff;

class MaglevTable implements HashTable {
  readonly #hosts: readonly Host[];
  readonly #owner: Uint32Array;

  constructor(hosts: readonly Host[], owner: Uint32Array) {
    this.#hosts = hosts;
    this.#owner = owner;
  }

  choose(high: number, low: number, attempt: number): Host {
    const size = this.#owner.length;
    const place =
      attempt === 0
        ? remainder(high, low, size)
        : // Most bits of the key flip: another place, far away.
          remainder((high ^ 0xffffffff) >>> 0, (low ^ (TWO_TO_32 - attempt)) >>> 0, size);
    return this.#hosts[this.#owner[place]!]!;
  }
}

/** Of a 64-bit number. */
const remainder = (high: number, low: number, divisor: number): number =>
  ((high % divisor) * (TWO_TO_32 % divisor) + low) % divisor;

/** At least one host. */
export function* buildMaglev(
  weighted: WeightedHosts,
  config: MaglevConfig,
  stats: LbStats,
): TableBuild {
  const { tableSize } = config;
  const { hosts, max } = weighted;
  const count = hosts.length;
  const skip = new Uint32Array(count);
  const next = new Uint32Array(count);
  const chosen = new Uint32Array(count);
  const order = yield* inOrderOfKeys(weighted, config, skip, next);
  const target = new Float64Array(count);
  const owner = new Uint32Array(tableSize).fill(EMPTY);
  let filled = 0;
  let steps = 0;
  for (let turn = 1; filled < tableSize; turn++) {
    for (let i = 0; i < count && filled < tableSize; i++) {
      if (++steps % STEP === 0) yield;
      const host = order[i]!;
      // Who has half the greatest weight chooses in every other turn.
      if (turn * weighted.weights[host]! < target[host]!) continue;
      target[host]! += max;
      let place = next[host]!;
      while (owner[place] !== EMPTY) {
        place = (place + skip[host]!) % tableSize;
        if (++steps % STEP === 0) yield;
      }
      owner[place] = host;
      next[host] = (place + skip[host]!) % tableSize;
      chosen[host]!++;
      filled++;
    }
  }
  stats.set(
    'maglev_lb.min_entries_per_host',
    chosen.reduce((a, b) => Math.min(a, b)),
  );
  stats.set(
    'maglev_lb.max_entries_per_host',
    chosen.reduce((a, b) => Math.max(a, b)),
  );
  return new MaglevTable(hosts, owner);
}

/** Whose turn comes first must not depend on the order of an assignment; fills in the permutations as well. */
function* inOrderOfKeys(
  { hosts }: WeightedHosts,
  { tableSize, useHostname }: MaglevConfig,
  skip: Uint32Array,
  offset: Uint32Array,
): Generator<undefined, readonly number[]> {
  const hash = new Hash64();
  const keys: string[] = [];
  for (let i = 0; i < hosts.length; i++) {
    const key = Buffer.from(hashKeyOf(hosts[i]!, useHostname), 'utf8');
    hash.xxHash64(key, key.length);
    offset[i] = remainder(hash.high, hash.low, tableSize);
    hash.xxHash64(key, key.length, 1);
    skip[i] = remainder(hash.high, hash.low, tableSize - 1) + 1;
    keys.push(key.toString('latin1'));
    if (i % KEYS_STEP === 0) yield;
  }
  return hosts.map((_, i) => i).toSorted((a, b) => (keys[a]! < keys[b]! ? -1 : 1));
}
