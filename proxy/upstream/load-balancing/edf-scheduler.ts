// [w] Earliest deadline first: weighted picks in O(log n). Every entry's next deadline lies 1/weight further on, so
// over time each is picked in proportion to its weight, spread evenly. Entries come and go at the same price.
import type { RandomSource } from '../../base/random.ts';

/** A place in the schedule. */
export interface EdfEntry<T> {
  readonly value: T;
  deadline: number;
  /** Earlier insertion wins a tie. */
  order: number;
  /** Leaves when its turn comes. */
  removed: boolean;
}

/** Removed entries that may wait for their turn while there are no more live ones than that. */
const MIN_SWEEP = 16;

export class EdfScheduler<T> {
  #heap: EdfEntry<T>[] = [];
  #size = 0;
  #now = 0;
  #order = 0;

  /** `phase`: the first turn comes anywhere within the entry's period, so that schedulers do not go in step. */
  add(value: T, weight: number, phase: RandomSource | null = null): EdfEntry<T> {
    const part = phase === null ? 1 : phase.next();
    const entry = {
      value,
      deadline: this.#now + part / weight,
      order: this.#order++,
      removed: false,
    };
    this.#size++;
    this.#push(entry);
    return entry;
  }

  remove(entry: EdfEntry<T>): void {
    if (entry.removed) return;
    entry.removed = true;
    this.#size--;
    if (this.#heap.length > 2 * this.#size + MIN_SWEEP) this.#sweep();
  }

  get size(): number {
    return this.#size;
  }

  /** Takes the earliest entry and puts it back by `weightOf` (called after the pick). */
  pick(weightOf: (value: T) => number): T | null {
    const heap = this.#heap;
    for (;;) {
      if (heap.length === 0) return null;
      const entry = heap[0]!;
      if (entry.removed) {
        this.#dropFirst();
        continue;
      }
      this.#now = entry.deadline;
      entry.deadline = this.#now + 1 / weightOf(entry.value);
      entry.order = this.#order++;
      this.#sink(0);
      return entry.value;
    }
  }

  #dropFirst(): void {
    const last = this.#heap.pop()!;
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #sweep(): void {
    const live = this.#heap.filter((entry) => !entry.removed);
    this.#heap = [];
    for (const entry of live) this.#push(entry);
  }

  #push(entry: EdfEntry<T>): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  #sink(start: number): void {
    const heap = this.#heap;
    const entry = heap[start]!;
    let index = start;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, entry)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = entry;
  }
}

function before<T>(a: EdfEntry<T>, b: EdfEntry<T>): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);
}
