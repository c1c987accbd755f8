// [m] Writes protobuf's wire format into one growing buffer.

const initialBytes = 256;

/** The float and integer writers take values that were checked before; they cut off what does not fit. */
export class WireWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(initialBytes);
  #length = 0;

  #reserve(count: number): number {
    const start = this.#length;
    const needed = start + count;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, start);
      this.#bytes = grown;
    }
    this.#length = needed;
    return start;
  }

  tag(fieldNumber: number, wireType: number): void {
    this.uint32((fieldNumber << 3) | wireType);
  }

  #byte(value: number): void {
    // The buffer is looked up after it may have grown.
    const start = this.#reserve(1);
    this.#bytes[start] = value;
  }

  uint32(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.#byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.#byte(rest);
  }

  int32(value: number): void {
    if (value < 0) this.uint64(BigInt(value));
    else this.uint32(value);
  }

  sint32(value: number): void {
    this.uint32((value << 1) ^ (value >> 31));
  }

  uint64(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    while (rest > 0x7fn) {
      this.#byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.#byte(Number(rest));
  }

  sint64(value: bigint): void {
    this.uint64((value << 1n) ^ (value >> 63n));
  }

  fixed32(value: number): void {
    const start = this.#reserve(4);
    this.#bytes.writeInt32LE(value | 0, start);
  }

  fixed64(value: bigint): void {
    const start = this.#reserve(8);
    this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, value), start);
  }

  float(value: number): void {
    const start = this.#reserve(4);
    this.#bytes.writeFloatLE(value, start);
  }

  double(value: number): void {
    const start = this.#reserve(8);
    this.#bytes.writeDoubleLE(value, start);
  }

  string(value: string): void {
    const length = Buffer.byteLength(value);
    this.uint32(length);
    const start = this.#reserve(length);
    this.#bytes.write(value, start, length);
  }

  bytes(value: Uint8Array): void {
    this.uint32(value.length);
    const start = this.#reserve(value.length);
    this.#bytes.set(value, start);
  }

  /** Opens a length-delimited value. Pass what it returns to `endContent` once the content is written. */
  beginContent(): number {
    return this.#reserve(1);
  }

  /** Fills in the length. Content of 128 bytes or more moves up to make room for it. */
  endContent(begin: number): void {
    const length = this.#length - begin - 1;
    let extra = 0;
    for (let rest = length >>> 7; rest > 0; rest >>>= 7) extra++;
    const end = this.#length;
    if (extra > 0) {
      this.#reserve(extra);
      this.#bytes.copyWithin(begin + 1 + extra, begin + 1, end);
    }
    this.#length = begin;
    this.uint32(length);
    this.#length = end + extra;
  }

  /** A copy of what was written, of exactly that size. */
  finish(): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(0, this.#length));
  }
}
