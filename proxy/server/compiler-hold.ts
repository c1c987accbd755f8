// [m] While the process starts, V8's optimizing compiler waits: most of what a start calls some thousand times is called never again, and on
// a pod's one CPU the compiler would take from the start what it can give back only later. The launcher asks for ten times V8's own number of
// calls (`--invocation-count-for-turbofan`); from here on it is V8's own again, for all threads.
import type { TimerHandle, TimeSource } from '../base/clock.ts';

/** V8's own. */
export const USUAL_INVOCATIONS = 3000;
/** A server that waits for its configuration may serve what it has. */
const LONGEST_MS = 5_000;

export class CompilerHold {
  #timer: TimerHandle | undefined;

  constructor(time: TimeSource) {
    this.#timer = time.setTimer(() => this.end(), LONGEST_MS);
  }

  /** The start is over; once. */
  end(): void {
    if (this.#timer === undefined) return;
    this.close();
    process
      .getBuiltinModule('node:v8')
      .setFlagsFromString(`--invocation-count-for-turbofan=${USUAL_INVOCATIONS}`);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
