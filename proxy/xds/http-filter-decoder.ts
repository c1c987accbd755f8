// [m] Decodes the list of HTTP filters of a connection manager (istio-contract §2.6; envoy-behaviour §10).
import type { HttpFilter } from '../../xds-protos/gen/envoy.extensions.filters.network.http_connection_manager.v3.ts';
import type { ExtensionConfigSource } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import { typeNameOfUrl } from '../../xds-protos/any.ts';
import type {
  HttpFilterConfig,
  HttpFilterSettings,
  RouterFilterConfig,
} from '../config/http-filter-config.ts';
import { decodeAlpnOverride } from './alpn-override-decoder.ts';
import { decodeBuffer } from './buffer-decoder.ts';
import { decodeAccessLogs } from './access-log-decoder.ts';
import { decodeUpstreamLogOptions } from './access-log-options-decoder.ts';
import { decodeCompressor, decodeDecompressor } from './compressor-decoder.ts';
import { decodeExtAuthz } from './ext-authz-decoder.ts';
import { decodeCsrf } from './csrf-decoder.ts';
import { decodeForwardProxyFilter } from './dns-cache-decoder.ts';
import { decodeFault } from './fault-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderToMetadata } from './header-to-metadata-decoder.ts';
import { decodeGrpcHttp1Bridge, decodeGrpcStats, decodeGrpcWeb } from './grpc-filter-decoders.ts';
import { decodeHeaderMutationFilter } from './header-mutation-filter-decoder.ts';
import { decodeHealthCheck } from './health-check-filter-decoder.ts';
import { INERT_HTTP_FILTERS, REFUSED_HTTP_FILTERS, inert, refuse } from './known-extensions.ts';
import { decodeLocalRateLimit } from './local-rate-limit-decoder.ts';
import { rbacGuards, wasmGuards } from './rbac-verdict.ts';
import { decodeRateLimitService } from './rate-limit-service-decoder.ts';
import { decodeSetFilterState } from './set-filter-state-decoder.ts';
import { decodeSetMetadata } from './set-metadata-decoder.ts';
import { decodeStatefulSession } from './stateful-session-decoder.ts';
import { TypedConfig, typedConfigOf } from './typed-config.ts';

const STRICT_HEADERS: ReadonlySet<string> = new Set([
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-max-retries',
  'x-envoy-retry-grpc-on',
  'x-envoy-retry-on',
]);

type SettingsDecoder = (config: TypedConfig, name: string) => HttpFilterSettings | undefined;

/** Decoders by the full name of the message. */
const DECODERS: ReadonlyMap<string, SettingsDecoder> = new Map<string, SettingsDecoder>([
  ['envoy.extensions.filters.http.router.v3.Router', decodeRouter],
  ['envoy.extensions.filters.http.cors.v3.Cors', () => ({ kind: 'cors' })],
  ['envoy.extensions.filters.http.fault.v3.HTTPFault', decodeFaultFilter],
  ['envoy.extensions.filters.http.grpc_stats.v3.FilterConfig', decodeGrpcStats],
  ['envoy.extensions.filters.http.grpc_web.v3.GrpcWeb', decodeGrpcWeb],
  ['envoy.extensions.filters.http.grpc_http1_bridge.v3.Config', decodeGrpcHttp1Bridge],
  ['envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', decodeHeaderMutation],
  ['envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', decodeLocalRateLimitFilter],
  ['envoy.extensions.filters.http.ext_authz.v3.ExtAuthz', decodeExtAuthzFilter],
  ['envoy.extensions.filters.http.ratelimit.v3.RateLimit', decodeRateLimitFilter],
  ['istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig', decodeAlpnOverride],
  ['envoy.extensions.filters.http.buffer.v3.Buffer', decodeBufferFilter],
  ['envoy.extensions.filters.http.header_to_metadata.v3.Config', decodeHeaderToMetadataFilter],
  ['envoy.extensions.filters.http.set_filter_state.v3.Config', decodeSetFilterStateFilter],
  ['envoy.extensions.filters.http.set_metadata.v3.Config', decodeSetMetadataFilter],
  ['envoy.extensions.filters.http.health_check.v3.HealthCheck', decodeHealthCheckFilter],
  ['envoy.extensions.filters.http.compressor.v3.Compressor', decodeCompressorFilter],
  ['envoy.extensions.filters.http.decompressor.v3.Decompressor', decodeDecompressorFilter],
  ['envoy.extensions.filters.http.csrf.v3.CsrfPolicy', decodeCsrfFilter],
  ['envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig', decodeForwardProxyFilter],
  ['envoy.extensions.filters.http.rbac.v3.RBAC', decodeRbac],
  ['envoy.extensions.filters.http.wasm.v3.Wasm', decodeWasm],
  ['envoy.extensions.filters.http.stateful_session.v3.StatefulSession', statefulSession],
]);

