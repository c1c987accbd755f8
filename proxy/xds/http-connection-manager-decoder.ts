// [m] Decodes the HTTP connection manager (envoy-behaviour §1, istio-contract §2.5).
import type {
  HttpConnectionManager,
  HttpConnectionManager_UpgradeConfig,
} from '../../xds-protos/gen/envoy.extensions.filters.network.http_connection_manager.v3.ts';
import type { Percent } from '../../xds-protos/gen/envoy.type.v3.ts';
import type { TypedExtensionConfig } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.ts';
import type { UpgradeConfig } from '../config/route-config.ts';
import { decodeAccessLogs } from './access-logs.ts';
import { decodeHttpLogOptions } from './access-log-options-decoder.ts';
import { decodeCidr } from './address-decoder.ts';
import { decodeConfigSource } from './config-source.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderOperation } from './header-mutation-filter-decoder.ts';
import { decodeHttpFilters } from './http-filter-decoder.ts';
import { decodeHttp1Server, decodeHttp2 } from './http-protocol-decoder.ts';
import { decodeIpDetection } from './ip-detection-decoder.ts';
import { breaksHeader } from './matcher-decoder.ts';
import { decodeRouteTable } from './route-decoder.ts';
import { decodeManagerSampling } from './tracing-decoder.ts';
import { typedConfigOf } from './typed-config.ts';

const localReplies = lazyPart<typeof import('./local-reply-decoder.ts')>('xds/local-reply-decoder');
const scopedRoutes = lazyPart<typeof import('./scoped-routes-decoder.ts')>(
  'xds/scoped-routes-decoder',
);

const HOUR_MS = 3_600_000;
const EARLY_MUTATION =
  'envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation';
const REQUEST_ID = 'envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig';

type Reader = FieldReader<HttpConnectionManager>;
type Config = HttpConnectionManagerConfig;

export function decodeHttpConnectionManager(reader: Reader): Config {
  refuseUnbuilt(reader);
  const localReply = reader.child('local_reply_config');
  const http1 = decodeHttp1Server(reader.child('http_protocol_options'));
  return {
    codecType: decodeCodecType(reader),
    statPrefix: reader.requiredString('stat_prefix'),
    routes: decodeRoutes(reader),
    httpFilters: decodeFilters(reader),
    accessLogs: decodeAccessLogs(reader.children('access_log')),
    localReply: localReply && localReplies().decodeLocalReply(localReply),
    accessLogOptions: decodeHttpLogOptions(reader),
    ...decodeAddressing(reader),
    ...decodeRequestId(reader),
    ...decodeHeaders(reader),
    ...decodePaths(reader),
    forwardClientCertDetails: reader.enumName('forward_client_cert_details', 'SANITIZE'),
    setCurrentClientCertDetails: decodeCertDetails(reader),
    proxyStatus: decodeProxyStatus(reader),
    proxy100Continue: reader.bool('proxy_100_continue'),
    streamErrorOnInvalidHttpMessage:
      reader.message.http_protocol_options?.override_stream_error_on_invalid_http_message ??
      reader.bool('stream_error_on_invalid_http_message'),
    upgrades: decodeUpgrades(reader.children('upgrade_configs')),
    ...decodeTimeouts(reader),
    ...decodeLimits(reader),
    http1,
    http2: decodeHttp2(
      reader.child('http2_protocol_options'),
      reader.bool('stream_error_on_invalid_http_message'),
    ),
    inert: inertParts(reader),
  };
}

function refuseUnbuilt(reader: Reader): void {
  reader.refuse('path_normalization_options');
  reader.refuse('typed_header_validation_config');
  reader.refuse('forward_client_cert_matcher');
  reader.refuse('forward_proto_config');
}

/** Without effect on what an HTTP/1 client or upstream sees. */
const UNDONE = [
  'stream_flush_timeout',
  'record_route_resolution_stats',
  'represent_ipv4_remote_address_as_ipv4_mapped_ipv6',
] as const;

