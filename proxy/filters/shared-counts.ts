// [w] SharedCounts: numbers that all workers add to and any of them may ask for, by name: active faults, connections of a listener. A name's
// place is given back when nobody counts under it any more. Main clears what a worker that died had counted.
import { SharedPlaces, sharedPlacesBuffer } from '../base/shared-places.ts';

const PLACES = 4096;
/** Of a worker that meets others at the limit. */
const MAX_TRIES = 8;

export const sharedCountsBuffer = (workerCount: number): SharedArrayBuffer =>
  sharedPlacesBuffer(PLACES, workerCount);

/** [m] */
export const clearWorkerCounts = (buffer: SharedArrayBuffer, workerIndex: number): void =>
  new SharedPlaces(buffer, PLACES, workerIndex).clear();

export class SharedCounts {
  readonly #places: SharedPlaces;

  constructor(buffer: SharedArrayBuffer, workerIndex: number) {
    this.#places = new SharedPlaces(buffer, PLACES, workerIndex);
  }

  /** The same count for the same name, in all workers; one of its own where there are too many names. */
  of(name: string): SharedCount {
    return new SharedCount(this.#places, name);
  }
}

export class SharedCount {
  readonly #counts: Int32Array;
  readonly #place: number;
  readonly #own: number;
  /** There was no place: it knows of this worker only. */
  readonly #alone: boolean;

  constructor(places: SharedPlaces, name: string) {
    const place = places.hold(name, this);
    this.#alone = place < 0;
    this.#counts = this.#alone ? new Int32Array(1) : places.counts;
    this.#place = this.#alone ? 0 : place;
    this.#own = this.#alone ? 0 : places.row + place;
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
    if (this.#alone) return own;
    let best = own;
    for (let worker = 0; worker < workers; worker++)
      if (this.#at(worker) < this.#at(best)) best = worker;
    return best;
  }

  /** To the count of the worker that smallest() gave, if it is another. */
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