/** Filters in order, unknown optional ones left out; the last one has to be the router. */
export function decodeHttpFilters(
  readers: readonly FieldReader<HttpFilter>[],
): readonly HttpFilterConfig[] {
  const filters: HttpFilterConfig[] = [];
  readers.forEach((reader, index) => {
    const name = reader.requiredString('name');
    const decoded = decodeFilter(reader, name);
    if (decoded === undefined) return;
    const settings = guardedByIdle(decoded, name, filters);
    filters.push({ name, disabled: reader.bool('disabled'), settings });
    checkTerminal(reader, settings, index === readers.length - 1);
  });
  return filters;
}

const RBAC = 'envoy.extensions.filters.http.rbac.v3.RBAC';
const WASM = 'envoy.extensions.filters.http.wasm.v3.Wasm';

/**
 * Istio's CUSTOM policies: a dry run of RBAC leaves metadata that switches external authorization on. Where the filter
 * in front does nothing yet it would stay off for everybody, so it refuses instead.
 */
function guardedByIdle(
  settings: HttpFilterSettings,
  name: string,
  before: readonly HttpFilterConfig[],
): HttpFilterSettings {
  if (settings.kind !== 'ext_authz' || settings.enabledMetadata === undefined) return settings;
  const idle = before.some(
    (filter) =>
      filter.settings.kind === 'inert' &&
      [RBAC, WASM].includes(typeNameOfUrl(filter.settings.typeUrl)),
  );
  if (!idle && settings.enabledMetadata.namespace !== 'envoy.filters.http.rbac') return settings;
  return refuse(
    'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz',
    name,
    `${name} is switched on by metadata of a filter that does nothing in this version of Outrigger: what it guards is refused`,
  );
}

function checkTerminal(
  reader: FieldReader<HttpFilter>,
  settings: HttpFilterSettings,
  last: boolean,
): void {
  const terminal = settings.kind === 'router';
  if (terminal === last) return;
  const name = reader.string('name');
  reader.problem(
    '',
    terminal
      ? `Error: terminal filter named ${name} of type ${name} must be the last filter in a http filter chain.`
      : `Error: non-terminal filter named ${name} of type ${name} is the last filter in a http filter chain.`,
  );
}

function decodeFilter(
  reader: FieldReader<HttpFilter>,
  name: string,
): HttpFilterSettings | undefined {
  const discovery = reader.child('config_discovery');
  if (discovery !== undefined) return decodeDiscovered(discovery, name);
  const config = typedConfigOf(reader);
  return config && decodeSettings(config, name, reader.bool('is_optional'));
}

function decodeSettings(
  config: TypedConfig,
  name: string,
  optional: boolean,
): HttpFilterSettings | undefined {
  const { typeName, typeUrl } = config;
  const decoder = DECODERS.get(typeName);
  if (decoder !== undefined) return decoder(config, name);
  if (INERT_HTTP_FILTERS.has(typeName)) return inert(typeUrl);
  if (REFUSED_HTTP_FILTERS.has(typeName)) return refuse(typeUrl, name);
  if (!optional) config.unknown(name);
  return undefined;
}

/**
 * A filter whose settings come by ECDS. This version does not fetch them, so: the default config where there is one;
 * inert where every allowed type is; else refused, since a filter that may guard and is not known yet must not be
 * passed (Istio allows Wasm and RBAC, the latter so that its agent can put a deny-all in).
 */
