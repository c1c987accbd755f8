// [w] Metadata as logs print it: strings raw, all else as JSON with sorted keys (envoy-behaviour §11.1).
import { byteText } from '../base/byte-text.ts';
import { jsonString } from './log-text.ts';
import type { MetadataStruct, MetadataValue } from '../stream-info/dynamic-metadata.ts';
import type { ConfigMetadata } from '../stream-info/upstream-facts.ts';

/** As C++'s to_chars prints doubles: in full, or with an exponent of two digits where that is shorter. */
export function numberText(value: number): string {
  if (Number.isNaN(value)) return 'null';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const scientific = value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  const full = Number.isInteger(value) ? BigInt(value).toString() : inFull(value);
  return scientific.length < full.length ? scientific : full;
}

/** A fraction; JavaScript leaves the exponent away from 1e-6 on only. */
function inFull(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e-6) return `${value}`;
  const [digits = '', exponent = ''] = size.toExponential().split('e-');
  const zeros = '0'.repeat(Number(exponent) - 1);
  return `${value < 0 ? '-' : ''}0.${zeros}${digits.replace('.', '')}`;
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
  let value: MetadataValue | undefined = path.length === 0 ? undefined : structOf(metadata);
  for (const key of path) {
    if (!(value instanceof Map)) return undefined;
    value = (value as MetadataStruct).get(key);
  }
  return value;
}
