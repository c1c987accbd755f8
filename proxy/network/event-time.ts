// [w] EventTime: the clock of a worker's sockets. While one socket event is worked on it stands still: a request asks for the time a
// dozen times within some 20 µs, and each look at the real clock costs 50 ns and a number on the heap. What is measured
// across events (durations, deadlines) is as exact as before, to the length of an event.
import type { TimeSource, TimerHandle } from '../base/clock.ts';

export class EventTime implements TimeSource {
  readonly #clock: TimeSource;
  #inEvent = false;
  #nowMs = NaN;

  constructor(clock: TimeSource) {
    this.#clock = clock;
  }

  beginEvent(): void {
    this.#inEvent = true;
    this.#nowMs = this.#clock.monotonicMs();
  }

  endEvent(): void {
    this.#inEvent = false;
  }

  monotonicMs(): number {
    return this.#inEvent ? this.#nowMs : this.#clock.monotonicMs();
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  processMs(): number {
    return this.#clock.processMs();
  }

  setTimer(callback: () => void, delayMs: number): TimerHandle {
    return this.#clock.setTimer(callback, delayMs);
  }
}
