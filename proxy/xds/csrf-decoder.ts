// [m] Decodes the policy of the csrf filter, of its own and of routes.
import type { CsrfPolicy } from '../../xds-protos/gen/envoy.extensions.filters.http.csrf.v3.ts';
import type { CsrfPolicyConfig } from '../config/http-filter-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeRuntimeFraction, decodeStringMatches } from './matcher-decoder.ts';

const NEVER = { numerator: 0, denominator: 100 } as const;

export function decodeCsrf(reader: FieldReader<CsrfPolicy>): CsrfPolicyConfig {
  return {
    kind: 'csrf',
    enabled: decodeRuntimeFraction(reader.required('filter_enabled')) ?? NEVER,
    shadowEnabled: decodeRuntimeFraction(reader.child('shadow_enabled')),
    additionalOrigins: decodeStringMatches(reader.children('additional_origins')),
  };
}
