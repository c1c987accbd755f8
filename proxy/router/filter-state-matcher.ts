// [b] FilterStateMatcher: a compiled envoy.type.matcher.v3.FilterStateMatcher. A missing object never matches.
import type { FilterStateMatchConfig } from '../config/matcher-config.ts';
import { Cidr, parseIp } from '../network/address.ts';
import type { FilterState } from '../stream-info/filter-state.ts';
import { StringMatcher } from './string-matcher.ts';

export class FilterStateMatcher {
  readonly #key: string;
  readonly #string: StringMatcher | null;
  readonly #ranges: readonly Cidr[];
  readonly #invert: boolean;

  /** Throws ConfigError with `place` for a bad regex. */
  constructor(config: FilterStateMatchConfig, place: string) {
    const test = config.test;
    this.#key = config.key;
    this.#string =
      test.kind === 'string' ? new StringMatcher(test.match, `${place}.string_match`) : null;
    this.#ranges =
      test.kind === 'address'
        ? test.ranges.map(({ address, prefixLength }) => new Cidr(address, prefixLength))
        : [];
    this.#invert = test.kind === 'address' && test.invert;
  }

  /** Null: nobody wrote any. */
  matches(state: FilterState | null): boolean {
    const object = state === null ? undefined : state.get(this.#key);
    if (object === undefined) return false;
    if (this.#string !== null) return object.text !== null && this.#string.matches(object.text);
    const ip = object.ip === undefined ? null : parseIp(object.ip);
    return ip !== null && this.#ranges.some((range) => range.contains(ip)) !== this.#invert;
  }

  explain(): string {
    return `filter state ${this.#key}`;
  }
}
