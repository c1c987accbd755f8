// [w] SubsetCriteria: what hosts a request wants (envoy-behaviour §7.7): metadata `envoy.lb` of its route, its weighted
// cluster and itself, those of the latter over the former.
import { canonicalText } from '../../config/canonical-value.ts';
import type { MetadataStruct, MetadataValue } from '../../config/metadata-value.ts';

/** Its value is a list of criteria to try in turn. */
const FALLBACK_LIST = 'fallback_list';
const SEPARATOR = '\u0000';

export class SubsetCriteria {
  /** Canonical text by key, sorted by key. */
  readonly values: ReadonlyMap<string, string>;
  #path: string | null = null;

  /** `values`: canonical text by key. */
  constructor(values: ReadonlyMap<string, string>) {
    this.values = new Map([...values].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Equal for equal criteria. */
  get path(): string {
    return (this.#path ??= subsetPath([...this.values]));
  }

  get keys(): readonly string[] {
    return [...this.values.keys()];
  }

  over(base: SubsetCriteria | null): SubsetCriteria {
    return base === null ? this : new SubsetCriteria(new Map([...base.values, ...this.values]));
  }

  /** With these keys only. */
  only(keys: readonly string[]): SubsetCriteria {
    return new SubsetCriteria(new Map([...this.values].filter(([key]) => keys.includes(key))));
  }

  /** What is to be tried in turn instead; null: there is no such list. */
  alternatives(): readonly SubsetCriteria[] | null {
    const text = this.values.get(FALLBACK_LIST);
    if (text === undefined) return null;
    const list: unknown = JSON.parse(text);
    const base = new SubsetCriteria(
      new Map([...this.values].filter(([key]) => key !== FALLBACK_LIST)),
    );
    if (!Array.isArray(list) || list.length === 0) return [base];
    return list
      .filter((each) => typeof each === 'object' && each !== null && !Array.isArray(each))
      .map((each: object) => {
        const values = Object.entries(each).map(
          ([key, value]) => [key, canonicalText(value)] as const,
        );
        return new SubsetCriteria(new Map(values)).over(base);
      });
  }
}

/** Of keys and canonical values, sorted by key. */
export const subsetPath = (entries: readonly (readonly [string, string])[]): string =>
  entries.map(([key, text]) => `${key}${SEPARATOR}${text}`).join(SEPARATOR);

export const keysPath = (keys: readonly string[]): string => keys.join(SEPARATOR);

/** Of dynamic metadata, whose text is byte strings. */
export function criteriaOf(struct: MetadataStruct): SubsetCriteria {
  const values = [...struct].map(
    ([key, value]) => [textOf(key), canonicalText(asText(value))] as const,
  );
  return new SubsetCriteria(new Map(values));
}

const textOf = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8');

function asText(value: MetadataValue): unknown {
  if (typeof value === 'string') return textOf(value);
  if (Array.isArray(value)) return value.map(asText);
  if (value instanceof Map)
    return new Map(
      [...(value as MetadataStruct)].map(([key, each]) => [textOf(key), asText(each)]),
    );
  return value;
}