/** Accepted because a sidecar works without them; said so in dumps. */
function inertParts(reader: Reader): readonly string[] {
  const parts: string[] = [];
  if (reader.has('tracing')) parts.push('tracing spans');
  for (const field of UNDONE) if (reader.has(field)) parts.push(field);
  if (reader.message.scheme_header_transformation?.match_upstream === true) {
    parts.push('scheme_header_transformation.match_upstream');
  }
  return parts;
}

function decodeFilters(reader: Reader): Config['httpFilters'] {
  const filters = decodeHttpFilters(reader.children('http_filters'));
  const last = filters.at(-1);
  if (!reader.has('http_filters'))
    reader.problem('http_filters', 'at least one, the router, is required');
  if (last?.disabled === true)
    reader.problem('http_filters', 'the last (terminal) filter cannot be disabled');
  return filters;
}

function decodeCodecType(reader: Reader): Config['codecType'] {
  const type = reader.enumName('codec_type', 'AUTO');
  if (type !== 'HTTP3') return type;
  reader.problem('codec_type', 'HTTP3 is not supported by this version');
  return 'AUTO';
}

function decodeRoutes(reader: Reader): Config['routes'] {
  const inline = reader.child('route_config');
  if (inline !== undefined) {
    return { kind: 'inline', config: decodeRouteTable(inline, { version: '', dynamic: false }) };
  }
  const scoped = reader.child('scoped_routes');
  if (scoped !== undefined) return scopedRoutes().decodeScopedRoutes(scoped);
  const rds = reader.child('rds');
  if (rds === undefined) {
    reader.problem('', 'one of rds, route_config is required');
    return { kind: 'rds', name: '' };
  }
  return {
    kind: 'rds',
    name: rds.requiredString('route_config_name'),
    from: decodeConfigSource(rds.required('config_source')),
  };
}

function decodeAddressing(
  reader: Reader,
): Pick<
  Config,
  | 'useRemoteAddress'
  | 'xffNumTrustedHops'
  | 'skipXffAppend'
  | 'appendXForwardedPort'
  | 'originalIpDetection'
  | 'earlyHeaderMutations'
  | 'internalAddresses'
> {
  const internal = reader.child('internal_address_config');
  checkNotMixed(reader);
  return {
    originalIpDetection: reader
      .children('original_ip_detection_extensions')
      .flatMap(decodeIpDetection),
    earlyHeaderMutations: reader
      .children('early_header_mutation_extensions')
      .flatMap(decodeEarlyMutation),
    useRemoteAddress: reader.bool('use_remote_address'),
    xffNumTrustedHops: reader.number('xff_num_trusted_hops', 0),
    skipXffAppend: reader.bool('skip_xff_append'),
    appendXForwardedPort: reader.bool('append_x_forwarded_port'),
    internalAddresses: internal && {
      cidrs: internal.children('cidr_ranges').map(decodeCidr),
      unixSockets: internal.bool('unix_sockets'),
    },
  };
}

function checkNotMixed(reader: Reader): void {
  if (reader.children('original_ip_detection_extensions').length === 0) return;
  const mixed = (field: string): void =>
    reader.problem('', `Original IP detection extensions and ${field} may not be mixed`);
  if (reader.bool('use_remote_address')) mixed('use_remote_address');
  if (reader.number('xff_num_trusted_hops', 0) > 0) mixed('xff_num_trusted_hops');
}

function decodeEarlyMutation(
  reader: FieldReader<TypedExtensionConfig>,
): Config['earlyHeaderMutations'] {
  const config = typedConfigOf(reader);
  if (config?.typeName !== EARLY_MUTATION) {
    config?.unknown(reader.string('name'));
    return [];
  }
  const mutations = config.as(EARLY_MUTATION)?.children('mutations') ?? [];
  if (mutations.length === 0) reader.problem('typed_config.mutations', 'at least one is required');
  return mutations.map(decodeHeaderOperation);
}

