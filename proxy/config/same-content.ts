// [b] Whether two pieces of decoded configuration say the same. Compared when a resource comes anew, and never before: most come once.
import type { ClusterConfig } from './cluster-config.ts';

/** Plain data without cycles; maps have no order, and what is undefined counts as absent. */
export function sameContent(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && sameList(a, b);
  if (a instanceof Map) return b instanceof Map && sameMap(a, b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (Array.isArray(b) || b instanceof Map || b instanceof Uint8Array) return false;
  return sameFields(a as Fields, b as Fields);
}

type Fields = Readonly<Record<string, unknown>>;

const sameList = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((each, i) => sameContent(each, b[i]));

const sameMap = (a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean =>
  a.size === b.size && [...a].every(([key, each]) => b.has(key) && sameContent(each, b.get(key)));

const sameFields = (a: Fields, b: Fields): boolean =>
  Object.keys(a).every((key) => sameContent(a[key], b[key])) &&
  Object.keys(b).every((key) => b[key] === undefined || a[key] !== undefined);

/** Whatever version they came with: such a cluster keeps its pools. */
export const sameCluster = (a: ClusterConfig, b: ClusterConfig): boolean =>
  sameContent({ ...a, version: '' }, { ...b, version: '' });
