// [w] The `date` value, made at most twice a second per thread (envoy-behaviour §1.8).
import type { TimeSource } from '../base/clock.ts';

const REFRESH_MS = 500;

export class DateHeader {
  readonly #time: TimeSource;
  #value = '';
  #madeMs = -Infinity;

  constructor(time: TimeSource) {
    this.#time = time;
  }

  /** IMF-fixdate, for example `Sun, 06 Nov 1994 08:49:37 GMT`. */
  value(): string {
    const nowMs = this.#time.monotonicMs();
    if (nowMs - this.#madeMs >= REFRESH_MS) {
      this.#madeMs = nowMs;
      this.#value = new Date(this.#time.wallMs()).toUTCString();
    }
    return this.#value;
  }
}
