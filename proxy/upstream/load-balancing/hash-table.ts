// [w] What ring hash and maglev share: hosts with weights that sum up to 1, the bytes that a host is hashed by, and tables
// that are built in steps.
import type { HostList } from '../host-list.ts';
import type { HostSet, PriorityHosts } from '../host-set.ts';
import { ENVOY_LB } from '../host.ts';
import type { Host } from '../host.ts';

export interface HashTable {
  /** `attempt`: how many choices for this key were refused before. */
  choose(high: number, low: number, attempt: number): Host | null;
}

/** Of no hosts. */
export const NOBODY: HashTable = { choose: () => null };

/** Built step by step: between two steps its maker may do something else. */
export type TableBuild = Generator<undefined, HashTable>;

/** In the order of the last assignment, which rounding goes by. */
export interface WeightedHosts {
  readonly hosts: readonly Host[];
  /** Parts of the whole. */
  readonly weights: Float64Array;
  readonly min: number;
  readonly max: number;
}

/** `localityWeighted`: a locality gets its part first, then its hosts theirs of it. */
export function weightedHosts(
  set: HostSet,
  priority: PriorityHosts,
  panic: boolean,
  localityWeighted: boolean,
): WeightedHosts {
  const hosts: Host[] = [];
  const weights: number[] = [];
  const addList = (list: HostList, part: number): void => {
    for (const host of list.hosts.toSorted((a, b) => a.order - b.order)) {
      hosts.push(host);
      weights.push((host.weight * part) / list.totalWeight);
    }
  };
  const { localities } = priority;
  if (localityWeighted && localities.length > 0) {
    const parts = localities.map((group) => set.weightOf(priority, group));
    const total = parts.reduce((sum, weight) => sum + weight, 0);
    localities.forEach((group, i) => {
      if (parts[i]! > 0) addList(panic ? group.all : group.healthy, parts[i]! / total);
    });
  } else addList(panic ? priority.all : priority.healthy, 1);
  return {
    hosts,
    weights: Float64Array.from(weights),
    min: weights.reduce((least, weight) => Math.min(least, weight), 1),
    max: weights.reduce((most, weight) => Math.max(most, weight), 0),
  };
}

/** Metadata `envoy.lb` `hash_key`, or else its name or address. */
export function hashKeyOf(host: Host, useHostname: boolean): string {
  const labels = host.metadata.get(ENVOY_LB);
  if (labels !== undefined) {
    const key = (JSON.parse(labels) as { hash_key?: unknown }).hash_key;
    if (typeof key === 'string' && key !== '') return key;
  }
  return useHostname ? host.hostname : host.addressText;
}
