// [m] Decodes access loggers (envoy-behaviour §11.1, istio-contract §2.12).
import type { AccessLog } from '../../xds-protos/gen/envoy.config.accesslog.v3.ts';
import type { SubstitutionFormatString } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type {
  AccessLogConfig,
  AccessLogFormat,
  AccessLogSink,
} from '../config/access-log-config.ts';
import { decodeAccessLogFilter } from './access-log-filter-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeFormat, jsonFormat } from './format-decoder.ts';
import { HTTP_GRPC_LOG, TCP_GRPC_LOG, decodeGrpcLog } from './grpc-log-decoder.ts';
import { INERT_ACCESS_LOGGERS } from './known-extensions.ts';
import { typedConfigOf } from './typed-config.ts';
import type { TypedConfig } from './typed-config.ts';

/** What Envoy writes when a file logger names no format. */
const DEFAULT_FORMAT_TEXT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

const DEFAULT_FORMAT: AccessLogFormat = {
  kind: 'text',
  text: DEFAULT_FORMAT_TEXT,
  omitEmptyValues: false,
};

const FILE = 'envoy.extensions.access_loggers.file.v3.FileAccessLog';
const STDOUT = 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog';
const STDERR = 'envoy.extensions.access_loggers.stream.v3.StderrAccessLog';

/** Loaded for the first that there are (access-logs.ts). */
export function decodeLoggers(
  readers: readonly FieldReader<AccessLog>[],
): readonly AccessLogConfig[] {
  const logs: AccessLogConfig[] = [];
  for (const reader of readers) {
    const config = typedConfigOf(reader);
    const sink = config && decodeSink(config, reader.string('name'));
    const filter = reader.child('filter');
    const filterConfig = filter && decodeAccessLogFilter(filter);
    if (sink !== undefined) logs.push({ name: reader.string('name'), sink, filter: filterConfig });
  }
  return logs;
}

function decodeSink(config: TypedConfig, name: string): AccessLogSink | undefined {
  switch (config.typeName) {
    case FILE:
      return decodeFile(config);
    case STDOUT:
      return { kind: 'stdout', format: streamFormat(config.as(STDOUT)) };
    case STDERR:
      return { kind: 'stderr', format: streamFormat(config.as(STDERR)) };
    case HTTP_GRPC_LOG:
    case TCP_GRPC_LOG:
      return decodeGrpcLog(config);
    default:
      if (INERT_ACCESS_LOGGERS.has(config.typeName))
        return { kind: 'inert', typeUrl: config.typeUrl };
      config.unknown(name);
      return undefined;
  }
}

function decodeFile(config: TypedConfig): AccessLogSink | undefined {
  const reader = config.as(FILE);
  if (reader === undefined) return undefined;
  const path = reader.requiredString('path');
  const { format, json_format, typed_json_format } = reader.message;
  const logFormat = reader.child('log_format');
  if (logFormat !== undefined) return { kind: 'file', path, format: decodeFormat(logFormat) };
  const json = json_format ?? typed_json_format;
  if (json !== undefined) return { kind: 'file', path, format: jsonFormat(json) };
  if (format === undefined || format === '') return { kind: 'file', path, format: DEFAULT_FORMAT };
  return { kind: 'file', path, format: { kind: 'text', text: format, omitEmptyValues: false } };
}

function streamFormat(
  reader: FieldReader<{ readonly log_format?: SubstitutionFormatString | undefined }> | undefined,
): AccessLogFormat {
  const format = reader?.child('log_format');
  return format === undefined ? DEFAULT_FORMAT : decodeFormat(format);
}
