// [w] TableKeeper: the hash table of one priority. A small one is built when it is needed; what takes longer goes on in
// slices while the one before, or chance, chooses: no request waits for a table of millions of places.
import type { TimeSource } from '../../base/clock.ts';
import type { HashTable, TableBuild } from './hash-table.ts';

/** Steps, of about 0.1 ms, that one request may take; the first one has nothing else to go by. */
const AT_ONCE = 100;
const FIRST_AT_ONCE = 300;
/** Steps between requests. */
const SLICE = 40;
/** A table serves at least that many times as long as it took to build. */
const REST = 10;

export class TableKeeper {
  readonly #time: TimeSource;
  #table: HashTable | null = null;
  #build: TableBuild | null = null;
  /** What the table, and the one that is being built, were made for. */
  #tableFor = -1;
  #buildFor = -1;
  #spentMs = 0;
  #restUntilMs = -Infinity;

  constructor(time: TimeSource) {
    this.#time = time;
  }

  /** The last one; null: none yet. */
  get table(): HashTable | null {
    return this.#table;
  }

  /** The last table is that of `version` of the hosts. */
  isCurrent(version: number): boolean {
    return this.#tableFor === version;
  }

  /** Sees to it that there will be a table for `version`, perhaps at once. */
  renew(version: number, start: () => TableBuild): void {
    if (this.#build !== null) return;
    const nowMs = this.#time.processMs();
    if (nowMs < this.#restUntilMs) return;
    this.#build = start();
    this.#buildFor = version;
    this.#spentMs = 0;
    if (!this.#run(this.#table === null ? FIRST_AT_ONCE : AT_ONCE)) this.#later();
  }

  #later(): void {
    this.#time.setTimer(() => {
      if (!this.#run(SLICE)) this.#later();
    }, 1);
  }

  /** False: there is more to do. */
  #run(steps: number): boolean {
    const startMs = this.#time.processMs();
    let table: HashTable | null = null;
    for (let i = 0; i < steps && table === null; i++) {
      const step = this.#build!.next();
      if (step.done === true) table = step.value;
    }
    const nowMs = this.#time.processMs();
    this.#spentMs += nowMs - startMs;
    if (table === null) return false;
    this.#table = table;
    this.#tableFor = this.#buildFor;
    this.#build = null;
    this.#restUntilMs = nowMs + this.#spentMs * REST;
    return true;
  }
}
