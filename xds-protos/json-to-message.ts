// [m] Protobuf JSON to messages: collects every error with its path instead of stopping at the first.
import { isMessageName, typeNameOfUrl } from './any.ts';
import {
  findMessage,
  getEnum,
  getMessage,
  type FieldDescriptor,
  type MessageDescriptor,
} from './descriptor-table.ts';
import {
  durationFromJson,
  mapKeyFromJson,
  scalarFromJson,
  timestampFromJson,
  unfit,
} from './json-scalars.ts';
import { isDefault, maxMessageDepth } from './message-decoder.ts';
import { MessageEncoder } from './message-encoder.ts';
import { hasOwnJson } from './message-to-json.ts';
import { joinPath, WireFault } from './proto-error.ts';
import type { Any, JsonObject, JsonValue } from './well-known-types.ts';

export interface JsonFault {
  readonly path: string;
  readonly message: string;
}

export interface FromJsonOptions {
  /** Fields the message does not have are passed over instead of being errors. Default: false. */
  readonly allowUnknown?: boolean | undefined;
  /** Called with the path of each field that was passed over. */
  readonly onUnknown?: ((path: string, type: string) => void) | undefined;
  /** Called for each deprecated field, with the type it stands in. */
  readonly onDeprecated?: ((type: string, field: string) => void) | undefined;
}

/** More than this many errors help nobody; the rest is not collected. */
const maxFaults = 100;
/** How many names of an enum an error lists. */
const maxListedNames = 12;

export class JsonReader {
  readonly faults: JsonFault[] = [];
  readonly #options: FromJsonOptions;
  #depth = 0;

  constructor(options: FromJsonOptions) {
    this.#options = options;
  }

  /** Undefined after a fault. */
  message(type: MessageDescriptor, json: unknown, path: string): unknown {
    if (this.#depth >= maxMessageDepth) {
      this.#fault(path, `nests deeper than ${maxMessageDepth} messages`);
      return undefined;
    }
    this.#depth++;
    const message = this.#messageInDepth(type, json, path);
    this.#depth--;
    return message;
  }

