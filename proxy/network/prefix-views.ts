// [w] The first bytes of a buffer as views, kept by their length: most events of a worker bring and send as many bytes as some event
// before them. A new view costs 25 ns more than a known one, and 200 bytes that a collection has to go through.

const SLOTS = 256;
/** Longer ones are made anew each time: their lengths rarely come again, and what is kept outlives its use. */
const KEPT_BYTES = 2048;

export class PrefixViews {
  readonly bytes: Buffer;
  /** By the last byte of the length. */
  readonly #views: Buffer[] = [];

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    const none = bytes.subarray(0, 0);
    for (let i = 0; i < SLOTS; i++) this.#views.push(none);
  }

  /** The same object for the same length, as long as no other of its slot comes between. */
  first(length: number): Buffer {
    if (length > KEPT_BYTES) return this.bytes.subarray(0, length);
    const slot = length % SLOTS;
    const known = this.#views[slot]!;
    if (known.length === length) return known;
    const view = this.bytes.subarray(0, length);
    this.#views[slot] = view;
    return view;
  }
}
