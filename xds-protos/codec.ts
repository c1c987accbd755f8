// [m] The door to xds-protos: messages between bytes and plain objects, typed by their full name.
//
// The form of a decoded message: field names as in the .proto file; what is absent on the wire, or at its proto3 default, is
// absent here. Repeated fields are arrays and maps are Maps, absent when empty. Enums are their names, or the number when
// the tables have no name for it. 64-bit integers are bigints, bytes Uint8Arrays (views of the input, not copies). Wrappers such as
// UInt32Value are the bare value, also at its default. Struct, Value and ListValue are JSON values. Any stays packed: see any.ts.
import { getMessage } from './descriptor-table.ts';
import type { MessageTypes } from './gen/message-types.ts';
import { MessageDecoder, type DecodeOptions } from './message-decoder.ts';
import { MessageEncoder } from './message-encoder.ts';
import { ProtoError } from './proto-error.ts';

/** No message is larger than what the gRPC seam lets through (services.ts). */
export const maxMessageBytes = 256 * 1024 * 1024;

/** Throws a ProtoError with the path of the field when the bytes are no such message. */
export function decode<K extends keyof MessageTypes>(
  type: K,
  bytes: Uint8Array,
  options: DecodeOptions = {},
): MessageTypes[K] {
  if (bytes.byteLength > maxMessageBytes) {
    throw new ProtoError(
      type,
      '',
      `has ${bytes.byteLength} bytes, at most ${maxMessageBytes} are taken`,
    );
  }
  return new MessageDecoder(bytes, options).decode(getMessage(type)) as MessageTypes[K];
}

/** Equal messages give equal bytes. Throws a ProtoError with the path of the field when a value does not fit its type. */
export function encode<K extends keyof MessageTypes>(
  type: K,
  message: MessageTypes[K],
): Uint8Array {
  return new MessageEncoder().encode(getMessage(type), message);
}
