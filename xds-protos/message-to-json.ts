// [m] Messages to canonical protobuf JSON with the field names of the .proto files, every Any expanded.
import { decode } from './codec.ts';
import {
  getEnum,
  getMessage,
  type FieldDescriptor,
  type MessageDescriptor,
} from './descriptor-table.ts';
import { base64Of, durationToJson, scalarToJson, timestampToJson } from './json-scalars.ts';
import { isDefault, maxMessageDepth } from './message-decoder.ts';
import { isMessageName, typeNameOf } from './any.ts';
import { ProtoError } from './proto-error.ts';
import type { Any, Duration, JsonObject, JsonValue } from './well-known-types.ts';

/** `depth`: how many messages stand around this one, across every Any. */
export function messageToJson(type: MessageDescriptor, message: unknown, depth: number): JsonValue {
  switch (type.wellKnown) {
    case 'any':
      return anyToJson(message as Any, depth);
    case 'time':
      return type.fullName === 'google.protobuf.Duration'
        ? durationToJson(message as Duration)
        : timestampToJson(message as Duration);
    case 'wrapper':
      return scalarToJson(type.wrapped, message);
    case 'struct':
    case 'list':
    case 'value':
      return message as JsonValue;
    case undefined:
      return fieldsToJson(type, message as Readonly<Record<string, unknown>>, depth);
  }
}

function fieldsToJson(
  type: MessageDescriptor,
  message: Readonly<Record<string, unknown>>,
  depth: number,
): JsonObject {
  const json: JsonObject = {};
  for (const field of type.fields) {
    const value = message[field.name];
    if (value === undefined) continue;
    if (field.cardinality === 'repeated') {
      if ((value as unknown[]).length === 0) continue;
      json[field.name] = (value as unknown[]).map((element) => valueToJson(field, element, depth));
    } else if (field.cardinality === 'map') {
      if ((value as Map<unknown, unknown>).size === 0) continue;
      json[field.name] = mapToJson(field, value as Map<unknown, unknown>, depth);
    } else if (field.hasPresence || !isDefault(value, field)) {
      json[field.name] = valueToJson(field, value, depth);
    }
  }
  return json;
}

function mapToJson(field: FieldDescriptor, map: Map<unknown, unknown>, depth: number): JsonObject {
  const json = Object.create(null) as JsonObject;
  for (const [key, value] of map) json[String(key)] = valueToJson(field, value, depth);
  return json;
}

function valueToJson(field: FieldDescriptor, value: unknown, depth: number): JsonValue {
  if (field.code === '>') return messageToJson(getMessage(field.typeName), value, depth + 1);
  if (field.code !== '#') return scalarToJson(field.code, value);
  if (field.typeName === 'google.protobuf.NullValue') return null;
  // An encoder may hand in the number of a value that has a name.
  return typeof value === 'number'
    ? (getEnum(field.typeName).nameOf.get(value) ?? value)
    : (value as string);
}

function anyToJson(any: Any, depth: number): JsonObject {
  if (any.type_url === '' && any.value.length === 0) return {};
  const content = decodedContent(any, depth);
  if (content === undefined) return { '@type': any.type_url, value: base64Of(any.value) };
  const json = messageToJson(content.type, content.message, depth + 1);
  if (hasOwnJson(content.type)) return { '@type': any.type_url, value: json };
  return { '@type': any.type_url, ...(json as JsonObject) };
}

/** Whether an Any with this content puts the content's JSON into a member named "value". */
export function hasOwnJson(type: MessageDescriptor): boolean {
  return type.wellKnown !== undefined || type.fullName === 'google.protobuf.Empty';
}

/** Undefined when the type is unknown, or the bytes are none of the type: a dump shows such bytes as they are. */
function decodedContent(
  any: Any,
  depth: number,
): { type: MessageDescriptor; message: unknown } | undefined {
  const name = typeNameOf(any);
  if (depth >= maxMessageDepth || !isMessageName(name)) return undefined;
  try {
    return { type: getMessage(name), message: decode(name, any.value) };
  } catch (error) {
    if (error instanceof ProtoError) return undefined;
    throw error;
  }
}
