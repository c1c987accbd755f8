// [m] ExtensionManager: the settings of filters that listeners leave to be discovered (ECDS), by name and source: asked for while a
// listener needs them, shared by all that do, checked, and put in their place (envoy-behaviour §13.4). What was good stays when
// what follows is not; what the server takes back is gone.
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import type { Closable } from '../base/lifetime.ts';
import type { Logger } from '../base/logger.ts';
import type {
  ConfigDumpEntry,
  ConfigDumpSection,
  ConfigErrorState,
} from '../config/config-resource.ts';
import type { ConfigSourceConfig, SubscriptionRef } from '../config/config-source.ts';
import type { ExtensionConfig } from '../config/extension-config.ts';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.ts';
import type { ListenerConfig } from '../config/listener-config.ts';
import type { StatId, StatsStore } from '../stats/store.ts';
import type { DecodingRules } from './decoding-rules.ts';
import { discoveredPlaces, filledListener } from './discovered-filters.ts';
import type { DiscoveredPlace, Filling, FilterGuard } from './discovered-filters.ts';
import { misplaced, wrongType } from './filter-discovery-decoder.ts';
import { HTTP_FILTERS, guardedFilters } from './http-filter-decoder.ts';
import { NETWORK_FILTERS } from './network-filter-decoder.ts';
import type {
  RejectedResource,
  ResourceProblem,
  ResourceWatcher,
  XdsResource,
} from './resource-watcher.ts';
import { SubscriptionStats } from './subscription-stats.ts';

export interface ExtensionManagerDeps {
  /** All that is to be asked for, by subscriptionKey(). */
  readonly onWanted: (wanted: ReadonlyMap<string, SubscriptionRef>) => void;
  /** Something came, or is not waited for any more. */
  readonly onSettled: () => void;
  /** Why nothing can be asked for there; undefined: it can. */
  readonly sourceProblem: (source: ConfigSourceConfig) => string | undefined;
  /** What workers could not compile of it; undefined: nothing. */
  readonly compileProblem: (extension: ExtensionConfig) => string | undefined;
  readonly rules?: DecodingRules;
  readonly time: TimeSource;
  readonly stats: StatsStore;
  readonly log: Logger;
}

type Chain = DiscoveredPlace['chain'];

/** One name from one source. */
interface KnownExtension {
  readonly key: string;
  readonly ref: SubscriptionRef;
  readonly chain: Chain;
  /** Versions of listeners. */
  readonly users: Set<ListenerConfig>;
  readonly stats: SubscriptionStats;
  readonly reloads: StatId;
  readonly failures: StatId;
  resource: XdsResource<ExtensionConfig> | undefined;
  lastUpdatedMs: number;
  errorState: ConfigErrorState | undefined;
  /** Came, was refused, or is overdue: nobody waits for it. */
  settled: boolean;
  fetchTimer: TimerHandle | undefined;
}

const NOTHING: Filling = { hash: '' };

/** Fulfils listener-manager/listener-targets.ts. */
export class ExtensionManager implements Closable {
  readonly #deps: ExtensionManagerDeps;
  readonly #known = new Map<string, KnownExtension>();
  /** Of versions of listeners that name some. */
  readonly #places = new Map<ListenerConfig, readonly DiscoveredPlace[]>();
  #wantedTimer: TimerHandle | undefined;
  readonly watcher: ResourceWatcher<ExtensionConfig>;
  readonly #guard: FilterGuard;

  constructor(deps: ExtensionManagerDeps) {
    this.#deps = deps;
    this.#guard = deps.rules?.passUnenforced === true ? (filters) => filters : guardedFilters;
    this.watcher = {
      onUpdate: (upserts, removed) => this.#onUpdate(upserts, removed),
      onRejected: (rejected) => this.#onRejected(rejected),
      onUnchanged: (name, version) => this.#onUnchanged(name, version),
      onGivenUp: (name) => this.#giveUp(name),
    };
  }

  /** Of one that is known, with the last dot. */
  statPrefix(key: string): string {
    const known = this.#known.get(key);
    return known === undefined ? '' : statPrefix(known);
  }

