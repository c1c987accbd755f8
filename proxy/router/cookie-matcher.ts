// [b] CookieMatcher: a compiled envoy.config.route.v3.CookieMatcher. A cookie that is missing matches only inverted.
import type { CookieMatchConfig } from '../config/matcher-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { cookieValue } from './cookies.ts';
import { StringMatcher } from './string-matcher.ts';
import { wireText } from './wire-text.ts';

export class CookieMatcher {
  readonly #name: string;
  readonly #match: StringMatcher;
  readonly #invert: boolean;

  /** Throws ConfigError with `place` for a bad regex. */
  constructor(config: CookieMatchConfig, place: string) {
    this.#name = wireText(config.name);
    this.#match = new StringMatcher(config.match, `${place}.string_match`);
    this.#invert = config.invert;
  }

  matches(headers: RequestHeaders): boolean {
    const value = cookieValue(headers, this.#name);
    return (value !== undefined && this.#match.matches(value)) !== this.#invert;
  }

  explain(): string {
    return `cookie ${this.#name} ${this.#invert ? 'not ' : ''}${this.#match.explain()}`;
  }
}
