// [w] Who speaks first at a destination, as this worker has seen it: how long a silent client may hold up the detection of
// its protocol before its server is asked (docs/adr/0010-server-first.md). Bounded, and forgotten after a while.
import type { TimeSource } from '../base/clock.ts';

/** A client that has something to say says it at once, or its peer is the one to begin. */
const UNKNOWN_SILENCE_MS = 100;
/** Clients that keep spare connections say nothing for a while; asking costs a connection each time. */
const CLIENT_FIRST_SILENCE_MS = 1000;
const REMEMBERED_MS = 600_000;
const MAX_DESTINATIONS = 1024;

interface Memory {
  readonly first: 'server' | 'client';
  readonly untilMs: number;
}

export class ServerFirstMemory {
  readonly #time: TimeSource;
  /** Oldest first. */
  readonly #known = new Map<string, Memory>();

  constructor(time: TimeSource) {
    this.#time = time;
  }

  /** Milliseconds of silence after which the server is asked; 0: at once. */
  silenceMs(destination: string): number {
    const memory = this.#known.get(destination);
    if (memory === undefined || memory.untilMs <= this.#time.monotonicMs())
      return UNKNOWN_SILENCE_MS;
    return memory.first === 'server' ? 0 : CLIENT_FIRST_SILENCE_MS;
  }

  note(destination: string, first: 'server' | 'client'): void {
    const nowMs = this.#time.monotonicMs();
    const memory = this.#known.get(destination);
    // Connections of one kind come by the thousand: half of the time has to be over before it is worth a change.
    if (memory?.first === first && memory.untilMs - nowMs > REMEMBERED_MS / 2) return;
    this.#known.delete(destination);
    this.#known.set(destination, { first, untilMs: nowMs + REMEMBERED_MS });
    if (this.#known.size <= MAX_DESTINATIONS) return;
    const oldest = this.#known.keys().next();
    if (oldest.done !== true) this.#known.delete(oldest.value);
  }

  get size(): number {
    return this.#known.size;
  }
}
