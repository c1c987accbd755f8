// [w] HPACK, reading side (RFC 7541 §3, §6): one decoder a connection, header blocks in wire order.
//
// Names become interned HeaderNames and strings are checked once, when they are read: what sits in the dynamic table
// carries its verdict. A block that breaks limits is decoded to its end all the same, since the table must stay true.
//
// Memory: the dynamic table holds at most `tableBytes` as RFC 7541 §4.1 counts (32 bytes an entry on top of its
// text), so at most tableBytes / 32 entries.
import { wireHeaderName } from '../headers.ts';
import type { HeaderName } from '../headers.ts';
import { internName } from '../http1/name-cache.ts';
import { FIELD_VALUE, TOKEN_LOWER } from '../http1/tokens.ts';
import { STATIC_COUNT, STATIC_NAMES, STATIC_VALUES } from './hpack-static-table.ts';
import { huffmanDecode, maxDecodedBytes } from './huffman.ts';

/** Verdicts on one line; 0: fine. */
export const BAD_NAME = 1;
export const BAD_VALUE = 2;

export interface HeaderSink {
  /** `faults`: BAD_NAME | BAD_VALUE; a bad name's object is INVALID_NAME. `size`: bytes of name and value. */
  onHeader(name: HeaderName, value: string, faults: number, size: number): void;
}

/** Stands for every name that must not be used. */
export const INVALID_NAME: HeaderName = wireHeaderName('(invalid)');

const ENTRY_OVERHEAD = 32;
const NO_NAMES: HeaderName[] = [];
const NO_VALUES: string[] = [];
/** Integers above this are no lengths and no indices anybody needs. */
const MAX_INTEGER = 1 << 24;

/** Huffman output of all connections of the thread; grows to the longest string seen (bounded by the block's limit). */
let scratch = Buffer.allocUnsafeSlow(4096);

export class HpackDecoder {
  /** What our SETTINGS allow; the peer may use less. */
  readonly #limitBytes: number;
  #maxBytes: number;
  #usedBytes = 0;
  /** Ring of the entries; the newest is at #head - 1. Made by the first insertion. */
  #names: HeaderName[] = NO_NAMES;
  #values: string[] = NO_VALUES;
  #sizes: Uint32Array | null = null;
  #faults: Uint8Array | null = null;
  #mask = 0;
  #head = 0;
  #count = 0;
  /** Cursor of the block under work. */
  #at = 0;
  #name: HeaderName = INVALID_NAME;
  #value = '';
  /** Of the string read last. */
  #textFaults = 0;
  #textBytes = 0;

  constructor(tableBytes: number) {
    this.#limitBytes = tableBytes;
    this.#maxBytes = tableBytes;
  }

  get entryCount(): number {
    return this.#count;
  }

  /** As RFC 7541 §4.1 counts. */
  get tableBytes(): number {
    return this.#usedBytes;
  }

