// [b] combined_validation_context: what is written inline, with the secret's fields over it and its lists behind it, as
// protobuf merges messages.
import { ConfigError } from '../config/config-error.ts';
import type { ValidationSecretConfig } from '../config/secret-config.ts';
import { secretKey } from '../config/secret-config.ts';
import type { ValidationSource } from '../config/transport-socket-config.ts';
import type { SecretStore } from './secret-store.ts';

/** Null: peers are not verified. Throws ConfigError where the secret is none for that: it must not count as nothing. */
export function mergeValidation(
  source: ValidationSource | undefined,
  secrets: SecretStore,
): ValidationSecretConfig | null {
  if (source === undefined) return null;
  const secret = source.secret && secrets.validation(secretKey(source.secret));
  const { inline } = source;
  if (source.secret !== undefined && secret === undefined)
    throw new ConfigError([
      { path: 'validation_context', message: `secret ${source.secret.name} is of another kind` },
    ]);
  if (inline === undefined || secret === undefined) return inline ?? secret ?? null;
  return {
    ...inline,
    ...secret,
    trustedCa: secret.trustedCa ?? inline.trustedCa,
    subjectAltNames: [...inline.subjectAltNames, ...secret.subjectAltNames],
    spkiPins: [...inline.spkiPins, ...secret.spkiPins],
    certificateHashes: [...inline.certificateHashes, ...secret.certificateHashes],
    allowExpired: inline.allowExpired || secret.allowExpired,
  };
}
