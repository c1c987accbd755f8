// [b] HeapSettler: after a burst (a start, a pushed configuration) gives back what the burst has left in this thread's heap, once the
// thread has nothing else to do. V8 alone does it late or never: a young process has little garbage by its measure, and its
// pages stay. One collection of the kind V8 keeps for the last resort compacts pages and drops code that ran only once:
// main and one worker 26.6 → 22.2 MB private, 28.4 → 24.9 under load (docs/performance.md). It takes 5 to 20 ms for each 10 MB.
//
// Needs `--expose-gc`, which the launcher gives; without it nothing happens.
import type { TimerHandle, TimeSource } from './clock.ts';

const FIRST_LOOK_MS = 200;
/** A thread that is never quiet is asked seldom; V8 collects often enough there. */
const LONGEST_LOOK_MS = 60_000;

const collect = globalThis.gc;

function collectLastResort(): void {
  collect?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

export class HeapSettler {
  readonly #time: TimeSource;
  readonly #activity: () => number;
  readonly #settle: () => void;
  #timer: TimerHandle | null = null;
  #lookMs = FIRST_LOOK_MS;
  #seen = 0;

  /** `activity`: a number that changes whenever the thread works for somebody; the same at two looks means quiet. */
  constructor(time: TimeSource, activity: () => number, settle = collectLastResort) {
    this.#time = time;
    this.#activity = activity;
    this.#settle = settle;
  }

  /** A burst has happened. */
  wake(): void {
    this.#lookMs = FIRST_LOOK_MS;
    this.#timer?.cancel();
    this.#look();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #look(): void {
    this.#seen = this.#activity();
    this.#timer = this.#time.setTimer(() => this.#onTimer(), this.#lookMs);
  }

  #onTimer(): void {
    this.#timer = null;
    if (this.#activity() === this.#seen) {
      this.#settle();
      return;
    }
    this.#lookMs = Math.min(this.#lookMs * 2, LONGEST_LOOK_MS);
    this.#look();
  }
}