  #fault(path: string, message: string): void {
    if (this.faults.length < maxFaults) this.faults.push({ path, message });
  }

  /** Runs a conversion; its WireFault becomes an error at the path. */
  #try<T>(path: string, convert: () => T): T | undefined {
    try {
      return convert();
    } catch (error) {
      if (!(error instanceof WireFault)) throw error;
      this.#fault(path, error.message);
      return undefined;
    }
  }

  #messageInDepth(type: MessageDescriptor, json: unknown, path: string): unknown {
    switch (type.wellKnown) {
      case 'any':
        return this.#any(json, path);
      case 'time':
        return this.#try(path, () =>
          type.fullName === 'google.protobuf.Duration'
            ? durationFromJson(json)
            : timestampFromJson(json),
        );
      case 'wrapper':
        return this.#try(path, () => scalarFromJson(type.wrapped, json));
      case 'value':
        return this.#jsonValue(json, path);
      case 'list':
        return Array.isArray(json)
          ? this.#jsonValue(json, path)
          : this.#wrongKind(json, path, 'a list');
      case 'struct':
        return isObject(json)
          ? this.#jsonValue(json, path)
          : this.#wrongKind(json, path, 'an object');
      case undefined:
        return this.#fields(type, json, path, undefined);
    }
  }

  #wrongKind(json: unknown, path: string, wanted: string): undefined {
    this.#fault(path, unfit(json, wanted).message);
    return undefined;
  }

  #fields(type: MessageDescriptor, json: unknown, path: string, skip: string | undefined): unknown {
    if (!isObject(json)) return this.#wrongKind(json, path, 'an object');
    const message: Record<string, unknown> = {};
    const seen = new Set<FieldDescriptor>();
    for (const [key, value] of Object.entries(json)) {
      if (key === skip) continue;
      const field = fieldNamed(type, key);
      if (field === undefined) {
        this.#unknown(type, joinPath(path, key));
        continue;
      }
      // JSON null stands for the default, except where null is a value.
      if (value === null && !takesNull(field)) continue;
      if (field.deprecated) this.#options.onDeprecated?.(type.fullName, field.name);
      const fieldPath = joinPath(path, field.name);
      if (this.#mayStand(type, field, seen, fieldPath))
        this.#field(field, value, fieldPath, message);
    }
    return message;
  }

  #unknown(type: MessageDescriptor, path: string): void {
    if (this.#options.allowUnknown === true) this.#options.onUnknown?.(path, type.fullName);
    else this.#fault(path, `unknown field: ${type.fullName} has none of this name`);
  }

  #mayStand(
    type: MessageDescriptor,
    field: FieldDescriptor,
    seen: Set<FieldDescriptor>,
    path: string,
  ): boolean {
    if (seen.has(field)) {
      this.#fault(path, 'is given twice, in snake_case and in lowerCamelCase');
      return false;
    }
    seen.add(field);
    if (field.oneof === '') return true;
    const other = type.fields.find((f) => f !== field && f.oneof === field.oneof && seen.has(f));
    if (other === undefined) return true;
    this.#fault(path, `cannot stand beside ${other.name}: give only one of the two`);
    return false;
  }

  #field(
    field: FieldDescriptor,
    json: unknown,
    path: string,
    message: Record<string, unknown>,
  ): void {
    if (field.cardinality === 'repeated') {
      const list = this.#list(field, json, path);
      if (list.length > 0) message[field.name] = list;
    } else if (field.cardinality === 'map') {
      const map = this.#map(field, json, path);
      if (map.size > 0) message[field.name] = map;
    } else {
      const value = this.#value(field, json, path);
      if (value !== undefined && (field.hasPresence || !isDefault(value, field))) {
        message[field.name] = value;
      }
    }
  }

  #list(field: FieldDescriptor, json: unknown, path: string): unknown[] {
    if (!Array.isArray(json)) {
      this.#wrongKind(json, path, 'a list');
      return [];
    }
    return json.map((element: unknown, index) => this.#value(field, element, `${path}[${index}]`));
  }

  #map(field: FieldDescriptor, json: unknown, path: string): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>();
    if (!isObject(json)) {
      this.#wrongKind(json, path, 'an object');
      return map;
    }
    for (const [name, element] of Object.entries(json)) {
      const elementPath = `${path}[${JSON.stringify(name)}]`;
      const key = this.#try(elementPath, () => mapKeyFromJson(field.mapKeyCode, name));
      map.set(key, this.#value(field, element, elementPath));
    }
    return map;
  }

  #value(field: FieldDescriptor, json: unknown, path: string): unknown {
    if (field.code === '>') return this.message(getMessage(field.typeName), json, path);
    if (field.code === '#') return this.#try(path, () => enumFromJson(field.typeName, json));
    return this.#try(path, () => scalarFromJson(field.code, json));
  }

  #any(json: unknown, path: string): Any | undefined {
    if (!isObject(json)) return this.#wrongKind(json, path, 'an object');
    const typeUrl = Object.hasOwn(json, '@type') ? json['@type'] : undefined;
    if (typeUrl === undefined && Object.keys(json).length === 0)
      return { type_url: '', value: new Uint8Array() };
    const typePath = joinPath(path, '@type');
    if (typeof typeUrl !== 'string') return this.#wrongKind(typeUrl, typePath, 'a type URL');
    const name = typeNameOfUrl(typeUrl);
    const type = isMessageName(name) ? findMessage(name) : undefined;
    if (type === undefined || !typeUrl.includes('/')) {
      this.#fault(typePath, `unknown type URL ${JSON.stringify(typeUrl.slice(0, 200))}`);
      return undefined;
    }
    const before = this.faults.length;
    const message = this.#anyContent(type, json, path);
    if (this.faults.length > before || message === undefined) return undefined;
    return { type_url: typeUrl, value: new MessageEncoder().encode(type, message) };
  }

  #anyContent(
    type: MessageDescriptor,
    json: Readonly<Record<string, unknown>>,
    path: string,
  ): unknown {
    if (!hasOwnJson(type)) return this.#fields(type, json, path, '@type');
    for (const key of Object.keys(json)) {
      if (key !== '@type' && key !== 'value') this.#unknown(type, joinPath(path, key));
    }
    if (Object.hasOwn(json, 'value'))
      return this.message(type, json['value'], joinPath(path, 'value'));
    if (type.fullName === 'google.protobuf.Empty') return {};
    this.#fault(path, `the content of ${type.fullName} must stand in a member named value`);
    return undefined;
  }

  /** A copy without prototypes. Counts its own levels, since Structs nest without messages of ours in between. */
  #jsonValue(json: unknown, path: string): JsonValue | undefined {
    if (json === null || typeof json === 'string' || typeof json === 'boolean') return json;
    if (typeof json === 'number') {
      if (Number.isFinite(json)) return json;
      return this.#wrongKind(json, path, 'a finite number');
    }
    if (this.#depth >= maxMessageDepth) {
      this.#fault(path, `nests deeper than ${maxMessageDepth} levels`);
      return undefined;
    }
    this.#depth++;
    const copy = Array.isArray(json)
      ? json.map((element: unknown, index) => this.#jsonValue(element, `${path}[${index}]`) ?? null)
      : this.#jsonObject(json, path);
    this.#depth--;
    return copy;
  }

  #jsonObject(json: unknown, path: string): JsonObject | undefined {
    if (!isObject(json)) return this.#wrongKind(json, path, 'a JSON value');
    const copy = Object.create(null) as JsonObject;
    for (const [key, value] of Object.entries(json)) {
      copy[key] = this.#jsonValue(value, joinPath(path, key)) ?? null;
    }
    return copy;
  }
}

function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function takesNull(field: FieldDescriptor): boolean {
  return (
    field.cardinality === 'one' &&
    (field.typeName === 'google.protobuf.Value' || field.typeName === 'google.protobuf.NullValue')
  );
}

const fieldsByJsonName = new WeakMap<MessageDescriptor, Map<string, FieldDescriptor>>();

function fieldNamed(type: MessageDescriptor, key: string): FieldDescriptor | undefined {
  let byName = fieldsByJsonName.get(type);
  if (byName === undefined) {
    byName = new Map();
    for (const field of type.fields) {
      byName.set(field.name, field);
      byName.set(lowerCamelCase(field.name), field);
    }
    fieldsByJsonName.set(type, byName);
  }
  return byName.get(key);
}

/** As protobuf derives it: an underscore goes, the letter after it becomes a capital. */
function lowerCamelCase(name: string): string {
  return name.replaceAll(/_+([a-z0-9]?)/g, (_match, letter: string) => letter.toUpperCase());
}

function enumFromJson(typeName: string, json: unknown): string | number {
  const type = getEnum(typeName);
  if (json === null && typeName === 'google.protobuf.NullValue') return type.nameOf.get(0) ?? 0;
  if (typeof json === 'number' && Number.isInteger(json) && json === (json | 0)) {
    return type.nameOf.get(json) ?? json;
  }
  const number = typeof json === 'string' ? type.numberOf.get(json) : undefined;
  if (number !== undefined) return type.nameOf.get(number) ?? number;
  const names = [...type.numberOf.keys()];
  const listed = names.slice(0, maxListedNames).join(', ');
  throw unfit(json, `one of ${listed}${names.length > maxListedNames ? ', ...' : ''}`);
}
