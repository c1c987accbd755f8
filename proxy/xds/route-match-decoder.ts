// [m] Decodes route matches (envoy-behaviour §3.2, istio-contract §3.4).
import type { RouteMatch } from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type { PathMatchConfig, RouteMatchConfig } from '../config/route-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderMatches, decodeQueryMatch, decodeRuntimeFraction } from './matcher-decoder.ts';
import {
  decodeCookieMatch,
  decodeFilterStateMatch,
  decodeMetadataMatch,
} from './metadata-match-decoder.ts';
import { decodeRegex } from './regex-check.ts';
import { typedConfigOf } from './typed-config.ts';

const URI_TEMPLATE = 'envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig';
const ROOT: PathMatchConfig = { kind: 'prefix', value: '/' };

/** What stands for a match that is missing altogether (a problem has been recorded). */
export const MATCH_ALL: RouteMatchConfig = {
  path: ROOT,
  caseSensitive: true,
  headers: [],
  query: [],
  grpcOnly: false,
  fraction: undefined,
  tlsPresented: undefined,
  tlsValidated: undefined,
};

export function decodeRouteMatch(reader: FieldReader<RouteMatch>): RouteMatchConfig {
  const tls = reader.message.tls_context;
  return {
    path: decodePath(reader),
    caseSensitive: reader.bool('case_sensitive', true),
    headers: decodeHeaderMatches(reader.children('headers')),
    query: reader.children('query_parameters').map(decodeQueryMatch),
    grpcOnly: reader.has('grpc'),
    fraction: decodeRuntimeFraction(reader.child('runtime_fraction')),
    tlsPresented: tls?.presented,
    tlsValidated: tls?.validated,
    ...decodeRareConditions(reader),
  };
}

/** Left out where they are not used, which is nearly everywhere. */
function decodeRareConditions(reader: FieldReader<RouteMatch>): Partial<RouteMatchConfig> {
  const { cookies, dynamic_metadata, filter_state } = reader.message;
  if (cookies === undefined && dynamic_metadata === undefined && filter_state === undefined)
    return {};
  return {
    cookies: reader.children('cookies').map(decodeCookieMatch),
    dynamicMetadata: reader.children('dynamic_metadata').map(decodeMetadataMatch),
    filterState: reader.children('filter_state').map(decodeFilterStateMatch),
  };
}

function decodePath(reader: FieldReader<RouteMatch>): PathMatchConfig {
  const { prefix, path, path_separated_prefix } = reader.message;
  if (prefix !== undefined) return { kind: 'prefix', value: prefix };
  if (path !== undefined) return { kind: 'path', value: path };
  const regex = reader.child('safe_regex');
  if (regex !== undefined) return { kind: 'regex', pattern: decodeRegex(regex) };
  if (path_separated_prefix !== undefined) return separatedPrefix(reader, path_separated_prefix);
  if (reader.has('connect_matcher')) return { kind: 'connect' };
  const policy = reader.child('path_match_policy');
  if (policy !== undefined) {
    const config = typedConfigOf(policy);
    if (config?.typeName === URI_TEMPLATE) {
      return {
        kind: 'uri_template',
        template: config.as(URI_TEMPLATE)?.requiredString('path_template') ?? '',
      };
    }
    config?.unknown(policy.string('name'));
    return ROOT;
  }
  reader.problem(
    '',
    'one of prefix, path, safe_regex, path_separated_prefix, connect_matcher, path_match_policy is required',
  );
  return ROOT;
}

function separatedPrefix(reader: FieldReader<RouteMatch>, value: string): PathMatchConfig {
  if (value.length < 2 || /[?#]|\/$/.test(value)) {
    reader.problem(
      'path_separated_prefix',
      `must not be empty, hold ? or #, or end in /; is '${value}'`,
    );
  }
  return { kind: 'separated_prefix', value };
}
