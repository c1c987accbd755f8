// [m] PayloadMatcher: whether bytes have all wanted pieces, one behind the other with anything in between, as they come
// in. Keeps no more than the longest piece.

export class PayloadMatcher {
  readonly #pieces: readonly Uint8Array[];
  #next = 0;
  /** What was seen last and may be the beginning of the next piece. */
  #tail: Buffer = NOTHING;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
  }

  /** Forgets what was seen. */
  reset(): void {
    this.#next = 0;
    this.#tail = NOTHING;
  }

  get matched(): boolean {
    return this.#next === this.#pieces.length;
  }

  feed(chunk: Buffer): void {
    if (this.matched) return;
    const bytes = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk]);
    let from = 0;
    for (; !this.matched; this.#next++) {
      const piece = this.#pieces[this.#next]!;
      const at = bytes.indexOf(piece, from);
      if (at < 0) {
        // A copy: the chunk is a view of the thread's read buffer.
        this.#tail = Buffer.from(bytes.subarray(Math.max(from, bytes.length - piece.length + 1)));
        return;
      }
      from = at + piece.length;
    }
    this.#tail = NOTHING;
  }
}

const NOTHING: Buffer = Buffer.alloc(0);
