// [w] Metadata as logs print it: strings raw, all else as JSON with sorted keys (envoy-behaviour §11.1).
import { byteText, jsonString } from './log-text.ts';
import type { MetadataStruct, MetadataValue } from '../stream-info/dynamic-metadata.ts';
import type { ConfigMetadata } from '../stream-info/upstream-facts.ts';

/** As C++ prints doubles: whole numbers in full, two digits of exponent. */
export function numberText(value: number): string {
  if (Number.isInteger(value))
    return Math.abs(value) < 1e21 ? BigInt(value).toString() : `${value}`;
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return 'null';
  if (size >= 1e-4) return `${value}`;
  return value.toExponential().replace(/e-(\d)$/, 'e-0$1');
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : a > b ? 1 : 0;

export function jsonOf(value: MetadataValue): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return jsonString(value);
  if (typeof value === 'number') return numberText(value);
  if (typeof value === 'boolean') return String(value);
  if (value instanceof Map) {
    const fields = [...(value as MetadataStruct)].sort(byKey);
    return `{${fields.map(([key, field]) => `${jsonString(key)}:${jsonOf(field)}`).join(',')}}`;
  }
  return `[${(value as readonly MetadataValue[]).map(jsonOf).join(',')}]`;
}

export const textOf = (value: MetadataValue): string =>
  typeof value === 'string' ? value : jsonOf(value);

/** JSON of a configuration as metadata: its strings become byte strings. */
export function metadataOf(json: unknown): MetadataValue {
  if (typeof json === 'string') return byteText(json);
  if (Array.isArray(json)) return json.map(metadataOf);
  if (typeof json === 'object' && json !== null)
    return new Map(Object.entries(json).map(([key, value]) => [byteText(key), metadataOf(value)]));
  return typeof json === 'number' || typeof json === 'boolean' ? json : null;
}

/** What configuration carries as text is parsed when a log first asks for it. */
const parsed = new WeakMap<ConfigMetadata, MetadataStruct>();

function structOf(metadata: ConfigMetadata): MetadataStruct {
  let struct = parsed.get(metadata);
  if (struct === undefined) {
    struct = new Map(
      [...metadata].map(([namespace, json]) => [byteText(namespace), metadataOf(JSON.parse(json))]),
    );
    parsed.set(metadata, struct);
  }
  return struct;
}

/** Undefined where a step of the path is missing or no struct. */
export function configValue(
  metadata: ConfigMetadata,
  path: readonly string[],
): MetadataValue | undefined {
  let value: MetadataValue | undefined = structOf(metadata);
  for (const key of path) {
    if (!(value instanceof Map)) return undefined;
    value = (value as MetadataStruct).get(key);
  }
  return value;
}
