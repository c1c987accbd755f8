// [b] Connections per host of all workers together, for clusters with `per_host_thresholds`: a table in shared memory in which
// any worker finds the place of a host by itself. Main neither knows the hosts nor is asked.
//
//   keys    place → hash of cluster and address; set once by whoever comes first (compare-and-swap), never taken back
//   counts  worker × place → connections; each worker writes its own row, the limit is held against the column's sum
import { xxHash64 } from '../base/xx-hash64.ts';

const PLACES = 16_384;
/** Places looked at before the table counts as full. */
const MAX_PROBES = 64;
const KEY_BYTES = PLACES * 8;

/** Zero pages until touched. */
export const sharedHostCountsBuffer = (workerCount: number): SharedArrayBuffer =>
  new SharedArrayBuffer(KEY_BYTES + workerCount * PLACES * Int32Array.BYTES_PER_ELEMENT);

/** A worker died: its connections are gone. */
export function clearWorkerHostCounts(buffer: SharedArrayBuffer, workerIndex: number): void {
  new Int32Array(buffer, KEY_BYTES).fill(0, workerIndex * PLACES, (workerIndex + 1) * PLACES);
}

/** One host's connections. */
export interface HostConnections {
  readonly count: number;
  add(connections: number): void;
}

export class SharedHostCounts {
  readonly #keys: BigUint64Array;
  readonly #counts: Int32Array;
  readonly #own: number;

  constructor(buffer: SharedArrayBuffer, workerIndex: number) {
    this.#keys = new BigUint64Array(buffer, 0, PLACES);
    this.#counts = new Int32Array(buffer, KEY_BYTES);
    this.#own = workerIndex * PLACES;
  }

  /** Where the table is full: this worker's connections only. */
  of(cluster: string, address: string): HostConnections {
    const place = this.#placeOf(`${cluster}\0${address}`);
    return place < 0 ? new OwnConnections() : new SharedConnections(this.#counts, place, this.#own);
  }

  #placeOf(name: string): number {
    const key = xxHash64(Buffer.from(name)) | 1n;
    let place = Number(key >> 32n) % PLACES;
    for (let probes = 0; probes < MAX_PROBES; probes++) {
      const present = Atomics.compareExchange(this.#keys, place, 0n, key);
      if (present === 0n || present === key) return place;
      place = (place + 1) % PLACES;
    }
    return -1;
  }
}

class SharedConnections implements HostConnections {
  readonly #counts: Int32Array;
  readonly #place: number;
  readonly #own: number;

  constructor(counts: Int32Array, place: number, own: number) {
    this.#counts = counts;
    this.#place = place;
    this.#own = own;
  }

  get count(): number {
    const counts = this.#counts;
    let sum = 0;
    for (let i = this.#place; i < counts.length; i += PLACES) sum += Atomics.load(counts, i);
    return sum;
  }

  add(connections: number): void {
    Atomics.add(this.#counts, this.#own + this.#place, connections);
  }
}

class OwnConnections implements HostConnections {
  count = 0;

  add(connections: number): void {
    this.count += connections;
  }
}
