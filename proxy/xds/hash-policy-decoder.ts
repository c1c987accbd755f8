// [m] Decodes hash policies of a route (envoy-behaviour §3.6).
import type { RouteAction_HashPolicy } from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type { HashPolicyConfig } from '../config/route-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeRegexRewrite } from './matcher-decoder.ts';

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
    const name = cookie.requiredString('name');
    return {
      terminal,
      kind: 'cookie',
      name,
      ttlMs: cookie.optionalDurationMs('ttl'),
      path: cookie.string('path'),
    };
  }
  const query = reader.child('query_parameter');
  if (query !== undefined) return { terminal, kind: 'query', name: query.requiredString('name') };
  const connection = reader.child('connection_properties');
  // source_ip false asks for nothing.
  if (connection !== undefined)
    return connection.bool('source_ip') ? { terminal, kind: 'source_ip' } : undefined;
  if (reader.has('filter_state')) reader.refuse('filter_state');
  else
    reader.problem('', 'one of header, cookie, query_parameter, connection_properties is required');
  return undefined;
}
