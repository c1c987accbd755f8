// [b] RE2 patterns from configuration: full match, and global replacement with `\1` groups (envoy.type.matcher.v3).
// Linear time whatever the pattern (attack checklist 72); V8's own RegExp is never given text from outside.
import type { RE2JS } from 're2js';
import { MAX_PATTERN_LENGTH, MAX_PROGRAM_SIZE, re2 } from '../base/re2.ts';
import { WildcardPattern } from '../base/wildcard-pattern.ts';
import { ConfigError } from '../config/config-error.ts';
import type { RegexRewriteConfig } from '../config/matcher-config.ts';
import { wireText } from './wire-text.ts';

function compile(pattern: string, place: string): RE2JS {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new ConfigError([
      { path: place, message: `regex is longer than ${MAX_PATTERN_LENGTH} characters` },
    ]);
  }
  let compiled: RE2JS;
  try {
    compiled = re2().RE2JS.compile(wireText(pattern));
  } catch (error) {
    if (!(error instanceof re2().RE2JSException)) throw error;
    throw new ConfigError([
      { path: place, message: `Invalid regex '${pattern}': ${error.message}` },
    ]);
  }
  if (compiled.programSize() > MAX_PROGRAM_SIZE) {
    const message = `regex '${pattern}' has a program of ${compiled.programSize()} instructions; maximum is ${MAX_PROGRAM_SIZE}`;
    throw new ConfigError([{ path: place, message }]);
  }
  return compiled;
}

/** Compiled once; the whole text has to match. */
export class FullMatchRegex {
  readonly #regex: WildcardPattern | RE2JS;

  /** Throws ConfigError with `place` for a bad pattern. */
  constructor(pattern: string, place: string) {
    this.#regex = WildcardPattern.parse(wireText(pattern)) ?? compile(pattern, place);
  }

  matches(text: string): boolean {
    const regex = this.#regex;
    return regex instanceof WildcardPattern ? regex.matches(text) : regex.testExact(text);
  }
}

/** Replaces every match, as RE2's GlobalReplace does: a substitution that names a group the pattern lacks replaces nothing. */
export class RegexRewriter {
  readonly #regex: RE2JS;
  /** Text and group numbers, in order; null: nothing is replaced. */
  readonly #parts: readonly (string | number)[] | null;

  /** Throws ConfigError with `place` for a bad pattern. */
  constructor(config: RegexRewriteConfig, place: string) {
    this.#regex = compile(config.pattern, `${place}.pattern`);
    const parts = parseSubstitution(wireText(config.substitution));
    const groups = this.#regex.groupCount();
    const possible = parts.every((part) => typeof part === 'string' || part <= groups);
    this.#parts = possible ? parts : null;
  }

  rewrite(text: string): string {
    const parts = this.#parts;
    if (parts === null) return text;
    const matcher = this.#regex.matcher(text);
    let result = '';
    let copiedTo = 0;
    let lastEnd = -1;
    while (matcher.find()) {
      const start = matcher.start();
      const end = matcher.end();
      // An empty match right behind the last one is none: `a*` on `baac` gives three matches, not four.
      if (start === end && start === lastEnd) continue;
      result += text.slice(copiedTo, start);
      for (const part of parts) {
        result += typeof part === 'string' ? part : (matcher.group(part) ?? '');
      }
      copiedTo = end;
      lastEnd = end;
    }
    return lastEnd < 0 ? text : result + text.slice(copiedTo);
  }
}

/** What follows a backslash that is neither a group nor `\\` is left out with all that comes after it. */
function parseSubstitution(text: string): (string | number)[] {
  const parts: (string | number)[] = [];
  let literal = '';
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '\\') {
      literal += text[i]!;
      continue;
    }
    const next = i + 1 < text.length ? text.charCodeAt(i + 1) : 0;
    if (next === 0x5c) literal += '\\';
    else if (next >= 0x30 && next <= 0x39) {
      if (literal !== '') parts.push(literal);
      literal = '';
      parts.push(next - 0x30);
    } else break;
    i++;
  }
  if (literal !== '') parts.push(literal);
  return parts;
}
