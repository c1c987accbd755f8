// [m] Bytes to plain objects, driven by the tables. Absent fields stay absent; see codec.ts for the form of each type.
import {
  getEnum,
  getMessage,
  type FieldDescriptor,
  type MessageDescriptor,
} from './descriptor-table.ts';
import { joinPath, ProtoError, WireFault } from './proto-error.ts';
import { defaultScalar, isDefaultScalar, readScalar, wireTypeOfCode } from './scalars.ts';
import { decodeWellKnown } from './well-known-codec.ts';
import { WireReader, wireType } from './wire-reader.ts';

/** As in Envoy's protobuf library: one more level of messages is refused. */
export const maxMessageDepth = 100;

export interface DecodeOptions {
  /** Called for every field that the tables do not know, with the path of the message it stands in, and its type. */
  readonly onUnknown?: ((path: string, fieldNumber: number, type: string) => void) | undefined;
  /** Called each time that a deprecated field is read, with the type it stands in. */
  readonly onDeprecated?: ((type: string, field: string) => void) | undefined;
}

/** A message while its fields are read. */
type Fields = Record<string, unknown>;

export class MessageDecoder {
  readonly #reader: WireReader;
  readonly #onUnknown: DecodeOptions['onUnknown'];
  readonly #onDeprecated: DecodeOptions['onDeprecated'];
  /** The way down to the message being read: fields, and the index or key within a repeated field or a map. */
  readonly #fields: FieldDescriptor[] = [];
  readonly #keys: (number | string | bigint | boolean | undefined)[] = [];
  #depth = 0;

  constructor(bytes: Uint8Array, options: DecodeOptions) {
    this.#reader = new WireReader(bytes);
    this.#onUnknown = options.onUnknown;
    this.#onDeprecated = options.onDeprecated;
  }

  decode(type: MessageDescriptor): unknown {
    try {
      return this.#content(type, undefined);
    } catch (error) {
      if (!(error instanceof WireFault)) throw error;
      throw new ProtoError(type.fullName, this.#path(), error.message);
    }
  }

  #path(): string {
    let path = '';
    for (let i = 0; i < this.#depth; i++) {
      path = joinPath(path, (this.#fields[i] as FieldDescriptor).name, this.#keys[i]);
    }
    return path;
  }

  /** Reads up to the reader's end. A message that occurs twice is merged: `previous` is what was read before. */
  #content(type: MessageDescriptor, previous: unknown): unknown {
    if (type.wellKnown !== undefined) {
      return decodeWellKnown(this.#reader, type, previous, maxMessageDepth - this.#depth);
    }
    const message = (previous ?? {}) as Fields;
    const reader = this.#reader;
    while (reader.position < reader.end) {
      const tag = reader.tag();
      const field = type.byNumber[tag >>> 3];
      if (field === undefined || !this.#field(type, field, message, tag & 7))
        this.#unknown(tag, type.fullName);
    }
    return message;
  }

  #unknown(tag: number, type: string): void {
    this.#reader.skip(tag);
    this.#onUnknown?.(this.#path(), tag >>> 3, type);
  }

  /** False when the wire type is not the field's: such a field counts as unknown. */
  #field(type: MessageDescriptor, field: FieldDescriptor, message: Fields, wire: number): boolean {
    const depth = this.#depth;
    if (field.deprecated) this.#onDeprecated?.(type.fullName, field.name);
    this.#fields[depth] = field;
    this.#keys[depth] = undefined;
    const wanted =
      field.cardinality === 'map' ? wireType.lengthDelimited : wireTypeOfCode(field.code);
    if (wire !== wanted) {
      if (field.cardinality !== 'repeated' || wire !== wireType.lengthDelimited) return false;
      this.#depth = depth + 1;
      this.#packed(field, message);
    } else {
      this.#depth = depth + 1;
      if (field.cardinality === 'one') this.#single(type, field, message);
      else if (field.cardinality === 'map') this.#mapEntry(field, message);
      else this.#element(field, message);
    }
    this.#depth = depth;
    return true;
  }

  #single(type: MessageDescriptor, field: FieldDescriptor, message: Fields): void {
    if (field.oneof !== '') {
      for (const other of type.fields) {
        if (other.oneof !== field.oneof || other === field) continue;
        if (message[other.name] !== undefined) delete message[other.name];
      }
    }
    const value = this.#value(field, field.code === '>' ? message[field.name] : undefined);
    // Proto3: a default on the wire is the same as nothing, unless the field has presence.
    if (field.hasPresence || !isDefault(value, field)) message[field.name] = value;
    else if (message[field.name] !== undefined) delete message[field.name];
  }

