// [w] IdleLimit: how long a server keeps idle connections, learned from what it announces and from when it closes them.
// A connection that has been idle nearly that long is not used any more, so that a request does not meet the server's FIN
// half way. Made when the server first gives a sign; see docs/stale-connections.md.

/** What a server closes sooner than that is no idle time-out, but a limit of requests, a restart, or chance. */
export const MIN_IDLE_MS = 200;
const SAMPLES_KEPT = 16;
const SAMPLE_LIFE_MS = 3_600_000;
/** Connections of different ages that end together are a server that stops. */
const BURST_MS = 100;
const ALIKE = 1.2;
const MAX_MARGIN_MS = 1000;
const MIN_MARGIN_MS = 20;

interface Sample {
  readonly idleMs: number;
  readonly atMs: number;
}

export class IdleLimit {
  #announcedMs = Infinity;
  /** Shortest first. */
  #samples: Sample[] = [];
  #last: Sample | null = null;
  #limitMs = Infinity;

  /** Connections idle for longer are closed; Infinity: nothing is known. */
  get limitMs(): number {
    return this.#limitMs;
  }

  /** `Keep-Alive: timeout=…`. */
  onAnnounced(seconds: number): void {
    this.#announcedMs = seconds * 1000;
    this.#update();
  }

  /** The server closed a connection that was idle for so long. */
  onClosed(idleMs: number, nowMs: number): void {
    if (!(idleMs >= MIN_IDLE_MS)) return;
    const sample = { idleMs, atMs: nowMs };
    const last = this.#last;
    this.#last = sample;
    if (last !== null && nowMs - last.atMs < BURST_MS && !alike(last.idleMs, idleMs)) {
      this.#samples = this.#samples.filter((other) => other !== last);
    } else {
      this.#samples = this.#samples.filter(({ atMs }) => nowMs - atMs < SAMPLE_LIFE_MS);
      this.#samples.push(sample);
      this.#samples.sort((a, b) => a.idleMs - b.idleMs);
      if (this.#samples.length > SAMPLES_KEPT) this.#samples.length = SAMPLES_KEPT;
    }
    this.#update();
  }

  /** One early end proves nothing, two do. */
  #update(): void {
    const seenMs = this.#samples[1]?.idleMs ?? Infinity;
    const serverMs = Math.min(seenMs, this.#announcedMs);
    const marginMs = Math.min(MAX_MARGIN_MS, Math.max(MIN_MARGIN_MS, serverMs / 10));
    this.#limitMs = serverMs - marginMs;
  }
}

const alike = (a: number, b: number): boolean => a < b * ALIKE && b < a * ALIKE;
