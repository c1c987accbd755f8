// [b] BodyFormat: the body of a reply that the proxy makes itself, as a SubstitutionFormatString says (envoy-behaviour §1.15).
import type { AccessLogFormat } from '../config/access-log-config.ts';
import { ConfigError } from '../config/config-error.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';
import type { FormatEnvironment } from './format-environment.ts';
import { compileFormat } from './formatter.ts';
import type { Formatter } from './formatter.ts';
import { compileJsonFormat } from './json-formatter.ts';

export class BodyFormat {
  readonly contentType: string;
  readonly #formatter: Formatter;

  /** Throws ConfigError with `place` for a format that does not compile. */
  constructor(format: AccessLogFormat, environment: FormatEnvironment, place: string) {
    const byKind = format.kind === 'json' ? 'application/json' : 'text/plain';
    const named = format.contentType ?? '';
    this.contentType = named === '' ? byKind : named;
    try {
      this.#formatter = compileText(format, environment);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new ConfigError(error.problems.map(({ message }) => ({ path: place, message })));
    }
  }

  /** One character a byte; `localReplyBody` of the entry is what %LOCAL_REPLY_BODY% prints. */
  text(entry: AccessLogEntry): string {
    return this.#formatter.format(entry);
  }
}

/** Values are written as they are: a body has no lines to keep apart. */
function compileText(format: AccessLogFormat, environment: FormatEnvironment): Formatter {
  const { omitEmptyValues, reqWithoutQuery = false } = format;
  if (format.kind === 'json')
    return compileJsonFormat(format.json, omitEmptyValues, { environment, reqWithoutQuery });
  const missing = omitEmptyValues ? '' : '-';
  return compileFormat(format.text, { environment, missing, reqWithoutQuery, within: 'body' });
}
