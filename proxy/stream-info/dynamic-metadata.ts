// [w] DynamicMetadata: what filters tell each other and the log about one stream, by namespace (Envoy's
// StreamInfo::dynamicMetadata). Values are those of google.protobuf.Struct; structs are Maps, since keys come from outside. All text in
// it is byte strings (latin1, one character a byte), as header values are.

import type { MetadataStruct, MetadataValue } from '../config/metadata-value.ts';

export type { MetadataStruct, MetadataValue };

export class DynamicMetadata {
  readonly #namespaces = new Map<string, Map<string, MetadataValue>>();

  get namespaces(): ReadonlyMap<string, MetadataStruct> {
    return this.#namespaces;
  }

  namespace(name: string): MetadataStruct | undefined {
    return this.#namespaces.get(name);
  }

  /** Undefined where a step of the path is missing or no struct. An empty path gives the namespace. */
  value(namespace: string, path: readonly string[]): MetadataValue | undefined {
    let value: MetadataValue | undefined = this.#namespaces.get(namespace);
    for (const key of path) {
      if (!(value instanceof Map)) return undefined;
      value = (value as MetadataStruct).get(key);
    }
    return value;
  }

  set(namespace: string, key: string, value: MetadataValue): void {
    let struct = this.#namespaces.get(namespace);
    if (struct === undefined) {
      struct = new Map<string, MetadataValue>();
      this.#namespaces.set(namespace, struct);
    }
    struct.set(key, value);
  }

  /** Takes the place of all that the namespace held. */
  replace(namespace: string, struct: MetadataStruct): void {
    this.#namespaces.set(namespace, new Map(struct));
  }

  /** Keys that are there already are replaced, as Envoy's setDynamicMetadata does. */
  merge(namespace: string, struct: MetadataStruct): void {
    for (const [key, value] of struct) this.set(namespace, key, value);
  }
}
