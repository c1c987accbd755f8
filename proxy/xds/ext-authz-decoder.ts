// [m] Decodes external authorization. What could let a request pass and is not built is a problem, never passed over.
import type {
  AuthorizationRequest,
  BufferSettings,
  CheckSettings,
  ExtAuthz,
  ExtAuthzPerRoute,
  HttpService,
} from '../../xds-protos/gen/envoy.extensions.filters.http.ext_authz.v3.ts';
import type { HttpUri } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { ListStringMatcher } from '../../xds-protos/gen/envoy.type.matcher.v3.ts';
import type {
  AuthorizationBodyConfig,
  AuthorizationServiceConfig,
  ExtAuthzConfig,
  ExtAuthzPerRouteConfig,
  HttpAuthorizationConfig,
} from '../config/ext-authz-config.ts';
import type { HeaderAddConfig } from '../config/header-mutation-config.ts';
import type { StringMatchConfig } from '../config/matcher-config.ts';
import { decodeCoreRetryPolicy } from './core-retry-policy-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeGrpcService } from './grpc-service-decoder.ts';
import { decodeHeaderMutationRules } from './header-mutation-rules-decoder.ts';
import { decodeHttpStatus } from './http-status-decoder.ts';
import { breaksHeader, decodeRuntimeFraction, decodeStringMatches } from './matcher-decoder.ts';
import { decodeMetadataMatch } from './metadata-match-decoder.ts';

const DEFAULT_STATUS_ON_ERROR = 403;
const DEFAULT_TIMEOUT_MS = 200;

interface HeaderRules {
  readonly allowed: readonly StringMatchConfig[];
  readonly disallowed: readonly StringMatchConfig[];
}

export function decodeExtAuthz(reader: FieldReader<ExtAuthz>): ExtAuthzConfig {
  for (const field of UNSUPPORTED) reader.refuse(field);
  const body = reader.child('with_request_body');
  const enabledMetadata = reader.child('filter_enabled_metadata');
  const deny = reader.child('deny_at_disable');
  const status = decodeHttpStatus(reader.child('status_on_error'));
  const prefix = reader.string('stat_prefix');
  const rules = reader.child('decoder_header_mutation_rules');
  return {
    kind: 'ext_authz',
    statPrefix: prefix === '' ? '' : `${prefix}.`,
    service: decodeAuthorizationService(reader),
    failureModeAllow: reader.bool('failure_mode_allow'),
    failureModeAllowHeaderAdd: reader.bool('failure_mode_allow_header_add'),
    statusOnError: status === 0 ? DEFAULT_STATUS_ON_ERROR : status,
    clearRouteCache: reader.bool('clear_route_cache'),
    clearRouteCacheHeaders: (reader.message.clear_route_cache_headers ?? []).map((name) =>
      name.toLowerCase(),
    ),
    mutationRules: rules && decodeHeaderMutationRules(rules),
    body: body && decodeBody(body),
    enabled: decodeRuntimeFraction(reader.child('filter_enabled')),
    enabledMetadata: enabledMetadata && decodeMetadataMatch(enabledMetadata),
    denyAtDisable: {
      value: deny?.bool('default_value') ?? false,
      runtimeKey: deny?.string('runtime_key') ?? '',
    },
    ingestMetadata: reader.bool('enable_dynamic_metadata_ingestion', true),
    chargeClusterStats: reader.bool('charge_cluster_response_stats', true),
    maxDeniedBodyBytes: reader.number('max_denied_response_body_bytes', 0),
  };
}

function decodeAuthorizationService(reader: FieldReader<ExtAuthz>): AuthorizationServiceConfig {
  const http = reader.child('http_service');
  if (http !== undefined) return decodeService(http, headerRules(reader, http));
  if (!reader.has('grpc_service'))
    reader.problem('', 'one of grpc_service, http_service is required');
  for (const field of UNSUPPORTED_WITH_GRPC) reader.refuse(field);
  return {
    grpc: decodeGrpcService(reader, DEFAULT_TIMEOUT_MS),
    allowedHeaders: matchers(reader.child('allowed_headers')),
    disallowedHeaders: matchers(reader.child('disallowed_headers')),
    metadataNamespaces: reader.message.metadata_context_namespaces ?? [],
  };
}

/** What would be told to the service, and is not. */
const UNSUPPORTED_WITH_GRPC = [
  'typed_metadata_context_namespaces',
  'route_metadata_context_namespaces',
  'route_typed_metadata_context_namespaces',
  'bootstrap_metadata_labels_key',
  'encode_raw_headers',
  'validate_mutations',
] as const;

const UNSUPPORTED = [
  'shadow_mode',
  'filter_metadata',
  'emit_filter_state_stats',
  'enforce_response_header_limits',
] as const;

/** `check_settings` is there. */
export function decodeExtAuthzPerRoute(
  reader: FieldReader<ExtAuthzPerRoute>,
): ExtAuthzPerRouteConfig {
  const settings = reader.child('check_settings');
  const body = settings?.child('with_request_body');
  const disableBody = settings?.bool('disable_request_body_buffering') ?? false;
  if (disableBody && body !== undefined)
    settings?.problem(
      'with_request_body',
      'is of no use with disable_request_body_buffering; set one of them',
    );
  return {
    kind: 'ext_authz_per_route',
    disableBody,
    body: body && decodeBody(body),
    service: settings && decodeOwnService(settings),
    contextExtensions: settings?.message.context_extensions ?? NO_EXTENSIONS,
  };
}

