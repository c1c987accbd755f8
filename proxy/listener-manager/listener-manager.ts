// [m] ListenerManager: static and LDS listeners and the RDS tables they need; a listener reaches the workers when its
// tables came, its predecessor serves until then (envoy-behaviour §8.5, §13.5).
import { assert } from '../base/assert.ts';
import type { TimerHandle } from '../base/clock.ts';
import { dumpEntriesOf } from '../config/config-dump-entries.ts';
import type {
  ConfigDumpSection,
  ConfigErrorState,
  ConfigResource,
  ConfigResourceProblem,
  RejectedConfigResource,
} from '../config/config-resource.ts';
import { subscriptionKey } from '../config/config-source.ts';
import type { SubscriptionRef } from '../config/config-source.ts';
import type { AddressConfig, ListenerConfig } from '../config/listener-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import { listenerSecrets } from '../config/secret-references.ts';
import type { SecretUser } from '../tls/secret-waits.ts';
import {
  onlyFilterChainsDiffer,
  printAddress,
  routeRefsOf,
  sharedAddress,
  sourceProblem,
} from './listener-comparison.ts';
import { ListenerDrains } from './listener-drains.ts';
import { ListenerManagerStats } from './listener-manager-stats.ts';
import type { KnownListenerReport, ListenerManagerDeps } from './listener-manager-deps.ts';
import type { ListenerTarget } from './listener-targets.ts';
import { listenerFate, planChains } from './listener-update.ts';
import { newListener } from './listener-version.ts';
import type { KnownListener, ListenerVersion } from './listener-version.ts';
import { MOST_HOLD_MS, RouteTables } from './route-tables.ts';
import { listenerProblem, routeProblem } from './trial-compile.ts';

export class ListenerManager {
  readonly #deps: ListenerManagerDeps;
  readonly #stats: ListenerManagerStats;
  readonly #listeners = new Map<string, KnownListener>();
  readonly #routes = new RouteTables();
  readonly #failures = new Map<string, ConfigErrorState>();
  readonly #drains: ListenerDrains;
  readonly #targets: readonly ListenerTarget[];
  #gateOpen = false;
  #holdTimer: TimerHandle | undefined = undefined;
  #warmingCount = 0;
  #activeCount = 0;
  #stopped: 'none' | 'inbound' | 'all' = 'none';

  constructor(deps: ListenerManagerDeps) {
    this.#deps = deps;
    this.#targets = deps.targets ?? [];
    this.#stats = new ListenerManagerStats(deps.stats);
    this.#drains = new ListenerDrains(deps.time, deps.drainTimeMs, () => this.#setCounts());
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
    const known = [...this.#listeners.values()].flatMap(dumpEntriesOf);
    const entries = [...known, ...this.#drains.entries()];
    const failures = [...this.#failures].map(([name, errorState]) => ({ name, errorState }));
    return { entries, failures, versionInfo };
  }

  dumpRoutes(versionInfo: string): ConfigDumpSection {
    return { entries: this.#routes.entries(), failures: [], versionInfo };
  }

  close(): void {
    this.#holdTimer?.cancel();
    this.#drains.close();
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
      this.#targetProblem(resource.config) ??
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

  #targetProblem(config: ListenerConfig): string | undefined {
    const problems = this.#targets.map((target) => target.problem?.(config));
    return problems.find((problem) => problem !== undefined);
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
    this.#drains.addListener(active);
    this.#release(active);
  }

  #warm(resource: ConfigResource<ListenerConfig>): void {
    const known = this.#listeners.get(resource.name)!;
    const version: ListenerVersion = {
      resource,
      routeRefs: routeRefsOf(resource.config),
      secretUser: this.#secretUser(resource.config),
      lastUpdatedMs: this.#deps.time.wallMs(),
      published: resource.config,
      fetchTimers: [],
    };
    for (const target of this.#targets) target.retain(resource.config);
    this.#routes.retain(version.routeRefs);
    if (version.secretUser !== undefined) this.#deps.secrets.retain(version.secretUser);
    this.#dropWarming(known);
    known.warming = version;
    this.#warmingCount++;
    this.#retable(version, this.#filled(version));
    this.#awaitTables(version);
  }

  #awaitTables(version: ListenerVersion): void {
    cancelAll(version.fetchTimers);
    version.fetchTimers = version.routeRefs
      .filter((ref) => ref.initialFetchTimeoutMs > 0 && !this.#routes.ready([ref]))
      .map((ref) => this.#awaitRoutes(version.resource.name, ref));
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

  /** What a target waits for came, or came anew: listeners in force get it in place. */
  onTargets(): void {
    for (const { active, warming } of this.#listeners.values()) {
      if (active !== undefined) this.#refill(active);
      if (warming !== undefined && this.#retable(warming, this.#filled(warming)))
        this.#awaitTables(warming);
    }
    this.#settle();
  }

  /** What was filled in may name other tables. */
  #retable(version: ListenerVersion, config: ListenerConfig): boolean {
    if (config === version.resource.config) return false;
    const before = version.routeRefs;
    this.#routes.retain((version.routeRefs = routeRefsOf(config)));
    this.#routes.release(before);
    return true;
  }

  #refill(active: ListenerVersion): void {
    const before = active.published;
    const config = this.#filled(active);
    if (config.hash === before.hash) return;
    active.published = config;
    this.#retable(active, config);
    this.#stats.onInPlaceUpdated();
    this.#drains.addChains(planChains(before, config).drained.length);
    this.#deps.sink.publishListener(config);
    this.#deps.events.onPublished(config);
  }

  #filled({ resource }: ListenerVersion): ListenerConfig {
    let { config } = resource;
    for (const target of this.#targets) config = target.filled(config);
    return config;
  }

  #secretUser(config: ListenerConfig): SecretUser | undefined {
    const refs = listenerSecrets(config);
    if (refs.length === 0) return undefined;
    return { refs, onSecret: () => this.#stats.onSecret(config.statPrefix) };
  }

  #isReady({ resource, routeRefs, secretUser }: ListenerVersion): boolean {
    return (
      this.#routes.ready(routeRefs) &&
      this.#targets.every((target) => target.ready(resource.config)) &&
      (secretUser === undefined || this.#deps.secrets.ready(secretUser.refs))
    );
  }

  #release({ resource, routeRefs, secretUser }: ListenerVersion): void {
    for (const target of this.#targets) target.release(resource.config);
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
    this.#setCounts();
    if (this.#routes.namesChanged()) this.#deps.events.onRoutesWanted(this.#routes.wanted());
    this.#deps.events.onChange();
  }

  #setCounts(): void {
    this.#stats.setCounts({
      active: this.#activeCount,
      warming: this.#warmingCount,
      draining: this.#drains.listenerCount,
      chainsDraining: this.#drains.chainCount,
    });
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
    const config = this.#filled(version);
    version.published = config;
    if (before === undefined) this.#activeCount++;
    else this.#noteUpdate(known, before, config);
    this.#deps.sink.publishListener(config);
    this.#deps.events.onPublished(config);
    if (before !== undefined) this.#release(before);
  }

  #noteUpdate(known: KnownListener, before: ListenerVersion, config: ListenerConfig): void {
    const old = before.published;
    if (onlyFilterChainsDiffer(old, config)) this.#stats.onInPlaceUpdated();
    if (printAddress(old.address) !== printAddress(config.address)) known.bound.clear();
    if (listenerFate(old, config) === 'in_place')
      this.#drains.addChains(planChains(old, config).drained.length);
    else this.#drains.addListener(before);
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
