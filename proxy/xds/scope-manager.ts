// [m] ScopeManager: scopes of routes that listeners leave to be discovered (SRDS), by source: all that a source has, checked, and put in
// their place. What was good stays when what follows is not.
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import type { Closable } from '../base/lifetime.ts';
import type { Logger } from '../base/logger.ts';
import { subscriptionKey } from '../config/config-source.ts';
import type { ConfigSourceConfig, SourceRef } from '../config/config-source.ts';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.ts';
import type { FilterChainConfig, ListenerConfig } from '../config/listener-config.ts';
import { keyConflict, scopeKey } from '../config/scoped-routes-config.ts';
import type { ScopeConfig, ScopedRoutesConfig } from '../config/scoped-routes-config.ts';
import type { StatId, StatsStore } from '../stats/store.ts';
import { contentHash } from './content-hash.ts';
import type { ResourceProblem, ResourceWatcher, XdsResource } from './resource-watcher.ts';
import { SubscriptionStats } from './subscription-stats.ts';

export interface ScopeManagerDeps {
  /** Asks for all scopes that the source has. */
  readonly open: (
    ref: SourceRef,
    watcher: ResourceWatcher<ScopeConfig>,
    statPrefix: string,
  ) => Closable;
  /** Something came, or is not waited for any more. */
  readonly onSettled: () => void;
  readonly sourceProblem: (source: ConfigSourceConfig) => string | undefined;
  readonly time: TimeSource;
  readonly stats: StatsStore;
  readonly log: Logger;
}

/** What of one connection manager is shown and counted. */
interface Place {
  readonly key: string;
  readonly discovery: SourceRef;
  readonly name: string;
  readonly statPrefix: string;
}

/** All from one source. */
interface KnownScopes {
  readonly users: Set<ListenerConfig>;
  readonly feed: Closable;
  readonly byName: Map<string, XdsResource<ScopeConfig>>;
  readonly counts: Map<string, PlaceCounts>;
  lastUpdatedMs: number;
  version: string;
  /** They came, were refused, or are overdue. */
  settled: boolean;
  fetchTimer: TimerHandle | undefined;
}

interface PlaceCounts {
  readonly stats: SubscriptionStats;
  readonly reloads: StatId;
  readonly all: StatId;
  readonly active: StatId;
}

/** Scopes that one connection manager has discovered, for dumps. */
export interface DiscoveredScopes {
  readonly name: string;
  readonly version: string;
  readonly lastUpdatedMs: number;
  readonly raws: readonly Uint8Array[];
}

/** Fulfils listener-manager/listener-targets.ts. */
export class ScopeManager implements Closable {
  readonly #deps: ScopeManagerDeps;
  readonly #known = new Map<string, KnownScopes>();
  readonly #places = new Map<ListenerConfig, readonly Place[]>();

  constructor(deps: ScopeManagerDeps) {
    this.#deps = deps;
  }

