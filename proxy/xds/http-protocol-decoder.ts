// [m] Decodes HTTP/1 options and the options common to all versions, for listeners and clusters alike.
import type { Http1ProtocolOptions } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type {
  HeaderKeyFormat,
  Http1ServerConfig,
} from '../config/http-connection-manager-config.ts';
import type { FieldReader } from './field-reader.ts';
import { typedConfigOf } from './typed-config.ts';

const PRESERVE_CASE =
  'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig';

export function decodeHeaderKeyFormat(
  reader: FieldReader<Http1ProtocolOptions> | undefined,
): HeaderKeyFormat {
  const format = reader?.child('header_key_format');
  if (format === undefined) return 'lower';
  if (format.has('proper_case_words')) return 'proper_case';
  const stateful = format.child('stateful_formatter');
  if (stateful === undefined) {
    format.problem('', 'one of proper_case_words, stateful_formatter is required');
    return 'lower';
  }
  const config = typedConfigOf(stateful);
  if (config === undefined) return 'lower';
  if (config.typeName !== PRESERVE_CASE) {
    config.unknown(stateful.string('name'));
    return 'lower';
  }
  const preserve = config.as(PRESERVE_CASE);
  return {
    forwardReasonPhrase: preserve?.bool('forward_reason_phrase') ?? false,
    properCaseForOthers:
      preserve?.enumName('formatter_type_on_envoy_headers', 'DEFAULT') === 'PROPER_CASE',
  };
}

export function decodeHttp1Server(
  reader: FieldReader<Http1ProtocolOptions> | undefined,
): Http1ServerConfig {
  return {
    allowAbsoluteUrl: reader?.bool('allow_absolute_url', true) ?? true,
    acceptHttp10: reader?.bool('accept_http_10') ?? false,
    defaultHostForHttp10: reader?.string('default_host_for_http_10') ?? '',
    enableTrailers: reader?.bool('enable_trailers') ?? false,
    allowChunkedLength: reader?.bool('allow_chunked_length') ?? false,
    allowCustomMethods: reader?.bool('allow_custom_methods') ?? false,
    headerKeyFormat: decodeHeaderKeyFormat(reader),
  };
}
