// [b] QueryMatcher: a compiled envoy.config.route.v3.QueryParameterMatcher. The first value counts and nothing is
// percent-decoded (envoy-behaviour §3.2).
import type { QueryMatchConfig } from '../config/matcher-config.ts';
import { StringMatcher } from './string-matcher.ts';
import { wireText } from './wire-text.ts';

export class QueryMatcher {
  readonly #name: string;
  readonly #present: boolean;
  readonly #string: StringMatcher | null;

  /** Throws ConfigError with `place` for a bad regex. */
  constructor(config: QueryMatchConfig, place: string) {
    this.#name = wireText(config.name);
    this.#present = config.test.kind === 'present' && config.test.present;
    this.#string =
      config.test.kind === 'string' ? new StringMatcher(config.test.match, place) : null;
  }

  /** `path` with its query. */
  matches(path: string): boolean {
    const value = queryParameter(path, this.#name);
    if (this.#string === null) return (value !== undefined) === this.#present;
    return value !== undefined && this.#string.matches(value);
  }

  explain(): string {
    const test =
      this.#string === null ? (this.#present ? 'present' : 'absent') : this.#string.explain();
    return `query parameter ${this.#name} ${test}`;
  }
}

const PERCENT = 0x25;

/** As `queryParameter`, with names and values percent-decoded: as filters read them, not routes. */
export function decodedQueryParameter(path: string, name: string): string | undefined {
  if (!path.includes('%')) return queryParameter(path, name);
  let start = path.indexOf('?') + 1;
  if (start === 0) return undefined;
  while (start <= path.length) {
    let end = path.indexOf('&', start);
    if (end < 0) end = path.length;
    const equals = path.indexOf('=', start);
    const bare = equals < 0 || equals > end;
    if (percentDecoded(path.slice(start, bare ? end : equals)) === name)
      return bare ? '' : percentDecoded(path.slice(equals + 1, end));
    start = end + 1;
  }
  return undefined;
}

/** What is no `%` with two hex digits stays as it is; so does `+`. */
export function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  let decoded = '';
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i) === PERCENT ? hexByte(text, i + 1) : -1;
    if (byte >= 0) i += 2;
    decoded += byte >= 0 ? String.fromCharCode(byte) : text[i]!;
  }
  return decoded;
}

/** -1 where there are no two hex digits. */
function hexByte(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at));
  const low = hexDigit(text.charCodeAt(at + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** First value of a parameter, raw; '' for a bare key; undefined when there is none. */
export function queryParameter(path: string, name: string): string | undefined {
  const question = path.indexOf('?');
  if (question < 0) return undefined;
  let start = question + 1;
  while (start <= path.length) {
    let end = path.indexOf('&', start);
    if (end < 0) end = path.length;
    if (path.startsWith(name, start)) {
      const after = start + name.length;
      if (after === end) return '';
      if (after < end && path.charCodeAt(after) === 0x3d) return path.slice(after + 1, end);
    }
    start = end + 1;
  }
  return undefined;
}
