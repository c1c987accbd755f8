// [m] Canonical protobuf JSON (protobuf.dev/programming-guides/json): what dumps print and bootstraps are written in.
import { getMessage } from './descriptor-table.ts';
import type { MessageTypes } from './gen/message-types.ts';
import { JsonReader, type FromJsonOptions, type JsonFault } from './json-to-message.ts';
import { messageToJson } from './message-to-json.ts';
import type { JsonValue } from './well-known-types.ts';

/** Everything that is wrong with a JSON message, each with the path of its field. At most 100 are kept. */
export class ProtoJsonError extends Error {
  override readonly name = 'ProtoJsonError';
  readonly errors: readonly JsonFault[];

  constructor(errors: readonly JsonFault[]) {
    super(
      errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; '),
    );
    this.errors = errors;
  }
}

/**
 * Field names as in the .proto file, defaults left out, 64-bit integers as strings, bytes as base64, durations as "1.500s". An
 * Any is expanded; one of unknown type, or whose bytes are malformed, is `{ "@type", "value": base64 }`.
 */
export function toJson<K extends keyof MessageTypes>(type: K, message: MessageTypes[K]): JsonValue {
  return messageToJson(getMessage(type), message, 0);
}

/**
 * Takes what JSON.parse or a YAML parser returns. Names may be snake_case or lowerCamelCase, numbers strings, enums numbers.
 * `path` stands in front of the paths of errors. Throws a ProtoJsonError; unknown fields are errors unless `allowUnknown`.
 */
export function fromJson<K extends keyof MessageTypes>(
  type: K,
  json: unknown,
  path = '',
  options: FromJsonOptions = {},
): MessageTypes[K] {
  const reader = new JsonReader(options);
  const message = reader.message(getMessage(type), json, path);
  if (reader.faults.length > 0) throw new ProtoJsonError(reader.faults);
  return message as MessageTypes[K];
}
