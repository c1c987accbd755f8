// [m] Decodes HTTP/1 and HTTP/2 options, for listeners and clusters alike.
import type {
  Http1ProtocolOptions,
  Http2ProtocolOptions,
} from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type {
  HeaderKeyFormat,
  Http1ServerConfig,
} from '../config/http-connection-manager-config.ts';
import { DEFAULT_HTTP2 } from '../config/http2-config.ts';
import type { Http2Config } from '../config/http2-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeStringMatches } from './matcher-decoder.ts';
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
    ignoredUpgrades: decodeStringMatches(reader?.children('ignore_http_11_upgrade') ?? []),
    headerKeyFormat: decodeHeaderKeyFormat(reader),
  };
}

const MAX_WINDOW = 2_147_483_647;
const MIN_WINDOW = 65_535;

/** `streamErrors`: what the connection manager says where the options say nothing. */
export function decodeHttp2(
  reader: FieldReader<Http2ProtocolOptions> | undefined,
  streamErrors: boolean,
): Http2Config {
  const base = { ...DEFAULT_HTTP2, streamErrorOnInvalidMessage: streamErrors };
  if (reader === undefined) return base;
  if (reader.bool('allow_metadata'))
    reader.problem('allow_metadata', 'METADATA frames are not supported by this version');
  reader.refuse('custom_settings_parameters');
  return {
    hpackTableBytes: reader.number('hpack_table_size', base.hpackTableBytes, 0, 1 << 20),
    maxConcurrentStreams: reader.number(
      'max_concurrent_streams',
      base.maxConcurrentStreams,
      1,
      MAX_WINDOW,
    ),
    initialStreamWindowBytes: reader.number(
      'initial_stream_window_size',
      base.initialStreamWindowBytes,
      MIN_WINDOW,
      MAX_WINDOW,
    ),
    initialConnectionWindowBytes: reader.number(
      'initial_connection_window_size',
      base.initialConnectionWindowBytes,
      MIN_WINDOW,
      MAX_WINDOW,
    ),
    allowConnect: reader.bool('allow_connect'),
    ...decodeFloodLimits(reader, base),
    streamErrorOnInvalidMessage:
      reader.message.override_stream_error_on_invalid_http_message ??
      (reader.bool('stream_error_on_invalid_http_messaging') || streamErrors),
    keepalive: decodeKeepalive(reader),
  };
}

function decodeFloodLimits(
  reader: FieldReader<Http2ProtocolOptions>,
  base: Http2Config,
): Pick<
  Http2Config,
  | 'maxOutboundFrames'
  | 'maxOutboundControlFrames'
  | 'maxConsecutiveEmptyFrames'
  | 'maxPriorityFramesPerStream'
  | 'maxWindowUpdatesPerDataFrame'
> {
  return {
    maxOutboundFrames: reader.number('max_outbound_frames', base.maxOutboundFrames, 1),
    maxOutboundControlFrames: reader.number(
      'max_outbound_control_frames',
      base.maxOutboundControlFrames,
      1,
    ),
    maxConsecutiveEmptyFrames: reader.number(
      'max_consecutive_inbound_frames_with_empty_payload',
      base.maxConsecutiveEmptyFrames,
    ),
    maxPriorityFramesPerStream: reader.number(
      'max_inbound_priority_frames_per_stream',
      base.maxPriorityFramesPerStream,
    ),
    maxWindowUpdatesPerDataFrame: reader.number(
      'max_inbound_window_update_frames_per_data_frame_sent',
      base.maxWindowUpdatesPerDataFrame,
      1,
    ),
  };
}

function decodeKeepalive(reader: FieldReader<Http2ProtocolOptions>): Http2Config['keepalive'] {
  const keepalive = reader.child('connection_keepalive');
  if (keepalive === undefined) return undefined;
  if (!keepalive.has('timeout')) keepalive.problem('timeout', 'value is required');
  return {
    intervalMs: keepalive.durationMs('interval', 0),
    timeoutMs: keepalive.durationMs('timeout', 0),
    jitterPercent: keepalive.child('interval_jitter')?.message.value ?? 15,
    connectionIdleIntervalMs: keepalive.durationMs('connection_idle_interval', 0),
  };
}
