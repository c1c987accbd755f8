// [w] Reads a google.protobuf.Value from bytes: all of protobuf that a worker ever needs (see struct.proto).
//
// The bytes come from a header, so they are bounded by its 8 KiB; what nests more deeply than protobuf allows is none.
import { isUtf8 } from 'node:buffer';
import type { MetadataValue } from '../../config/metadata-value.ts';

/** As protobuf's own parsers. */
const MAX_DEPTH = 100;

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Fields of Value. */
const NULL_VALUE = 1;
const NUMBER_VALUE = 2;
const STRING_VALUE = 3;
const BOOL_VALUE = 4;
const STRUCT_VALUE = 5;
const LIST_VALUE = 6;

/** Undefined: the bytes are no message of that kind. Strings are byte strings. */
export function protobufValue(bytes: Buffer): MetadataValue | undefined {
  return readValue(bytes, 0);
}

/** One field at a time; `failed` once something is cut or malformed. */
class FieldScanner {
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

/** The last field of the oneof counts. */
function readValue(bytes: Buffer, depth: number): MetadataValue | undefined {
  if (depth > MAX_DEPTH) return undefined;
  const scanner = new FieldScanner(bytes);
  let value: MetadataValue = null;
  while (scanner.next()) {
    const read = readKind(scanner, depth);
    if (read === undefined) return undefined;
    if (read !== SKIPPED) value = read;
  }
  return scanner.failed ? undefined : value;
}

const SKIPPED = Symbol('a field that Value does not have');

function readKind(
  { number, wireType, varint, content }: FieldScanner,
  depth: number,
): MetadataValue | typeof SKIPPED | undefined {
  if (number === NULL_VALUE && wireType === VARINT) return null;
  if (number === NUMBER_VALUE && wireType === FIXED64) return content.readDoubleLE(0);
  if (number === BOOL_VALUE && wireType === VARINT) return varint !== 0;
  if (wireType !== BYTES) return SKIPPED;
  if (number === STRING_VALUE) return readString(content);
  if (number === STRUCT_VALUE) return readStruct(content, depth + 1);
  if (number === LIST_VALUE) return readList(content, depth + 1);
  return SKIPPED;
}

const readString = (content: Buffer): string | undefined =>
  isUtf8(content) ? content.toString('latin1') : undefined;

function readStruct(bytes: Buffer, depth: number): MetadataValue | undefined {
  const scanner = new FieldScanner(bytes);
  const struct = new Map<string, MetadataValue>();
  while (scanner.next()) {
    if (scanner.number !== 1 || scanner.wireType !== BYTES) continue;
    const entry = new FieldScanner(scanner.content);
    let key: string | undefined = '';
    let value: MetadataValue | undefined = null;
    while (entry.next()) {
      if (entry.wireType !== BYTES) continue;
      if (entry.number === 1) key = readString(entry.content);
      if (entry.number === 2) value = readValue(entry.content, depth + 1);
      if (key === undefined || value === undefined) return undefined;
    }
    if (entry.failed) return undefined;
    struct.set(key, value);
  }
  return scanner.failed ? undefined : struct;
}

function readList(bytes: Buffer, depth: number): MetadataValue | undefined {
  const scanner = new FieldScanner(bytes);
  const list: MetadataValue[] = [];
  while (scanner.next()) {
    if (scanner.number !== 1 || scanner.wireType !== BYTES) continue;
    const value = readValue(scanner.content, depth + 1);
    if (value === undefined) return undefined;
    list.push(value);
  }
  return scanner.failed ? undefined : list;
}
