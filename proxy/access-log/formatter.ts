// [w] %COMMAND(arg)% text compiled once (envoy-behaviour §11.1). A value can not leave its line: control characters in
// values are written out (Envoy lets a decoded QUERY_PARAM put a newline there; that is not copied).
import { compileField } from './compile-field.ts';
import { parseFormat } from './format-command.ts';
import { byteText, countOf, escapeControls } from './log-text.ts';
import type { CommandScope } from './compile-field.ts';
import type { Field, FormatEnvironment } from './field.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';

export interface Formatter {
  /** Entries it prints have to have a StreamMeter. */
  readonly needsMeter: boolean;
  /** A byte string: one character a byte (log-text.ts). No newline is added. */
  format(entry: AccessLogEntry): string;
}

export interface FormatOptions {
  /** In place of a missing value: `-` (default) for logs, '' for header values and `omit_empty_values`. */
  readonly missing?: '-' | '';
  /** Default: nothing is known. */
  readonly environment?: FormatEnvironment;
  /** The formatter extension of that name is listed; default: not. */
  readonly reqWithoutQuery?: boolean;
  /** Control characters are left as they are, for texts that are escaped as a whole afterwards (JSON). */
  readonly raw?: boolean;
}

export const EMPTY_ENVIRONMENT: FormatEnvironment = { hostname: undefined, variables: new Map() };

export const scopeOf = (options: FormatOptions): CommandScope => ({
  environment: options.environment ?? EMPTY_ENVIRONMENT,
  reqWithoutQuery: options.reqWithoutQuery ?? false,
});

/** Throws ConfigError that names what is wrong: a command that does not exist, bad arguments. */
export function compileFormat(text: string, options: FormatOptions = {}): Formatter {
  const missing = options.missing ?? '-';
  const clean = options.raw === true ? (value: string): string => value : escapeControls;
  const scope = scopeOf(options);
  const literals = [''];
  const fields: Field[] = [];
  let needsMeter = false;
  for (const part of parseFormat(text)) {
    if (typeof part === 'string') {
      literals[literals.length - 1] += byteText(part);
      continue;
    }
    const field = compileField(part, scope);
    if (field.kind === 'constant')
      literals[literals.length - 1] += field.value === null ? missing : clean(String(field.value));
    else {
      needsMeter ||= field.needsMeter === true;
      fields.push(field.get);
      literals.push('');
    }
  }
  return new TextFormatter({ literals, fields, missing, needsMeter, raw: options.raw === true });
}

interface TextParts {
  /** One more than fields: text before, between and after them. */
  readonly literals: readonly string[];
  readonly fields: readonly Field[];
  readonly missing: string;
  readonly needsMeter: boolean;
  readonly raw: boolean;
}

class TextFormatter implements Formatter {
  readonly needsMeter: boolean;
  readonly #literals: readonly string[];
  readonly #fields: readonly Field[];
  readonly #missing: string;
  readonly #raw: boolean;
  readonly #newlines: number;
  readonly #returns: number;
  readonly #nuls: number;

  constructor({ literals, fields, missing, needsMeter, raw }: TextParts) {
    const all = literals.join('');
    this.needsMeter = needsMeter;
    this.#literals = literals;
    this.#fields = fields;
    this.#missing = missing;
    this.#raw = raw;
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
    return this.#raw || this.#clean(line) ? line : this.#formatEscaped(entry);
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
