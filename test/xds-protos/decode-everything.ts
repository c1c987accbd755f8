// Decodes a message and everything packed inside it, however deep; used by the tests and the measurement of start-up.
import { unpackAny, type MessageName, type Unpacked } from '../../xds-protos/any.ts';
import { decode } from '../../xds-protos/codec.ts';
import type { MessageTypes } from '../../xds-protos/gen/message-types.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';

function isAny(value: object): value is Any {
  return 'type_url' in value && 'value' in value && value.value instanceof Uint8Array;
}

/** The message first. `onUnknown` gets unknown fields and unknown types, each as one line of text. */
export function decodeEverything<K extends MessageName>(
  type: K,
  bytes: Uint8Array,
  onUnknown: (what: string) => void = () => {},
): Unpacked[] {
  const options = (name: string): { onUnknown: (path: string, number: number) => void } => ({
    onUnknown: (path, number) => onUnknown(`${name} ${path}#${number}`),
  });
  const found: Unpacked[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
    if (value instanceof Map) for (const element of value.values()) visit(element);
    else if (isAny(value)) unpack(value);
    else for (const element of Object.values(value)) visit(element);
  };
  const unpack = (any: Any): void => {
    if (any.type_url === '') return;
    const content = unpackAny(any, options(any.type_url));
    if (content === undefined) return onUnknown(any.type_url);
    found.push(content);
    visit(content.message);
  };
  const message: MessageTypes[K] = decode(type, bytes, options(type));
  found.push({ type, message } as Unpacked);
  visit(message);
  return found;
}
