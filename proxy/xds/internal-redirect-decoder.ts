// [m] Decodes redirects that are followed inside (envoy-behaviour §3.9), and the older two fields that say the same.
import type {
  InternalRedirectPolicy,
  RouteAction,
} from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type { TypedExtensionConfig } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type {
  InternalRedirectConfig,
  InternalRedirectPredicateConfig,
} from '../config/route-config.ts';
import type { FieldReader } from './field-reader.ts';
import { typedConfigOf } from './typed-config.ts';

/** Others in `redirect_response_codes` are passed over, as Envoy does. */
const STATUS_CODES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const DEFAULT_STATUS_CODES: readonly number[] = [302];
const MAX_STATUS_CODES = 5;
const PREDICATE = 'envoy.extensions.internal_redirect';
const ALLOW_LISTED =
  'envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig';

/** Undefined: redirects go to the client. */
export function decodeInternalRedirect(
  reader: FieldReader<RouteAction>,
): InternalRedirectConfig | undefined {
  const policy = reader.child('internal_redirect_policy');
  if (policy !== undefined) return decodePolicy(policy);
  const action = reader.enumName('internal_redirect_action', 'PASS_THROUGH_INTERNAL_REDIRECT');
  if (action !== 'HANDLE_INTERNAL_REDIRECT') return undefined;
  return {
    maxInternalRedirects: reader.number('max_internal_redirects', 1),
    statusCodes: DEFAULT_STATUS_CODES,
    allowCrossScheme: false,
    predicates: [],
    responseHeadersToCopy: [],
  };
}

function decodePolicy(reader: FieldReader<InternalRedirectPolicy>): InternalRedirectConfig {
  const codes = reader.message.redirect_response_codes ?? [];
  if (codes.length > MAX_STATUS_CODES)
    reader.problem('redirect_response_codes', `must be at most ${MAX_STATUS_CODES}`);
  return {
    maxInternalRedirects: reader.number('max_internal_redirects', 1),
    statusCodes:
      codes.length === 0 ? DEFAULT_STATUS_CODES : codes.filter((code) => STATUS_CODES.has(code)),
    allowCrossScheme: reader.bool('allow_cross_scheme_redirect'),
    predicates: reader
      .children('predicates')
      .map(decodePredicate)
      .filter((predicate) => predicate !== undefined),
    responseHeadersToCopy: decodeHeadersToCopy(reader),
  };
}

function decodePredicate(
  reader: FieldReader<TypedExtensionConfig>,
): InternalRedirectPredicateConfig | undefined {
  const config = typedConfigOf(reader);
  switch (config?.typeName) {
    case undefined:
      return undefined;
    case `${PREDICATE}.previous_routes.v3.PreviousRoutesConfig`:
      return { kind: 'previous_routes' };
    case `${PREDICATE}.safe_cross_scheme.v3.SafeCrossSchemeConfig`:
      return { kind: 'safe_cross_scheme' };
    case ALLOW_LISTED: {
      const names = config!.as(ALLOW_LISTED)?.message.allowed_route_names ?? [];
      return { kind: 'allow_listed_routes', names };
    }
    default:
      config!.unknown(reader.string('name'));
      return undefined;
  }
}

function decodeHeadersToCopy(reader: FieldReader<InternalRedirectPolicy>): readonly string[] {
  const names = (reader.message.response_headers_to_copy ?? []).map((name) => name.toLowerCase());
  names.forEach((name, index) => {
    const at = `response_headers_to_copy[${index}]`;
    if (name.startsWith(':') || name === 'host')
      reader.problem(at, ':-prefixed headers or Hosts may not be specified here.');
    if (/[\0\r\n]/.test(name)) reader.problem(at, 'must not hold NUL, CR or LF');
    if (names.indexOf(name) !== index) reader.problem(at, 'must be unique');
  });
  return names.filter((name) => name !== '');
}
