// [m] Query of an admin request: decoded, bounded; boolean parameters count by presence, empty ones as not given.

/** Of the query, or of a form in the body. */
export const MAX_QUERY_CHARS = 16_384;
const MAX_PARAMETERS = 256;

export class AdminQuery {
  readonly #values: ReadonlyMap<string, string>;

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  /** `a=1&b`. The first of several values counts. */
  static parse(text: string): AdminQuery {
    const values = new Map<string, string>();
    for (const [name, value] of new URLSearchParams(text)) {
      if (values.size >= MAX_PARAMETERS) break;
      if (!values.has(name)) values.set(name, value);
    }
    return new AdminQuery(values);
  }

  get size(): number {
    return this.#values.size;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Undefined: not given, or empty. */
  get(name: string): string | undefined {
    const value = this.#values.get(name);
    return value === '' ? undefined : value;
  }

  entries(): readonly (readonly [name: string, value: string])[] {
    return [...this.#values];
  }
}
