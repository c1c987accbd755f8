// [w] SharedCounts: numbers that all workers add to and any of them may ask for, by name: active faults. Main clears
// what a worker that died had counted.
//
//   hash of name 0 | 1 | … 4095     found or claimed once, when a filter is made; never given back
//   worker 0's count 0 | 1 | …
//   worker 1's count 0 | 1 | …
import { xxHash64 } from '../base/xx-hash64.ts';

const PLACES = 4096;
/** Of a worker that meets others at the limit. */
const MAX_TRIES = 8;
const HASH_BYTES = PLACES * BigInt64Array.BYTES_PER_ELEMENT;
const ROW_BYTES = PLACES * Int32Array.BYTES_PER_ELEMENT;

export const sharedCountsBuffer = (workerCount: number): SharedArrayBuffer =>
  new SharedArrayBuffer(HASH_BYTES + workerCount * ROW_BYTES);

/** [m] */
export const clearWorkerCounts = (buffer: SharedArrayBuffer, workerIndex: number): void => {
  new Int32Array(buffer, HASH_BYTES + workerIndex * ROW_BYTES, PLACES).fill(0);
};

export class SharedCounts {
  readonly #hashes: BigInt64Array;
  readonly #counts: Int32Array;
  readonly #ownRow: number;

  constructor(buffer: SharedArrayBuffer, workerIndex: number) {
    this.#hashes = new BigInt64Array(buffer, 0, PLACES);
    this.#counts = new Int32Array(buffer, HASH_BYTES);
    this.#ownRow = workerIndex * PLACES;
  }

  /** The same count for the same name, in all workers; one of its own where there are too many names. */
  of(name: string): SharedCount {
    const place = this.#placeOf(name);
    return place < 0
      ? new SharedCount(new Int32Array(PLACES), 0, 0)
      : new SharedCount(this.#counts, place, this.#ownRow + place);
  }

  #placeOf(name: string): number {
    const digest = xxHash64(Buffer.from(name));
    const hash = BigInt.asIntN(64, digest | 1n);
    const start = Number(digest >> 32n) % PLACES;
    for (let i = 0; i < PLACES; i++) {
      const place = (start + i) % PLACES;
      const found = Atomics.compareExchange(this.#hashes, place, 0n, hash);
      if (found === 0n || found === hash) return place;
    }
    return -1;
  }
}

export class SharedCount {
  readonly #counts: Int32Array;
  readonly #place: number;
  readonly #own: number;

  constructor(counts: Int32Array, place: number, own: number) {
    this.#counts = counts;
    this.#place = place;
    this.#own = own;
  }

  add(amount: number): void {
    Atomics.add(this.#counts, this.#own, amount);
  }

  /**
   * Adds one if that makes no more than `max` of all workers. Counted first and looked at then, so that two workers never take the last
   * place both; where both step back, they try again.
   */
  addWithin(max: number): boolean {
    if (max === Infinity) {
      this.add(1);
      return true;
    }
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (this.total >= max) return false;
      this.add(1);
      if (this.total <= max) return true;
      this.add(-1);
    }
    return false;
  }

  /** The worker with the smallest count; `own` where it is one of them. */
  smallest(workers: number, own: number): number {
    let best = own;
    for (let worker = 0; worker < workers; worker++)
      if (this.#at(worker) < this.#at(best)) best = worker;
    return best;
  }

  /** To another worker's count. */
  addTo(worker: number, amount: number): void {
    Atomics.add(this.#counts, this.#place + worker * PLACES, amount);
  }

  #at(worker: number): number {
    return Atomics.load(this.#counts, this.#place + worker * PLACES);
  }

  /** Of all workers. */
  get total(): number {
    let sum = 0;
    for (let i = this.#place; i < this.#counts.length; i += PLACES)
      sum += Atomics.load(this.#counts, i);
    return sum;
  }
}
