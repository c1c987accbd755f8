// [m] Decodes the set_metadata filter.
import type {
  Config,
  Metadata,
} from '../../xds-protos/gen/envoy.extensions.filters.http.set_metadata.v3.ts';
import type {
  SetMetadataConfig,
  SetMetadataEntryConfig,
} from '../config/metadata-filter-config.ts';
import type { FieldReader } from './field-reader.ts';
import { metadataStruct } from './metadata-decoder.ts';

export function decodeSetMetadata(reader: FieldReader<Config>): SetMetadataConfig {
  const entries = reader.children('metadata').map(decodeEntry);
  const { value } = reader.message;
  const namespace = reader.string('metadata_namespace');
  // The deprecated form comes first.
  if (namespace !== '' && value !== undefined)
    entries.unshift({ namespace, value: metadataStruct(value), allowOverwrite: true });
  return { kind: 'set_metadata', entries: entries.filter((entry) => entry !== undefined) };
}

function decodeEntry(reader: FieldReader<Metadata>): SetMetadataEntryConfig | undefined {
  const namespace = reader.requiredString('metadata_namespace');
  const { value } = reader.message;
  if (value === undefined) {
    reader.refuse('typed_value');
    return undefined;
  }
  return {
    namespace,
    value: metadataStruct(value),
    allowOverwrite: reader.bool('allow_overwrite'),
  };
}
