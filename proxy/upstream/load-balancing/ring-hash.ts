// [w] Ring hash, with Envoy's hashes and numbers, so that a key goes to the same host in both (envoy-behaviour §7.6). A host
// has many places on the ring; a key goes to the next one.
import { Hash64 } from '../../base/hash64.ts';
import type { RingHashConfig } from '../../config/load-balancing-config.ts';
import type { Host } from '../host.ts';
import { hashKeyOf } from './hash-table.ts';
import type { HashTable, TableBuild, WeightedHosts } from './hash-table.ts';
import type { LbStats } from './lb-stats.ts';

/** A step is a fraction of a millisecond. */
const STEP = 1024;
/** Digits of the number behind a host's key, and what joins them. */
const MAX_TAIL_BYTES = 12;
const UNDERSCORE = 0x5f;
const ZERO = 0x30;
const HOSTS_STEP = 256;

/** Places by the upper bits of their hash: a key's are found by looking at two or three. */
class Ring implements HashTable {
  readonly #hosts: readonly Host[];
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  readonly #owner: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #shift: number;

  constructor(hosts: readonly Host[], places: Places, starts: Uint32Array, shift: number) {
    this.#hosts = hosts;
    this.#high = places.high;
    this.#low = places.low;
    this.#owner = places.owner;
    this.#starts = starts;
    this.#shift = shift;
  }

  choose(high: number, low: number, attempt: number): Host {
    const highs = this.#high;
    const size = highs.length;
    let at = this.#starts[bucketOf(high, this.#shift)]!;
    while (at < size && (highs[at]! < high || (highs[at] === high && this.#low[at]! < low))) at++;
    // Past the last place the ring begins again.
    return this.#hosts[this.#owner[(at === size ? attempt : at + attempt) % size]!]!;
  }
}

interface Places {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  readonly owner: Uint32Array;
}

const newPlaces = (size: number): Places => ({
  high: new Uint32Array(size),
  low: new Uint32Array(size),
  owner: new Uint32Array(size),
});

const bucketOf = (high: number, shift: number): number => (shift === 32 ? 0 : high >>> shift);

/** What is hashed for each place of a host: its key, an underscore, a number. */
class KeyBytes {
  bytes = Buffer.alloc(256);
  #start = 0;

  set(key: string): void {
    // Up to three bytes a character.
    const most = key.length * 3 + MAX_TAIL_BYTES;
    if (this.bytes.length < most) this.bytes = Buffer.alloc(most);
    this.#start = this.bytes.write(key, 'utf8');
    this.bytes[this.#start++] = UNDERSCORE;
  }

  /** Gives the length of all. */
  number(value: number): number {
    let digits = 1;
    for (let rest = value; rest > 9; rest = Math.floor(rest / 10)) digits++;
    let rest = value;
    for (let at = this.#start + digits - 1; at >= this.#start; at--) {
      this.bytes[at] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    return this.#start + digits;
  }
}

/** At least one host. */
export function* buildRing(
  weighted: WeightedHosts,
  config: RingHashConfig,
  stats: LbStats,
): TableBuild {
  const { hosts, weights, min } = weighted;
  // The lightest host gets a whole number of places.
  const scale = Math.min(Math.ceil(min * config.minRingSize) / min, config.maxRingSize);
  const size = Math.ceil(scale);
  const capacity = size + hosts.length;
  const unsorted = newPlaces(capacity);
  const hash = new Hash64();
  let count = 0;
  let target = 0;
  let fewest = size;
  let most = 0;
  const key = new KeyBytes();
  for (let i = 0; i < hosts.length; i++) {
    key.set(hashKeyOf(hosts[i]!, config.useHostname));
    // Sums, not products: a host without a whole number of places gets what the ones before left over.
    target += scale * weights[i]!;
    const first = count;
    while (count < target && count < capacity) {
      const length = key.number(count - first);
      if (config.hashFunction === 'murmur_hash_2') hash.murmurHash2(key.bytes, length);
      else hash.xxHash64(key.bytes, length);
      unsorted.high[count] = hash.high;
      unsorted.low[count] = hash.low;
      unsorted.owner[count] = i;
      if (++count % STEP === 0) yield;
    }
    fewest = Math.min(fewest, count - first);
    most = Math.max(most, count - first);
    if (i % HOSTS_STEP === 0) yield;
  }
  stats.set('ring_hash_lb.size', size);
  stats.set('ring_hash_lb.min_hashes_per_host', fewest);
  stats.set('ring_hash_lb.max_hashes_per_host', most);
  return yield* sorted(hosts, unsorted, count);
}

/** Hashes are spread evenly: each goes to its bucket, and few are to be put in order there. */
function* sorted(hosts: readonly Host[], unsorted: Places, count: number): TableBuild {
  const bits = Math.min(24, Math.ceil(Math.log2(Math.max(1, count))));
  const shift = 32 - bits;
  const starts = new Uint32Array(2 ** bits + 1);
  for (let i = 0; i < count; i++) {
    starts[bucketOf(unsorted.high[i]!, shift) + 1]!++;
    if (i % (STEP * 16) === 0) yield;
  }
  for (let i = 1; i < starts.length; i++) starts[i]! += starts[i - 1]!;
  yield;
  const filled = starts.slice(0, 2 ** bits);
  const places = newPlaces(count);
  for (let i = 0; i < count; i++) {
    const high = unsorted.high[i]!;
    const bucket = bucketOf(high, shift);
    insert(places, starts[bucket]!, filled[bucket]!++, [
      high,
      unsorted.low[i]!,
      unsorted.owner[i]!,
    ]);
    if (i % STEP === 0) yield;
  }
  return new Ring(hosts, places, starts, shift);
}

/** Into the sorted places from `first` up to, not including, `at`. */
function insert(
  { high, low, owner }: Places,
  first: number,
  at: number,
  [newHigh, newLow, newOwner]: readonly [number, number, number],
): void {
  let to = at;
  while (to > first) {
    const before = to - 1;
    if (high[before]! < newHigh || (high[before] === newHigh && low[before]! <= newLow)) break;
    high[to] = high[before]!;
    low[to] = low[before]!;
    owner[to] = owner[before]!;
    to--;
  }
  high[to] = newHigh;
  low[to] = newLow;
  owner[to] = newOwner;
}
