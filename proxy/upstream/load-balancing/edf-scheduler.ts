// [w] Earliest deadline first: weighted picks in O(log n). Every entry's next deadline lies 1/weight further on, so
// over time each is picked in proportion to its weight, spread evenly.

interface Entry<T> {
  readonly value: T;
  deadline: number;
  /** Earlier insertion wins a tie. */
  order: number;
}

export class EdfScheduler<T> {
  readonly #heap: Entry<T>[] = [];
  #now = 0;
  #order = 0;

  add(value: T, weight: number): void {
    this.#push({ value, deadline: this.#now + 1 / weight, order: this.#order++ });
  }

  get size(): number {
    return this.#heap.length;
  }

  /** Takes the earliest entry and puts it back by `weightOf` (called after the pick). */
  pick(weightOf: (value: T) => number): T | null {
    const heap = this.#heap;
    if (heap.length === 0) return null;
    const entry = heap[0]!;
    this.#now = entry.deadline;
    entry.deadline = this.#now + 1 / weightOf(entry.value);
    entry.order = this.#order++;
    this.#sink(0);
    return entry.value;
  }

  #push(entry: Entry<T>): void {
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

function before<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);
}
