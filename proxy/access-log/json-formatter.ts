// [w] JSON access logs (envoy-behaviour §11.1): keys sorted, a command alone keeps its type, null where it is missing.
import { compileField } from './compile-field.ts';
import { formatError, parseFormat } from './format-command.ts';
import { compileFormat, scopeOf } from './formatter.ts';
import { byteText } from '../base/byte-text.ts';
import { jsonString } from './log-text.ts';
import { numberText } from './metadata-value.ts';
import type { FieldValue } from './field.ts';
import type { FormatCommand } from './format-command.ts';
import type { FormatOptions, Formatter } from './formatter.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';

/** Writes one JSON value. Undefined: nothing to print, so that the key is left out (`omit_empty_values`). */
type JsonWriter = (entry: AccessLogEntry) => string | undefined;

/** Deeper formats are refused. */
const MAX_DEPTH = 32;

/** `json` is the text of the format struct. Lines end with a newline. Throws ConfigError. */
export function compileJsonFormat(
  json: string,
  omitEmptyValues: boolean,
  options: FormatOptions = {},
): Formatter {
  const compiler = new JsonCompiler(options, omitEmptyValues);
  const writer = compiler.node(parseStruct(json), 0);
  return {
    needsMeter: compiler.needsMeter,
    format: (entry) => `${writer(entry) ?? '{}'}\n`,
  };
}

function parseStruct(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw formatError(`json_format is no JSON: ${String(error)}`);
  }
}

const constant =
  (text: string | undefined): JsonWriter =>
  () =>
    text;

class JsonCompiler {
  needsMeter = false;
  readonly #options: FormatOptions;
  readonly #omitEmpty: boolean;

  constructor(options: FormatOptions, omitEmpty: boolean) {
    this.#options = options;
    this.#omitEmpty = omitEmpty;
  }

  node(node: unknown, depth: number): JsonWriter {
    if (depth > MAX_DEPTH) throw formatError(`json_format is nested deeper than ${MAX_DEPTH}`);
    if (typeof node === 'string') return this.#text(node);
    if (Array.isArray(node)) return this.#list(node, depth);
    if (typeof node === 'object' && node !== null) return this.#object(node, depth);
    if (node === null) return constant(this.#missing);
    return constant(typeof node === 'number' ? numberText(node) : JSON.stringify(node));
  }

  get #missing(): string | undefined {
    return this.#omitEmpty ? undefined : 'null';
  }

  #text(text: string): JsonWriter {
    const parts = parseFormat(text);
    const [first] = parts;
    if (parts.every((part) => typeof part === 'string'))
      return constant(jsonString(byteText(parts.join(''))));
    if (parts.length === 1 && first !== undefined && typeof first !== 'string')
      return this.#loneCommand(first);
    const formatter = compileFormat(text, {
      ...this.#options,
      missing: this.#omitEmpty ? '' : '-',
      within: 'json',
    });
    this.needsMeter ||= formatter.needsMeter;
    return (entry) => `"${formatter.format(entry)}"`;
  }

  #loneCommand(command: FormatCommand): JsonWriter {
    const field = compileField(command, scopeOf(this.#options));
    const missing = this.#missing;
    if (field.kind === 'constant') return constant(typed(field.value, missing));
    this.needsMeter ||= field.needsMeter === true;
    const { get, json } = field;
    if (json !== undefined) return (entry) => json(entry) ?? missing;
    return (entry) => typed(get(entry), missing);
  }

  #list(list: readonly unknown[], depth: number): JsonWriter {
    const writers = list.map((item) => this.node(item, depth + 1));
    return (entry) => {
      let text = '[';
      for (const writer of writers) {
        const value = writer(entry);
        if (value !== undefined) text += text.length === 1 ? value : `,${value}`;
      }
      return `${text}]`;
    };
  }

  #object(node: object, depth: number): JsonWriter {
    const fields = Object.entries(node)
      .map(([key, value]): readonly [string, unknown] => [byteText(key), value])
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, value]) => ({
        key: `${jsonString(key)}:`,
        writer: this.node(value, depth + 1),
      }));
    const omitEmpty = this.#omitEmpty;
    return (entry) => {
      let text = '';
      for (const { key, writer } of fields) {
        const value = writer(entry);
        if (value !== undefined) text += `${text === '' ? '{' : ','}${key}${value}`;
      }
      if (text === '') return omitEmpty && depth > 0 ? undefined : '{}';
      return `${text}}`;
    };
  }
}

function typed(value: FieldValue, missing: string | undefined): string | undefined {
  if (value === null) return missing;
  return typeof value === 'number' ? String(value) : jsonString(value);
}
