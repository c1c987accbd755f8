// [m] MessageSplitter: the messages of a gRPC body, however its bytes were cut (gRPC over HTTP/2, "Length-Prefixed-Message").

const PREFIX_BYTES = 5;
/** A longer message gets its place as its bytes come: a length is only a claim. */
const FIRST_BYTES = 256 * 1024;

export class MessageSplitter {
  readonly #maxBytes: number;
  readonly #onMessage: (message: Uint8Array) => void;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixLength = 0;
  #message: Buffer | null = null;
  #length = 0;
  #filled = 0;
  #stopped = false;

  constructor(maxBytes: number, onMessage: (message: Uint8Array) => void) {
    this.#maxBytes = maxBytes;
    this.#onMessage = onMessage;
  }

  /** Something of a message came, and not all. */
  get midMessage(): boolean {
    return this.#prefixLength > 0;
  }

  /** No message is handed on any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** `chunk` is copied. The sentence says what is wrong; '' when nothing is. */
  push(chunk: Uint8Array): string {
    let at = 0;
    while (!this.#stopped) {
      if (this.#message === null) {
        at = this.#readPrefix(chunk, at);
        if (this.#prefixLength < PREFIX_BYTES) return '';
        const problem = this.#begin();
        if (problem !== '') return problem;
      }
      at = this.#fill(chunk, at);
      if (this.#filled < this.#length) return '';
      const message = this.#message!.subarray(0, this.#length);
      this.#message = null;
      this.#prefixLength = 0;
      this.#onMessage(message);
      if (at === chunk.length) return '';
    }
    return '';
  }

  #readPrefix(chunk: Uint8Array, start: number): number {
    let at = start;
    while (at < chunk.length && this.#prefixLength < PREFIX_BYTES)
      this.#prefix[this.#prefixLength++] = chunk[at++]!;
    return at;
  }

  #begin(): string {
    if (this.#prefix[0] !== 0) return 'a message is compressed, which was not agreed on';
    this.#length = this.#prefix.readUInt32BE(1);
    if (this.#length > this.#maxBytes)
      return `a message has ${this.#length} bytes, at most ${this.#maxBytes} are taken`;
    this.#filled = 0;
    this.#message = Buffer.allocUnsafeSlow(Math.min(this.#length, FIRST_BYTES));
    return '';
  }

  #fill(chunk: Uint8Array, start: number): number {
    const end = Math.min(chunk.length, start + this.#length - this.#filled);
    const filled = this.#filled + end - start;
    let message = this.#message!;
    if (filled > message.length) {
      const wider = Buffer.allocUnsafeSlow(
        Math.min(this.#length, Math.max(filled, message.length * 2)),
      );
      message.copy(wider, 0, 0, this.#filled);
      this.#message = wider;
      message = wider;
    }
    message.set(chunk.subarray(start, end), this.#filled);
    this.#filled = filled;
    return end;
  }
}

export function withPrefix(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, PREFIX_BYTES);
  return framed;
}
