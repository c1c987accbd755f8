// [w] TableKeeper: the hash table of one priority. A small one is built when it is needed; what takes longer goes on in
// slices while the one before, or chance, chooses: no request waits for a table of millions of places.
import type { TimeSource } from '../../base/clock.ts';
import type { HashTable, TableBuild } from './hash-table.ts';

/** Steps (about 0.3 ms each) that one request does in any case: tables of usual size are there at once. */
const AT_ONCE = 50;
/** And goes on with for so long. */
const AT_ONCE_MS = 10;
/** Between requests. */
const SLICE_MS = 4;
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
    if (!this.#run(AT_ONCE, AT_ONCE_MS)) this.#later();
  }

  #later(): void {
    this.#time.setTimer(() => {
      if (!this.#run(1, SLICE_MS)) this.#later();
    }, 1);
  }

  /** False: there is more to do. */
  #run(steps: number, budgetMs: number): boolean {
    const startMs = this.#time.processMs();
    let table: HashTable | null = null;
    let nowMs = startMs;
    for (let i = 0; table === null && (i < steps || nowMs - startMs < budgetMs); i++) {
      const step = this.#build!.next();
      if (step.done === true) table = step.value;
      nowMs = this.#time.processMs();
    }
    this.#spentMs += nowMs - startMs;
    if (table === null) return false;
    this.#table = table;
    this.#tableFor = this.#buildFor;
    this.#build = null;
    this.#restUntilMs = nowMs + this.#spentMs * REST;
    return true;
  }
}