  problem(config: ListenerConfig): string | undefined {
    for (const { ref } of discoveredPlaces(config)) {
      const problem = this.#deps.sourceProblem(ref.source);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  retain(config: ListenerConfig): void {
    const places = discoveredPlaces(config);
    if (places.length === 0) return;
    this.#places.set(config, places);
    for (const place of places) {
      const known = this.#known.get(place.key) ?? this.#subscribe(place);
      known.users.add(config);
    }
  }

  release(config: ListenerConfig): void {
    const places = this.#places.get(config);
    if (places === undefined) return;
    this.#places.delete(config);
    for (const { key } of places) {
      const known = this.#known.get(key);
      known?.users.delete(config);
      if (known === undefined || known.users.size > 0) continue;
      known.fetchTimer?.cancel();
      this.#known.delete(key);
      this.#wantedChanged();
    }
  }

  ready(config: ListenerConfig): boolean {
    const places = this.#places.get(config);
    return (
      places === undefined ||
      places.every(({ key, filter }) => filter.unwaited || this.#known.get(key)?.settled === true)
    );
  }

  filled(config: ListenerConfig): ListenerConfig {
    if (!this.#places.has(config)) return config;
    return filledListener(config, (place) => this.#fillingOf(place), this.#guard);
  }

  /** Of filters of one sort; undefined: there are none to be discovered. */
  dump(chain: Chain): ConfigDumpSection | undefined {
    const known = [...this.#known.values()].filter((each) => each.chain === chain);
    if (known.length === 0) return undefined;
    const entries: ConfigDumpEntry[] = [];
    for (const { resource, lastUpdatedMs, errorState } of known)
      if (resource !== undefined)
        entries.push({ ...resource, state: 'active', lastUpdatedMs, errorState });
    const failures = known.flatMap(({ resource, ref, errorState }) =>
      resource === undefined && errorState !== undefined ? [{ name: ref.name, errorState }] : [],
    );
    return { entries, failures, versionInfo: '' };
  }

  close(): void {
    this.#wantedTimer?.cancel();
    for (const { fetchTimer } of this.#known.values()) fetchTimer?.cancel();
  }

  #subscribe({ key, ref, chain }: DiscoveredPlace): KnownExtension {
    const { stats, time } = this.#deps;
    const prefix = statPrefix({ chain, ref });
    const known: KnownExtension = {
      key,
      ref,
      chain,
      users: new Set(),
      stats: new SubscriptionStats(stats, prefix),
      reloads: stats.counter(`${prefix}config_reload`),
      failures: stats.counter(`${prefix}config_fail`),
      resource: undefined,
      lastUpdatedMs: 0,
      errorState: undefined,
      settled: false,
      fetchTimer: undefined,
    };
    stats.counter(`${prefix}config_conflict`);
    known.stats.onAttempt();
    if (ref.initialFetchTimeoutMs > 0)
      known.fetchTimer = time.setTimer(() => this.#onOverdue(known), ref.initialFetchTimeoutMs);
    this.#known.set(key, known);
    this.#wantedChanged();
    return known;
  }

  /** All that one update names is asked for together. */
  #wantedChanged(): void {
    this.#wantedTimer ??= this.#deps.time.setTimer(() => {
      this.#wantedTimer = undefined;
      this.#deps.onWanted(new Map([...this.#known].map(([key, { ref }]) => [key, ref])));
    }, 0);
  }

  #onUpdate(
    upserts: readonly XdsResource<ExtensionConfig>[],
    removed: readonly string[],
  ): readonly ResourceProblem[] {
    const problems: ResourceProblem[] = [];
    for (const key of removed) this.#remove(key);
    for (const resource of upserts) {
      const known = this.#known.get(resource.name);
      if (known === undefined) continue;
      const message = this.#problemOf(known, resource.config);
      if (message === undefined) this.#accept(known, resource);
      else {
        this.#refuse(known, resource, message);
        problems.push({ name: resource.name, message });
      }
    }
    this.#deps.onSettled();
    return problems;
  }

  #accept(known: KnownExtension, resource: XdsResource<ExtensionConfig>): void {
    const { time, stats } = this.#deps;
    const same = known.resource?.config.hash === resource.config.hash;
    known.resource = resource;
    known.lastUpdatedMs = time.wallMs();
    known.errorState = undefined;
    this.#settle(known);
    if (!same) stats.inc(known.reloads);
    known.stats.onSuccess(resource.version, time.wallMs(), 0);
  }

  #onUnchanged(key: string, version: string): void {
    const known = this.#known.get(key);
    known?.stats.onSuccess(version, this.#deps.time.wallMs(), 0);
  }

  /** The default config, where there is one, is in force again. */
  #remove(key: string): void {
    const known = this.#known.get(key);
    if (known === undefined) return;
    this.#settle(known);
    if (known.resource === undefined) return;
    known.resource = undefined;
    this.#deps.stats.inc(known.reloads);
    known.stats.onSuccess('', this.#deps.time.wallMs(), 0);
  }

  #onRejected(rejected: readonly RejectedResource[]): void {
    for (const resource of rejected) {
      const known = this.#known.get(resource.name);
      if (known !== undefined) this.#refuse(known, resource, resource.message);
    }
    this.#deps.onSettled();
  }

