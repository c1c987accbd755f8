// [m] ListenerManager: static and LDS listeners and the RDS tables they need; a listener reaches the workers when its
// tables came, its predecessor serves until then (envoy-behaviour §8.5, §13.5).
import { assert } from '../base/assert.ts';
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Runtime } from '../base/runtime.ts';
import type {
  ConfigDumpEntry,
  ConfigDumpSection,
  ConfigErrorState,
  ConfigResource,
  ConfigResourceProblem,
  RejectedConfigResource,
} from '../config/config-resource.ts';
import { subscriptionKey } from '../config/config-source.ts';
import type { ConfigSourceConfig, SubscriptionRef } from '../config/config-source.ts';
import type { AddressConfig, ListenerConfig } from '../config/listener-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import { listenerSecrets } from '../config/secret-references.ts';
import type { StatsStore } from '../stats/store.ts';
import type { SecretUser, SecretWaits } from '../tls/secret-waits.ts';
import {
  onlyFilterChainsDiffer,
  printAddress,
  routeRefsOf,
  sharedAddress,
  sourceProblem,
} from './listener-comparison.ts';
import { ListenerManagerStats } from './listener-manager-stats.ts';
import { MOST_HOLD_MS, RouteTables } from './route-tables.ts';
import { listenerProblem, routeProblem } from './trial-compile.ts';

/** Where ready listeners and tables go. */
export interface ListenerSink {
  publishRoute(config: RouteConfig): void;
  removeRoute(name: string): void;
  publishListener(config: ListenerConfig): void;
  removeListener(name: string): void;
}

export interface ListenerManagerEvents {
  /** All that RDS is to be asked for, by subscriptionKey(). */
  onRoutesWanted(wanted: ReadonlyMap<string, SubscriptionRef>): void;
  /** A listener, or a new version of one, went to the workers. */
  onPublished(config: ListenerConfig): void;
  /** Warming came to an end or began, listeners came or went. */
  onChange(): void;
}

export interface ListenerManagerDeps {
  readonly sink: ListenerSink;
  readonly events: ListenerManagerEvents;
  readonly time: TimeSource;
  readonly stats: StatsStore;
  readonly runtime: Runtime;
  readonly secrets: SecretWaits;
  readonly log: Logger;
  /** A first version of that cluster is on its way: routes to it wait a little. */
  readonly isClusterWarming: (name: string) => boolean;
  /** Why nothing can be asked for there, for the NACK; absent: everything can. */
  readonly sourceProblem?: ((source: ConfigSourceConfig) => string | undefined) | undefined;
}

export interface KnownListenerReport {
  readonly config: ListenerConfig;
  readonly boundAddresses: readonly AddressConfig[];
}

interface ListenerVersion {
  readonly resource: ConfigResource<ListenerConfig>;
  readonly routeRefs: readonly SubscriptionRef[];
  /** Undefined: it names no secret. */
  readonly secretUser: SecretUser | undefined;
  readonly lastUpdatedMs: number;
  fetchTimers: readonly TimerHandle[];
}

interface KnownListener {
  readonly isStatic: boolean;
  active: ListenerVersion | undefined;
  warming: ListenerVersion | undefined;
  errorState: ConfigErrorState | undefined;
  readonly bound: Map<string, AddressConfig>;
}

export class ListenerManager {
  readonly #deps: ListenerManagerDeps;
  readonly #stats: ListenerManagerStats;
  readonly #listeners = new Map<string, KnownListener>();
  readonly #routes = new RouteTables();
  readonly #failures = new Map<string, ConfigErrorState>();
  #gateOpen = false;
  #holdTimer: TimerHandle | undefined = undefined;
  #warmingCount = 0;
  #activeCount = 0;
  #stopped: 'none' | 'inbound' | 'all' = 'none';

  constructor(deps: ListenerManagerDeps) {
    this.#deps = deps;
    this.#stats = new ListenerManagerStats(deps.stats);
  }

  /** Listeners that wait for their tables, or for openGate(). */
  get warmingCount(): number {
    return this.#warmingCount;
  }

