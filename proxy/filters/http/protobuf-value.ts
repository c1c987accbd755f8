// [w] Reads a google.protobuf.Value from bytes (see struct.proto).
//
// The bytes come from a header or an answer of bounded size; what nests more deeply than protobuf allows is none.
import { BYTES, FIXED64, FieldScanner, VARINT, protobufText } from '../../base/protobuf-scanner.ts';
import type { MetadataStruct, MetadataValue } from '../../config/metadata-value.ts';

/** As protobuf's own parsers. */
const MAX_DEPTH = 100;

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

/** The same for a google.protobuf.Struct. */
export function protobufStruct(bytes: Buffer): MetadataStruct | undefined {
  return readStruct(bytes, 1);
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
  if (number === STRING_VALUE) return protobufText(content);
  if (number === STRUCT_VALUE) return readStruct(content, depth + 1);
  if (number === LIST_VALUE) return readList(content, depth + 1);
  return SKIPPED;
}

function readStruct(bytes: Buffer, depth: number): MetadataStruct | undefined {
  const scanner = new FieldScanner(bytes);
  const struct = new Map<string, MetadataValue>();
  while (scanner.next()) {
    if (scanner.number !== 1 || scanner.wireType !== BYTES) continue;
    const entry = new FieldScanner(scanner.content);
    let key: string | undefined = '';
    let value: MetadataValue | undefined = null;
    while (entry.next()) {
      if (entry.wireType !== BYTES) continue;
      if (entry.number === 1) key = protobufText(entry.content);
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
