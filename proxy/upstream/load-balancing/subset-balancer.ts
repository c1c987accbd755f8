// [w] SubsetBalancer: hosts by their metadata (envoy-behaviour §7.7). What a request's criteria name exactly is its subset, with a
// balancer of its own; where there is none, the fallback of the selector with those keys, or of the whole, decides.
import type { SubsetConfig, SubsetSelectorConfig } from '../../config/load-balancing-config.ts';
import type { MetadataStruct } from '../../config/metadata-value.ts';
import type { HostSink, PriorityPolicy } from '../host-set.ts';
import { HostSet } from '../host-set.ts';
import type { HostSetOptions } from '../host-set.ts';
import type { Host, Locality } from '../host.ts';
import type { LoadBalancer, LoadBalancerContext } from '../load-balancer.ts';
import type { LbStats } from './lb-stats.ts';
import { criteriaOf, keysPath } from './subset-criteria.ts';
import type { SubsetCriteria } from './subset-criteria.ts';
import { SubsetIndex, hasLabels } from './subset-index.ts';
import type { Subset } from './subset-index.ts';

/** Fallbacks to fewer keys, and lists of criteria, end in any case; this is for what is configured against reason. */
const MAX_FALLBACKS = 16;

export interface SubsetParts {
  readonly options: HostSetOptions;
  readonly createBalancer: (hosts: HostSet) => LoadBalancer;
  readonly stats: LbStats;
}

export class SubsetBalancer implements LoadBalancer, HostSink {
  /** All hosts. */
  readonly hosts: HostSet;
  readonly #config: SubsetConfig;
  readonly #parts: SubsetParts;
  readonly #any: LoadBalancer;
  readonly #default: Subset | null;
  readonly #index: SubsetIndex;
  /** Those with a fallback. */
  readonly #selectors: ReadonlyMap<string, SubsetSelectorConfig>;
  readonly #criteria = new WeakMap<MetadataStruct, SubsetCriteria>();
  /** Those with most keys first. */
  readonly #bySize: readonly SubsetSelectorConfig[];
  #policy: PriorityPolicy = { overprovisioningPercent: 140, weightedHealth: false };
  readonly #localityWeights: (readonly [number, Locality, number])[] = [];

  constructor(config: SubsetConfig, parts: SubsetParts) {
    this.#config = config;
    this.#parts = parts;
    this.hosts = new HostSet(parts.options);
    this.#any = parts.createBalancer(this.hosts);
    const usesDefault = [config, ...config.selectors].some(
      ({ fallback }) => fallback === 'default_subset',
    );
    this.#default = usesDefault ? this.#newSubset(false) : null;
    this.#index = new SubsetIndex(config, (single) => this.#newSubset(single), parts.stats);
    this.#selectors = fallbacksByKeys(config.selectors);
    this.#bySize = config.selectors.toSorted((a, b) => b.keys.length - a.keys.length);
  }

  chooseHost(context: LoadBalancerContext | null): Host | null {
    const criteria = this.#criteriaFor(context?.metadataMatch);
    const list = this.#config.fallbackList && criteria !== null ? criteria.alternatives() : null;
    if (list === null) return this.#choose(context, criteria, 0);
    for (const each of list) {
      const host = this.#choose(context, each, 0);
      if (host !== null) return host;
    }
    return null;
  }

  // === HostSink