  #element(field: FieldDescriptor, message: Fields): void {
    const list = listIn(message, field.name);
    this.#keys[this.#depth - 1] = list.length;
    list.push(this.#value(field, undefined));
  }

  #packed(field: FieldDescriptor, message: Fields): void {
    const reader = this.#reader;
    const end = reader.contentEnd();
    if (reader.position === end) return;
    const outerEnd = reader.end;
    const list = listIn(message, field.name);
    reader.end = end;
    while (reader.position < end) {
      this.#keys[this.#depth - 1] = list.length;
      list.push(this.#value(field, undefined));
    }
    reader.end = outerEnd;
  }

  #mapEntry(field: FieldDescriptor, message: Fields): void {
    const reader = this.#reader;
    const end = reader.contentEnd();
    const outerEnd = reader.end;
    reader.end = end;
    let key = defaultScalar(field.mapKeyCode) as string | number | bigint | boolean;
    let value: unknown;
    while (reader.position < end) {
      const tag = reader.tag();
      if (tag >>> 3 === 1 && (tag & 7) === wireTypeOfCode(field.mapKeyCode)) {
        key = readScalar(reader, field.mapKeyCode) as typeof key;
        this.#keys[this.#depth - 1] = key;
      } else if (tag >>> 3 === 2 && (tag & 7) === wireTypeOfCode(field.code)) {
        value = this.#value(field, value);
      } else this.#unknown(tag, field.typeName);
    }
    reader.end = outerEnd;
    mapIn(message, field.name).set(key, value ?? this.#defaultOf(field));
  }

  #value(field: FieldDescriptor, previous: unknown): unknown {
    if (field.code === '#') {
      const number = this.#reader.int32();
      return getEnum(field.typeName).nameOf.get(number) ?? number;
    }
    if (field.code !== '>') return readScalar(this.#reader, field.code);
    if (this.#depth >= maxMessageDepth) {
      throw new WireFault(`nests deeper than ${maxMessageDepth} messages`);
    }
    const reader = this.#reader;
    const end = reader.contentEnd();
    const outerEnd = reader.end;
    reader.end = end;
    const value = this.#content(getMessage(field.typeName), previous);
    reader.end = outerEnd;
    return value;
  }

  #defaultOf(field: FieldDescriptor): unknown {
    if (field.code === '#') return getEnum(field.typeName).nameOf.get(0) ?? 0;
    if (field.code !== '>') return defaultScalar(field.code);
    const empty = new MessageDecoder(new Uint8Array(), {});
    return empty.decode(getMessage(field.typeName));
  }
}

/** Whether proto3 treats the value of a field without presence as absent. */
export function isDefault(value: unknown, field: FieldDescriptor): boolean {
  if (field.code === '#') return value === 0 || value === getEnum(field.typeName).nameOf.get(0);
  return isDefaultScalar(value);
}

function listIn(message: Fields, name: string): unknown[] {
  const known = message[name];
  if (known !== undefined) return known as unknown[];
  const list: unknown[] = [];
  message[name] = list;
  return list;
}

function mapIn(message: Fields, name: string): Map<unknown, unknown> {
  const known = message[name];
  if (known !== undefined) return known as Map<unknown, unknown>;
  const map = new Map<unknown, unknown>();
  message[name] = map;
  return map;
}