function decodeRequestId(
  reader: Reader,
): Pick<
  Config,
  | 'generateRequestId'
  | 'preserveExternalRequestId'
  | 'alwaysSetRequestIdInResponse'
  | 'packTraceReason'
  | 'sampleByRequestId'
  | 'tracing'
> {
  const extension = reader.child('request_id_extension');
  const config = extension && typedConfigOf(extension);
  const ids = config?.typeName === REQUEST_ID ? config.as(REQUEST_ID) : undefined;
  if (config !== undefined && config.typeName !== REQUEST_ID) config.unknown('');
  const tracing = reader.child('tracing');
  return {
    generateRequestId: reader.bool('generate_request_id', true),
    preserveExternalRequestId: reader.bool('preserve_external_request_id'),
    alwaysSetRequestIdInResponse: reader.bool('always_set_request_id_in_response'),
    packTraceReason: ids?.bool('pack_trace_reason', true) ?? true,
    sampleByRequestId: ids?.bool('use_request_id_for_trace_sampling', true) ?? true,
    tracing: tracing && decodeManagerSampling(tracing),
  };
}

function decodeHeaders(
  reader: Reader,
): Pick<
  Config,
  'addUserAgent' | 'via' | 'serverName' | 'serverHeaderTransformation' | 'schemeToOverwrite'
> {
  for (const field of ['via', 'server_name'] as const) {
    if (breaksHeader(reader.string(field))) reader.problem(field, 'must not hold NUL, CR or LF');
  }
  return {
    addUserAgent: reader.bool('add_user_agent'),
    via: reader.string('via'),
    serverName: reader.nonEmpty('server_name') ?? 'envoy',
    serverHeaderTransformation: reader.enumName('server_header_transformation', 'OVERWRITE'),
    schemeToOverwrite: decodeScheme(reader),
  };
}

function decodeScheme(reader: Reader): Config['schemeToOverwrite'] {
  const transformation = reader.child('scheme_header_transformation');
  const scheme = transformation?.nonEmpty('scheme_to_overwrite')?.toLowerCase();
  if (scheme === undefined || scheme === 'http' || scheme === 'https') return scheme;
  transformation?.problem('scheme_to_overwrite', `must be http or https, is ${scheme}`);
  return undefined;
}

const ESCAPED_SLASHES = {
  IMPLEMENTATION_SPECIFIC_DEFAULT: 'KEEP_UNCHANGED',
  KEEP_UNCHANGED: 'KEEP_UNCHANGED',
  REJECT_REQUEST: 'REJECT_REQUEST',
  UNESCAPE_AND_REDIRECT: 'UNESCAPE_AND_REDIRECT',
  UNESCAPE_AND_FORWARD: 'UNESCAPE_AND_FORWARD',
} as const;

function decodePaths(
  reader: Reader,
): Pick<
  Config,
  | 'normalizePath'
  | 'mergeSlashes'
  | 'pathWithEscapedSlashesAction'
  | 'stripMatchingHostPort'
  | 'stripAnyHostPort'
  | 'stripTrailingHostDot'
> {
  if (reader.bool('strip_matching_host_port') && reader.bool('strip_any_host_port')) {
    reader.problem('', 'only one of strip_matching_host_port and strip_any_host_port may be set');
  }
  const slashes = reader.enumName(
    'path_with_escaped_slashes_action',
    'IMPLEMENTATION_SPECIFIC_DEFAULT',
  );
  return {
    normalizePath: reader.bool('normalize_path'),
    mergeSlashes: reader.bool('merge_slashes'),
    pathWithEscapedSlashesAction: ESCAPED_SLASHES[slashes],
    stripMatchingHostPort: reader.bool('strip_matching_host_port'),
    stripAnyHostPort: reader.bool('strip_any_host_port'),
    stripTrailingHostDot: reader.bool('strip_trailing_host_dot'),
  };
}

function decodeCertDetails(reader: Reader): Config['setCurrentClientCertDetails'] {
  const details = reader.child('set_current_client_cert_details');
  return (
    details && {
      subject: details.bool('subject'),
      cert: details.bool('cert'),
      chain: details.bool('chain'),
      dns: details.bool('dns'),
      uri: details.bool('uri'),
    }
  );
}

