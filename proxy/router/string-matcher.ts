// [b] StringMatcher: a compiled envoy.type.matcher.v3.StringMatcher (envoy-behaviour §3.2).
import type { StringMatchConfig } from '../config/matcher-config.ts';
import { FullMatchRegex } from './regex.ts';
import { wireText } from './wire-text.ts';

/** One class and a switch: call sites stay monomorphic whatever the mix of kinds. */
export class StringMatcher {
  readonly #kind: StringMatchConfig['kind'];
  readonly #text: string;
  readonly #ignoreCase: boolean;
  readonly #regex: FullMatchRegex | null;

  /** Throws ConfigError with `place` for a bad regex. */
  constructor(config: StringMatchConfig, place: string) {
    this.#kind = config.kind;
    if (config.kind === 'regex') {
      this.#text = config.pattern;
      this.#ignoreCase = false;
      this.#regex = new FullMatchRegex(config.pattern, place);
    } else {
      this.#ignoreCase = config.ignoreCase;
      this.#text = wireText(config.ignoreCase ? asciiLowerCase(config.value) : config.value);
      this.#regex = null;
    }
  }

  matches(value: string): boolean {
    const subject = this.#ignoreCase ? asciiLowerCase(value) : value;
    switch (this.#kind) {
      case 'exact':
        return subject === this.#text;
      case 'prefix':
        return subject.startsWith(this.#text);
      case 'suffix':
        return subject.endsWith(this.#text);
      case 'contains':
        return subject.includes(this.#text);
      case 'regex':
        return this.#regex!.matches(subject);
    }
  }

  explain(): string {
    return `${this.#kind} '${this.#text}'${this.#ignoreCase ? ' ignoring case' : ''}`;
  }
}

/** ASCII only: `toLowerCase` would also change the latin1 letters À-Þ, which are bytes of UTF-8 here. */
export function asciiLowerCase(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return lowerCaseByByte(text);
  }
  return text.toLowerCase();
}

function lowerCaseByByte(text: string): string {
  let lower = '';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    lower += code >= 0x41 && code <= 0x5a ? String.fromCharCode(code + 32) : text[i]!;
  }
  return lower;
}