function decodeDiscovered(
  reader: FieldReader<ExtensionConfigSource>,
  name: string,
): HttpFilterSettings | undefined {
  const defaultConfig = reader.message.default_config;
  const path = reader.pathOf('default_config');
  if (defaultConfig !== undefined) {
    return decodeSettings(new TypedConfig(defaultConfig, path, reader.problems), name, false);
  }
  const typeUrls = reader.message.type_urls ?? [];
  if (typeUrls.length === 0) {
    reader.problem('type_urls', 'at least one is required');
    return undefined;
  }
  const first = typeUrls[0]!;
  if (typeUrls.every((url) => INERT_HTTP_FILTERS.has(typeNameOfUrl(url)))) return inert(first);
  return refuse(
    first,
    name,
    `${name} comes by extension discovery (ECDS), which this version of Outrigger does not fetch: requests are refused`,
  );
}

function decodeRouter(config: TypedConfig): RouterFilterConfig | undefined {
  const reader = config.as('envoy.extensions.filters.http.router.v3.Router');
  if (reader === undefined) return undefined;
  const strict = (reader.message.strict_check_headers ?? []).map((name) => name.toLowerCase());
  strict.forEach((name, index) => {
    if (STRICT_HEADERS.has(name)) return;
    reader.problem(
      `strict_check_headers[${index}]`,
      `must be one of ${[...STRICT_HEADERS].join(', ')}, is ${name}`,
    );
  });
  reader.refuse('upstream_http_filters');
  return {
    kind: 'router',
    suppressEnvoyHeaders: reader.bool('suppress_envoy_headers'),
    respectExpectedRqTimeout: reader.bool('respect_expected_rq_timeout'),
    strictCheckHeaders: strict,
    dynamicStats: reader.bool('dynamic_stats', true),
    suppressGrpcRequestFailureCodeStats: reader.bool('suppress_grpc_request_failure_code_stats'),
    upstreamLogs: decodeAccessLogs(reader.children('upstream_log')),
    upstreamLogOptions: decodeUpstreamLogOptions(reader),
  };
}

function decodeFaultFilter(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.fault.v3.HTTPFault');
  return reader && decodeFault(reader);
}

function decodeBufferFilter(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.buffer.v3.Buffer');
  return reader && decodeBuffer(reader);
}

function decodeHeaderToMetadataFilter(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.header_to_metadata.v3.Config');
  return reader && decodeHeaderToMetadata(reader, false);
}

function decodeHeaderMutation(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.header_mutation.v3.HeaderMutation');
  return reader && decodeHeaderMutationFilter(reader);
}

function decodeSetFilterStateFilter(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.set_filter_state.v3.Config');
  return reader && decodeSetFilterState(reader);
}

function decodeSetMetadataFilter(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.set_metadata.v3.Config');
  return reader && decodeSetMetadata(reader);
}

function decodeLocalRateLimitFilter(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit');
  return reader && decodeLocalRateLimit(reader, false);
}

function decodeRateLimitFilter(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.ratelimit.v3.RateLimit');
  return reader && decodeRateLimitService(reader);
}

function decodeHealthCheckFilter(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.health_check.v3.HealthCheck');
  return reader && decodeHealthCheck(reader);
}

function decodeCompressorFilter(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.compressor.v3.Compressor');
  return reader && decodeCompressor(reader);
}

function decodeDecompressorFilter(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.decompressor.v3.Decompressor');
  return reader && decodeDecompressor(reader);
}

function decodeExtAuthzFilter(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.ext_authz.v3.ExtAuthz');
  return reader && decodeExtAuthz(reader);
}

function decodeCsrfFilter(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.csrf.v3.CsrfPolicy');
  return reader && decodeCsrf(reader);
}

function decodeRbac(config: TypedConfig, name: string): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.rbac.v3.RBAC');
  if (reader === undefined) return undefined;
  return rbacGuards(reader.message) ? refuse(config.typeUrl, name) : inert(config.typeUrl);
}

function decodeWasm(config: TypedConfig, name: string): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.wasm.v3.Wasm');
  if (reader === undefined) return undefined;
  return wasmGuards(reader.message.config) ? refuse(config.typeUrl, name) : inert(config.typeUrl);
}

function statefulSession(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.stateful_session.v3.StatefulSession');
  return reader && decodeStatefulSession(reader);
}
