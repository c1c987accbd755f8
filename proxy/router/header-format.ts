// [b] Header values with %COMMANDS% (envoy-behaviour §3.5, §11.1), compiled once. The commands are those of access
// logs, but a missing value is '' in headers. What could break a header line is written out (attack checklist 28).
import type { FormatOptions, Formatter } from '../access-log/formatter.ts';
import { lazyPart } from '../base/lazy-part.ts';
import { ConfigError } from '../config/config-error.ts';
import type { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { wireText } from './wire-text.ts';

const formatter = lazyPart<typeof import('../access-log/formatter.ts')>('access-log/formatter');

export class HeaderFormat {
  /** The value where no command is in it; else undefined. */
  readonly constant: string | undefined;
  readonly #formatter: Formatter | null;

  /** Throws ConfigError with `place` for a command that does not exist. */
  constructor(text: string, place: string, options: FormatOptions = {}) {
    this.constant = text.includes('%') ? undefined : wireText(text);
    this.#formatter =
      this.constant === undefined ? compileAt(text, place, { missing: '', ...options }) : null;
  }

  /** `response` is null while only the request is known. */
  format(request: RequestHeaders, response: ResponseHeaders | null, info: StreamInfo): string {
    if (this.#formatter === null) return this.constant!;
    return this.#formatter.format({
      info,
      requestHeaders: request,
      responseHeaders: response ?? undefined,
      responseTrailers: undefined,
      type: 'NotSet',
      localReplyBody: '',
    });
  }
}

function compileAt(text: string, place: string, options: FormatOptions): Formatter {
  try {
    return formatter().compileFormat(withoutOldForms(text), options);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(error.problems.map(({ message }) => ({ path: place, message })));
  }
}

/** Forms of old that only header values know: `%DYNAMIC_METADATA(["a","b"])%`, `%PER_REQUEST_STATE(key)%`. */
function withoutOldForms(text: string): string {
  return text
    .replace(
      /%(UPSTREAM|DYNAMIC)_METADATA\((\[[^\]]*\])\)%/g,
      (whole, side: string, list: string) => {
        const path = stringList(list);
        return path === undefined ? whole : `%${side}_METADATA(${path.join(':')})%`;
      },
    )
    .replace(/%PER_REQUEST_STATE\(([^)]*)\)%/g, '%FILTER_STATE($1:PLAIN)%');
}

function stringList(json: string): readonly string[] | undefined {
  try {
    const list = JSON.parse(json) as unknown[];
    return list.every((item) => typeof item === 'string') ? list : undefined;
  } catch {
    return undefined;
  }
}
