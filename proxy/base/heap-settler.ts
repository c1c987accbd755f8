// [b] HeapSettler: after a burst (a start, a pushed configuration) gives back what the burst has left in this thread's heap, once the
// thread has nothing else to do. V8 alone does it late or never: a young process has little garbage by its measure, and its
// pages stay. One collection of the kind V8 keeps for the last resort compacts pages and drops code that ran only once:
// main and one worker 26.6 → 22.2 MB private, 28.4 → 24.9 under load (docs/performance.md).
//
// Needs `--expose-gc`, which the launcher gives; without it nothing happens.
import type { TimerHandle, TimeSource } from './clock.ts';

/** So many resources applied since the last time are worth a collection. */
const BURST = 16;
const FIRST_LOOK_MS = 200;
/** A thread that is never quiet is asked seldom; V8 collects often enough there. */
const LONGEST_LOOK_MS = 60_000;
/** Between two collections: this, and twice as long after each. */
const FIRST_REST_MS = 1_000;

const collect = globalThis.gc;

function collectLastResort(): void {
  collect?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

export class HeapSettler {
  readonly #time: TimeSource;
  readonly #activity: () => number;
  readonly #settle: () => void;
  #timer: TimerHandle | null = null;
  #started = false;
  #applied = 0;
  #lookMs = FIRST_LOOK_MS;
  #restMs = FIRST_REST_MS;
  #settledMs = -Infinity;
  #seen = 0;

  /** `activity`: a number that changes whenever the thread works for somebody; the same at two looks means quiet. */
  constructor(time: TimeSource, activity: () => number, settle = collectLastResort) {
    this.#time = time;
    this.#activity = activity;
    this.#settle = settle;
  }

  /** The start is over, with all its code and configuration: whoever waits for it should not wait for a collection. */
  onStarted(): void {
    this.#started = true;
    this.#begin();
  }

  /** So many resources were applied. */
  onApplied(resources: number): void {
    this.#applied += resources;
    if (this.#started && this.#applied >= BURST) this.#begin();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #begin(): void {
    this.#lookMs = FIRST_LOOK_MS;
    this.#timer?.cancel();
    this.#look(this.#settledMs + this.#restMs - this.#time.monotonicMs());
  }

  #look(leastMs: number): void {
    this.#seen = this.#activity();
    this.#timer = this.#time.setTimer(() => this.#onTimer(), Math.max(this.#lookMs, leastMs));
  }

  #onTimer(): void {
    this.#timer = null;
    if (this.#activity() !== this.#seen) {
      this.#lookMs = Math.min(this.#lookMs * 2, LONGEST_LOOK_MS);
      this.#look(0);
      return;
    }
    if (this.#settledMs !== -Infinity) this.#restMs = Math.min(this.#restMs * 2, LONGEST_LOOK_MS);
    this.#settledMs = this.#time.monotonicMs();
    this.#applied = 0;
    this.#settle();
  }
}
