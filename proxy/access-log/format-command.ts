// [w] Reads format texts: literals and `%NAME(args):maxlen%` (envoy-behaviour §11.1).
import { ConfigError } from '../config/config-error.ts';

export interface FormatCommand {
  readonly name: string;
  /** Undefined: no parentheses. */
  readonly args: string | undefined;
  /** Bytes; undefined: no limit was written. */
  readonly maxLength: number | undefined;
}

/** Longer format texts are refused. */
const MAX_FORMAT_CHARS = 65_536;

const COMMAND = /%([A-Z0-9_]+)(?:\((.*?)\))?(?::([0-9]{1,9}))?%/y;

export const formatError = (message: string): ConfigError =>
  new ConfigError([{ path: '', message }]);

/** Neighbouring literals are joined; `%%` is a literal `%`. Throws ConfigError. */
export function parseFormat(text: string): readonly (string | FormatCommand)[] {
  if (text.length > MAX_FORMAT_CHARS)
    throw formatError(`a format has at most ${MAX_FORMAT_CHARS} characters`);
  const parts: (string | FormatCommand)[] = [];
  let literal = '';
  let at = 0;
  while (at < text.length) {
    const percent = text.indexOf('%', at);
    literal += percent < 0 ? text.slice(at) : text.slice(at, percent);
    if (percent < 0) break;
    if (text[percent + 1] === '%') {
      literal += '%';
      at = percent + 2;
      continue;
    }
    COMMAND.lastIndex = percent;
    const match = COMMAND.exec(text);
    if (match === null) {
      throw formatError(
        `Incorrect configuration: ${text}. Couldn't find valid command at position ${percent}`,
      );
    }
    if (literal !== '') parts.push(literal);
    literal = '';
    const maxLength = match[3] === undefined ? undefined : Number(match[3]);
    parts.push({ name: match[1]!, args: match[2], maxLength });
    at = COMMAND.lastIndex;
  }
  if (literal !== '') parts.push(literal);
  return parts;
}
