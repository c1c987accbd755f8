// [b] HeaderMatcher: a compiled envoy.config.route.v3.HeaderMatcher (envoy-behaviour §3.2): each value of a name is
// tried on its own, and a missing header never matches a value test, inverted or not.
import type { HeaderMatchConfig } from '../config/matcher-config.ts';
import type { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import { StringMatcher } from './string-matcher.ts';

export class HeaderMatcher {
  readonly #name: HeaderName;
  readonly #pseudo: boolean;
  readonly #kind: HeaderMatchConfig['test']['kind'];
  readonly #present: boolean;
  readonly #string: StringMatcher | null;
  readonly #start: number;
  readonly #end: number;
  readonly #invert: boolean;
  readonly #missingIsEmpty: boolean;

  /** Throws ConfigError with `place` for a bad regex. */
  constructor(config: HeaderMatchConfig, place: string) {
    const name = headerName(config.name);
    const test = config.test;
    this.#name = name;
    this.#pseudo = name.text.startsWith(':') || name.text === 'host';
    this.#kind = test.kind;
    this.#present = test.kind === 'present' && test.present;
    this.#string = test.kind === 'string' ? new StringMatcher(test.match, place) : null;
    this.#start = test.kind === 'range' ? test.start : 0;
    this.#end = test.kind === 'range' ? test.end : 0;
    this.#invert = config.invert;
    this.#missingIsEmpty = config.treatMissingAsEmpty;
  }

  matches(headers: RequestHeaders | ResponseHeaders): boolean {
    const first = this.#pseudo ? headers.getAny(this.#name) : headers.get(this.#name);
    if (this.#kind === 'present') {
      const present = first !== undefined || this.#missingIsEmpty;
      return (present === this.#present) !== this.#invert;
    }
    if (first === undefined) return this.#missingIsEmpty && this.#test('') !== this.#invert;
    if (this.#test(first)) return !this.#invert;
    if (!this.#pseudo && !headers.isSingle(this.#name) && this.#anyOtherLine(headers))
      return !this.#invert;
    return this.#invert;
  }

  explain(): string {
    const not = this.#invert ? 'not ' : '';
    if (this.#kind === 'present')
      return `header ${this.#name.text} ${not}${this.#present ? 'present' : 'absent'}`;
    if (this.#kind === 'range')
      return `header ${this.#name.text} ${not}in [${this.#start}, ${this.#end})`;
    return `header ${this.#name.text} ${not}${this.#string!.explain()}`;
  }

  #anyOtherLine(headers: RequestHeaders | ResponseHeaders): boolean {
    const name = this.#name;
    for (let i = 0; i < headers.size; i++) {
      const at = headers.nameAt(i);
      if ((at === name || at.text === name.text) && this.#test(headers.valueAt(i))) return true;
    }
    return false;
  }

  #test(value: string): boolean {
    if (this.#string !== null) return this.#string.matches(value);
    const number = decimalInteger(value);
    return number >= this.#start && number < this.#end;
  }
}

/** All have to match. */
export function allHeadersMatch(
  matchers: readonly HeaderMatcher[],
  headers: RequestHeaders | ResponseHeaders,
): boolean {
  for (let i = 0; i < matchers.length; i++) if (!matchers[i]!.matches(headers)) return false;
  return true;
}

export function anyHeaderMatches(
  matchers: readonly HeaderMatcher[],
  headers: RequestHeaders | ResponseHeaders,
): boolean {
  for (let i = 0; i < matchers.length; i++) if (matchers[i]!.matches(headers)) return true;
  return false;
}

export function compileHeaderMatchers(
  configs: readonly HeaderMatchConfig[],
  place: string,
): HeaderMatcher[] {
  return configs.map((config, i) => new HeaderMatcher(config, `${place}[${i}]`));
}

/** Base-10 with an optional sign; NaN for anything else. Beyond 18 digits it is out of every range's reach. */
export function decimalInteger(text: string): number {
  const negative = text.charCodeAt(0) === 0x2d;
  const start = negative || text.charCodeAt(0) === 0x2b ? 1 : 0;
  if (text.length === start || text.length - start > 18) return NaN;
  let value = 0;
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}
