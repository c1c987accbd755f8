// Reads one option after the other from command line and environment, and collects every problem. [m]
import { flags, givenValue } from './flags.ts';
import type { Given } from './flags.ts';
import * as check from './option-values.ts';
import type { Checked } from './option-values.ts';

export type Variables = Readonly<Record<string, string | undefined>>;

export class OptionReader {
  readonly #commandLine: ReadonlyMap<string, Given>;
  readonly #environment: Variables;
  readonly #problems: string[];

  constructor(commandLine: ReadonlyMap<string, Given>, environment: Variables, problems: string[]) {
    this.#commandLine = commandLine;
    this.#environment = environment;
    this.#problems = problems;
  }

  one(name: string, checkValue: (text: string) => Checked, fallback: string): string {
    const given = this.given(name);
    return given === undefined || given.text === '' ? fallback : this.check(given, checkValue);
  }

  isOn(name: string, fallback = false): boolean {
    return this.one(name, check.checkBoolean, String(fallback)) === 'true';
  }

  /** Comma list; blanks around an item and empty items are let go. */
  list(
    name: string,
    checkValue: (text: string) => Checked,
    fallback: readonly string[],
  ): readonly string[] {
    const given = this.given(name);
    const items = given === undefined ? [] : this.checkList(given, checkValue);
    return items.length === 0 ? fallback : items;
  }

  listOrAll(name: string, checkValue: (text: string) => Checked): '*' | readonly string[] {
    return this.given(name)?.text.trim() === '*' ? '*' : this.list(name, checkValue, []);
  }

  variable(name: string): string | undefined {
    return this.#environment[name] || undefined;
  }

  check(given: Given, checkValue: (text: string) => Checked): string {
    const checked = checkValue(given.text);
    if ('value' in checked) return checked.value;
    const problem = `${given.source}: ${checked.reason}`;
    if (!this.#problems.includes(problem)) this.#problems.push(problem);
    return '';
  }

  checkList(given: Given, checkValue: (text: string) => Checked): readonly string[] {
    return given.text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .map((text) => this.check({ text, source: given.source }, checkValue));
  }

  refuse(name: string, reason: string): void {
    this.#problems.push(`${this.given(name)?.source ?? `--${name}`}: ${reason}`);
  }

  given(name: string): Given | undefined {
    const flag = flags.find((f) => f.name === name);
    if (flag === undefined) throw new Error(`no such flag: ${name}`);
    return givenValue(flag, this.#commandLine, this.#environment);
  }
}
