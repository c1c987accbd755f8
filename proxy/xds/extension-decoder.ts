// [m] Decodes what comes by ECDS: the settings of one filter, of whichever kind their type says.
import type { TypedExtensionConfig } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { ExtensionConfig } from '../config/extension-config.ts';
import { ConfigProblems } from './config-problems.ts';
import type { FieldObserver } from './config-problems.ts';
import { contentHash } from './content-hash.ts';
import { FieldReader } from './field-reader.ts';
import { HTTP_FILTERS } from './http-filter-decoder.ts';
import { NETWORK_FILTERS } from './network-filter-decoder.ts';
import { typedConfigOf } from './typed-config.ts';

/** Throws ConfigError. */
export function decodeExtension(
  message: TypedExtensionConfig,
  version: string,
  watch?: FieldObserver,
): ExtensionConfig {
  const problems = new ConfigProblems(watch);
  const reader = new FieldReader(message, '', problems);
  const name = reader.requiredString('name');
  const config = typedConfigOf(reader);
  const isHttp = config !== undefined && HTTP_FILTERS.knows(config.typeName);
  const isNetwork = config !== undefined && NETWORK_FILTERS.knows(config.typeName);
  if (config !== undefined && !isHttp && !isNetwork) config.unknown(name);
  const content = {
    typeName: config?.typeName ?? '',
    http: isHttp ? HTTP_FILTERS.decode(config, name) : undefined,
    network: isNetwork ? NETWORK_FILTERS.decode(config, name) : undefined,
  };
  problems.throwIfAny();
  return { ...content, name, version, hash: contentHash(content) };
}
