// [m] Collector of an operator's mistakes while a message is decoded: all of them, each with its field path.
import { ConfigError } from '../config/config-error.ts';
import type { ConfigProblem } from '../config/config-error.ts';

/** Enough to repair a file by; a resource of a hundred thousand faults must not become a message of as many lines. */
const MAX_PROBLEMS = 50;

export class ConfigProblems {
  readonly #problems: ConfigProblem[] = [];
  #dropped = 0;

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
    if (this.#problems.length === 0) return;
    const all = [...this.#problems];
    if (this.#dropped > 0) all.push({ path: '', message: `and ${this.#dropped} more problems` });
    throw new ConfigError(all);
  }
}

/** `parent.field`, and `field` at the root. */
export const fieldPath = (parent: string, field: string): string =>
  parent === '' ? field : `${parent}.${field}`;
