// [w] Access loggers from configuration: filter, format, file, or the gRPC service. OpenTelemetry is not built.
import { unreachable } from '../base/assert.ts';
import { NO_FILTER_ENVIRONMENT, compileAccessLogFilter } from './access-log-filter.ts';
import { compileFormat } from './formatter.ts';
import { compileJsonFormat } from './json-formatter.ts';
import type {
  AccessLogConfig,
  AccessLogFormat,
  GrpcLogConfig,
} from '../config/access-log-config.ts';
import type { AccessLog, AccessLogEntry } from '../http/conn-manager-context.ts';
import type { AccessLogFilter, FilterEnvironment } from './access-log-filter.ts';
import type { FormatEnvironment } from './format-environment.ts';
import type { Formatter } from './formatter.ts';
import type { LogFile } from './log-file.ts';
import type { LogFiles } from './log-files.ts';

/** Envoy's, for a logger that names none. */
export const DEFAULT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% ' +
  '%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% ' +
  '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

export class FileAccessLog implements AccessLog {
  readonly needsMeter: boolean;
  readonly #file: LogFile;
  readonly #formatter: Formatter;
  readonly #filter: AccessLogFilter | null;

  constructor(file: LogFile, formatter: Formatter, filter: AccessLogFilter | null) {
    this.needsMeter = formatter.needsMeter;
    this.#file = file;
    this.#formatter = formatter;
    this.#filter = filter;
  }

  log(entry: AccessLogEntry): void {
    if (this.#filter !== null && !this.#filter(entry)) return;
    this.#file.write(this.#formatter.format(entry));
  }
}

/** Where logs write, and what their filters need. */
export interface LogSinks {
  readonly files: LogFiles;
  /** Absent: entries for the access log service go nowhere. */
  readonly grpc?:
    | ((config: GrpcLogConfig, filter: AccessLogFilter | null) => AccessLog)
    | undefined;
  /** Default: no filter needs anything. */
  readonly filters?: FilterEnvironment | undefined;
}

/** Null for sinks that write nothing. Throws ConfigError: a format that is wrong, a path that can not be opened. */
export function createAccessLog(config: AccessLogConfig, sinks: LogSinks): AccessLog | null {
  const { sink } = config;
  const { files, grpc, filters = NO_FILTER_ENVIRONMENT } = sinks;
  const filter =
    config.filter === undefined ? null : compileAccessLogFilter(config.filter, filters);
  switch (sink.kind) {
    case 'inert':
      return null;
    case 'grpc':
      return grpc?.(sink, filter) ?? null;
    case 'file':
      return fileAccessLog(sink.path, sink.format, filter, files);
    case 'stdout':
    case 'stderr':
      return fileAccessLog(`/dev/${sink.kind}`, sink.format, filter, files);
    default:
      return unreachable(sink);
  }
}

function fileAccessLog(
  path: string,
  format: AccessLogFormat,
  filter: AccessLogFilter | null,
  files: LogFiles,
): FileAccessLog {
  const formatter = compileAccessLogFormat(format, files.environment);
  return new FileAccessLog(files.open(path), formatter, filter);
}

export function compileAccessLogFormat(
  format: AccessLogFormat,
  environment: FormatEnvironment,
): Formatter {
  const { omitEmptyValues, reqWithoutQuery = false } = format;
  if (format.kind === 'json')
    return compileJsonFormat(format.json, omitEmptyValues, { environment, reqWithoutQuery });
  const text = format.text === '' ? DEFAULT_FORMAT : format.text;
  const missing = omitEmptyValues ? '' : '-';
  return compileFormat(text, { environment, missing, reqWithoutQuery });
}
