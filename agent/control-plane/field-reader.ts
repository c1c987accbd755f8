// [m] FieldReader: typed reading of one field of a YAML document; every mistake becomes a problem with path and line.
import { RE2JS } from 're2js';

import { parseDurationMs } from '../durations.ts';
import type { FieldKey } from './yaml-document.ts';

/** Where problems of one document go. */
export interface ProblemSink {
  error(keys: readonly FieldKey[], message: string): void;
  warning(keys: readonly FieldKey[], message: string): void;
}

export function pathOf(keys: readonly FieldKey[]): string {
  let path = '';
  for (const key of keys) {
    if (typeof key === 'number') path += `[${key}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(key)) path += path === '' ? key : `.${key}`;
    else path += `[${JSON.stringify(key)}]`;
  }
  return path;
}

const show = (value: unknown): string => {
  const text =
    value instanceof Map ? 'a mapping' : Array.isArray(value) ? 'a list' : JSON.stringify(value);
  return text === undefined ? 'nothing' : text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

/** A field that may be absent: readers of absent fields return undefined and report nothing. */
export class FieldReader {
  readonly #value: unknown;
  readonly #keys: readonly FieldKey[];
  readonly #sink: ProblemSink;

  constructor(value: unknown, keys: readonly FieldKey[], sink: ProblemSink) {
    this.#value = value;
    this.#keys = keys;
    this.#sink = sink;
  }

  get present(): boolean {
    return this.#value !== undefined && this.#value !== null;
  }

  get isText(): boolean {
    return typeof this.#value === 'string';
  }

  fail(message: string): undefined {
    this.#sink.error(this.#keys, message);
  }

  warn(message: string): void {
    this.#sink.warning(this.#keys, message);
  }

  #refuse(wanted: string): undefined {
    return this.fail(`must be ${wanted}, not ${show(this.#value)}`);
  }

  /** The field `key` of this mapping; absent when this is absent. */
  at(key: string): FieldReader {
    const value: unknown = this.#value instanceof Map ? this.#value.get(key) : undefined;
    return new FieldReader(value, [...this.#keys, key], this.#sink);
  }

  /** Reports what is no mapping, and every key that is not in `names`. */
  object(names: readonly string[]): this {
    if (!this.present) return this;
    if (!(this.#value instanceof Map)) {
      this.#refuse('a mapping');
      return this;
    }
    for (const key of this.#value.keys()) {
      if (typeof key === 'string' && names.includes(key)) continue;
      this.at(String(key)).fail(`is not a known field here; known are ${names.join(', ')}`);
    }
    return this;
  }

  /** Fields that Istio has and this control plane has not: refused, since leaving them out would change the traffic. */
  unsupported(names: readonly string[]): this {
    for (const name of names) {
      const field = this.at(name);
      if (field.present)
        field.fail('is not supported by the embedded control plane; remove it or use istiod');
    }
    return this;
  }

  required(): this {
    if (!this.present) this.fail('is required');
    return this;
  }

  items(): FieldReader[] {
    if (!this.present) return [];
    if (!Array.isArray(this.#value)) {
      this.#refuse('a list');
      return [];
    }
    return this.#value.map(
      (item: unknown, at) => new FieldReader(item, [...this.#keys, at], this.#sink),
    );
  }

  /** Keys that YAML reads as numbers (`8081:`) come as text. */
  entries(): [string, FieldReader][] {
    if (!this.present) return [];
    if (!(this.#value instanceof Map)) {
      this.#refuse('a mapping');
      return [];
    }
    const pairs: [unknown, unknown][] = [...this.#value.entries()];
    return pairs.map(([key, value]) => [
      String(key),
      new FieldReader(value, [...this.#keys, String(key)], this.#sink),
    ]);
  }

  text(): string | undefined {
    if (!this.present) return undefined;
    return typeof this.#value === 'string'
      ? this.#value
      : this.#refuse('a text (put it in quotes)');
  }

  /** Empty and reported when absent. */
  requiredText(): string {
    const text = this.text();
    if (text === '' || !this.present) this.fail('is required');
    return text ?? '';
  }

  flag(): boolean | undefined {
    if (!this.present) return undefined;
    return typeof this.#value === 'boolean' ? this.#value : this.#refuse('true or false');
  }

  integer(least: number, most: number): number | undefined {
    if (!this.present) return undefined;
    const value = this.#value;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most)
      return value;
    return this.#refuse(`a whole number from ${least} to ${most}`);
  }

  port(): number | undefined {
    return this.integer(1, 65535);
  }

  number(least: number, most: number): number | undefined {
    if (!this.present) return undefined;
    const value = this.#value;
    return typeof value === 'number' && value >= least && value <= most
      ? value
      : this.#refuse(`a number from ${least} to ${most}`);
  }

  durationMs(): number | undefined {
    if (!this.present) return undefined;
    const ms =
      typeof this.#value === 'string' && this.#value.length <= 40
        ? parseDurationMs(this.#value)
        : undefined;
    return ms ?? this.#refuse('a duration such as 2s or 250ms');
  }

  choice<T extends string>(choices: readonly T[]): T | undefined {
    if (!this.present) return undefined;
    const found = choices.find((choice) => choice === this.#value);
    return found ?? this.#refuse(`one of ${choices.join(', ')}`);
  }

  texts(): string[] {
    return this.items().flatMap((item) => item.text() ?? []);
  }

  textMap(): ReadonlyMap<string, string> {
    const map = new Map<string, string>();
    for (const [key, field] of this.entries()) {
      const text = field.text();
      if (text !== undefined) map.set(key, text);
    }
    return map;
  }

  /** RE2 syntax, as Envoy will compile it. */
  regex(): string | undefined {
    const text = this.text();
    if (text === undefined) return undefined;
    if (text.length > 4096) return this.fail('is longer than 4096 characters');
    try {
      RE2JS.compile(text);
      return text;
    } catch (error) {
      return this.fail(
        `is no RE2 expression: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}
