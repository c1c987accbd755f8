// [m] Decodes CORS policies: the filter's own message, and the older one of the route API (envoy-behaviour §10.5).
import type { CorsPolicy } from '../../xds-protos/gen/envoy.extensions.filters.http.cors.v3.ts';
import type { CorsPolicyConfig } from '../config/http-filter-config.ts';
import type { FieldReader } from './field-reader.ts';
import { breaksHeader, decodeRuntimeFraction, decodeStringMatches } from './matcher-decoder.ts';

/** The route API's CorsPolicy has the same fields. */
export function decodeCorsPolicy(reader: FieldReader<CorsPolicy>): CorsPolicyConfig {
  return {
    kind: 'cors_policy',
    allowOrigins: decodeStringMatches(reader.children('allow_origin_string_match')),
    allowMethods: headerValue(reader, 'allow_methods'),
    allowHeaders: headerValue(reader, 'allow_headers'),
    exposeHeaders: headerValue(reader, 'expose_headers'),
    maxAge: headerValue(reader, 'max_age'),
    allowCredentials: reader.message.allow_credentials,
    allowPrivateNetworkAccess: reader.message.allow_private_network_access,
    forwardNotMatchingPreflights: reader.message.forward_not_matching_preflights,
    enabled: decodeRuntimeFraction(reader.child('filter_enabled')),
    shadowEnabled: decodeRuntimeFraction(reader.child('shadow_enabled')),
  };
}

function headerValue(
  reader: FieldReader<CorsPolicy>,
  field: 'allow_methods' | 'allow_headers' | 'expose_headers' | 'max_age',
): string | undefined {
  const value = reader.nonEmpty(field);
  if (value !== undefined && breaksHeader(value))
    reader.problem(field, 'must not hold NUL, CR or LF');
  return value;
}
