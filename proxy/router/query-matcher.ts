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
