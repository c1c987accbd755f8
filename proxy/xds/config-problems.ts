// [m] Collector of an operator's mistakes while a message is decoded: all of them, each with its field path.
import { ConfigError } from '../config/config-error.ts';
import type { ConfigProblem } from '../config/config-error.ts';
import type { FromJsonOptions } from '../../xds-protos/json-to-message.ts';
import type { DecodeOptions } from '../../xds-protos/message-decoder.ts';
import type { DecodingRules } from './decoding-rules.ts';

/** Enough to repair a file by; a resource of a hundred thousand faults must not become a message of as many lines. */
const MAX_PROBLEMS = 50;

/** Sees what of one resource is unknown, deprecated or left out; field-notices.ts fulfils it. */
export interface FieldObserver {
  readonly rules: DecodingRules;
  /** For the decoder of what stands at `path`; '' : the resource itself. */
  at(path: string): DecodeOptions;
  /** The same for JSON. */
  atJson(path: string): FromJsonOptions;
  onSkipped(what: string): void;
  /** All of it has been read. */
  settle(problems: ConfigProblems): void;
}

export class ConfigProblems {
  /** Undefined: fields are not watched, and what this version does not know or enforce is refused. */
  readonly watch: FieldObserver | undefined;
  readonly #problems: ConfigProblem[] = [];
  #dropped = 0;

  constructor(watch?: FieldObserver) {
    this.watch = watch;
  }

  add(path: string, message: string): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ path, message });
    else this.#dropped++;
  }

  get any(): boolean {
    return this.#problems.length > 0;
  }

  get count(): number {
    return this.#problems.length + this.#dropped;
  }

  /** Throws ConfigError when something was added. */
  throwIfAny(): void {
    this.watch?.settle(this);
    if (this.#problems.length === 0) return;
    const all = [...this.#problems];
    if (this.#dropped > 0) all.push({ path: '', message: `and ${this.#dropped} more problems` });
    throw new ConfigError(all);
  }
}

/** `parent.field`, and `field` at the root. */
export const fieldPath = (parent: string, field: string): string =>
  parent === '' ? field : `${parent}.${field}`;
