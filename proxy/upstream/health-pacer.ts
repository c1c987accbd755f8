// [m] HealthPacer: no more than some checks begin in one turn of main's loop: ten thousand new hosts must not stop
// everything else main does.
import type { TimerHandle, TimeSource } from '../base/clock.ts';

const CHECKS_PER_TURN = 32;

export interface PacedCheck {
  /** Its turn has come, unless it was given up meanwhile. */
  begin(): void;
}

export class HealthPacer {
  readonly #time: TimeSource;
  #waiting = new Set<PacedCheck>();
  #begun = 0;
  #timer: TimerHandle | null = null;

  constructor(time: TimeSource) {
    this.#time = time;
  }

  /** Now, or in a later turn. */
  run(check: PacedCheck): void {
    this.#timer ??= this.#time.setTimer(() => this.#onTurn(), 0);
    if (this.#begun < CHECKS_PER_TURN) {
      this.#begun++;
      check.begin();
    } else this.#waiting.add(check);
  }

  /** It may have begun already. */
  forget(check: PacedCheck): void {
    this.#waiting.delete(check);
  }

  close(): void {
    this.#timer?.cancel();
    this.#waiting.clear();
  }

  #onTurn(): void {
    this.#timer = null;
    this.#begun = 0;
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const check of waiting) this.run(check);
  }
}
