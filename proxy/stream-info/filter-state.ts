// [w] FilterState: named objects that filters keep for one stream (Envoy's StreamInfo::FilterState).

export interface FilterStateObject {
  /** As `%FILTER_STATE(key:PLAIN)%` and hash policies read it; null: has no text. */
  readonly text: string | null;
  /** Single fields, for `%FILTER_STATE(key:FIELD:name)%`; absent: has none. */
  readonly fields?: ReadonlyMap<string, string | number> | undefined;
}

export class FilterState {
  readonly #objects = new Map<
    string,
    { readonly object: FilterStateObject; readonly readOnly: boolean }
  >();

  get(key: string): FilterStateObject | undefined {
    return this.#objects.get(key)?.object;
  }

  /** False, and nothing is changed, where the key holds a read-only object. */
  set(key: string, object: FilterStateObject, readOnly = false): boolean {
    if (this.#objects.get(key)?.readOnly === true) return false;
    this.#objects.set(key, { object, readOnly });
    return true;
  }
}
