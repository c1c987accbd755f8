// [m] Decodes the list of HTTP filters of a connection manager (istio-contract §2.6; envoy-behaviour §10).
import type { HttpFilter } from '../../xds-protos/gen/envoy.extensions.filters.network.http_connection_manager.v3.ts';
import { typeNameOfUrl } from '../../xds-protos/any.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type {
  HttpFilterConfig,
  HttpFilterSettings,
  RouterFilterConfig,
} from '../config/http-filter-config.ts';
import { decodeAlpnOverride } from './alpn-override-decoder.ts';
import { decodeAccessLogs } from './access-logs.ts';
import { decodeUpstreamLogOptions } from './access-log-options-decoder.ts';
import { decodeFilterDiscovery, misplaced } from './filter-discovery-decoder.ts';
import type { FilterKind } from './filter-discovery-decoder.ts';
import { decodeFault } from './fault-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeGrpcHttp1Bridge, decodeGrpcStats, decodeGrpcWeb } from './grpc-filter-decoders.ts';
import {
  INERT_HTTP_FILTERS,
  REFUSED_HTTP_FILTERS,
  inert,
  refuse,
  unenforced,
} from './known-extensions.ts';
import { rbacGuards, wasmGuards } from './rbac-verdict.ts';
import { typedConfigOf } from './typed-config.ts';
import type { TypedConfig } from './typed-config.ts';

const others = lazyPart<typeof import('./other-filter-decoders.ts')>('xds/other-filter-decoders');

const STRICT_HEADERS: ReadonlySet<string> = new Set([
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-max-retries',
  'x-envoy-retry-grpc-on',
  'x-envoy-retry-on',
]);

/** Messages of filters that Istio puts into few chains: what decodes them is loaded for the first. */
const OTHERS = [
  'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation',
  'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
  'envoy.extensions.filters.http.ext_authz.v3.ExtAuthz',
  'envoy.extensions.filters.http.ratelimit.v3.RateLimit',
  'envoy.extensions.filters.http.buffer.v3.Buffer',
  'envoy.extensions.filters.http.header_to_metadata.v3.Config',
  'envoy.extensions.filters.http.set_filter_state.v3.Config',
  'envoy.extensions.filters.http.set_metadata.v3.Config',
  'envoy.extensions.filters.http.health_check.v3.HealthCheck',
  'envoy.extensions.filters.http.compressor.v3.Compressor',
  'envoy.extensions.filters.http.decompressor.v3.Decompressor',
  'envoy.extensions.filters.http.csrf.v3.CsrfPolicy',
  'envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig',
  'envoy.extensions.filters.http.on_demand.v3.OnDemand',
  'envoy.extensions.filters.http.stateful_session.v3.StatefulSession',
] as const;
const otherNames: ReadonlySet<string> = new Set(OTHERS);

export type OtherFilter = (typeof OTHERS)[number];

const isOther = (typeName: string): typeName is OtherFilter => otherNames.has(typeName);

type SettingsDecoder = (config: TypedConfig, name: string) => HttpFilterSettings | undefined;

/** Decoders by the full name of the message. */
const DECODERS: ReadonlyMap<string, SettingsDecoder> = new Map<string, SettingsDecoder>([
  ['envoy.extensions.filters.http.router.v3.Router', decodeRouter],
  ['envoy.extensions.filters.http.cors.v3.Cors', () => ({ kind: 'cors' })],
  ['envoy.extensions.filters.http.fault.v3.HTTPFault', decodeFaultFilter],
  ['envoy.extensions.filters.http.grpc_stats.v3.FilterConfig', decodeGrpcStats],
  ['envoy.extensions.filters.http.grpc_web.v3.GrpcWeb', decodeGrpcWeb],
  ['envoy.extensions.filters.http.grpc_http1_bridge.v3.Config', decodeGrpcHttp1Bridge],
  ['istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig', decodeAlpnOverride],
  ['envoy.extensions.filters.http.rbac.v3.RBAC', decodeRbac],
  ['envoy.extensions.filters.http.wasm.v3.Wasm', decodeWasm],
]);

