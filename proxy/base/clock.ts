// [b] TimeSource: the only door to the clock and to timers, so that tests can drive time by hand.

export interface TimerHandle {
  cancel(): void;
}

export interface TimeSource {
  /** Milliseconds that never run backwards; fractions kept. */
  monotonicMs(): number;
  /** As monotonicMs, but from an origin that all threads of the process have in common. */
  processMs(): number;
  /** Milliseconds since the Unix epoch. */
  wallMs(): number;
  /** One shot. `unref`-ed where the platform knows that: a timer never keeps a process alive. */
  setTimer(callback: () => void, delayMs: number): TimerHandle;
}

const MAX_DELAY_MS = 2 ** 31 - 1;

class RealTimer implements TimerHandle {
  readonly #timer: NodeJS.Timeout;

  constructor(callback: () => void, delayMs: number) {
    // Node fires at once what is further away than it can count.
    this.#timer = setTimeout(callback, Math.min(delayMs, MAX_DELAY_MS));
    this.#timer.unref();
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }
}

class RealTime implements TimeSource {
  /** Each thread's performance.now() begins with the thread. */
  readonly #threadStartMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

  monotonicMs(): number {
    return performance.now();
  }

  processMs(): number {
    return performance.now() + this.#threadStartMs;
  }

  wallMs(): number {
    return Date.now();
  }

  setTimer(callback: () => void, delayMs: number): TimerHandle {
    return new RealTimer(callback, delayMs);
  }
}

export const realTime: TimeSource = new RealTime();
