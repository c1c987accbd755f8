// [w] TokenBucket of one thread: fills evenly with time, up to its size (Envoy's TokenBucketImpl).
import type { TimeSource } from './clock.ts';

export class TokenBucket {
  readonly #time: TimeSource;
  readonly #max: number;
  readonly #perMs: number;
  #tokens: number;
  #filledAtMs: number;

  constructor(time: TimeSource, max: number, perSecond: number, initial = max) {
    this.#time = time;
    this.#max = max;
    this.#perMs = perSecond / 1000;
    this.#tokens = initial;
    this.#filledAtMs = time.monotonicMs();
  }

  /** As many of the wanted tokens as there are, whole ones only. */
  takeUpTo(wanted: number): number {
    if (this.#tokens < this.#max) {
      const nowMs = this.#time.monotonicMs();
      this.#tokens = Math.min(this.#max, this.#tokens + (nowMs - this.#filledAtMs) * this.#perMs);
      this.#filledAtMs = nowMs;
    }
    const taken = Math.min(wanted, Math.floor(this.#tokens));
    this.#tokens -= taken;
    return taken;
  }
}
