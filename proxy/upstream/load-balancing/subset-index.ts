// [w] SubsetIndex: which subsets each host is in, by the selectors of a cluster (envoy-behaviour §7.7). A subset exists while it has
// hosts.
import { canonicalText } from '../../config/canonical-value.ts';
import type { SubsetConfig, SubsetSelectorConfig } from '../../config/load-balancing-config.ts';
import type { HostSet } from '../host-set.ts';
import { ENVOY_LB } from '../host.ts';
import type { Host } from '../host.ts';
import type { LoadBalancer } from '../load-balancer.ts';
import type { LbStats } from './lb-stats.ts';
import { subsetPath } from './subset-criteria.ts';

/** Subsets of one host by one selector: lists of values multiply. */
const MAX_SUBSETS_OF_HOST = 256;

export interface Subset {
  readonly hosts: HostSet;
  readonly balancer: LoadBalancer;
  /** One host is all it is to have; null: it may have many. */
  readonly single: Host[] | null;
}

export class SubsetIndex {
  readonly #config: SubsetConfig;
  readonly #create: (single: boolean) => Subset;
  readonly #stats: LbStats;
  readonly #byPath = new Map<string, Subset>();
  readonly #pathsOf = new Map<Host, readonly string[]>();
  #duplicates = 0;

  constructor(config: SubsetConfig, create: (single: boolean) => Subset, stats: LbStats) {
    this.#config = config;
    this.#create = create;
    this.#stats = stats;
  }

  get(path: string): Subset | undefined {
    return this.#byPath.get(path);
  }

  all(): Iterable<Subset> {
    return this.#byPath.values();
  }

  /** Those of a host. */
  *of(host: Host): Iterable<Subset> {
    for (const path of this.#pathsOf.get(host) ?? []) yield this.#byPath.get(path)!;
  }

  add(host: Host): void {
    const labels = labelsOf(host);
    const paths = new Set<string>();
    for (const selector of this.#config.selectors) {
      for (const path of pathsFor(selector, labels, this.#config.listAsAny)) {
        if (paths.has(path)) continue;
        paths.add(path);
        this.#subsetAt(path, selector.singleHost).hosts.add(host);
        const single = this.#byPath.get(path)!.single;
        single?.push(host);
        if (single?.length === 2) this.#countDuplicates(1);
      }
    }
    if (paths.size > 0) this.#pathsOf.set(host, [...paths]);
  }

  remove(host: Host): void {
    const paths = this.#pathsOf.get(host) ?? [];
    this.#pathsOf.delete(host);
    for (const path of paths) {
      const subset = this.#byPath.get(path)!;
      subset.hosts.remove(host);
      const { single } = subset;
      if (single !== null) {
        single.splice(single.indexOf(host), 1);
        if (single.length === 1) this.#countDuplicates(-1);
      }
      if (subset.hosts.hostCount > 0) continue;
      this.#byPath.delete(path);
      this.#stats.inc('lb_subsets_removed');
      this.#stats.set('lb_subsets_active', this.#byPath.size);
    }
  }

  #subsetAt(path: string, single: boolean): Subset {
    let subset = this.#byPath.get(path);
    if (subset === undefined) {
      subset = this.#create(single);
      this.#byPath.set(path, subset);
      this.#stats.inc('lb_subsets_created');
      this.#stats.set('lb_subsets_active', this.#byPath.size);
    }
    return subset;
  }

  #countDuplicates(change: 1 | -1): void {
    this.#duplicates += change;
    this.#stats.set('lb_subsets_single_host_per_subset_duplicate', this.#duplicates);
  }
}

export type Labels = ReadonlyMap<string, unknown>;

/** Metadata `envoy.lb` of a host. */
export const labelsOf = (host: Host): Labels => {
  const text = host.metadata.get(ENVOY_LB);
  return new Map(Object.entries(text === undefined ? {} : (JSON.parse(text) as object)));
};

/** Canonical texts of a value, or of each element of a list. */
const textsOf = (value: unknown, listAsAny: boolean): readonly string[] =>
  listAsAny && Array.isArray(value) ? value.map(canonicalText) : [canonicalText(value)];

function pathsFor(
  { keys }: SubsetSelectorConfig,
  labels: Labels,
  listAsAny: boolean,
): readonly string[] {
  let rows: (readonly (readonly [string, string])[])[] = [[]];
  for (const key of keys) {
    if (!labels.has(key)) return [];
    const texts = textsOf(labels.get(key), listAsAny);
    rows = rows
      .flatMap((row) => texts.map((text) => [...row, [key, text] as const]))
      .slice(0, MAX_SUBSETS_OF_HOST);
  }
  return keys.length === 0 ? [] : rows.map(subsetPath);
}

/** The host has all of these values (canonical text by key). */
export const hasLabels = (
  host: Host,
  wanted: ReadonlyMap<string, string>,
  listAsAny: boolean,
): boolean => {
  if (wanted.size === 0) return true;
  const labels = labelsOf(host);
  for (const [key, text] of wanted) {
    if (!labels.has(key) || !textsOf(labels.get(key), listAsAny).includes(text)) return false;
  }
  return true;
};
