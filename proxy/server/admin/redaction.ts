// [m] Blots secrets out of dumps: the fields that Envoy's API marks as sensitive.
import type { JsonValue } from '../../../xds-protos/well-known-types.ts';

const SENSITIVE: ReadonlySet<string> = new Set([
  ...['private_key', 'password', 'private_key_provider', 'session_ticket_keys', 'generic_secret'],
  ...['access_token', 'refresh_token', 'token_secret', 'hmac_secret', 'inline_secret'],
]);

const REDACTED = '[redacted]';
const REDACTED_BYTES = Buffer.from(REDACTED).toString('base64');

/** Changes `value` in place. */
export function redactSecrets(value: JsonValue): void {
  if (Array.isArray(value)) value.forEach(redactSecrets);
  else if (typeof value === 'object' && value !== null) {
    for (const [name, child] of Object.entries(value)) {
      if (SENSITIVE.has(name)) value[name] = redacted(name, child);
      else redactSecrets(child);
    }
  }
}

function redacted(name: string, value: JsonValue): JsonValue {
  if (typeof value === 'string') return redactedText(name);
  if (Array.isArray(value)) return value.map((item) => redacted(name, item));
  if (typeof value !== 'object' || value === null) return value;
  for (const [key, child] of Object.entries(value)) {
    // Names of files, types and SDS resources are no secrets.
    if (key !== 'filename' && key !== '@type' && key !== 'name') value[key] = redacted(key, child);
  }
  return value;
}

const redactedText = (name: string): string =>
  name === 'inline_bytes' ? REDACTED_BYTES : REDACTED;
