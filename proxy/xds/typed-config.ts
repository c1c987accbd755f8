// [m] The content of an Any, a TypedStruct looked through: what type it is, and that type's fields under the same path.
import { decode } from '../../xds-protos/codec.ts';
import { typeNameOf, typeNameOfUrl, typedStructOf } from '../../xds-protos/any.ts';
import type { MessageTypes } from '../../xds-protos/gen/message-types.ts';
import { ProtoJsonError, fromJson } from '../../xds-protos/proto-json.ts';
import { ProtoError } from '../../xds-protos/proto-error.ts';
import type { Any, JsonObject } from '../../xds-protos/well-known-types.ts';
import type { ConfigProblems } from './config-problems.ts';
import { fieldPath } from './config-problems.ts';
import { FieldReader } from './field-reader.ts';

export class TypedConfig {
  /** Full name of the message: the inner one of a TypedStruct. */
  readonly typeName: string;
  readonly typeUrl: string;
  readonly path: string;
  readonly problems: ConfigProblems;
  readonly #any: Any;
  readonly #json: JsonObject | undefined;

  constructor(any: Any, path: string, problems: ConfigProblems) {
    this.#any = any;
    this.path = path;
    this.problems = problems;
    const struct = structIn(any, path, problems);
    this.#json = struct?.value;
    this.typeUrl = struct?.typeUrl ?? any.type_url;
    this.typeName = struct === undefined ? typeNameOf(any) : typeNameOfUrl(struct.typeUrl);
  }

  problem(message: string): void {
    this.problems.add(this.path, message);
  }

  /** Fields of the message read as `type`; undefined, with a problem recorded, when the bytes are none. */
  as<K extends keyof MessageTypes>(type: K): FieldReader<MessageTypes[K] & object> | undefined {
    const message =
      this.#json === undefined ? this.#fromBytes(type) : this.#fromJson(type, this.#json);
    return (
      message && new FieldReader(message as MessageTypes[K] & object, this.path, this.problems)
    );
  }

  #fromBytes<K extends keyof MessageTypes>(type: K): MessageTypes[K] | undefined {
    try {
      return decode(type, this.#any.value, this.problems.watch?.at(this.path));
    } catch (error) {
      if (!(error instanceof ProtoError)) throw error;
      this.#malformed(error.path, error.reason);
      return undefined;
    }
  }

  /** Fields of a newer API are passed over, as in bytes. */
  #fromJson<K extends keyof MessageTypes>(type: K, json: JsonObject): MessageTypes[K] | undefined {
    try {
      return fromJson(type, json, '', {
        allowUnknown: true,
        ...this.problems.watch?.atJson(this.path),
      });
    } catch (error) {
      if (!(error instanceof ProtoJsonError)) throw error;
      for (const fault of error.errors) this.#malformed(fault.path, fault.message);
      return undefined;
    }
  }

  #malformed(innerPath: string, reason: string): void {
    this.problems.add(innerPath === '' ? this.path : fieldPath(this.path, innerPath), reason);
  }

  /** For types that are neither built nor known by name; the extension is left out where the operator allows it. */
  unknown(extensionName: string): void {
    const { watch } = this.problems;
    if (watch?.rules.skipUnknownExtensions === true) {
      watch.onSkipped(`'${extensionName}' of the unknown type ${this.typeName}`);
      return;
    }
    this.problem(
      `Didn't find a registered implementation for '${extensionName}' with type URL: '${this.typeName}'`,
    );
  }
}

function structIn(
  any: Any,
  path: string,
  problems: ConfigProblems,
): { readonly typeUrl: string; readonly value: JsonObject } | undefined {
  try {
    return typedStructOf(any);
  } catch (error) {
    if (!(error instanceof ProtoError)) throw error;
    problems.add(path, error.message);
    return undefined;
  }
}

/** The `typed_config` of an extension; undefined, with a problem recorded, when it is missing. */
export function typedConfigOf(
  reader: FieldReader<{ readonly typed_config?: Any | undefined }>,
): TypedConfig | undefined {
  const any = reader.message.typed_config;
  if (any === undefined) {
    reader.problem('typed_config', 'is required');
    return undefined;
  }
  return new TypedConfig(any, reader.pathOf('typed_config'), reader.problems);
}