  #refuse(
    known: KnownExtension,
    { version, raw }: Pick<RejectedResource, 'version' | 'raw'>,
    details: string,
  ): void {
    const { time, stats } = this.#deps;
    known.errorState = { details, lastUpdateAttemptMs: time.wallMs(), version, raw };
    known.stats.onRejected();
    stats.inc(known.failures);
    this.#settle(known);
  }

  #onOverdue(known: KnownExtension): void {
    if (known.settled) return;
    this.#deps.log.warn('no settings of a filter within the initial fetch time-out', {
      filter: known.ref.name,
    });
    known.stats.onInitialFetchTimeout();
    this.#deps.stats.inc(known.failures);
    this.#settle(known);
    this.#deps.onSettled();
  }

  #giveUp(key: string): void {
    const known = this.#known.get(key);
    if (known === undefined) return;
    this.#settle(known);
    this.#deps.onSettled();
  }

  #settle(known: KnownExtension): void {
    known.settled = true;
    known.fetchTimer?.cancel();
    known.fetchTimer = undefined;
  }

  /** By every place that it is for. */
  #problemOf(known: KnownExtension, extension: ExtensionConfig): string | undefined {
    for (const user of known.users) {
      for (const place of this.#places.get(user) ?? []) {
        const problem = place.key === known.key ? placeProblem(place, extension) : undefined;
        if (problem !== undefined) return problem;
      }
    }
    return this.#deps.compileProblem(extension);
  }

  #fillingOf(place: DiscoveredPlace): Filling {
    const extension = this.#known.get(place.key)?.resource?.config;
    // What came for one listener may be nothing for another.
    if (extension !== undefined && placeProblem(place, extension) === undefined) return extension;
    const { fallback } = place.filter;
    if (fallback === undefined) return NOTHING;
    return place.chain === 'http'
      ? { http: place.filter.fallback, hash: 'default' }
      : { network: place.filter.fallback, hash: 'default' };
  }
}

const statPrefix = ({ chain, ref }: Pick<KnownExtension, 'chain' | 'ref'>): string =>
  `extension_config_discovery.${chain}_filter.${ref.name}.`;

function placeProblem(
  { chain, filter, ref }: DiscoveredPlace,
  { typeName, http, network }: ExtensionConfig,
): string | undefined {
  const { typeNames, last } = filter;
  if (!typeNames.includes(typeName)) return wrongType(typeName, typeNames);
  const place = { name: ref.name, last };
  if (chain === 'http') {
    return http === undefined
      ? wrongType(typeName, typeNames)
      : misplaced(place, HTTP_FILTERS.isTerminal(http), chain);
  }
  if (network === undefined) return wrongType(typeName, typeNames);
  if (network.kind === 'http_connection_manager' && leadsOn(network.settings))
    return 'a connection manager that is discovered cannot have routes or filters that are discovered in this version';
  return misplaced(place, NETWORK_FILTERS.isTerminal(network), chain);
}

/** Who warms a listener does not look into what came later. */
const leadsOn = ({ routes, httpFilters }: HttpConnectionManagerConfig): boolean =>
  routes.kind !== 'inline' || httpFilters.some(({ settings }) => settings.kind === 'discovered');
