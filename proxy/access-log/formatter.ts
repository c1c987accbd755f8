// [w] %COMMAND(arg)% text compiled once (envoy-behaviour §11.1). A value can not leave its line: control characters in
// values are written out (Envoy lets a decoded QUERY_PARAM put a newline there; that is not copied).
import { compileField } from './format-fields.ts';
import { parseFormat } from './format-command.ts';
import { byteText, countOf, escapeControls } from './log-text.ts';
import type { Field, FormatEnvironment } from './format-fields.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';

export interface Formatter {
  /** A byte string: one character a byte (log-text.ts). No newline is added. */
  format(entry: AccessLogEntry): string;
}

export interface FormatOptions {
  /** In place of a missing value: `-` (default) for logs, '' for header values and `omit_empty_values`. */
  readonly missing?: '-' | '';
  /** Default: nothing is known. */
  readonly environment?: FormatEnvironment;
}

export const EMPTY_ENVIRONMENT: FormatEnvironment = { hostname: undefined, variables: new Map() };

/** Throws ConfigError that names what is wrong: a command that does not exist, bad arguments. */
export function compileFormat(text: string, options: FormatOptions = {}): Formatter {
  const missing = options.missing ?? '-';
  const literals = [''];
  const fields: Field[] = [];
  const fold = (literal: string): void => {
    literals[literals.length - 1] += literal;
  };
  for (const part of parseFormat(text)) {
    if (typeof part === 'string') {
      fold(byteText(part));
      continue;
    }
    const field = compileField(part, options.environment ?? EMPTY_ENVIRONMENT);
    if (typeof field !== 'function')
      fold(field.value === null ? missing : escapeControls(String(field.value)));
    else {
      fields.push(field);
      literals.push('');
    }
  }
  return new TextFormatter(literals, fields, missing);
}

class TextFormatter implements Formatter {
  /** One more than fields: text before, between and after them. */
  readonly #literals: readonly string[];
  readonly #fields: readonly Field[];
  readonly #missing: string;
  readonly #newlines: number;
  readonly #returns: number;
  readonly #nuls: number;

  constructor(literals: readonly string[], fields: readonly Field[], missing: string) {
    const all = literals.join('');
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
