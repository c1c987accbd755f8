// [b] KeptBytes: bytes that wait, in the pieces they came in. A peer may send single bytes: pieces that small share memory, since an object
// for each would take a hundred times what it holds, and what waits is bounded by its bytes.

/** Larger pieces have memory of their own. */
const SMALL_BYTES = 2048;
const BLOCK_BYTES = 4096;

export class KeptBytes {
  /** Whoever takes from its front corrects `byteCount`. */
  readonly chunks: Buffer[] = [];
  byteCount = 0;
  /** The memory of the last chunk, which is its front, or the end of that; null: the last chunk has its own. */
  #block: Buffer | null = null;

  /** A copy: `chunk` may be a view of the thread's read buffer. */
  add(chunk: Buffer): void {
    const { length } = chunk;
    if (length === 0) return;
    this.byteCount += length;
    if (length <= SMALL_BYTES && this.chunks.length > 0) this.#addSmall(chunk);
    else {
      this.#block = null;
      this.chunks.push(this.copyOf(chunk));
    }
  }

  protected copyOf(chunk: Buffer): Buffer {
    return Buffer.from(chunk);
  }

  #addSmall(chunk: Buffer): void {
    const { chunks } = this;
    let block = this.#block;
    const last = chunks.length - 1;
    const start = block === null ? 0 : chunks[last]!.byteOffset;
    const end = block === null ? 0 : start + chunks[last]!.length;
    if (block !== null && end + chunk.length <= BLOCK_BYTES) {
      chunk.copy(block, end);
      chunks[last] = block.subarray(start, end + chunk.length);
      return;
    }
    block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    chunk.copy(block);
    chunks.push(block.subarray(0, chunk.length));
    this.#block = block;
  }
}
