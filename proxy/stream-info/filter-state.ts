// [w] FilterState: named objects that filters keep for one stream (Envoy's StreamInfo::FilterState).

/** Text is byte strings, as in dynamic metadata. */
export interface FilterStateObject {
  /** As `%FILTER_STATE(key:PLAIN)%` reads it; null: has no text. */
  readonly text: string | null;
  /** As `%FILTER_STATE(key)%` prints it: JSON; absent: has no such form. */
  readonly json?: string | undefined;
  /** Single fields, for `%FILTER_STATE(key:FIELD:name)%`; absent: has none. */
  readonly fields?: ReadonlyMap<string, string | number> | undefined;
  /** Hash policies take its text. */
  readonly hashable?: true;
  /** Of objects that are lists of names. */
  readonly list?: readonly string[] | undefined;
  /** Of objects that are addresses: for address matchers. */
  readonly ip?: string | undefined;
}

export class FilterState {
  readonly #objects = new Map<string, FilterStateObject>();
  readonly #parent: FilterState | undefined;

  /** `parent`: of the connection, whose objects its streams see. */
  constructor(parent?: FilterState) {
    this.#parent = parent;
  }

  get(key: string): FilterStateObject | undefined {
    return this.#objects.get(key) ?? this.#parent?.get(key);
  }

  /** Envoy 1.40 lets read-only objects be replaced, too. */
  set(key: string, object: FilterStateObject): void {
    this.#objects.set(key, object);
  }
}
