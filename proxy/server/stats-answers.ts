// [w] StatsAnswers: what main asks a worker for at scrape time. Names that main does not know go first, and where they are many, in parts,
// with requests in between: those of 5000 clusters at once would hold the worker for half a second.
import type { TimeSource } from '../base/clock.ts';
import type { StatsStore } from '../stats/store.ts';
import type { FromWorker } from './worker-protocol.ts';

/** A few milliseconds. */
export const NAMES_PER_PART = 4000;

export class StatsAnswers {
  readonly #store: StatsStore;
  readonly #time: TimeSource;
  readonly #post: (message: FromWorker) => void;
  /** Questions that wait until all names are told. */
  readonly #waiting: number[] = [];

  constructor(store: StatsStore, time: TimeSource, post: (message: FromWorker) => void) {
    this.#store = store;
    this.#time = time;
    this.#post = post;
  }

  /** `all`: main knows no name. It asks so as long as it has heard none: what is under way then is the answer. */
  ask(requestId: number, all: boolean): void {
    const underWay = this.#waiting.length > 0;
    this.#waiting.push(requestId);
    if (underWay) return;
    if (all) this.#store.nameAgain();
    this.#goOn();
  }

  #goOn(): void {
    if (this.#store.unnamed > NAMES_PER_PART) {
      this.#post({ kind: 'stat_names', names: this.#store.takeNames(NAMES_PER_PART) });
      this.#time.setTimer(() => this.#goOn(), 0);
      return;
    }
    for (const requestId of this.#waiting.splice(0))
      this.#post({ kind: 'stats', requestId, report: this.#store.report(false) });
  }
}