  /** A whole block; false: the compression state is lost and the connection with it (COMPRESSION_ERROR). */
  decode(bytes: Buffer, start: number, end: number, sink: HeaderSink): boolean {
    this.#at = start;
    let first = true;
    while (this.#at < end) {
      const byte = bytes[this.#at]!;
      if (byte >= 0x80) {
        const index = byte < 0xff ? (this.#at++, byte & 0x7f) : this.#integer(bytes, 0x7f, end);
        if (!this.#emitIndexed(index, sink)) return false;
      } else if (byte >= 0x20 && byte < 0x40) {
        // Size updates stand at the beginning of a block (RFC 7541 §4.2).
        const size = this.#integer(bytes, 0x1f, end);
        if (!first || size < 0 || size > this.#limitBytes) return false;
        this.#maxBytes = size;
        this.#evict(0);
        continue;
      } else if (!this.#literal(bytes, end, byte, sink)) return false;
      first = false;
    }
    return true;
  }

  #emitIndexed(index: number, sink: HeaderSink): boolean {
    if (index <= 0) return false;
    if (index <= STATIC_COUNT) {
      const name = STATIC_NAMES[index - 1]!;
      const value = STATIC_VALUES[index - 1]!;
      sink.onHeader(name, value, 0, name.text.length + value.length);
      return true;
    }
    const age = index - STATIC_COUNT;
    if (age > this.#count) return false;
    const slot = (this.#head - age) & this.#mask;
    sink.onHeader(
      this.#names[slot]!,
      this.#values[slot]!,
      this.#faults![slot]!,
      this.#sizes![slot]! - ENTRY_OVERHEAD,
    );
    return true;
  }

  #literal(bytes: Buffer, end: number, byte: number, sink: HeaderSink): boolean {
    const indexing = byte >= 0x40;
    const prefix = indexing ? 0x3f : 0x0f;
    const index =
      (byte & prefix) < prefix ? (this.#at++, byte & prefix) : this.#integer(bytes, prefix, end);
    if (!(index === 0 ? this.#readName(bytes, end) : this.#indexedName(index))) return false;
    const nameFaults = this.#textFaults;
    const nameBytes = this.#textBytes;
    const name = this.#name;
    if (!this.#readValue(bytes, end)) return false;
    const faults = nameFaults | this.#textFaults;
    const size = nameBytes + this.#textBytes;
    if (indexing) this.#insert(name, this.#value, faults, size);
    sink.onHeader(name, this.#value, faults, size);
    return true;
  }

  #indexedName(index: number): boolean {
    if (index < 0) return false;
    this.#textFaults = 0;
    if (index <= STATIC_COUNT) this.#name = STATIC_NAMES[index - 1]!;
    else {
      const age = index - STATIC_COUNT;
      if (age > this.#count) return false;
      const slot = (this.#head - age) & this.#mask;
      this.#name = this.#names[slot]!;
      this.#textFaults = this.#faults![slot]! & BAD_NAME;
      if (this.#textFaults !== 0) {
        this.#textBytes = this.#sizes![slot]! - ENTRY_OVERHEAD - this.#values[slot]!.length;
        return true;
      }
    }
    this.#textBytes = this.#name.text.length;
    return true;
  }

  #readName(bytes: Buffer, end: number): boolean {
    if (this.#at >= end) return false;
    const huffman = bytes[this.#at]! >= 0x80;
    const length = this.#integer(bytes, 0x7f, end);
    const start = this.#at;
    if (length < 0 || length > end - start) return false;
    this.#at = start + length;
    if (!huffman) {
      this.#intern(bytes, start, start + length);
      return true;
    }
    const decoded = decodeText(bytes, start, start + length);
    if (decoded < 0) return false;
    this.#intern(scratch, 0, decoded);
    return true;
  }

  /** Lower-case token characters, `:` before those of a pseudo header (RFC 9113 §8.2.1). */
  #intern(bytes: Buffer, start: number, end: number): void {
    this.#textBytes = end - start;
    let hash = 0;
    let i = start;
    if (i < end && bytes[i] === 0x3a) i++;
    for (; i < end; i++) {
      const byte = bytes[i]!;
      if (TOKEN_LOWER[byte] !== byte || byte === 0) break;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    if (i < end || start === end) {
      this.#textFaults = BAD_NAME;
      this.#name = INVALID_NAME;
      return;
    }
    this.#textFaults = 0;
    // Pseudo headers are few and known; internName() takes token characters only.
    this.#name =
      bytes[start] === 0x3a
        ? wireHeaderName(bytes.latin1Slice(start, end))
        : internName(bytes, start, end, hash);
  }

  #readValue(bytes: Buffer, end: number): boolean {
    if (this.#at >= end) return false;
    const first = bytes[this.#at]!;
    const huffman = first >= 0x80;
    const length = this.#integer(bytes, 0x7f, end);
    const start = this.#at;
    if (length < 0 || length > end - start) return false;
    this.#at = start + length;
    if (huffman) {
      const decoded = decodeText(bytes, start, start + length);
      if (decoded < 0) return false;
      this.#take(scratch, 0, decoded);
    } else this.#take(bytes, start, start + length);
    return true;
  }

  #take(bytes: Buffer, start: number, end: number): void {
    let faults = 0;
    for (let i = start; i < end; i++) if (FIELD_VALUE[bytes[i]!] === 0) faults = BAD_VALUE;
    this.#textFaults = faults;
    this.#textBytes = end - start;
    this.#value = start === end ? '' : bytes.latin1Slice(start, end);
  }

  /** RFC 7541 §5.1; -1 when cut off or absurd. */
  #integer(bytes: Buffer, prefix: number, end: number): number {
    let value = bytes[this.#at++]! & prefix;
    if (value < prefix) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= end) return -1;
      const byte = bytes[this.#at++]!;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value > MAX_INTEGER ? -1 : value;
    }
    return -1;
  }

  #insert(name: HeaderName, value: string, faults: number, textBytes: number): void {
    const size = textBytes + ENTRY_OVERHEAD;
    this.#evict(size);
    // An entry that does not fit empties the table (RFC 7541 §4.4).
    if (size > this.#maxBytes) return;
    if (this.#sizes === null) this.#allocate();
    const slot = this.#head;
    this.#names[slot] = name;
    this.#values[slot] = value;
    this.#sizes![slot] = size;
    this.#faults![slot] = faults;
    this.#head = (slot + 1) & this.#mask;
    this.#count++;
    this.#usedBytes += size;
  }

  #evict(room: number): void {
    while (this.#count > 0 && this.#usedBytes + room > this.#maxBytes) {
      const oldest = (this.#head - this.#count) & this.#mask;
      this.#usedBytes -= this.#sizes![oldest]!;
      this.#names[oldest] = INVALID_NAME;
      this.#values[oldest] = '';
      this.#count--;
    }
  }

  #allocate(): void {
    let capacity = 1;
    while (capacity < this.#limitBytes / ENTRY_OVERHEAD) capacity *= 2;
    this.#names = Array.from({ length: capacity }, () => INVALID_NAME);
    this.#values = Array.from({ length: capacity }, () => '');
    this.#sizes = new Uint32Array(capacity);
    this.#faults = new Uint8Array(capacity);
    this.#mask = capacity - 1;
  }
}

function decodeText(bytes: Buffer, start: number, end: number): number {
  const room = maxDecodedBytes(end - start);
  if (room > scratch.length) scratch = Buffer.allocUnsafeSlow(room * 2);
  return huffmanDecode(bytes, start, end, scratch);
}
