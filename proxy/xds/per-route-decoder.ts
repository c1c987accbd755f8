// [m] Decodes typed_per_filter_config, which most routes have not.
import type { Any } from '../../xds-protos/well-known-types.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { PerFilterConfigs } from '../config/route-config.ts';
import type { FieldReader } from './field-reader.ts';

const settings = lazyPart<typeof import('./per-route-settings-decoder.ts')>(
  'xds/per-route-settings-decoder',
);

export interface PerFilterFields {
  readonly typed_per_filter_config?: ReadonlyMap<string, Any> | undefined;
}

const NONE: PerFilterConfigs = [];

/** In order of the filters' names: the wire has none. */
export function decodePerFilter(source: FieldReader<object>): PerFilterConfigs {
  const reader = source as FieldReader<PerFilterFields>;
  return reader.has('typed_per_filter_config') ? settings().decodePerFilterSettings(reader) : NONE;
}
