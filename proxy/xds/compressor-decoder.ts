// [m] Decodes the compressor and decompressor filters.
import type {
  Compressor,
  Compressor_CommonDirectionConfig,
  CompressorPerRoute,
} from '../../xds-protos/gen/envoy.extensions.filters.http.compressor.v3.ts';
import type {
  Decompressor,
  Decompressor_CommonDirectionConfig,
} from '../../xds-protos/gen/envoy.extensions.filters.http.decompressor.v3.ts';
import type {
  CompressorConfig,
  CompressorDirectionConfig,
  CompressorPerRouteConfig,
  DecompressorConfig,
  DecompressorDirectionConfig,
} from '../config/compression-config.ts';
import {
  decodeCompressorLibrary,
  decodeDecompressorLibrary,
  decodeFeatureFlag,
} from './compression-library-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeStringMatches } from './matcher-decoder.ts';

const MIN_CONTENT_LENGTH = 30;
const CONTENT_TYPES: readonly string[] = [
  'application/ecmascript',
  'application/grpc-web',
  'application/grpc-web+proto',
  'application/javascript',
  'application/json',
  'application/x-javascript',
  'application/x-json',
  'application/xhtml+xml',
  'application/xml',
  'image/svg+xml',
  'text/css',
  'text/ecmascript',
  'text/html',
  'text/javascript',
  'text/jscript',
  'text/js',
  'text/plain',
  'text/x-javascript',
  'text/x-js',
  'text/xml',
];

/** Codes that may be left uncompressed. */
const MIN_CODE = 200;
const MAX_CODE = 599;

export function decodeCompressor(reader: FieldReader<Compressor>): CompressorConfig | undefined {
  const libraryReader = reader.required('compressor_library');
  const library = libraryReader && decodeCompressorLibrary(libraryReader);
  const request = reader.child('request_direction_config');
  if (library === undefined) return undefined;
  return {
    kind: 'compressor',
    library,
    chooseFirst: reader.bool('choose_first'),
    request: request && decodeDirection(request.child('common_config')),
    response: decodeResponse(reader),
  };
}

/** Without `response_direction_config` the deprecated fields of the filter count. */
function decodeResponse(reader: FieldReader<Compressor>): CompressorConfig['response'] {
  const response = reader.child('response_direction_config');
  if (response === undefined) {
    return {
      enabled: decodeFeatureFlag(reader.child('runtime_enabled')),
      minContentLength: reader.number('content_length', 0) || MIN_CONTENT_LENGTH,
      contentTypes: contentTypes(reader.message.content_type),
      contentTypeMatchers: [],
      named: false,
      disableOnEtag: reader.bool('disable_on_etag_header'),
      weakenEtag: false,
      removeAcceptEncoding: reader.bool('remove_accept_encoding_header'),
      uncompressibleCodes: [],
      statusHeader: false,
    };
  }
  const codes = response.message.uncompressible_response_codes ?? [];
  codes.forEach((code, i) => {
    if (code < MIN_CODE || code > MAX_CODE) {
      response.problem(
        `uncompressible_response_codes[${i}]`,
        `must be between ${MIN_CODE} and ${MAX_CODE}, is ${code}`,
      );
    }
  });
  return {
    ...decodeDirection(response.child('common_config')),
    named: true,
    disableOnEtag: response.bool('disable_on_etag_header'),
    weakenEtag: response.bool('weaken_etag_on_compress'),
    removeAcceptEncoding: response.bool('remove_accept_encoding_header'),
    uncompressibleCodes: codes,
    statusHeader: response.bool('status_header_enabled'),
  };
}

function decodeDirection(
  reader: FieldReader<Compressor_CommonDirectionConfig> | undefined,
): CompressorDirectionConfig {
  return {
    enabled: decodeFeatureFlag(reader?.child('enabled')),
    minContentLength: reader?.number('min_content_length', 0) || MIN_CONTENT_LENGTH,
    contentTypes: contentTypes(reader?.message.content_type),
    contentTypeMatchers: decodeStringMatches(reader?.children('content_type_matcher') ?? []),
  };
}

const contentTypes = (given: readonly string[] | undefined): readonly string[] =>
  given === undefined || given.length === 0
    ? CONTENT_TYPES
    : given.map((type) => type.toLowerCase());

export function decodeCompressorPerRoute(
  reader: FieldReader<CompressorPerRoute>,
): CompressorPerRouteConfig {
  const overrides = reader.child('overrides');
  if (reader.bool('disabled')) return perRoute({ responseEnabled: false });
  if (overrides === undefined) {
    reader.problem('', 'one of disabled, overrides is required');
    return perRoute({});
  }
  const response = overrides.child('response_direction_config');
  const library = overrides.child('compressor_library');
  return perRoute({
    responseEnabled: response === undefined ? undefined : true,
    removeAcceptEncoding: response?.message.remove_accept_encoding_header,
    library: library && decodeCompressorLibrary(library),
  });
}

const perRoute = (
  said: Partial<Omit<CompressorPerRouteConfig, 'kind'>>,
): CompressorPerRouteConfig => ({
  kind: 'compressor_per_route',
  responseEnabled: said.responseEnabled,
  removeAcceptEncoding: said.removeAcceptEncoding,
  library: said.library,
});

export function decodeDecompressor(
  reader: FieldReader<Decompressor>,
): DecompressorConfig | undefined {
  const libraryReader = reader.required('decompressor_library');
  const library = libraryReader && decodeDecompressorLibrary(libraryReader);
  if (library === undefined) return undefined;
  const request = reader.child('request_direction_config');
  const response = reader.child('response_direction_config');
  return {
    kind: 'decompressor',
    library,
    advertiseAcceptEncoding: request?.bool('advertise_accept_encoding', true) ?? true,
    request: decodeDecompressorDirection(request?.child('common_config')),
    response: decodeDecompressorDirection(response?.child('common_config')),
  };
}

const decodeDecompressorDirection = (
  reader: FieldReader<Decompressor_CommonDirectionConfig> | undefined,
): DecompressorDirectionConfig => ({
  enabled: decodeFeatureFlag(reader?.child('enabled')),
  ignoreNoTransform: reader?.bool('ignore_no_transform_header') ?? false,
});
