// [b] FieldScanner: steps through the fields of one protobuf message, without descriptors. Lengths are checked against
// what is there; work is linear in the bytes.
import { isUtf8 } from './node-builtins.ts';

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

/** Text as a byte string; undefined: it is no UTF-8. */
export const protobufText = (content: Buffer): string | undefined =>
  isUtf8(content) ? content.toString('latin1') : undefined;

/** One field at a time; `failed` once something is cut or malformed. */
export class FieldScanner {
  readonly #bytes: Buffer;
  #at = 0;
  number = 0;
  wireType = 0;
  /** Of VARINT fields, as far as doubles go. */
  varint = 0;
  /** Of FIXED64 and BYTES fields. */
  content: Buffer;
  failed = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.content = bytes;
  }

  next(): boolean {
    if (this.failed || this.#at === this.#bytes.length) return false;
    const tag = this.#readVarint();
    this.number = Math.floor(tag / 8);
    this.wireType = tag % 8;
    if (this.number === 0 || this.number > 0x1fffffff) this.failed = true;
    else if (this.wireType === VARINT) this.varint = this.#readVarint();
    else if (this.wireType === BYTES) this.#take(this.#readVarint());
    else if (this.wireType === FIXED64) this.#take(8);
    else if (this.wireType === FIXED32) this.#take(4);
    else this.failed = true;
    return !this.failed;
  }

  #readVarint(): number {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    this.failed = true;
    return 0;
  }

  #take(length: number): void {
    const end = this.#at + length;
    if (!(end <= this.#bytes.length)) {
      this.failed = true;
      return;
    }
    this.content = this.#bytes.subarray(this.#at, end);
    this.#at = end;
  }
}
