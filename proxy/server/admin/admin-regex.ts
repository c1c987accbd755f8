// [m] Regular expressions from admin queries: RE2 only, bounded, with RE2's words for what is wrong.
import { re2 } from '../../base/re2.ts';
import { ChoicePattern } from './choice-pattern.ts';

const MAX_PATTERN_CHARS = 1024;
const MAX_PROGRAM_SIZE = 32_768;

export interface AdminRegex {
  /** Whether it is found in the text. */
  test(text: string): boolean;
  /** Whether all of the text matches. */
  testExact(text: string): boolean;
}

export type RegexResult =
  | { readonly ok: true; readonly regex: AdminRegex }
  /** For example `missing ): (`. */
  | { readonly ok: false; readonly error: string };

export function compileAdminRegex(pattern: string): RegexResult {
  if (pattern.length > MAX_PATTERN_CHARS)
    return { ok: false, error: `pattern longer than ${MAX_PATTERN_CHARS} characters` };
  const choice = ChoicePattern.parse(pattern);
  if (choice !== null) return { ok: true, regex: choice };
  try {
    const regex = re2().RE2JS.compile(pattern);
    if (regex.programSize() > MAX_PROGRAM_SIZE)
      return { ok: false, error: `pattern too large: ${pattern}` };
    return { ok: true, regex };
  } catch (error) {
    return {
      ok: false,
      error: re2Words(error instanceof Error ? error.message : String(error), pattern),
    };
  }
}

/** `error parsing regexp: missing closing ): `(`` → `missing ): (`. */
function re2Words(message: string, pattern: string): string {
  const reason = message.replace(/^error parsing regexp: /, '').replace(/: `[^]*`$/, '');
  return `${reason.replace('missing closing', 'missing')}: ${pattern}`;
}
