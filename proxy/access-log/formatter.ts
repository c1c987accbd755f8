// [w] %COMMAND(arg)% text compiled once (envoy-behaviour §11.1). A value can not leave its line: control characters in
// values are written out (Envoy lets a decoded QUERY_PARAM put a newline there; that is not copied).
import { compileField } from './compile-field.ts';
import { parseFormat } from './format-command.ts';
import { byteText } from '../base/byte-text.ts';
import { countOf, escapeControls, jsonPart } from './log-text.ts';
import type { CommandScope } from './compile-field.ts';
import { EMPTY_ENVIRONMENT } from './format-environment.ts';
import type { Field } from './field.ts';
import type { FormatEnvironment } from './format-environment.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';

export interface Formatter {
  /** Entries it prints have to have a StreamMeter. */
  readonly needsMeter: boolean;
  /** A byte string: one character a byte (log-text.ts). No newline is added. */
  format(entry: AccessLogEntry): string;
}

const ESCAPES = {
  line: escapeControls,
  json: jsonPart,
  body: (text: string): string => text,
};

export interface FormatOptions {
  /** In place of a missing value: `-` (default) for logs, '' for header values and `omit_empty_values`. */
  readonly missing?: '-' | '';
  /** Default: nothing is known. */
  readonly environment?: FormatEnvironment;
  /** The formatter extension of that name is listed; default: not. */
  readonly reqWithoutQuery?: boolean;
  /** What the text becomes part of: a line (default), a JSON string, or a body, where nothing is escaped. */
  readonly within?: keyof typeof ESCAPES;
}

export const scopeOf = (options: FormatOptions): CommandScope => ({
  environment: options.environment ?? EMPTY_ENVIRONMENT,
  reqWithoutQuery: options.reqWithoutQuery ?? false,
});

/** Throws ConfigError that names what is wrong: a command that does not exist, bad arguments. */
export function compileFormat(text: string, options: FormatOptions = {}): Formatter {
  const missing = options.missing ?? '-';
  const within = options.within ?? 'line';
  const escape = ESCAPES[within];
  // A line's own newlines stay.
  const literal = within === 'line' ? byteText : (part: string): string => escape(byteText(part));
  const scope = scopeOf(options);
  const literals = [''];
  const fields: Field[] = [];
  let needsMeter = false;
  for (const part of parseFormat(text)) {
    if (typeof part === 'string') {
      literals[literals.length - 1] += literal(part);
      continue;
    }
    const field = compileField(part, scope);
    if (field.kind === 'constant')
      literals[literals.length - 1] += field.value === null ? missing : escape(String(field.value));
    else {
      needsMeter ||= field.needsMeter === true;
      fields.push(field.get);
      literals.push('');
    }
  }
  const parts = { literals, fields, missing, needsMeter };
  return within === 'line' ? new TextFormatter(parts) : new PartFormatter(parts, escape);
}

interface TextParts {
  /** One more than fields: text before, between and after them. */
  readonly literals: readonly string[];
  readonly fields: readonly Field[];
  readonly missing: string;
  readonly needsMeter: boolean;
}

/** Each value is escaped by itself: one that is no UTF-8 leaves the others readable. */
class PartFormatter implements Formatter {
  readonly needsMeter: boolean;
  readonly #parts: TextParts;
  readonly #escape: (text: string) => string;

  constructor(parts: TextParts, escape: (text: string) => string) {
    this.needsMeter = parts.needsMeter;
    this.#parts = parts;
    this.#escape = escape;
  }

  format(entry: AccessLogEntry): string {
    const { literals, fields, missing } = this.#parts;
    let text = literals[0]!;
    for (let i = 0; i < fields.length; i++) {
      const value = fields[i]!(entry);
      text += value === null ? missing : typeof value === 'string' ? this.#escape(value) : value;
      text += literals[i + 1]!;
    }
    return text;
  }
}

class TextFormatter implements Formatter {
  readonly needsMeter: boolean;
  readonly #literals: readonly string[];
  readonly #fields: readonly Field[];
  readonly #missing: string;
  readonly #newlines: number;
  readonly #returns: number;
  readonly #nuls: number;

  constructor({ literals, fields, missing, needsMeter }: TextParts) {
    const all = literals.join('');
    this.needsMeter = needsMeter;
    this.#literals = literals;
    this.#fields = fields;
    this.#missing = missing;
    this.#newlines = countOf(all, '\n');
    this.#returns = countOf(all, '\r');
    this.#nuls = countOf(all, '\0');
  }

  format(entry: AccessLogEntry): string {
    const literals = this.#literals;
    const fields = this.#fields;
    let line = literals[0]!;
    for (let i = 0; i < fields.length; i++) {
      const value = fields[i]!(entry);
      line += value === null ? this.#missing : value;
      line += literals[i + 1]!;
    }
    // Looking over the finished line once is cheaper than over each value; it is next to never found wanting.
    return this.#clean(line) ? line : this.#formatEscaped(entry);
  }

  #clean(line: string): boolean {
    return (
      countOf(line, '\n') === this.#newlines &&
      countOf(line, '\r') === this.#returns &&
      countOf(line, '\0') === this.#nuls
    );
  }

  #formatEscaped(entry: AccessLogEntry): string {
    let line = this.#literals[0]!;
    this.#fields.forEach((field, i) => {
      const value = field(entry);
      line += value === null ? this.#missing : escapeControls(String(value));
      line += this.#literals[i + 1]!;
    });
    return line;
  }
}
