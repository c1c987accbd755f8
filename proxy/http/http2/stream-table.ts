// [w] The open streams of a connection by number: open addressing with linear probing over two arrays.
//
// Not a Map: one whose entries come and go is rehashed all the time, and V8's old tables keep what was in them alive for
// the scavenger, stream graphs and all. Half of the nursery survived because of that, and GC took 28 % of a proxy's
// time at h2load -c8 -m16.
//
// Memory: at most four slots (12 bytes each) for every stream that was open at once.
import type { Http2Stream } from './stream.ts';

const LEAST_SLOTS = 16;

export class StreamTable {
  #ids = new Int32Array(LEAST_SLOTS);
  #streams: (Http2Stream | null)[] = emptySlots(LEAST_SLOTS);
  #mask = LEAST_SLOTS - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Http2Stream | undefined {
    const ids = this.#ids;
    const mask = this.#mask;
    for (let slot = (id >>> 1) & mask; ids[slot] !== 0; slot = (slot + 1) & mask)
      if (ids[slot] === id) return this.#streams[slot]!;
    return undefined;
  }

  /** `id` is not there yet. */
  add(id: number, stream: Http2Stream): void {
    if ((this.#size + 1) * 2 > this.#ids.length) this.#grow();
    this.#size++;
    this.#put(id, stream);
  }

  /** True when it was there; 0, a stream without a number, never is. */
  delete(id: number): boolean {
    if (id === 0) return false;
    const ids = this.#ids;
    const streams = this.#streams;
    const mask = this.#mask;
    let slot = (id >>> 1) & mask;
    while (ids[slot] !== id) {
      if (ids[slot] === 0) return false;
      slot = (slot + 1) & mask;
    }
    this.#size--;
    // Those behind move up, as far as their own place allows: no tombstones.
    for (let next = (slot + 1) & mask; ids[next] !== 0; next = (next + 1) & mask) {
      const home = (ids[next]! >>> 1) & mask;
      if (((next - home) & mask) < ((next - slot) & mask)) continue;
      ids[slot] = ids[next]!;
      streams[slot] = streams[next]!;
      slot = next;
    }
    ids[slot] = 0;
    streams[slot] = null;
    return true;
  }

  /** The streams of this moment; the table may change meanwhile. */
  all(): readonly Http2Stream[] {
    return this.#streams.filter((stream) => stream !== null);
  }

  #put(id: number, stream: Http2Stream): void {
    let slot = (id >>> 1) & this.#mask;
    while (this.#ids[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#ids[slot] = id;
    this.#streams[slot] = stream;
  }

  #grow(): void {
    const ids = this.#ids;
    const streams = this.#streams;
    const slots = ids.length * 2;
    this.#ids = new Int32Array(slots);
    this.#streams = emptySlots(slots);
    this.#mask = slots - 1;
    for (let i = 0; i < ids.length; i++) if (ids[i] !== 0) this.#put(ids[i]!, streams[i]!);
  }
}

const emptySlots = (count: number): (Http2Stream | null)[] =>
  Array.from({ length: count }, () => null);
