// [m] google.protobuf's well-known types between the wire and their own form in memory (well-known-types.ts).
import type { MessageDescriptor } from './descriptor-table.ts';
import { WireFault } from './proto-error.ts';
import {
  defaultScalar,
  isDefaultScalar,
  readScalar,
  wireTypeOfCode,
  writeScalar,
} from './scalars.ts';
import type { Any, Duration, JsonObject, JsonValue } from './well-known-types.ts';
import { wireType, type WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

const { varint, fixed64, lengthDelimited } = wireType;
const tagOf = (number: number, wire: number): number => (number << 3) | wire;

/** Reads up to the reader's end. `depthLeft`: how many levels of messages may still open. */
export function decodeWellKnown(
  reader: WireReader,
  type: MessageDescriptor,
  previous: unknown,
  depthLeft: number,
): unknown {
  switch (type.wellKnown) {
    case 'wrapper':
      return decodeWrapper(reader, type.wrapped, previous);
    case 'any':
      return decodeAny(reader, previous as Any | undefined);
    case 'time':
      return decodeTime(reader, previous as Duration | undefined);
    case 'struct':
      return decodeStruct(reader, previous as JsonObject | undefined, depthLeft);
    case 'list':
      return decodeList(reader, previous as JsonValue[] | undefined, depthLeft);
    case 'value':
      return decodeValue(reader, previous as JsonValue | undefined, depthLeft);
    case undefined:
      throw new Error(`${type.fullName} is not a well-known type`);
  }
}

function decodeWrapper(reader: WireReader, code: string, previous: unknown): unknown {
  let value = previous ?? defaultScalar(code);
  const wanted = tagOf(1, wireTypeOfCode(code));
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === wanted) value = readScalar(reader, code);
    else reader.skip(tag);
  }
  return value;
}

function decodeAny(reader: WireReader, previous: Any | undefined): Any {
  const any = previous ?? { type_url: '', value: new Uint8Array() };
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === tagOf(1, lengthDelimited)) any.type_url = reader.string();
    else if (tag === tagOf(2, lengthDelimited)) any.value = reader.bytes();
    else reader.skip(tag);
  }
  return any;
}

function decodeTime(reader: WireReader, previous: Duration | undefined): Duration {
  const time = previous ?? { seconds: 0, nanos: 0 };
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === tagOf(1, varint)) time.seconds = reader.int64AsNumber();
    else if (tag === tagOf(2, varint)) time.nanos = reader.int32();
    else reader.skip(tag);
  }
  return time;
}

/** Moves the reader's end to the end of the message that begins here, and returns the end it had. */
function enter(reader: WireReader, depthLeft: number): number {
  if (depthLeft <= 0) throw new WireFault('nests too deep');
  const outerEnd = reader.end;
  reader.end = reader.contentEnd();
  return outerEnd;
}

function decodeStruct(
  reader: WireReader,
  previous: JsonObject | undefined,
  depthLeft: number,
): JsonObject {
  const object = previous ?? (Object.create(null) as JsonObject);
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag !== tagOf(1, lengthDelimited)) {
      reader.skip(tag);
      continue;
    }
    const outerEnd = enter(reader, depthLeft);
    decodeStructEntry(reader, object, depthLeft);
    reader.end = outerEnd;
  }
  return object;
}

function decodeStructEntry(reader: WireReader, object: JsonObject, depthLeft: number): void {
  let key = '';
  let value: JsonValue = null;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === tagOf(1, lengthDelimited)) key = reader.string();
    else if (tag === tagOf(2, lengthDelimited)) {
      const outerEnd = enter(reader, depthLeft);
      value = decodeValue(reader, undefined, depthLeft - 1);
      reader.end = outerEnd;
    } else reader.skip(tag);
  }
  object[key] = value;
}

function decodeList(
  reader: WireReader,
  previous: JsonValue[] | undefined,
  depthLeft: number,
): JsonValue[] {
  const list = previous ?? [];
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag !== tagOf(1, lengthDelimited)) {
      reader.skip(tag);
      continue;
    }
    const outerEnd = enter(reader, depthLeft);
    list.push(decodeValue(reader, undefined, depthLeft - 1));
    reader.end = outerEnd;
  }
  return list;
}

