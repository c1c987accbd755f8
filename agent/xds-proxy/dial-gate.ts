// [m] DialGate: how long the next stream to the control plane must wait after failures, whoever asks for it.
import { JitteredBackoff } from '../../proxy/base/backoff.ts';
import type { TimeSource } from '../../proxy/base/clock.ts';
import type { RandomSource } from '../../proxy/base/random.ts';

/** Small beside the proxy's own back-off (500 ms to 30 s), which comes on top of it. */
const BASE_MS = 100;
const MOST_MS = 5000;

export class DialGate {
  readonly #time: TimeSource;
  readonly #backoff: JitteredBackoff;
  #openAtMs = 0;

  constructor(time: TimeSource, random: RandomSource) {
    this.#time = time;
    this.#backoff = new JitteredBackoff(BASE_MS, MOST_MS, random);
  }

  /** 0: dial now. */
  delayMs(): number {
    return Math.max(0, this.#openAtMs - this.#time.monotonicMs());
  }

  failed(): void {
    this.#openAtMs = this.#time.monotonicMs() + this.#backoff.nextMs();
  }

  /** The control plane answered. */
  succeeded(): void {
    this.#backoff.reset();
    this.#openAtMs = 0;
  }
}