  add(host: Host): void {
    this.hosts.add(host);
    if (this.#inDefault(host)) this.#default!.hosts.add(host);
    this.#index.add(host);
    this.#rescale();
  }

  remove(host: Host): void {
    this.hosts.remove(host);
    if (this.#inDefault(host)) this.#default!.hosts.remove(host);
    this.#index.remove(host);
    this.#rescale();
  }

  healthChanged(host: Host, before: number): void {
    this.hosts.healthChanged(host, before);
    if (this.#inDefault(host)) this.#default!.hosts.healthChanged(host, before);
    for (const subset of this.#index.of(host)) subset.hosts.healthChanged(host, before);
  }

  setLocalityWeight(priority: number, locality: Locality, weight: number): void {
    const known = this.#localityWeights.findIndex(
      ([otherPriority, other]) => otherPriority === priority && other.key === locality.key,
    );
    this.#localityWeights[known < 0 ? this.#localityWeights.length : known] = [
      priority,
      locality,
      weight,
    ];
    for (const hosts of this.#sets()) hosts.setLocalityWeight(priority, locality, weight);
  }

  setPolicy(policy: PriorityPolicy): void {
    this.#policy = policy;
    for (const hosts of this.#sets()) hosts.setPolicy(policy);
  }

  // === Choice

  #choose(
    context: LoadBalancerContext | null,
    criteria: SubsetCriteria | null,
    depth: number,
  ): Host | null {
    if (criteria !== null && criteria.values.size > 0) {
      const subset = this.#subsetFor(criteria);
      if (subset !== undefined) {
        this.#parts.stats.inc('lb_subsets_selected');
        return chooseIn(subset, context);
      }
      // Envoy forgets the selectors of fewer keys once redundant keys are allowed.
      const redundant = this.#config.allowRedundantKeys && depth > 0;
      const selector = redundant ? undefined : this.#selectorFor(criteria);
      if (selector?.fallback !== undefined)
        return this.#fallBack(selector, context, criteria, depth);
    }
    return this.#fallBackOfAll(context);
  }

  /** Those of a route are the same object for all its requests. */
  #criteriaFor(match: MetadataStruct | undefined): SubsetCriteria | null {
    if (match === undefined) return null;
    let criteria = this.#criteria.get(match);
    if (criteria === undefined) {
      criteria = criteriaOf(match);
      this.#criteria.set(match, criteria);
    }
    return criteria;
  }

  #subsetFor(criteria: SubsetCriteria): Subset | undefined {
    if (!this.#config.allowRedundantKeys) return this.#index.get(criteria.path);
    for (const { keys } of this.#bySize) {
      const subset = keys.every((key) => criteria.values.has(key))
        ? this.#index.get(criteria.only(keys).path)
        : undefined;
      if (subset !== undefined) return subset;
    }
    return undefined;
  }

  #selectorFor(criteria: SubsetCriteria): SubsetSelectorConfig | undefined {
    if (!this.#config.allowRedundantKeys) return this.#selectors.get(keysPath(criteria.keys));
    return this.#bySize.find(({ keys }) => keys.every((key) => criteria.values.has(key)));
  }

  #fallBack(
    selector: SubsetSelectorConfig,
    context: LoadBalancerContext | null,
    criteria: SubsetCriteria,
    depth: number,
  ): Host | null {
    switch (selector.fallback) {
      case 'any_endpoint':
        return this.#any.chooseHost(context);
      case 'default_subset':
        return chooseIn(this.#default!, context);
      case 'keys_subset':
        if (depth >= MAX_FALLBACKS) return null;
        return this.#choose(context, criteria.only(selector.fallbackKeys), depth + 1);
      default:
        return null;
    }
  }

  #fallBackOfAll(context: LoadBalancerContext | null): Host | null {
    const { fallback, panicModeAny } = this.#config;
    if (fallback === 'no_fallback') return null;
    const { stats } = this.#parts;
    const host =
      fallback === 'any_endpoint'
        ? this.#any.chooseHost(context)
        : chooseIn(this.#default!, context);
    if (host !== null) {
      stats.inc('lb_subsets_fallback');
      return host;
    }
    const last = panicModeAny ? this.#any.chooseHost(context) : null;
    if (last !== null) stats.inc('lb_subsets_fallback_panic');
    return last;
  }

  // === Subsets

  #newSubset(single: boolean): Subset {
    const { options, createBalancer } = this.#parts;
    const hosts = new HostSet({
      ...options,
      scaleOf: this.#config.scaleLocalityWeight ? this.hosts : null,
    });
    hosts.setPolicy(this.#policy);
    for (const [priority, locality, weight] of this.#localityWeights)
      hosts.setLocalityWeight(priority, locality, weight);
    return { hosts, balancer: createBalancer(hosts), single: single ? [] : null };
  }

  #inDefault(host: Host): boolean {
    const { defaultSubset, listAsAny } = this.#config;
    return this.#default !== null && hasLabels(host, defaultSubset, listAsAny);
  }

  /** Weights of localities are parts of what the whole cluster has there. */
  #rescale(): void {
    if (!this.#config.scaleLocalityWeight) return;
    for (const { hosts } of this.#index.all()) hosts.touch();
  }

  *#sets(): Iterable<HostSet> {
    yield this.hosts;
    if (this.#default !== null) yield this.#default.hosts;
    for (const { hosts } of this.#index.all()) yield hosts;
  }
}

function chooseIn({ balancer, single }: Subset, context: LoadBalancerContext | null): Host | null {
  if (single === null) return balancer.chooseHost(context);
  // Whatever its health: there is no other.
  return single[0] ?? null;
}

/** As in Envoy, a selector's fallback is lost where an earlier one begins with all of its keys. */
function fallbacksByKeys(
  selectors: readonly SubsetSelectorConfig[],
): ReadonlyMap<string, SubsetSelectorConfig> {
  const fallbacks = new Map<string, SubsetSelectorConfig>();
  const begun = new Set<string>();
  for (const selector of selectors) {
    const { keys, fallback } = selector;
    if (fallback === undefined) continue;
    const path = keysPath(keys);
    if (!begun.has(path)) fallbacks.set(path, selector);
    keys.forEach((_, i) => begun.add(keysPath(keys.slice(0, i + 1))));
  }
  return fallbacks;
}
