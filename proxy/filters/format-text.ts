// [w] FormatText: what a filter makes of a format (SubstitutionFormatString) while only a request, or only a connection, is known.
import { compileAccessLogFormat } from '../access-log/access-logger.ts';
import type { FormatEnvironment } from '../access-log/format-environment.ts';
import type { Formatter } from '../access-log/formatter.ts';
import type { AccessLogFormat } from '../config/access-log-config.ts';
import { ConfigError } from '../config/config-error.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';

export class FormatText {
  /** Null: an empty text. */
  readonly #formatter: Formatter | null;

  /** Throws ConfigError with `place` for a command that does not exist. */
  constructor(format: AccessLogFormat, environment: FormatEnvironment, place: string) {
    this.#formatter = compile(format, environment, place);
  }

  of(requestHeaders: RequestHeaders, info: StreamInfo): string {
    if (this.#formatter === null) return '';
    return this.#formatter.format({
      info,
      requestHeaders,
      responseHeaders: undefined,
      responseTrailers: undefined,
      type: 'NotSet',
      localReplyBody: '',
    });
  }
}

function compile(
  format: AccessLogFormat,
  environment: FormatEnvironment,
  place: string,
): Formatter | null {
  if (format.kind === 'text' && format.text === '') return null;
  try {
    return compileAccessLogFormat(format, environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(error.problems.map(({ message }) => ({ path: place, message })));
  }
}
