// [w] A header block that came in several frames, put together (RFC 9113 §4.3, §6.10; attack 32).
//
// Memory: the limit of the block, only until its last frame. A block that breaks the limits of header lists costs its
// stream only; one that is several times as large costs the connection.
import { FRAME_HEAD_BYTES, MAX_FRAME_BYTES } from './protocol.ts';

/** Frames, however small: each is work. */
const MAX_CONTINUATIONS = 128;
const SLACK_BYTES = 65_536;

const NOTHING = Buffer.alloc(0);

export class BlockAssembly {
  /** The block's HEADERS frame carried END_STREAM. */
  endStream = false;
  #bytes: Buffer = NOTHING;
  #length = 0;
  #continuations = 0;
  readonly #maxBytes: number;

  /** `maxHeaderBytes`: of a header list that is accepted. */
  constructor(maxHeaderBytes: number) {
    this.#maxBytes = 2 * maxHeaderBytes + SLACK_BYTES;
  }

  begin(endStream: boolean): void {
    this.endStream = endStream;
    this.#length = 0;
    this.#continuations = 0;
  }

  /** False: there are too many frames, or bytes. */
  add(bytes: Buffer, start: number, end: number): boolean {
    const length = this.#length + end - start;
    if (length > this.#maxBytes || this.#continuations++ > MAX_CONTINUATIONS) return false;
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.max(length, MAX_FRAME_BYTES, this.#bytes.length * 2),
      );
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    bytes.copy(this.#bytes, this.#length, start, end);
    this.#length = length;
    return true;
  }

  /** Of its frames, heads included. */
  get wireBytes(): number {
    return this.#length + this.#continuations * FRAME_HEAD_BYTES;
  }

  /** The whole block; nothing of it is kept here. */
  take(): Buffer {
    const block = this.#bytes.subarray(0, this.#length);
    this.#bytes = NOTHING;
    this.#length = 0;
    return block;
  }
}
