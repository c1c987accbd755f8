// [m] Decodes hash policies of a route (envoy-behaviour §3.6).
import type {
  RouteAction_HashPolicy,
  RouteAction_HashPolicy_Cookie,
} from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type { HashPolicyConfig } from '../config/route-config.ts';
import type { FieldReader } from './field-reader.ts';
import { breaksHeader, decodeRegexRewrite } from './matcher-decoder.ts';

export function decodeHashPolicies(
  readers: readonly FieldReader<RouteAction_HashPolicy>[],
): readonly HashPolicyConfig[] {
  const policies: HashPolicyConfig[] = [];
  for (const reader of readers) {
    const policy = decodeHashPolicy(reader);
    if (policy !== undefined) policies.push(policy);
  }
  return policies;
}

function decodeHashPolicy(
  reader: FieldReader<RouteAction_HashPolicy>,
): HashPolicyConfig | undefined {
  const terminal = reader.bool('terminal');
  const header = reader.child('header');
  if (header !== undefined) {
    const rewrite = header.child('regex_rewrite');
    const name = header.requiredString('header_name').toLowerCase();
    return { terminal, kind: 'header', name, rewrite: rewrite && decodeRegexRewrite(rewrite) };
  }
  const cookie = reader.child('cookie');
  if (cookie !== undefined) {
    return { terminal, ...decodeCookie(cookie) };
  }
  const query = reader.child('query_parameter');
  if (query !== undefined) return { terminal, kind: 'query', name: query.requiredString('name') };
  const connection = reader.child('connection_properties');
  // source_ip false asks for nothing.
  if (connection !== undefined)
    return connection.bool('source_ip') ? { terminal, kind: 'source_ip' } : undefined;
  const state = reader.child('filter_state');
  if (state !== undefined)
    return { terminal, kind: 'filter_state', key: state.requiredString('key') };
  reader.problem(
    '',
    'one of header, cookie, query_parameter, connection_properties, filter_state is required',
  );
  return undefined;
}

function decodeCookie(
  reader: FieldReader<RouteAction_HashPolicy_Cookie>,
): Omit<Extract<HashPolicyConfig, { readonly kind: 'cookie' }>, 'terminal'> {
  return {
    kind: 'cookie',
    name: headerSafe(reader, 'name', reader.requiredString('name')),
    ttlMs: reader.optionalDurationMs('ttl'),
    path: headerSafe(reader, 'path', reader.string('path')),
    attributes: reader.children('attributes').map((attribute) => ({
      name: headerSafe(attribute, 'name', attribute.requiredString('name')),
      value: headerSafe(attribute, 'value', attribute.string('value')),
    })),
  };
}

/** It becomes part of a `set-cookie` line. */
function headerSafe<T extends object>(
  reader: FieldReader<T>,
  field: keyof T & string,
  value: string,
): string {
  if (breaksHeader(value)) reader.problem(field, 'must not hold NUL, CR or LF');
  return value;
}