function decodeProxyStatus(reader: Reader): Config['proxyStatus'] {
  const config = reader.child('proxy_status_config');
  if (config === undefined) return undefined;
  if (breaksHeader(config.string('literal_proxy_name')))
    config.problem('literal_proxy_name', 'must not hold NUL, CR or LF');
  return {
    removeDetails: config.bool('remove_details'),
    removeConnectionTerminationDetails: config.bool('remove_connection_termination_details'),
    removeResponseFlags: config.bool('remove_response_flags'),
    setRecommendedResponseCode: config.bool('set_recommended_response_code'),
    // It is the name of a choice: Envoy looks only whether it was made.
    useNodeId: config.has('use_node_id'),
    literalProxyName: config.message.literal_proxy_name,
  };
}

function decodeUpgrades(
  readers: readonly FieldReader<HttpConnectionManager_UpgradeConfig>[],
): readonly UpgradeConfig[] {
  const seen = new Set<string>();
  return readers.map((reader) => {
    const name = reader.requiredString('upgrade_type');
    const type = name.toLowerCase();
    if (seen.has(type)) {
      reader.problem(
        'upgrade_type',
        `Error: multiple upgrade configs with the same name: '${name}'`,
      );
    }
    seen.add(type);
    reader.refuse('filters');
    return { type, enabled: reader.bool('enabled', true) };
  });
}

function decodeTimeouts(
  reader: Reader,
): Pick<
  Config,
  | 'idleTimeoutMs'
  | 'streamIdleTimeoutMs'
  | 'requestTimeoutMs'
  | 'requestHeadersTimeoutMs'
  | 'maxConnectionDurationMs'
  | 'maxConnectionDurationJitterPercent'
  | 'http1SafeMaxConnectionDuration'
  | 'maxStreamDurationMs'
  | 'drainTimeoutMs'
  | 'drainTimeoutJitterPercent'
  | 'delayedCloseTimeoutMs'
> {
  const common = reader.child('common_http_protocol_options');
  return {
    idleTimeoutMs: common?.durationMs('idle_timeout', HOUR_MS) ?? HOUR_MS,
    streamIdleTimeoutMs: reader.durationMs('stream_idle_timeout', 300_000),
    requestTimeoutMs: reader.durationMs('request_timeout', 0),
    requestHeadersTimeoutMs: reader.durationMs('request_headers_timeout', 0),
    http1SafeMaxConnectionDuration: reader.bool('http1_safe_max_connection_duration'),
    maxConnectionDurationJitterPercent: percent(common?.child('max_connection_duration_jitter')),
    maxConnectionDurationMs: common?.durationMs('max_connection_duration', 0) ?? 0,
    maxStreamDurationMs: common?.durationMs('max_stream_duration', 0) ?? 0,
    drainTimeoutJitterPercent: percent(reader.child('drain_timeout_jitter')),
    drainTimeoutMs: reader.durationMs('drain_timeout', 5000),
    delayedCloseTimeoutMs: reader.durationMs('delayed_close_timeout', 1000),
  };
}

const percent = (reader: FieldReader<Percent> | undefined): number =>
  reader?.number('value', 0, 0, 100) ?? 0;

function decodeLimits(
  reader: Reader,
): Pick<
  Config,
  | 'maxRequestsPerConnection'
  | 'maxRequestHeadersKb'
  | 'maxHeadersCount'
  | 'headersWithUnderscoresAction'
> {
  const common = reader.child('common_http_protocol_options');
  return {
    maxRequestsPerConnection: common?.number('max_requests_per_connection', 0) ?? 0,
    maxRequestHeadersKb: reader.number('max_request_headers_kb', 60, 1, 8192),
    maxHeadersCount: common?.number('max_headers_count', 100, 1) ?? 100,
    headersWithUnderscoresAction:
      common?.enumName('headers_with_underscores_action', 'ALLOW') ?? 'ALLOW',
  };
}
