// [m] FieldReader: one message while it is decoded, with the path that leads to it and the collector of what is wrong.
// The checks that every decoder needs live here: required, bounded numbers, durations, enums of a newer API, oneofs.
import type { Duration } from '../../xds-protos/well-known-types.ts';
import { fieldPath } from './config-problems.ts';
import type { ConfigProblems } from './config-problems.ts';

type Element<V> = NonNullable<V> extends readonly (infer E)[] ? E : never;
type MessageElement<V> = Element<V> & object;
type MapValue<V> = NonNullable<V> extends ReadonlyMap<string, infer E> ? E : never;
type EnumName<V> = Extract<NonNullable<V>, string>;
type Key<T> = keyof T & string;
/** Keys of T whose value may be an X. */
type KeyOf<T, X> = { [K in Key<T>]-?: NonNullable<T[K]> extends X ? K : never }[Key<T>];

/** As in protobuf's Duration: about ten thousand years. */
const MAX_DURATION_SECONDS = 315_576_000_000;

export class FieldReader<T extends object> {
  readonly message: T;
  readonly path: string;
  readonly problems: ConfigProblems;

  constructor(message: T, path: string, problems: ConfigProblems) {
    this.message = message;
    this.path = path;
    this.problems = problems;
  }

  pathOf(field: string): string {
    return fieldPath(this.path, field);
  }

  /** Records what is wrong with `field`; '' means the message itself. */
  problem(field: string, message: string): void {
    this.problems.add(field === '' ? this.path : this.pathOf(field), message);
  }

  has(field: Key<T>): boolean {
    return this.message[field] !== undefined;
  }

  /** A message field, undefined when absent. */
  child<K extends Key<T>>(field: K): FieldReader<NonNullable<T[K]> & object> | undefined {
    const value = this.message[field];
    if (value === undefined || value === null) return undefined;
    return new FieldReader(value as NonNullable<T[K]> & object, this.pathOf(field), this.problems);
  }

  /** A message field that has to be there. */
  required<K extends Key<T>>(field: K): FieldReader<NonNullable<T[K]> & object> | undefined {
    const child = this.child(field);
    if (child === undefined) this.problem(field, 'is required');
    return child;
  }

  /** Elements of a repeated message field. */
  children<K extends Key<T>>(field: K): readonly FieldReader<MessageElement<T[K]>>[] {
    const list = this.message[field] as readonly MessageElement<T[K]>[] | undefined;
    if (list === undefined) return [];
    const path = this.pathOf(field);
    return list.map(
      (element, index) => new FieldReader(element, `${path}[${index}]`, this.problems),
    );
  }

  /** Values of a map of messages, sorted by key: the wire has no order. */
  entries<K extends Key<T>>(
    field: K,
  ): readonly (readonly [key: string, value: FieldReader<MapValue<T[K]> & object>])[] {
    const map = this.message[field] as ReadonlyMap<string, MapValue<T[K]> & object> | undefined;
    if (map === undefined) return [];
    const path = this.pathOf(field);
    return [...map.keys()]
      .sort()
      .map(
        (key) =>
          [
            key,
            new FieldReader(map.get(key)!, `${path}[${JSON.stringify(key)}]`, this.problems),
          ] as const,
      );
  }

  /** A string that must not be empty. */
  requiredString(field: KeyOf<T, string>): string {
    const value = (this.message[field] as string | undefined) ?? '';
    if (value === '') this.problem(field, 'is required');
    return value;
  }

  string(field: KeyOf<T, string>): string {
    return (this.message[field] as string | undefined) ?? '';
  }

  /** Undefined when absent or empty: what Envoy treats as "not said". */
  nonEmpty(field: KeyOf<T, string>): string | undefined {
    const value = this.message[field] as string | undefined;
    return value === '' ? undefined : value;
  }

  bool(field: KeyOf<T, boolean>, fallback = false): boolean {
    return (this.message[field] as boolean | undefined) ?? fallback;
  }

  /** A number within [min, max]; `fallback` when absent. */
  number(
    field: KeyOf<T, number | bigint>,
    fallback: number,
    min = 0,
    max: number = Number.MAX_SAFE_INTEGER,
  ): number {
    return this.optionalNumber(field, min, max) ?? fallback;
  }

  optionalNumber(
    field: KeyOf<T, number | bigint>,
    min = 0,
    max: number = Number.MAX_SAFE_INTEGER,
  ): number | undefined {
    const raw = this.message[field] as number | bigint | undefined;
    if (raw === undefined) return undefined;
    const value = Number(raw);
    if (value >= min && value <= max) return value;
    const allowed =
      max === Number.MAX_SAFE_INTEGER ? `at least ${min}` : `between ${min} and ${max}`;
    this.problem(field, `must be ${allowed}, is ${raw}`);
    return undefined;
  }

  /** Milliseconds; `fallback` when absent. Negative and over-long durations are problems. */
  durationMs(field: KeyOf<T, Duration>, fallback: number): number {
    return this.optionalDurationMs(field) ?? fallback;
  }

  optionalDurationMs(field: KeyOf<T, Duration>): number | undefined {
    const duration = this.message[field] as Duration | undefined;
    if (duration === undefined) return undefined;
    const { seconds, nanos } = duration;
    if (seconds < 0 || nanos < 0 || seconds > MAX_DURATION_SECONDS) {
      this.problem(
        field,
        `must be a duration between 0s and ${MAX_DURATION_SECONDS}s, is ${seconds}s ${nanos}ns`,
      );
      return undefined;
    }
    return seconds * 1000 + Math.trunc(nanos / 1_000_000);
  }

  /** A duration above zero. */
  positiveDurationMs(field: KeyOf<T, Duration>, fallback: number): number {
    const value = this.optionalDurationMs(field);
    if (value === undefined) return fallback;
    const duration = this.message[field] as Duration;
    if (duration.seconds === 0 && duration.nanos === 0)
      this.problem(field, 'must be greater than 0s');
    return value;
  }

  /** The name of an enum value; a number of a newer API is a problem. */
  enumName<K extends Key<T>>(field: K, fallback: EnumName<T[K]>): EnumName<T[K]> {
    const value = this.message[field] as EnumName<T[K]> | number | undefined;
    if (value === undefined) return fallback;
    if (typeof value === 'number') {
      this.problem(field, `unknown enum value ${value}`);
      return fallback;
    }
    return value;
  }

  /** Adds a problem when `field` is set: a part of the API this version has not built and must not ignore. */
  refuse(field: Key<T>, what = 'is not supported by this version'): void {
    const value = this.message[field];
    if (value === undefined || value === false || (Array.isArray(value) && value.length === 0))
      return;
    this.problem(field, what);
  }
}
