// [w] JSON access logs (envoy-behaviour §11.1): keys sorted, a command alone keeps its type, null where it is missing.
import { compileField } from './format-fields.ts';
import { formatError, parseFormat } from './format-command.ts';
import { compileFormat, EMPTY_ENVIRONMENT } from './formatter.ts';
import { byteText, jsonString } from './log-text.ts';
import type { Field, FieldValue } from './format-fields.ts';
import type { FormatOptions, Formatter } from './formatter.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';

/** Writes one JSON value. Undefined: nothing to print, so that the key is left out (`omit_empty_values`). */
type JsonWriter = (entry: AccessLogEntry) => string | undefined;

interface JsonOptions {
  readonly format: FormatOptions;
  readonly omitEmptyValues: boolean;
}

/** Deeper formats are refused. */
const MAX_DEPTH = 32;

/** `json` is the text of the format struct. Lines end with a newline. Throws ConfigError. */
export function compileJsonFormat(
  json: string,
  omitEmptyValues: boolean,
  options: FormatOptions = {},
): Formatter {
  const writer = compileNode(parseStruct(json), { format: options, omitEmptyValues }, 0);
  return { format: (entry) => `${writer(entry) ?? '{}'}\n` };
}

function parseStruct(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw formatError(`json_format is no JSON: ${String(error)}`);
  }
}

function compileNode(node: unknown, options: JsonOptions, depth: number): JsonWriter {
  if (depth > MAX_DEPTH) throw formatError(`json_format is nested deeper than ${MAX_DEPTH}`);
  if (typeof node === 'string') return compileText(node, options);
  if (Array.isArray(node)) return compileList(node, options, depth);
  if (typeof node === 'object' && node !== null) return compileObject(node, options, depth);
  if (node === null) return constant(options.omitEmptyValues ? undefined : 'null');
  return constant(JSON.stringify(node));
}

const constant =
  (text: string | undefined): JsonWriter =>
  () =>
    text;

function compileText(text: string, options: JsonOptions): JsonWriter {
  const parts = parseFormat(text);
  const [first] = parts;
  if (parts.every((part) => typeof part === 'string'))
    return constant(jsonString(byteText(parts.join(''))));
  if (parts.length === 1 && first !== undefined && typeof first !== 'string') {
    const field = compileField(first, options.format.environment ?? EMPTY_ENVIRONMENT);
    return typeof field === 'function'
      ? loneCommand(field, options)
      : constant(typed(field.value, options));
  }
  const formatter = compileFormat(text, {
    ...options.format,
    missing: options.omitEmptyValues ? '' : '-',
  });
  return (entry) => jsonString(formatter.format(entry));
}

const loneCommand =
  (field: Field, options: JsonOptions): JsonWriter =>
  (entry) =>
    typed(field(entry), options);

function typed(value: FieldValue, options: JsonOptions): string | undefined {
  if (value === null) return options.omitEmptyValues ? undefined : 'null';
  return typeof value === 'number' ? String(value) : jsonString(value);
}

function compileList(list: readonly unknown[], options: JsonOptions, depth: number): JsonWriter {
  const writers = list.map((item) => compileNode(item, options, depth + 1));
  return (entry) => {
    let text = '[';
    for (const writer of writers) {
      const value = writer(entry);
      if (value !== undefined) text += text.length === 1 ? value : `,${value}`;
    }
    return `${text}]`;
  };
}

function compileObject(node: object, options: JsonOptions, depth: number): JsonWriter {
  const fields = Object.entries(node)
    .map(([key, value]): readonly [string, unknown] => [byteText(key), value])
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, value]) => ({
      key: `${jsonString(key)}:`,
      writer: compileNode(value, options, depth + 1),
    }));
  return (entry) => {
    let text = '';
    for (const { key, writer } of fields) {
      const value = writer(entry);
      if (value !== undefined) text += `${text === '' ? '{' : ','}${key}${value}`;
    }
    if (text === '') return options.omitEmptyValues && depth > 0 ? undefined : '{}';
    return `${text}}`;
  };
}