  problem(config: ListenerConfig): string | undefined {
    for (const { discovery } of placesOf(config)) {
      const problem = this.#deps.sourceProblem(discovery.source);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  retain(config: ListenerConfig): void {
    const places = placesOf(config);
    if (places.length === 0) return;
    this.#places.set(config, places);
    for (const place of places) {
      const known = this.#known.get(place.key) ?? this.#subscribe(place);
      known.users.add(config);
      this.#countFor(known, place.statPrefix);
    }
  }

  release(config: ListenerConfig): void {
    for (const { key } of this.#places.get(config) ?? []) {
      const known = this.#known.get(key);
      known?.users.delete(config);
      if (known === undefined || known.users.size > 0) continue;
      this.#known.delete(key);
      known.fetchTimer?.cancel();
      known.feed.close();
    }
    this.#places.delete(config);
  }

  ready(config: ListenerConfig): boolean {
    const places = this.#places.get(config) ?? [];
    return places.every(({ key }) => this.#known.get(key)?.settled === true);
  }

  filled(config: ListenerConfig): ListenerConfig {
    if (!this.#places.has(config)) return config;
    const hashes: string[] = [];
    const fill = (chain: FilterChainConfig): FilterChainConfig => {
      const scopes = this.#filledChain(chain);
      if (scopes !== chain) hashes.push(scopes.hash);
      return scopes;
    };
    const filterChains = config.filterChains.map(fill);
    const defaultFilterChain = config.defaultFilterChain && fill(config.defaultFilterChain);
    return {
      ...config,
      filterChains,
      defaultFilterChain,
      hash: [config.hash, ...hashes].join('+'),
    };
  }

  dump(): readonly DiscoveredScopes[] {
    const shown = new Map<string, DiscoveredScopes>();
    for (const places of this.#places.values()) {
      for (const { key, name } of places) {
        const { byName, version, lastUpdatedMs } = this.#known.get(key)!;
        if (byName.size === 0) continue;
        const raws = [...byName.values()].map(({ raw }) => raw);
        shown.set(`${key} ${name}`, { name, version, lastUpdatedMs, raws });
      }
    }
    return [...shown.values()];
  }

  close(): void {
    for (const { feed, fetchTimer } of this.#known.values()) {
      fetchTimer?.cancel();
      feed.close();
    }
  }

  #subscribe({ key, discovery, statPrefix }: Place): KnownScopes {
    const watcher: ResourceWatcher<ScopeConfig> = {
      onUpdate: (upserts, removed) => this.#onUpdate(key, upserts, removed),
      onRejected: () => {
        this.#count(key, (counts) => counts.stats.onRejected());
        this.#giveUp(key);
      },
      onInitialFetchTimeout: () => this.#giveUp(key),
    };
    const known: KnownScopes = {
      users: new Set(),
      feed: this.#deps.open(discovery, watcher, statPrefix),
      byName: new Map(),
      counts: new Map(),
      lastUpdatedMs: 0,
      version: '',
      settled: false,
      fetchTimer: undefined,
    };
    this.#known.set(key, known);
    const { initialFetchTimeoutMs } = discovery;
    if (initialFetchTimeoutMs > 0)
      known.fetchTimer = this.#deps.time.setTimer(
        () => this.#onOverdue(key),
        initialFetchTimeoutMs,
      );
    return known;
  }

  #onUpdate(
    key: string,
    upserts: readonly XdsResource<ScopeConfig>[],
    removed: readonly string[],
  ): readonly ResourceProblem[] {
    const known = this.#known.get(key);
    if (known === undefined) return [];
    const { byName } = known;
    for (const name of removed) byName.delete(name);
    const problems = takeScopes(byName, upserts);
    const nowMs = this.#deps.time.wallMs();
    known.lastUpdatedMs = nowMs;
    known.version = upserts[0]?.version ?? known.version;
    this.#count(key, (counts) => {
      if (problems.length > 0) counts.stats.onRejected();
      else counts.stats.onSuccess(known.version, nowMs, 0);
      this.#deps.stats.inc(counts.reloads);
      this.#deps.stats.set(counts.all, byName.size);
      this.#deps.stats.set(counts.active, byName.size);
    });
    this.#giveUp(key);
    return problems;
  }

  #onOverdue(key: string): void {
    if (this.#known.get(key)?.settled !== false) return;
    this.#deps.log.warn('no scopes of routes within the initial fetch time-out');
    this.#count(key, (counts) => counts.stats.onInitialFetchTimeout());
    this.#giveUp(key);
  }

  #giveUp(key: string): void {
    const known = this.#known.get(key);
    if (known === undefined) return;
    known.settled = true;
    known.fetchTimer?.cancel();
    known.fetchTimer = undefined;
    this.#deps.onSettled();
  }

  #countFor(known: KnownScopes, prefix: string): void {
    if (known.counts.has(prefix)) return;
    const { stats } = this.#deps;
    stats.gauge(`${prefix}on_demand_scopes`);
    known.counts.set(prefix, {
      stats: new SubscriptionStats(stats, prefix),
      reloads: stats.counter(`${prefix}config_reload`),
      all: stats.gauge(`${prefix}all_scopes`),
      active: stats.gauge(`${prefix}active_scopes`),
    });
  }

  #count(key: string, count: (counts: PlaceCounts) => void): void {
    for (const counts of this.#known.get(key)?.counts.values() ?? []) count(counts);
  }

  #filledChain(chain: FilterChainConfig): FilterChainConfig {
    let found: readonly ScopeConfig[] | undefined;
    const networkFilters = chain.networkFilters.map((filter) => {
      if (filter.kind !== 'http_connection_manager') return filter;
      const { routes } = filter.settings;
      if (routes.kind !== 'scoped' || routes.discovery === undefined) return filter;
      const { byName } = this.#known.get(keyOf(routes.discovery))!;
      const scopes = [...byName.values()].map(({ config }) => config);
      found = [...(found ?? []), ...scopes];
      return { ...filter, settings: { ...filter.settings, routes: { ...routes, scopes } } };
    });
    if (found === undefined) return chain;
    return { ...chain, networkFilters, hash: `${chain.hash}+${contentHash(found)}` };
  }
}

/** One whose key another has is refused; what it was before stays. */
function takeScopes(
  byName: Map<string, XdsResource<ScopeConfig>>,
  upserts: readonly XdsResource<ScopeConfig>[],
): readonly ResourceProblem[] {
  const problems: ResourceProblem[] = [];
  const names = new Map<string, string>();
  for (const [name, { config }] of byName) names.set(scopeKey(config.key), name);
  for (const resource of upserts) {
    const { name, config } = resource;
    const other = names.get(scopeKey(config.key));
    if (other !== undefined && other !== name) {
      problems.push({ name, message: keyConflict(other, name) });
      continue;
    }
    const before = byName.get(name);
    if (before !== undefined) names.delete(scopeKey(before.config.key));
    names.set(scopeKey(config.key), name);
    byName.set(name, resource);
  }
  return problems;
}

const keyOf = (discovery: SourceRef): string =>
  subscriptionKey({ name: '', source: discovery.source });

const isDiscovered = (
  routes: HttpConnectionManagerConfig['routes'],
): routes is ScopedRoutesConfig & { readonly discovery: SourceRef } =>
  routes.kind === 'scoped' && routes.discovery !== undefined;

function placesOf({ filterChains, defaultFilterChain }: ListenerConfig): readonly Place[] {
  const chains =
    defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];
  return chains.flatMap(({ networkFilters }) =>
    networkFilters.flatMap((filter) => {
      if (filter.kind !== 'http_connection_manager') return [];
      const { routes, statPrefix } = filter.settings;
      if (!isDiscovered(routes)) return [];
      const { name, discovery } = routes;
      const prefix = `http.${statPrefix}.scoped_rds.${name}.`;
      return [{ key: keyOf(discovery), discovery, name, statPrefix: prefix }];
    }),
  );
}
