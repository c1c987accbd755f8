// [b] Runtime: a snapshot of runtime values, asked where Envoy asks its own (envoy-behaviour §15). Keys are flat;
// values are text as layers give it: a number, a boolean, or a FractionalPercent as JSON.

export interface Fraction {
  readonly numerator: number;
  readonly denominator: number;
}

interface RuntimeValue {
  /** A number that is not negative, and its whole part; else undefined. */
  readonly number: number | undefined;
  readonly integer: number | undefined;
  readonly flag: boolean | undefined;
  /** A number is a percentage. */
  readonly fraction: Fraction | undefined;
}

const DENOMINATORS: ReadonlyMap<unknown, number> = new Map<unknown, number>([
  [undefined, 100],
  ['HUNDRED', 100],
  [0, 100],
  ['TEN_THOUSAND', 10_000],
  [1, 10_000],
  ['MILLION', 1_000_000],
  [2, 1_000_000],
]);

export class Runtime {
  static readonly EMPTY = new Runtime(new Map());

  readonly #values = new Map<string, RuntimeValue>();

  constructor(values: ReadonlyMap<string, string>) {
    this.replace(values);
  }

  /** What was compiled from the values before has to be compiled again. */
  replace(values: ReadonlyMap<string, string>): void {
    this.#values.clear();
    for (const [key, text] of values) this.#values.set(key, parse(text));
  }

  /** Whether any key begins so. */
  hasKeys(prefix: string): boolean {
    for (const key of this.#values.keys()) if (key.startsWith(prefix)) return true;
    return false;
  }

  /** `fallback` where the key is '', unknown, or no number. */
  integer(key: string, fallback: number): number {
    return this.#values.get(key)?.integer ?? fallback;
  }

  /** As `integer`, with its fraction. */
  number(key: string, fallback: number): number {
    return this.#values.get(key)?.number ?? fallback;
  }

  /** `fallback` where the key is '', unknown, or neither `true` nor `false`. */
  flag(key: string, fallback: boolean): boolean {
    return this.#values.get(key)?.flag ?? fallback;
  }

  /** The fraction that `holds` would compare with: for what is compiled, again whenever values change. */
  fraction(key: string, fallback: Fraction): Fraction {
    return (key === '' ? undefined : this.#values.get(key)?.fraction) ?? fallback;
  }

  /** Whether `random` falls into the fraction that the key, or else `fallback`, says. An integer is a percentage. */
  holds(key: string, fallback: Fraction, random: number): boolean {
    return within(this.fraction(key, fallback), random);
  }
}

const within = (fraction: Fraction, random: number): boolean =>
  random % fraction.denominator < fraction.numerator;

function parse(text: string): RuntimeValue {
  if (!/^[0-9]+(\.[0-9]+)?$/.test(text)) {
    const flag = text === 'true' ? true : text === 'false' ? false : undefined;
    return { number: undefined, integer: undefined, flag, fraction: fractionOf(text) };
  }
  const number = Number(text);
  const integer = Math.trunc(number);
  return { number, integer, flag: undefined, fraction: { numerator: integer, denominator: 100 } };
}

function fractionOf(text: string): Fraction | undefined {
  if (!text.startsWith('{')) return undefined;
  let value: { readonly numerator?: unknown; readonly denominator?: unknown };
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    return undefined;
  }
  const denominator = DENOMINATORS.get(value.denominator);
  const { numerator } = value;
  if (denominator === undefined || typeof numerator !== 'number') return undefined;
  return { numerator, denominator };
}