const NO_EXTENSIONS: ReadonlyMap<string, string> = new Map();

/** In place of the filter's; over gRPC it is told all headers, as in Envoy. */
function decodeOwnService(
  settings: FieldReader<CheckSettings>,
): AuthorizationServiceConfig | undefined {
  const http = settings.child('http_service');
  if (http !== undefined) return decodeService(http, NO_RULES);
  if (!settings.has('grpc_service')) return undefined;
  return {
    grpc: decodeGrpcService(settings, DEFAULT_TIMEOUT_MS),
    allowedHeaders: [],
    disallowedHeaders: [],
    metadataNamespaces: [],
  };
}

const NO_RULES: HeaderRules = { allowed: [], disallowed: [] };

function headerRules(
  reader: FieldReader<ExtAuthz>,
  service: FieldReader<HttpService>,
): HeaderRules {
  const own = service.child('authorization_request')?.child('allowed_headers');
  if (own !== undefined && reader.has('allowed_headers'))
    reader.problem('allowed_headers', 'Invalid duplicate configuration for allowed_headers.');
  return {
    allowed: matchers(own ?? reader.child('allowed_headers')),
    disallowed: matchers(reader.child('disallowed_headers')),
  };
}

const matchers = (
  reader: FieldReader<ListStringMatcher> | undefined,
): readonly StringMatchConfig[] =>
  reader === undefined ? [] : decodeStringMatches(reader.children('patterns'));

function decodeService(
  reader: FieldReader<HttpService>,
  rules: HeaderRules,
): HttpAuthorizationConfig {
  const uri = reader.required('server_uri');
  const request = reader.child('authorization_request');
  const response = reader.child('authorization_response');
  const retry = reader.child('retry_policy');
  return {
    cluster: uri?.requiredString('cluster') ?? '',
    timeoutMs: uri === undefined ? DEFAULT_TIMEOUT_MS : decodeTimeout(uri),
    retryPolicy: retry && decodeCoreRetryPolicy(retry),
    ...decodePaths(reader),
    allowedHeaders:
      rules.allowed.length > 0 ? rules.allowed : matchers(request?.child('allowed_headers')),
    disallowedHeaders: rules.disallowed,
    headersToAdd: request === undefined ? [] : decodeHeadersToAdd(request),
    upstreamHeaders: matchers(response?.child('allowed_upstream_headers')),
    upstreamHeadersToAppend: matchers(response?.child('allowed_upstream_headers_to_append')),
    clientHeaders: matchers(response?.child('allowed_client_headers')),
    clientHeadersOnSuccess: matchers(response?.child('allowed_client_headers_on_success')),
    metadataHeaders: matchers(response?.child('dynamic_metadata_from_headers')),
  };
}

function decodeTimeout(uri: FieldReader<HttpUri>): number {
  uri.requiredString('uri');
  if (!uri.has('timeout')) uri.problem('timeout', 'is required');
  return uri.durationMs('timeout', DEFAULT_TIMEOUT_MS);
}

function decodePaths(
  reader: FieldReader<HttpService>,
): Pick<HttpAuthorizationConfig, 'pathPrefix' | 'pathOverride'> {
  const pathPrefix = reader.string('path_prefix');
  const pathOverride = reader.string('path_override');
  for (const field of ['path_prefix', 'path_override'] as const) {
    const value = reader.string(field);
    if (value !== '' && !value.startsWith('/'))
      reader.problem(field, `must begin with '/', is ${JSON.stringify(value)}`);
    if (breaksHeader(value) || value.includes(' '))
      reader.problem(field, 'must not hold NUL, CR, LF or spaces');
  }
  if (pathPrefix !== '' && pathOverride !== '')
    reader.problem('path_override', 'is not to be set together with path_prefix');
  return { pathPrefix, pathOverride };
}

function decodeHeadersToAdd(reader: FieldReader<AuthorizationRequest>): readonly HeaderAddConfig[] {
  return reader.children('headers_to_add').map((header) => {
    const name = header.requiredString('key').toLowerCase();
    const value = header.string('value');
    if (name.startsWith(':') || name === 'host')
      header.problem('key', ':-prefixed or host headers may not be modified');
    if (breaksHeader(name)) header.problem('key', 'must not hold NUL, CR or LF');
    if (breaksHeader(value)) header.problem('value', 'must not hold NUL, CR or LF');
    return { name, value, action: 'OVERWRITE_IF_EXISTS_OR_ADD', keepEmptyValue: false };
  });
}

function decodeBody(reader: FieldReader<BufferSettings>): AuthorizationBodyConfig {
  const maxBytes = reader.number('max_request_bytes', 0);
  if (maxBytes === 0) reader.problem('max_request_bytes', 'must be greater than 0');
  return {
    maxBytes,
    allowPartial: reader.bool('allow_partial_message'),
    packAsBytes: reader.bool('pack_as_bytes'),
  };
}
