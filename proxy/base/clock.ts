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
  /** Of the kernel's clock: what is left of its count is small enough to tell microseconds. */
  readonly #startSeconds = process.hrtime()[0];

  /** Not performance.now(): the module behind it costs each thread 0.25 MB. */
  monotonicMs(): number {
    const now = process.hrtime();
    return (now[0] - this.#startSeconds) * 1e3 + now[1] / 1e6;
  }

  processMs(): number {
    return this.monotonicMs() + this.#startSeconds * 1e3;
  }

  wallMs(): number {
    return Date.now();
  }

  setTimer(callback: () => void, delayMs: number): TimerHandle {
    return new RealTimer(callback, delayMs);
  }
}

export const realTime: TimeSource = new RealTime();
