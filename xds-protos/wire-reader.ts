// [m] Reads protobuf's wire format (protobuf.dev/programming-guides/encoding). Checks every length against what is there.
import { WireFault } from './proto-error.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const twoTo32 = 2 ** 32;

/** Wire types by number; 3 and 4 (groups) are only ever skipped. */
export const wireType = {
  varint: 0,
  fixed64: 1,
  lengthDelimited: 2,
  startGroup: 3,
  endGroup: 4,
  fixed32: 5,
} as const;

const maxGroupDepth = 100;
/**
 * Texts, byte strings and messages in one input. Two bytes on the wire can become an object of some 75 bytes: without a bound a
 * response of allowed size could fill the heap. An endpoint of istiod takes about 25: room for 160 000 in one cluster.
 */
export const maxContents = 4_000_000;

/** A cursor over one message. `end` is where the innermost message being read stops; the decoder moves it. */
export class WireReader {
  position = 0;
  end: number;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #low = 0;
  #high = 0;
  #contents = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.end = bytes.byteLength;
  }

  #varint(): void {
    const bytes = this.#bytes;
    const end = this.end;
    let position = this.position;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (position >= end) throw new WireFault('ends inside a number');
      const byte = bytes[position++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.position = position;
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw new WireFault('number longer than 10 bytes');
  }

  /** The low 32 bits of a varint. */
  uint32(): number {
    const byte = this.position < this.end ? (this.#bytes[this.position] as number) : 0x80;
    if (byte < 0x80) {
      this.position++;
      return byte;
    }
    this.#varint();
    return this.#low;
  }

  int32(): number {
    return this.uint32() | 0;
  }

  sint32(): number {
    const value = this.uint32();
    return (value >>> 1) ^ -(value & 1);
  }

  bool(): boolean {
    this.#varint();
    return (this.#low | this.#high) !== 0;
  }

  uint64(): bigint {
    this.#varint();
    if (this.#high === 0) return BigInt(this.#low);
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64());
  }

  sint64(): bigint {
    const value = this.uint64();
    return (value >> 1n) ^ -(value & 1n);
  }

  /** An int64 as a number: exact up to 2^53, which spans of time never reach. */
  int64AsNumber(): number {
    this.#varint();
    return (this.#high | 0) * twoTo32 + this.#low;
  }

  #take(length: number): number {
    const start = this.position;
    if (length > this.end - start) throw new WireFault('ends before its content does');
    this.position = start + length;
    return start;
  }

  fixed32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  sfixed32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  fixed64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  sfixed64(): bigint {
    return this.#view.getBigInt64(this.#take(8), true);
  }

  float(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  double(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  /** Reads a length and returns where the content ends. */
  contentEnd(): number {
    this.#varint();
    if (++this.#contents > maxContents)
      throw new WireFault(`holds more than ${maxContents} values`);
    if (this.#high !== 0 || this.#low > this.end - this.position) {
      throw new WireFault('is longer than the message it stands in');
    }
    return this.position + this.#low;
  }

  /** A view of the bytes, not a copy. */
  bytes(): Uint8Array {
    const end = this.contentEnd();
    const start = this.position;
    this.position = end;
    const { buffer, byteOffset } = this.#bytes;
    return new Uint8Array(buffer, byteOffset + start, end - start);
  }

  string(): string {
    const end = this.contentEnd();
    const start = this.position;
    const bytes = this.#bytes;
    this.position = end;
    for (let i = start; i < end; i++) {
      if ((bytes[i] as number) >= 0x80) return decodeUtf8(bytes.subarray(start, end));
    }
    return bytes.latin1Slice(start, end);
  }

  /** Steps over the value of a field that has the given tag. */
  skip(tag: number, groupDepth = 0): void {
    switch (tag & 7) {
      case wireType.varint:
        this.#varint();
        return;
      case wireType.fixed64:
        this.#take(8);
        return;
      case wireType.lengthDelimited:
        this.position = this.contentEnd();
        return;
      case wireType.startGroup:
        this.#skipGroup(tag >>> 3, groupDepth + 1);
        return;
      case wireType.fixed32:
        this.#take(4);
        return;
      default:
        throw new WireFault(`has wire type ${tag & 7} where none may stand`);
    }
  }

  #skipGroup(number: number, depth: number): void {
    if (depth > maxGroupDepth) throw new WireFault(`nests deeper than ${maxGroupDepth} groups`);
    for (;;) {
      const tag = this.tag();
      if ((tag & 7) === wireType.endGroup) {
        if (tag >>> 3 !== number) throw new WireFault('ends a group that was not begun');
        return;
      }
      this.skip(tag, depth);
    }
  }

  tag(): number {
    this.#varint();
    if (this.#high !== 0) throw new WireFault('field number out of range');
    if (this.#low >>> 3 === 0) throw new WireFault('field number 0');
    return this.#low;
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new WireFault('is not valid UTF-8');
  }
}