/** A Value that says nothing is null. */
function decodeValue(
  reader: WireReader,
  previous: JsonValue | undefined,
  depthLeft: number,
): JsonValue {
  let value = previous ?? null;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case tagOf(1, varint):
        reader.uint32();
        value = null;
        break;
      case tagOf(2, fixed64):
        value = reader.double();
        break;
      case tagOf(3, lengthDelimited):
        value = reader.string();
        break;
      case tagOf(4, varint):
        value = reader.bool();
        break;
      case tagOf(5, lengthDelimited):
      case tagOf(6, lengthDelimited): {
        const outerEnd = enter(reader, depthLeft);
        value =
          tag >>> 3 === 5
            ? decodeStruct(reader, undefined, depthLeft - 1)
            : decodeList(reader, undefined, depthLeft - 1);
        reader.end = outerEnd;
        break;
      }
      default:
        reader.skip(tag);
    }
  }
  return value;
}

/** Writes the content of a well-known type, without tag and length. */
export function encodeWellKnown(writer: WireWriter, type: MessageDescriptor, value: unknown): void {
  switch (type.wellKnown) {
    case 'wrapper':
      return encodeWrapper(writer, type.wrapped, value);
    case 'any':
      return encodeAny(writer, value as Any);
    case 'time':
      return encodeTime(writer, value as Duration);
    case 'struct':
      return encodeStruct(writer, value as JsonObject);
    case 'list':
      return encodeList(writer, value as JsonValue[]);
    case 'value':
      return encodeValue(writer, value as JsonValue);
    case undefined:
      throw new Error(`${type.fullName} is not a well-known type`);
  }
}

function encodeWrapper(writer: WireWriter, code: string, value: unknown): void {
  if (isDefaultScalar(value)) return;
  writer.tag(1, wireTypeOfCode(code));
  writeScalar(writer, code, value);
}

function encodeAny(writer: WireWriter, any: Any): void {
  if (any.type_url !== '') {
    writer.tag(1, lengthDelimited);
    writer.string(any.type_url);
  }
  if (any.value.length > 0) {
    writer.tag(2, lengthDelimited);
    writer.bytes(any.value);
  }
}

function encodeTime(writer: WireWriter, time: Duration): void {
  if (!Number.isInteger(time.seconds) || !Number.isInteger(time.nanos)) {
    throw new WireFault('seconds and nanos must be integers');
  }
  if (time.seconds !== 0) {
    writer.tag(1, varint);
    writer.uint64(BigInt(time.seconds));
  }
  if (time.nanos !== 0) {
    writer.tag(2, varint);
    writer.int32(time.nanos);
  }
}

/** Keys in order, so that equal objects give equal bytes. */
function encodeStruct(writer: WireWriter, object: JsonObject): void {
  for (const key of Object.keys(object).sort()) {
    writer.tag(1, lengthDelimited);
    const entry = writer.beginContent();
    writer.tag(1, lengthDelimited);
    writer.string(key);
    writer.tag(2, lengthDelimited);
    const content = writer.beginContent();
    encodeValue(writer, object[key] ?? null);
    writer.endContent(content);
    writer.endContent(entry);
  }
}

function encodeList(writer: WireWriter, list: readonly JsonValue[]): void {
  for (const value of list) {
    writer.tag(1, lengthDelimited);
    const content = writer.beginContent();
    encodeValue(writer, value);
    writer.endContent(content);
  }
}

function encodeValue(writer: WireWriter, value: JsonValue): void {
  if (value === null) {
    writer.tag(1, varint);
    writer.uint32(0);
  } else if (typeof value === 'number') {
    writer.tag(2, fixed64);
    writer.double(value);
  } else if (typeof value === 'string') {
    writer.tag(3, lengthDelimited);
    writer.string(value);
  } else if (typeof value === 'boolean') {
    writer.tag(4, varint);
    writer.uint32(value ? 1 : 0);
  } else {
    const isList = Array.isArray(value);
    writer.tag(isList ? 6 : 5, lengthDelimited);
    const content = writer.beginContent();
    if (isList) encodeList(writer, value);
    else encodeStruct(writer, value);
    writer.endContent(content);
  }
}
