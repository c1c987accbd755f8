// [b] Jittered exponential back-off (envoy-behaviour §4.4: uniform in [0, interval), the interval doubles to a cap).
import type { RandomSource } from './random.ts';

export class JitteredBackoff {
  readonly #baseMs: number;
  readonly #maxMs: number;
  readonly #random: RandomSource;
  #intervalMs: number;

  constructor(baseMs: number, maxMs: number, random: RandomSource) {
    this.#baseMs = baseMs;
    this.#maxMs = maxMs;
    this.#random = random;
    this.#intervalMs = baseMs;
  }

  /** Whole milliseconds until the next try. */
  nextMs(): number {
    const interval = this.#intervalMs;
    this.#intervalMs = interval < this.#maxMs / 2 ? interval * 2 : this.#maxMs;
    return Math.floor(this.#random.next() * interval);
  }

  reset(): void {
    this.#intervalMs = this.#baseMs;
  }
}
