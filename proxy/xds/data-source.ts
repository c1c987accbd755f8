// [m] Decodes DataSource: text or bytes given inline. Files and environment variables are for the bootstrap's host only.
import type { DataSource } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { FieldReader } from './field-reader.ts';

/** Undefined, with a problem recorded, when nothing usable is given. */
export function decodeDataSource(reader: FieldReader<DataSource>): Uint8Array | undefined {
  const { inline_string, inline_bytes } = reader.message;
  if (inline_string !== undefined) return Buffer.from(inline_string, 'utf8');
  // A copy: the decoder's bytes are a view of the whole response.
  if (inline_bytes !== undefined) return new Uint8Array(inline_bytes);
  if (reader.has('filename') || reader.has('environment_variable')) {
    reader.problem('', 'only inline_string and inline_bytes are supported by this version');
  } else reader.problem('', 'one of inline_string, inline_bytes is required');
  return undefined;
}

export function decodeInlineText(reader: FieldReader<DataSource>): string {
  return Buffer.from(decodeDataSource(reader) ?? []).toString('utf8');
}
