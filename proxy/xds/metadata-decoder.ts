// [m] Decodes core.v3.Metadata to JSON text by namespace: carried for logs and metrics, never looked into on the way.
import type { Metadata } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { JsonObject, JsonValue } from '../../xds-protos/well-known-types.ts';
import { byteText } from '../base/byte-text.ts';
import type { MetadataStruct, MetadataValue } from '../config/metadata-value.ts';
import type { FieldReader } from './field-reader.ts';

const NONE: ReadonlyMap<string, string> = new Map();

export function decodeMetadata(
  reader: FieldReader<Metadata> | undefined,
): ReadonlyMap<string, string> {
  const filters = reader?.message.filter_metadata;
  if (filters === undefined || filters.size === 0) return NONE;
  return new Map([...filters].map(([namespace, struct]) => [namespace, JSON.stringify(struct)]));
}

/** Labels of a struct as text: strings as they are, anything else as JSON. */
export function structLabels(struct: JsonObject | undefined): ReadonlyMap<string, string> {
  if (struct === undefined) return NONE;
  return new Map(
    Object.entries(struct).map(([key, value]) => [
      key,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
}

/** A google.protobuf.Struct as dynamic metadata holds it: its text is byte strings. */
export const metadataStruct = (struct: JsonObject | undefined): MetadataStruct =>
  new Map(
    Object.entries(struct ?? {}).map(([key, value]) => [byteText(key), metadataValue(value)]),
  );

function metadataValue(value: JsonValue): MetadataValue {
  if (typeof value === 'string') return byteText(value);
  if (Array.isArray(value)) return value.map(metadataValue);
  if (typeof value === 'object' && value !== null) return metadataStruct(value as JsonObject);
  return value as MetadataValue;
}

/** Of the whole metadata only `envoy.lb` counts. Undefined: asks for nothing. */
export function loadBalancerLabels(
  reader: FieldReader<Metadata> | undefined,
): MetadataStruct | undefined {
  const labels = reader?.message.filter_metadata?.get('envoy.lb');
  if (labels === undefined || Object.keys(labels).length === 0) return undefined;
  return metadataStruct(labels);
}