/** Filters in order, unknown optional ones left out; the last one has to be the router, or to be discovered. */
export function decodeHttpFilters(
  readers: readonly FieldReader<HttpFilter>[],
): readonly HttpFilterConfig[] {
  const filters: HttpFilterConfig[] = [];
  readers.forEach((reader, index) => {
    const place = { name: reader.requiredString('name'), last: index === readers.length - 1 };
    const settings = decodeFilter(reader, place);
    if (settings === undefined) return;
    filters.push({ name: place.name, disabled: reader.bool('disabled'), settings });
    const problem =
      settings.kind === 'discovered'
        ? settings.fallback && misplaced(place, isTerminal(settings.fallback), 'http')
        : misplaced(place, isTerminal(settings), 'http');
    if (problem !== undefined) reader.problem('', problem);
  });
  const passes = readers[0]?.problems.watch?.rules.passUnenforced === true;
  return passes ? filters : guardedFilters(filters);
}

const isTerminal = ({ kind }: HttpFilterSettings): boolean => kind === 'router';

const RBAC = 'envoy.extensions.filters.http.rbac.v3.RBAC';
const WASM = 'envoy.extensions.filters.http.wasm.v3.Wasm';
const EXT_AUTHZ = 'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz';

/**
 * Istio's CUSTOM policies: a dry run of RBAC leaves metadata that switches external authorization on. Where the filter
 * in front does nothing yet it would stay off for everybody, so it refuses instead.
 */
export function guardedFilters(filters: readonly HttpFilterConfig[]): readonly HttpFilterConfig[] {
  return filters.map((filter, index) => {
    const { name, settings } = filter;
    if (settings.kind !== 'ext_authz' || settings.enabledMetadata === undefined) return filter;
    const idle = filters
      .slice(0, index)
      .some(
        (before) =>
          before.settings.kind === 'inert' &&
          [RBAC, WASM].includes(typeNameOfUrl(before.settings.typeUrl)),
      );
    if (!idle && settings.enabledMetadata.namespace !== 'envoy.filters.http.rbac') return filter;
    const why = `${name} is switched on by metadata of a filter that does nothing in this version of Outrigger: what it guards is refused`;
    return { ...filter, settings: refuse(EXT_AUTHZ, name, why) };
  });
}

function decodeFilter(
  reader: FieldReader<HttpFilter>,
  place: { readonly name: string; readonly last: boolean },
): HttpFilterSettings | undefined {
  const discovery = reader.child('config_discovery');
  if (discovery !== undefined) return decodeFilterDiscovery(discovery, place, HTTP_FILTERS);
  const config = typedConfigOf(reader);
  return config && decodeSettings(config, place.name, reader.bool('is_optional'));
}

export const HTTP_FILTERS = {
  knows: (typeName) =>
    DECODERS.has(typeName) ||
    isOther(typeName) ||
    INERT_HTTP_FILTERS.has(typeName) ||
    REFUSED_HTTP_FILTERS.has(typeName),
  decode: (config, name) => decodeSettings(config, name, false),
  isTerminal,
} satisfies FilterKind<HttpFilterSettings>;

function decodeSettings(
  config: TypedConfig,
  name: string,
  optional: boolean,
): HttpFilterSettings | undefined {
  const { typeName, typeUrl } = config;
  const decoder = DECODERS.get(typeName);
  if (decoder !== undefined) return decoder(config, name);
  if (isOther(typeName)) return others().decodeOther(typeName, config);
  if (INERT_HTTP_FILTERS.has(typeName)) return inert(typeUrl);
  if (REFUSED_HTTP_FILTERS.has(typeName)) return unenforced(config, name);
  if (!optional) config.unknown(name);
  return undefined;
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

function decodeRbac(config: TypedConfig, name: string): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.rbac.v3.RBAC');
  if (reader === undefined) return undefined;
  return rbacGuards(reader.message) ? unenforced(config, name) : inert(config.typeUrl);
}

function decodeWasm(config: TypedConfig, name: string): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.wasm.v3.Wasm');
  if (reader === undefined) return undefined;
  return wasmGuards(reader.message.config) ? unenforced(config, name) : inert(config.typeUrl);
}
