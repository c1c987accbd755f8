// [m] One YAML file: its documents as Maps, with the line of every field. Bounded in size, documents, depth and aliases.
import { isCollection, LineCounter, parseAllDocuments } from 'yaml';
import type { Document } from 'yaml';

import type { ConfigProblem } from './config-problem.ts';

export const MAX_FILE_BYTES = 4 * 1024 * 1024;
const MAX_DOCUMENTS = 5000;
const MAX_ALIASES = 100;
const MAX_DEPTH = 64;

export type FieldKey = string | number;

export interface YamlDocument {
  /** 1 for the first document of the file. */
  readonly index: number;
  /** Mappings are Maps, so that no key of a file can reach a prototype. */
  readonly value: unknown;
  /** The line of the field, or of the nearest parent that stands in the file. */
  lineOf(keys: readonly FieldKey[]): number;
}

export interface ParsedFile {
  readonly documents: readonly YamlDocument[];
  readonly problems: readonly ConfigProblem[];
}

function offsetOf(document: Document.Parsed, keys: readonly FieldKey[]): number {
  for (let length = keys.length; length > 0; length--) {
    const node: unknown = document.getIn(keys.slice(0, length), true);
    if (typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range)) {
      return Number(node.range[0]);
    }
  }
  return document.contents?.range[0] ?? document.range[0];
}

/** Nesting is bounded before the conversion, which recurses. */
function tooDeep(node: unknown, depth: number): boolean {
  if (!isCollection(node)) return false;
  if (depth >= MAX_DEPTH) return true;
  for (const item of node.items) {
    const child: unknown =
      typeof item === 'object' && item !== null && 'value' in item && 'key' in item
        ? item.value
        : item;
    if (tooDeep(child, depth + 1)) return true;
  }
  return false;
}

class FileParser {
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #documents: YamlDocument[] = [];
  readonly #problems: ConfigProblem[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  #fail(document: number, line: number, message: string): void {
    this.#problems.push({ severity: 'error', file: this.#file, document, line, path: '', message });
  }

  parse(text: string): ParsedFile {
    const parsed = parseAllDocuments(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      uniqueKeys: true,
    });
    const documents = Array.isArray(parsed) ? parsed : [];
    if (documents.length > MAX_DOCUMENTS)
      this.#fail(0, 0, `has more than ${MAX_DOCUMENTS} documents; split it`);
    else documents.forEach((document, at) => this.#convert(document, at + 1));
    return { documents: this.#documents, problems: this.#problems };
  }

  #convert(document: Document.Parsed, index: number): void {
    for (const error of document.errors) {
      this.#fail(index, this.#lines.linePos(error.pos[0]).line, `is not YAML: ${error.message}`);
    }
    if (document.errors.length > 0 || document.contents === null) return;
    const lineOf = (keys: readonly FieldKey[]): number =>
      this.#lines.linePos(offsetOf(document, keys)).line;
    if (tooDeep(document.contents, 0)) {
      this.#fail(index, lineOf([]), `is nested deeper than ${MAX_DEPTH} levels`);
      return;
    }
    try {
      const value: unknown = document.toJS({ mapAsMap: true, maxAliasCount: MAX_ALIASES });
      if (value !== null) this.#documents.push({ index, value, lineOf });
    } catch (error) {
      this.#fail(
        index,
        lineOf([]),
        `is not YAML: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}

/** `file` is only a name for messages. */
export function parseYamlFile(file: string, text: string): ParsedFile {
  if (Buffer.byteLength(text) > MAX_FILE_BYTES) {
    const message = `is larger than ${MAX_FILE_BYTES} bytes; split it`;
    return {
      documents: [],
      problems: [{ severity: 'error', file, document: 0, line: 0, path: '', message }],
    };
  }
  try {
    return new FileParser(file).parse(text);
  } catch (error) {
    // The parser recurses on flow collections; a hostile depth ends here.
    const message = `is not YAML: ${error instanceof Error ? error.message : String(error)}`;
    return {
      documents: [],
      problems: [{ severity: 'error', file, document: 0, line: 0, path: '', message }],
    };
  }
}
