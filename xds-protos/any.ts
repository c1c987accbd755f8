// [m] google.protobuf.Any and xDS' TypedStruct: messages that carry the name of their type.
import { decode, encode } from './codec.ts';
import { findMessage } from './descriptor-table.ts';
import type { MessageTypes } from './gen/message-types.ts';
import type { DecodeOptions } from './message-decoder.ts';
import type { Any, JsonObject } from './well-known-types.ts';

export type MessageName = keyof MessageTypes;

/** A decoded Any: `type` tells what `message` is. */
export type Unpacked = { [K in MessageName]: { type: K; message: MessageTypes[K] } }[MessageName];

export const typeUrlPrefix = 'type.googleapis.com/';

export function typeUrlOf(type: MessageName): string {
  return typeUrlPrefix + type;
}

/** The full name in a type URL: what stands after its last slash. */
export function typeNameOfUrl(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

export function typeNameOf(any: Any): string {
  return typeNameOfUrl(any.type_url);
}

/** Whether a full name, taken from outside, is one of a message that can be decoded. */
export function isMessageName(name: string): name is MessageName {
  return findMessage(name) !== undefined;
}

export function packAny<K extends MessageName>(type: K, message: MessageTypes[K]): Any {
  return { type_url: typeUrlOf(type), value: encode(type, message) };
}

/** Undefined when the type is not one of ours. Throws a ProtoError when the content is not a message of the type. */
export function unpackAny(any: Any, options?: DecodeOptions): Unpacked | undefined {
  const type = typeNameOf(any);
  if (!isMessageName(type)) return undefined;
  return { type, message: decode(type, any.value, options) } as Unpacked;
}

/** The message when the Any holds one of that type, else undefined. */
export function unpackAnyAs<K extends MessageName>(
  type: K,
  any: Any | undefined,
  options?: DecodeOptions,
): MessageTypes[K] | undefined {
  if (any === undefined || typeNameOf(any) !== type) return undefined;
  return decode(type, any.value, options);
}

export interface TypedStruct {
  /** Type URL of the message that `value` stands for. */
  readonly typeUrl: string;
  /** The message as JSON; `fromJson` of proto-json.ts reads it when the type is known. */
  readonly value: JsonObject;
}

/** What a TypedStruct (of udpa or of xds) holds; undefined when the Any holds something else. */
export function typedStructOf(any: Any): TypedStruct | undefined {
  const type = typeNameOf(any);
  if (type !== 'udpa.type.v1.TypedStruct' && type !== 'xds.type.v3.TypedStruct') return undefined;
  const { type_url: typeUrl, value } = decode(type, any.value);
  return { typeUrl: typeUrl ?? '', value: value ?? (Object.create(null) as JsonObject) };
}
