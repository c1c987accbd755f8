// [b] MetadataMatcher: a compiled envoy.type.matcher.v3.MetadataMatcher over the dynamic metadata of a stream
// (envoy-behaviour §3.2).
import type { MetadataMatchConfig, ValueMatchConfig } from '../config/matcher-config.ts';
import type { DynamicMetadata, MetadataValue } from '../stream-info/dynamic-metadata.ts';
import { StringMatcher } from './string-matcher.ts';

type Test = (value: MetadataValue | undefined) => boolean;

export class MetadataMatcher {
  readonly #namespace: string;
  readonly #path: readonly string[];
  readonly #test: Test;
  readonly #invert: boolean;

  /** Throws ConfigError with `place` for a bad regex. */
  constructor(config: MetadataMatchConfig, place: string) {
    this.#namespace = config.namespace;
    this.#path = config.path;
    this.#test = compileTest(config.value, `${place}.value`);
    this.#invert = config.invert;
  }

  /** Null: nobody wrote any. */
  matches(metadata: DynamicMetadata | null): boolean {
    const value = metadata === null ? undefined : metadata.value(this.#namespace, this.#path);
    return this.#test(value) !== this.#invert;
  }

  explain(): string {
    return `dynamic metadata ${this.#namespace} ${this.#path.join('.')}${this.#invert ? ' not' : ''}`;
  }
}

function compileTest(config: ValueMatchConfig, place: string): Test {
  switch (config.kind) {
    case 'null':
      return (value) => value === null;
    case 'present':
      return config.present ? (value): boolean => value !== undefined : (): boolean => false;
    case 'bool':
    case 'number':
      return (value) => value === config.value;
    case 'range':
      return (value) => typeof value === 'number' && value >= config.start && value < config.end;
    case 'string': {
      const matcher = new StringMatcher(config.match, `${place}.string_match`);
      return (value) => typeof value === 'string' && matcher.matches(value);
    }
    case 'any_element': {
      const test = compileTest(config.match, `${place}.list_match.one_of`);
      return (value) => Array.isArray(value) && (value as readonly MetadataValue[]).some(test);
    }
    case 'or': {
      const tests = config.matches.map((match, i) =>
        compileTest(match, `${place}.or_match.value_matchers[${i}]`),
      );
      return (value) => tests.some((test) => test(value));
    }
  }
}
