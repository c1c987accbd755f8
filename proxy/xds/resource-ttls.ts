// [m] ResourceTtls: when resources end of which the server says for how long they hold (Resource.ttl; envoy-behaviour §13.6). A
// heartbeat, or the resource sent again, makes it longer.
import type { TimeSource, TimerHandle } from '../base/clock.ts';

/** What a timer can wait for. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class ResourceTtls {
  readonly #time: TimeSource;
  readonly #onExpired: (name: string) => void;
  readonly #timers = new Map<string, TimerHandle>();

  constructor(time: TimeSource, onExpired: (name: string) => void) {
    this.#time = time;
    this.#onExpired = onExpired;
  }

  /** From now on; undefined: it does not end by itself. */
  set(name: string, ttlMs: number | undefined): void {
    this.delete(name);
    if (ttlMs === undefined) return;
    const expire = (): void => {
      this.#timers.delete(name);
      this.#onExpired(name);
    };
    this.#timers.set(name, this.#time.setTimer(expire, Math.min(ttlMs, MAX_TIMER_MS)));
  }

  delete(name: string): void {
    if (this.#timers.size === 0) return;
    this.#timers.get(name)?.cancel();
    this.#timers.delete(name);
  }

  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}
