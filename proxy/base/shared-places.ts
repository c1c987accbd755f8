// [b] SharedPlaces: a table in shared memory in which any worker finds, by itself, the place of a name where all workers count something.
// Main neither knows the names nor is asked.
//
//   lock      0, or 1 + the worker that looks for a place now
//   keys      place → hash of the name; 0: never taken
//   counts    worker × place
//   holders   worker × place → objects that count there; none, and nothing counted: another name may have the place
import { xxHash64 } from './xx-hash64.ts';

const LOCK_BYTES = 64;
/** Places looked at before the table counts as full. */
const MAX_PROBES = 64;
/** Whoever has the lock needs a microsecond. Only one who was ended in that moment keeps it, until main has noticed. */
const MAX_SPINS = 100_000;

/** Zero pages until touched. */
export const sharedPlacesBuffer = (places: number, workerCount: number): SharedArrayBuffer =>
  new SharedArrayBuffer(
    LOCK_BYTES + places * (BigInt64Array.BYTES_PER_ELEMENT + workerCount * 2 * 4),
  );

export class SharedPlaces {
  /** The worker's own row begins at `row`; a place's counts are `places` apart. */
  readonly counts: Int32Array;
  readonly row: number;
  readonly places: number;
  readonly #worker: number;
  readonly #lock: Int32Array;
  readonly #keys: BigInt64Array;
  readonly #holders: Int32Array;
  #registry: FinalizationRegistry<number> | null = null;

  constructor(buffer: SharedArrayBuffer, places: number, worker: number) {
    const keyBytes = places * BigInt64Array.BYTES_PER_ELEMENT;
    const rowsAt = LOCK_BYTES + keyBytes;
    const cells = (buffer.byteLength - rowsAt) / 8;
    this.places = places;
    this.row = worker * places;
    this.#worker = worker;
    this.#lock = new Int32Array(buffer, 0, 1);
    this.#keys = new BigInt64Array(buffer, LOCK_BYTES, places);
    this.counts = new Int32Array(buffer, rowsAt, cells);
    this.#holders = new Int32Array(buffer, rowsAt + cells * 4, cells);
  }

  /** The name's place, which it keeps as long as `holder` lives; -1: there is none. */
  hold(name: string, holder: object): number {
    if (!this.#acquire()) return -1;
    const place = this.#find(BigInt.asIntN(64, xxHash64(Buffer.from(name)) | 1n));
    if (place >= 0) Atomics.add(this.#holders, this.row + place, 1);
    Atomics.store(this.#lock, 0, 0);
    if (place < 0) return -1;
    this.#registry ??= new FinalizationRegistry((held) => this.#letGo(held));
    this.#registry.register(holder, place);
    return place;
  }

  /** [m] The worker died: what it counted is gone, and so are those who counted. */
  clear(): void {
    const end = this.row + this.places;
    this.counts.fill(0, this.row, end);
    this.#holders.fill(0, this.row, end);
    Atomics.compareExchange(this.#lock, 0, this.#worker + 1, 0);
  }

  #acquire(): boolean {
    for (let spins = 0; spins < MAX_SPINS; spins++)
      if (Atomics.compareExchange(this.#lock, 0, 0, this.#worker + 1) === 0) return true;
    return false;
  }

  #find(key: bigint): number {
    const keys = this.#keys;
    const start = Number(BigInt.asUintN(32, key >> 32n)) % this.places;
    let free = -1;
    for (let probes = 0; probes < MAX_PROBES; probes++) {
      const place = (start + probes) % this.places;
      const present = keys[place]!;
      if (present === key) return place;
      if (free < 0 && (present === 0n || this.#abandoned(place))) free = place;
      // Behind a place that nobody ever took there is nothing.
      if (present === 0n) break;
    }
    if (free >= 0) keys[free] = key;
    return free;
  }

  #abandoned(place: number): boolean {
    const { counts, places } = this;
    for (let i = place; i < counts.length; i += places)
      if (Atomics.load(this.#holders, i) !== 0 || Atomics.load(counts, i) !== 0) return false;
    return true;
  }

  #letGo(place: number): void {
    Atomics.sub(this.#holders, this.row + place, 1);
  }
}
