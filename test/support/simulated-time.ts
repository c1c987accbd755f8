// Time driven by hand: nothing happens until advance() is called; timers fire in order of their due time.
import type { TimerHandle, TimeSource } from '../../proxy/base/clock.ts';

interface Entry {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export class SimulatedTime implements TimeSource {
  #startWallMs: number;
  readonly #entries = new Set<Entry>();
  #nowMs = 0;
  #order = 0;

  /** `startWallMs`: what wallMs() says at the beginning; default 2001-09-09T01:46:40Z. */
  constructor(startWallMs = 1_000_000_000_000) {
    this.#startWallMs = startWallMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  processMs(): number {
    return this.#nowMs + 1;
  }

  wallMs(): number {
    return this.#startWallMs + this.#nowMs;
  }

  setTimer(callback: () => void, delayMs: number): TimerHandle {
    const entry: Entry = {
      dueMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      callback,
    };
    this.#entries.add(entry);
    return { cancel: () => this.#entries.delete(entry) };
  }

  /** Somebody set the clock of the machine: wallMs() leaps, nothing else does. */
  setClock(byMs: number): void {
    this.#startWallMs += byMs;
  }

  /** Timers armed and not yet fired. */
  get pending(): number {
    return this.#entries.size;
  }

  /** Runs everything that falls due within `ms`, timers set on the way included. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#earliest();
      if (next === undefined || next.dueMs > endMs) break;
      this.#entries.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.callback();
    }
    this.#nowMs = endMs;
  }

  #earliest(): Entry | undefined {
    let earliest: Entry | undefined;
    for (const entry of this.#entries) {
      if (
        earliest === undefined ||
        entry.dueMs < earliest.dueMs ||
        (entry.dueMs === earliest.dueMs && entry.order < earliest.order)
      ) {
        earliest = entry;
      }
    }
    return earliest;
  }
}
