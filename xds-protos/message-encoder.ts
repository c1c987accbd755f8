// [m] Plain objects to bytes, driven by the tables. Equal messages give equal bytes: fields in the order of their numbers, maps by key.
import {
  getEnum,
  getMessage,
  type FieldDescriptor,
  type MessageDescriptor,
} from './descriptor-table.ts';
import { isDefault, maxMessageDepth } from './message-decoder.ts';
import { joinPath, ProtoError, WireFault } from './proto-error.ts';
import { wireTypeOfCode, writeScalar } from './scalars.ts';
import { encodeWellKnown } from './well-known-codec.ts';
import { wireType } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

export class MessageEncoder {
  readonly #writer = new WireWriter();
  readonly #fields: FieldDescriptor[] = [];
  readonly #keys: (number | string | bigint | boolean | undefined)[] = [];
  #depth = 0;

  encode(type: MessageDescriptor, message: unknown): Uint8Array {
    try {
      this.#content(type, message);
    } catch (error) {
      if (!(error instanceof WireFault)) throw error;
      throw new ProtoError(type.fullName, this.#path(), error.message);
    }
    return this.#writer.finish();
  }

  #path(): string {
    let path = '';
    for (let i = 0; i < this.#depth; i++) {
      path = joinPath(path, (this.#fields[i] as FieldDescriptor).name, this.#keys[i]);
    }
    return path;
  }

  #content(type: MessageDescriptor, message: unknown): void {
    if (type.wellKnown !== undefined) {
      encodeWellKnown(this.#writer, type, message);
      return;
    }
    if (typeof message !== 'object' || message === null) throw new WireFault('must be an object');
    for (const field of type.fields) {
      const value = (message as Readonly<Record<string, unknown>>)[field.name];
      if (value === undefined) continue;
      const depth = this.#depth;
      this.#fields[depth] = field;
      this.#keys[depth] = undefined;
      this.#depth = depth + 1;
      this.#field(field, value);
      this.#depth = depth;
    }
  }

  #field(field: FieldDescriptor, value: unknown): void {
    if (field.cardinality === 'repeated') this.#list(field, value);
    else if (field.cardinality === 'map') this.#map(field, value);
    else if (field.hasPresence || !isDefault(value, field))
      this.#tagged(field, field.number, value);
  }

  #list(field: FieldDescriptor, list: unknown): void {
    if (!Array.isArray(list)) throw new WireFault('must be an array');
    if (list.length === 0) return;
    const isPacked = wireTypeOfCode(field.code) !== wireType.lengthDelimited;
    if (isPacked) this.#writer.tag(field.number, wireType.lengthDelimited);
    const content = isPacked ? this.#writer.beginContent() : 0;
    for (const [index, value] of list.entries()) {
      this.#keys[this.#depth - 1] = index;
      if (isPacked) this.#value(field, value);
      else this.#tagged(field, field.number, value);
    }
    if (isPacked) this.#writer.endContent(content);
  }

  #map(field: FieldDescriptor, map: unknown): void {
    if (!(map instanceof Map)) throw new WireFault('must be a Map');
    const entries = [...(map as Map<string, unknown>)].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [key, value] of entries) {
      this.#keys[this.#depth - 1] = key;
      this.#writer.tag(field.number, wireType.lengthDelimited);
      const content = this.#writer.beginContent();
      this.#writer.tag(1, wireTypeOfCode(field.mapKeyCode));
      writeScalar(this.#writer, field.mapKeyCode, key);
      this.#tagged(field, 2, value);
      this.#writer.endContent(content);
    }
  }

  #tagged(field: FieldDescriptor, number: number, value: unknown): void {
    this.#writer.tag(number, wireTypeOfCode(field.code));
    this.#value(field, value);
  }

  #value(field: FieldDescriptor, value: unknown): void {
    if (field.code === '>') {
      if (this.#depth >= maxMessageDepth) {
        throw new WireFault(`nests deeper than ${maxMessageDepth} messages`);
      }
      const content = this.#writer.beginContent();
      this.#content(getMessage(field.typeName), value);
      this.#writer.endContent(content);
    } else if (field.code === '#') this.#writer.int32(enumNumber(field, value));
    else writeScalar(this.#writer, field.code, value);
  }
}

function enumNumber(field: FieldDescriptor, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value)) return value;
  const number = getEnum(field.typeName).numberOf.get(value as string);
  if (number === undefined) throw new WireFault(`${field.typeName} has no value ${String(value)}`);
  return number;
}