  /** Clusters are ready for the first time: listeners may go to the workers from now on. */
  openGate(): void {
    if (this.#gateOpen) return;
    this.#gateOpen = true;
    this.#settle();
  }

  /** A cluster became ready, or went: routes may have waited for it. */
  onClustersChanged(): void {
    if (this.#routes.holdsAny) this.#settle();
  }

  addStatic(resources: readonly ConfigResource<ListenerConfig>[]): void {
    for (const resource of resources) {
      assert(
        !this.#listeners.has(resource.name),
        'the bootstrap decoder refuses duplicate listeners',
      );
      this.#listeners.set(resource.name, newListener(true));
      this.#stats.onAdded();
      this.#warm(resource);
    }
    this.#settle();
  }

  /** One LDS response. Removals go first, so that a new listener may take the address of a gone one. */
  onListeners(
    upserts: readonly ConfigResource<ListenerConfig>[],
    removed: readonly string[],
  ): readonly ConfigResourceProblem[] {
    for (const name of removed) this.#remove(name);
    const problems: ConfigResourceProblem[] = [];
    for (const resource of upserts) {
      const message = this.#upsert(resource);
      if (message === undefined) continue;
      this.#setError(resource, message);
      problems.push({ name: resource.name, message });
    }
    this.#settle();
    return problems;
  }

  onRejectedListeners(rejected: readonly RejectedConfigResource[]): void {
    for (const resource of rejected) this.#setError(resource, resource.message);
  }

  onRoutes(upserts: readonly ConfigResource<RouteConfig>[]): readonly ConfigResourceProblem[] {
    const { time } = this.#deps;
    const now = { wallMs: time.wallMs(), monotonicMs: time.monotonicMs() };
    const problems: ConfigResourceProblem[] = [];
    for (const resource of upserts) {
      const message = routeProblem(resource.config, this.#deps.runtime);
      if (message === undefined) {
        this.#routes.set(resource, now);
        continue;
      }
      this.#routes.setError(resource.name, this.#errorStateOf(resource, message));
      this.#routes.giveUpWaiting([resource.name]);
      problems.push({ name: resource.name, message });
    }
    this.#settle();
    return problems;
  }

  /** A refused first table ends the wait for it: the listener goes on with 404 (envoy-behaviour §13.5). */
  onRejectedRoutes(rejected: readonly RejectedConfigResource[]): void {
    for (const resource of rejected) {
      this.#routes.setError(resource.name, this.#errorStateOf(resource, resource.message));
      this.#routes.giveUpWaiting([resource.name]);
    }
    this.#settle();
  }

  /**
   * A worker's news about one bind; `error` says what failed. The listener stays: the other workers may have it, and
   * an update may heal it. True: a static listener that no worker has bound.
   */
  onBound(name: string, address: AddressConfig, error: string | undefined): boolean {
    const known = this.#listeners.get(name);
    this.#stats.onBound(error === undefined);
    if (known?.active === undefined) return false;
    if (error === undefined) {
      known.bound.set(printAddress(address), address);
      return false;
    }
    this.#deps.log.error(`error adding listener '${name}': ${error}`);
    known.errorState = this.#errorStateOf(known.active.resource, error);
    return known.isStatic && known.bound.size === 0;
  }

  /** For good; updates of stopped listeners are not published any more. */
  stopListeners(which: 'inbound' | 'all'): void {
    if (this.#stopped !== 'all') this.#stopped = which;
    for (const known of this.#listeners.values()) {
      if (known.active !== undefined && this.#isStopped(known.active.resource.config)) {
        known.bound.clear();
        this.#stats.onStopped();
      }
    }
  }

  listeners(): readonly KnownListenerReport[] {
    const reports: KnownListenerReport[] = [];
    for (const { active, bound } of this.#listeners.values()) {
      if (active !== undefined)
        reports.push({ config: active.resource.config, boundAddresses: [...bound.values()] });
    }
    return reports;
  }

  dumpListeners(versionInfo: string): ConfigDumpSection {
    const entries: ConfigDumpEntry[] = [];
    for (const { isStatic, active, warming, errorState } of this.#listeners.values()) {
      if (active !== undefined)
        entries.push(entryOf(active, isStatic ? 'static' : 'active', errorState));
      if (warming !== undefined)
        entries.push(entryOf(warming, 'warming', active === undefined ? errorState : undefined));
    }
    const failures = [...this.#failures].map(([name, errorState]) => ({ name, errorState }));
    return { entries, failures, versionInfo };
  }

  dumpRoutes(versionInfo: string): ConfigDumpSection {
    return { entries: this.#routes.entries(), failures: [], versionInfo };
  }

  close(): void {
    this.#holdTimer?.cancel();
    for (const { warming } of this.#listeners.values()) cancelAll(warming?.fetchTimers);
  }

  /** The problem, or undefined. */
  #upsert(resource: ConfigResource<ListenerConfig>): string | undefined {
    const known = this.#listeners.get(resource.name);
    // A static listener cannot be changed through LDS; Envoy skips such an update silently.
    if (known?.isStatic === true) return undefined;
    const newest = known?.warming ?? known?.active;
    if (newest !== undefined && newest.resource.config.hash === resource.config.hash)
      return undefined;
    if (this.#isStopped(resource.config)) return undefined;
    const conflict =
      sourceProblem(resource.config, this.#deps.sourceProblem) ??
      listenerProblem(resource.config, this.#deps.runtime) ??
      this.#deps.secrets.problem(listenerSecrets(resource.config)) ??
      this.#addressConflict(resource.config);
    if (conflict !== undefined) return conflict;
    if (known === undefined) {
      this.#listeners.set(resource.name, newListener(false));
      this.#stats.onAdded();
    } else {
      known.errorState = undefined;
      this.#stats.onModified();
    }
    this.#failures.delete(resource.name);
    this.#warm(resource);
    return undefined;
  }

  #addressConflict(config: ListenerConfig): string | undefined {
    for (const [name, { active, warming }] of this.#listeners) {
      if (name === config.name) continue;
      for (const version of [active, warming]) {
        const shared =
          version === undefined ? undefined : sharedAddress(config, version.resource.config);
        if (shared === undefined) continue;
        return `error adding listener: '${config.name}' has duplicate address '${printAddress(shared)}' as existing listener '${name}'`;
      }
    }
    return undefined;
  }

  #isStopped(config: ListenerConfig): boolean {
    return (
      this.#stopped === 'all' ||
      (this.#stopped === 'inbound' && config.trafficDirection === 'INBOUND')
    );
  }

  #remove(name: string): void {
    this.#failures.delete(name);
    const known = this.#listeners.get(name);
    if (known === undefined || known.isStatic) return;
    this.#listeners.delete(name);
    this.#dropWarming(known);
    const { active } = known;
    if (active === undefined) return;
    this.#activeCount--;
    this.#stats.onRemoved();
    this.#deps.sink.removeListener(name);
    this.#release(active);
  }

  #warm(resource: ConfigResource<ListenerConfig>): void {
    const known = this.#listeners.get(resource.name)!;
    const version: ListenerVersion = {
      resource,
      routeRefs: routeRefsOf(resource.config),
      secretUser: this.#secretUser(resource.config),
      lastUpdatedMs: this.#deps.time.wallMs(),
      fetchTimers: [],
    };
    this.#routes.retain(version.routeRefs);
    if (version.secretUser !== undefined) this.#deps.secrets.retain(version.secretUser);
    this.#dropWarming(known);
    known.warming = version;
    this.#warmingCount++;
    version.fetchTimers = version.routeRefs
      .filter((ref) => ref.initialFetchTimeoutMs > 0 && !this.#routes.ready([ref]))
      .map((ref) => this.#awaitRoutes(resource.name, ref));
  }

  /** A table that is overdue: the listener goes on with 404. */
  #awaitRoutes(listener: string, ref: SubscriptionRef): TimerHandle {
    return this.#deps.time.setTimer(() => {
      if (this.#routes.ready([ref])) return;
      this.#deps.log.warn('no routes within the initial fetch time-out; going on without', {
        listener,
        routes: ref.name,
      });
      this.onGivenUpRoutes(subscriptionKey(ref));
    }, ref.initialFetchTimeoutMs);
  }

  /** No first version of the table is to be waited for any more. */
  onGivenUpRoutes(key: string): void {
    this.#routes.giveUpWaiting([key]);
    this.#settle();
  }

  /** Secrets came, or are not waited for any more: listeners may have waited. */
  onSecrets(): void {
    this.#settle();
  }

  #secretUser(config: ListenerConfig): SecretUser | undefined {
    const refs = listenerSecrets(config);
    if (refs.length === 0) return undefined;
    return { refs, onSecret: () => this.#stats.onSecret(config.statPrefix) };
  }

  #isReady({ routeRefs, secretUser }: ListenerVersion): boolean {
    return (
      this.#routes.ready(routeRefs) &&
      (secretUser === undefined || this.#deps.secrets.ready(secretUser.refs))
    );
  }

  #release({ routeRefs, secretUser }: ListenerVersion): void {
    this.#routes.release(routeRefs);
    if (secretUser !== undefined) this.#deps.secrets.release(secretUser);
  }

  /** After every change: what is ready goes out, what nobody needs goes, RDS is asked for what is missing. */
  #settle(): void {
    this.#publishRoutes();
    if (this.#gateOpen) {
      for (const known of this.#listeners.values()) {
        if (known.warming !== undefined && this.#isReady(known.warming))
          this.#activate(known, known.warming);
      }
    }
    for (const name of this.#routes.sweep()) this.#deps.sink.removeRoute(name);
    this.#stats.setCounts(this.#activeCount, this.#warmingCount);
    if (this.#routes.namesChanged()) this.#deps.events.onRoutesWanted(this.#routes.wanted());
    this.#deps.events.onChange();
  }

  #publishRoutes(): void {
    const { sink, time, isClusterWarming } = this.#deps;
    for (const config of this.#routes.takeDue(isClusterWarming, time.monotonicMs()))
      sink.publishRoute(config);
    if (!this.#routes.holdsAny || this.#holdTimer !== undefined) return;
    this.#holdTimer = time.setTimer(() => {
      this.#holdTimer = undefined;
      this.#settle();
    }, MOST_HOLD_MS);
  }

  #activate(known: KnownListener, version: ListenerVersion): void {
    cancelAll(version.fetchTimers);
    const before = known.active;
    known.active = version;
    known.warming = undefined;
    this.#warmingCount--;
    const { config } = version.resource;
    if (before === undefined) {
      this.#activeCount++;
    } else if (onlyFilterChainsDiffer(before.resource.config, config)) {
      this.#stats.onInPlaceUpdated();
    } else if (printAddress(before.resource.config.address) !== printAddress(config.address)) {
      known.bound.clear();
    }
    this.#deps.sink.publishListener(config);
    this.#deps.events.onPublished(config);
    if (before !== undefined) this.#release(before);
  }

  #dropWarming(known: KnownListener): void {
    const { warming } = known;
    if (warming === undefined) return;
    cancelAll(warming.fetchTimers);
    known.warming = undefined;
    this.#warmingCount--;
    this.#release(warming);
  }

  #setError(
    resource: Pick<ConfigResource<unknown>, 'name' | 'version' | 'raw'>,
    details: string,
  ): void {
    const errorState = this.#errorStateOf(resource, details);
    const known = this.#listeners.get(resource.name);
    if (known === undefined) this.#failures.set(resource.name, errorState);
    else known.errorState = errorState;
  }

  #errorStateOf(
    resource: Pick<ConfigResource<unknown>, 'name' | 'version' | 'raw'>,
    details: string,
  ): ConfigErrorState {
    const { version, raw } = resource;
    return { details, lastUpdateAttemptMs: this.#deps.time.wallMs(), version, raw };
  }
}

function cancelAll(timers: readonly TimerHandle[] = []): void {
  for (const timer of timers) timer.cancel();
}

function newListener(isStatic: boolean): KnownListener {
  return {
    isStatic,
    active: undefined,
    warming: undefined,
    errorState: undefined,
    bound: new Map(),
  };
}

function entryOf(
  version: ListenerVersion,
  state: ConfigDumpEntry['state'],
  errorState: ConfigErrorState | undefined,
): ConfigDumpEntry {
  const { name, version: versionText, raw } = version.resource;
  return {
    name,
    state,
    version: versionText,
    raw,
    lastUpdatedMs: version.lastUpdatedMs,
    errorState,
  };
}
