// [m] Decodes where the settings of a filter are discovered (ExtensionConfigSource), with Envoy's checks of what they may be.
import type { ExtensionConfigSource } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import { typeNameOfUrl } from '../../xds-protos/any.ts';
import type { DiscoveredFilterConfig } from '../config/discovered-filter-config.ts';
import { decodeConfigSource } from './config-source.ts';
import type { FieldReader } from './field-reader.ts';
import { TypedConfig } from './typed-config.ts';

/** What kind of filter it is. */
export interface FilterKind<T> {
  knows(typeName: string): boolean;
  decode(config: TypedConfig, name: string): T | undefined;
  /** It has to be the last of its list. */
  isTerminal(filter: T): boolean;
}

export function decodeFilterDiscovery<T>(
  reader: FieldReader<ExtensionConfigSource>,
  place: { readonly name: string; readonly last: boolean },
  kind: FilterKind<T>,
): DiscoveredFilterConfig<T> | undefined {
  const { name, last } = place;
  const typeNames = (reader.message.type_urls ?? []).map(typeNameOfUrl);
  if (typeNames.length === 0) reader.problem('type_urls', 'at least one is required');
  for (const typeName of typeNames) {
    if (!kind.knows(typeName))
      reader.problem('type_urls', `Error: no factory found for a required type URL ${typeName}.`);
  }
  const any = reader.message.default_config;
  const config = any && new TypedConfig(any, reader.pathOf('default_config'), reader.problems);
  if (config !== undefined && !typeNames.includes(config.typeName))
    config.problem(wrongType(config.typeName, typeNames));
  const unwaited = reader.bool('apply_default_config_without_warming');
  if (unwaited && config === undefined)
    reader.problem(
      'default_config',
      `Error: filter config ${name} applied without warming but has no default config.`,
    );
  return {
    kind: 'discovered',
    from: decodeConfigSource(reader.required('config_source')),
    typeNames,
    fallback: config && kind.decode(config, name),
    unwaited,
    last,
  };
}

export const wrongType = (typeName: string, typeNames: readonly string[]): string =>
  `Error: filter config has type URL ${typeName} but expect ${typeNames.join(', ')}.`;

/** Why a filter cannot stand there; undefined: it can. */
export function misplaced(
  { name, last }: { readonly name: string; readonly last: boolean },
  terminal: boolean,
  chain: 'http' | 'network',
): string | undefined {
  if (terminal === last) return undefined;
  return terminal
    ? `Error: terminal filter named ${name} of type ${name} must be the last filter in a ${chain} filter chain.`
    : `Error: non-terminal filter named ${name} of type ${name} is the last filter in a ${chain} filter chain.`;
}
