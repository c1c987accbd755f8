// [m] Decodes HTTP filters that Istio puts into few chains. Loaded for the first of them.
import type { HttpFilterSettings } from '../config/http-filter-config.ts';
import { decodeBuffer } from './buffer-decoder.ts';
import { decodeCompressor, decodeDecompressor } from './compressor-decoder.ts';
import { decodeCsrf } from './csrf-decoder.ts';
import { decodeExtAuthz } from './ext-authz-decoder.ts';
import { decodeHeaderMutationFilter } from './header-mutation-filter-decoder.ts';
import { decodeHeaderToMetadata } from './header-to-metadata-decoder.ts';
import { decodeHealthCheck } from './health-check-filter-decoder.ts';
import { decodeLocalRateLimit } from './local-rate-limit-decoder.ts';
import { decodeRateLimitService } from './rate-limit-service-decoder.ts';
import { decodeSetFilterState } from './set-filter-state-decoder.ts';
import { decodeSetMetadata } from './set-metadata-decoder.ts';
import { decodeStatefulSession } from './stateful-session-decoder.ts';
import { decodeForwardProxyFilter } from './dns-cache-decoder.ts';
import type { OtherFilter } from './http-filter-decoder.ts';
import { decodeOnDemandFilter } from './on-demand-decoder.ts';
import type { TypedConfig } from './typed-config.ts';

type Decoder = (config: TypedConfig) => HttpFilterSettings | undefined;

const DECODERS: { readonly [Name in OtherFilter]: Decoder } = {
  'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation': decodeHeaderMutation,
  'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit': decodeLocalRateLimitFilter,
  'envoy.extensions.filters.http.ext_authz.v3.ExtAuthz': decodeExtAuthzFilter,
  'envoy.extensions.filters.http.ratelimit.v3.RateLimit': decodeRateLimitFilter,
  'envoy.extensions.filters.http.buffer.v3.Buffer': decodeBufferFilter,
  'envoy.extensions.filters.http.header_to_metadata.v3.Config': decodeHeaderToMetadataFilter,
  'envoy.extensions.filters.http.set_filter_state.v3.Config': decodeSetFilterStateFilter,
  'envoy.extensions.filters.http.set_metadata.v3.Config': decodeSetMetadataFilter,
  'envoy.extensions.filters.http.health_check.v3.HealthCheck': decodeHealthCheckFilter,
  'envoy.extensions.filters.http.compressor.v3.Compressor': decodeCompressorFilter,
  'envoy.extensions.filters.http.decompressor.v3.Decompressor': decodeDecompressorFilter,
  'envoy.extensions.filters.http.csrf.v3.CsrfPolicy': decodeCsrfFilter,
  'envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig': decodeForwardProxyFilter,
  'envoy.extensions.filters.http.on_demand.v3.OnDemand': decodeOnDemandFilter,
  'envoy.extensions.filters.http.stateful_session.v3.StatefulSession': statefulSession,
};

export const decodeOther = (
  typeName: OtherFilter,
  config: TypedConfig,
): HttpFilterSettings | undefined => DECODERS[typeName](config);

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

function statefulSession(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.stateful_session.v3.StatefulSession');
  return reader && decodeStatefulSession(reader);
}
