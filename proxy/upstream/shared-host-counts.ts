// [b] Connections per host of all workers together, for clusters with `per_host_thresholds`: each worker writes its own row of a shared table,
// the limit is held against the column's sum. The place of a host that is gone is given back.
import { SharedPlaces, sharedPlacesBuffer } from '../base/shared-places.ts';

const PLACES = 16_384;

export const sharedHostCountsBuffer = (workerCount: number): SharedArrayBuffer =>
  sharedPlacesBuffer(PLACES, workerCount);

/** A worker died: its connections are gone. */
export const clearWorkerHostCounts = (buffer: SharedArrayBuffer, workerIndex: number): void =>
  new SharedPlaces(buffer, PLACES, workerIndex).clear();

/** One host's connections. */
export interface HostConnections {
  readonly count: number;
  add(connections: number): void;
}

export class SharedHostCounts {
  readonly #places: SharedPlaces;

  constructor(buffer: SharedArrayBuffer, workerIndex: number) {
    this.#places = new SharedPlaces(buffer, PLACES, workerIndex);
  }

  /** Where the table is full: this worker's connections only. */
  of(cluster: string, address: string): HostConnections {
    return new SharedConnections(this.#places, `${cluster}\0${address}`);
  }
}

class SharedConnections implements HostConnections {
  readonly #counts: Int32Array;
  readonly #place: number;
  readonly #own: number;

  constructor(places: SharedPlaces, name: string) {
    const place = places.hold(name, this);
    const alone = place < 0;
    this.#counts = alone ? new Int32Array(1) : places.counts;
    this.#place = alone ? 0 : place;
    this.#own = alone ? 0 : places.row + place;
  }

  get count(): number {
    const counts = this.#counts;
    let sum = 0;
    for (let i = this.#place; i < counts.length; i += PLACES) sum += Atomics.load(counts, i);
    return sum;
  }

  add(connections: number): void {
    Atomics.add(this.#counts, this.#own, connections);
  }
}
