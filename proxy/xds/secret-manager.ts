// [m] SecretManager: every secret that configuration names, by name and source: asked for while somebody needs it, shared by all who do,
// checked, and given to workers whole (envoy-behaviour §9.4, §13.4). What was good stays when what follows is not.
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import { FileWatch } from '../base/file-watch.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { Closable } from '../base/lifetime.ts';
import type { Logger } from '../base/logger.ts';
import type { RandomSource } from '../base/random.ts';
import type {
  ConfigDumpEntry,
  ConfigDumpSection,
  ConfigErrorState,
} from '../config/config-resource.ts';
import { secretKey } from '../config/secret-config.ts';
import type { SecretConfig, SecretRef } from '../config/secret-config.ts';
import type { StatId, StatsStore } from '../stats/store.ts';
import type { AdsClient } from './ads-client.ts';
import type {
  RejectedResource,
  ResourceProblem,
  ResourceWatcher,
  XdsResource,
} from './resource-watcher.ts';
import type { FieldNotices } from './field-notices.ts';
import type { DiscoveryChannels } from './discovery-channels.ts';
import { modeOf } from './discovery-channels.ts';
import { checkSecret } from './secret-check.ts';
import { filesOf, withFilesRead } from './secret-files.ts';

import { SubscriptionStats } from './subscription-stats.ts';

const adsClient = lazyPart<typeof import('./ads-client.ts')>('xds/ads-client');
const pathFeed = lazyPart<typeof import('./secret-path-feed.ts')>('xds/secret-path-feed');

/** Where good secrets go, by secretKey(). */
export interface SecretSink {
  publishSecret(key: string, secret: SecretConfig): void;
  removeSecret(key: string): void;
}

/** One version of one cluster or listener; proxy/tls/secret-waits.ts. */
export interface SecretUser {
  readonly refs: readonly SecretRef[];
  onSecret(): void;
}

export interface SecretManagerDeps {
  readonly sink: SecretSink;
  readonly channels: DiscoveryChannels;
  /** Whether there is an aggregated stream. */
  readonly hasAds: boolean;
  /** The whole set of names that the aggregated stream is to ask for. */
  readonly onAdsNames: (names: ReadonlySet<string>) => void;
  /** Somebody may have to wait no longer. */
  readonly onSettled: () => void;
  readonly nodeOnFirstMessageOnly: boolean;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly stats: StatsStore;
  readonly fields?: FieldNotices | undefined;
  readonly log: Logger;
}

/** One name from one source. */
interface KnownSecret {
  readonly key: string;
  readonly ref: SecretRef;
  readonly users: Set<SecretUser>;
  readonly stats: SubscriptionStats;
  readonly rotationFailed: StatId;
  /** As it was accepted last; the bytes hold the key. */
  resource: XdsResource<SecretConfig> | undefined;
  lastUpdatedMs: number;
  errorState: ConfigErrorState | undefined;
  /** Came, was refused, or is overdue: nobody waits for it. */
  settled: boolean;
  feed: Closable | undefined;
  fetchTimer: TimerHandle | undefined;
  fileWatch: FileWatch | undefined;
}

const FILE_DEBOUNCE_MS = 20;

export class SecretManager implements Closable {
  readonly #deps: SecretManagerDeps;
  readonly #known = new Map<string, KnownSecret>();
  /** By secretKey(), with the content of files. */
  readonly #published = new Map<string, SecretConfig>();
  readonly #statics = new Map<string, XdsResource<SecretConfig>>();
  #staticsAtMs = 0;
  #sweepTimer: TimerHandle | undefined;
  #settledTimer: TimerHandle | undefined;
  #adsNames: ReadonlySet<string> = new Set();

  constructor(deps: SecretManagerDeps) {
    this.#deps = deps;
  }

  /** Of the bootstrap. Throws a ConfigError for one that cannot be used. */
  addStatic(resources: readonly XdsResource<SecretConfig>[]): void {
    this.#staticsAtMs = this.#deps.time.wallMs();
    for (const resource of resources) {
      const config = withFilesRead(resource.config);
      checkSecret(config);
      this.#statics.set(resource.name, resource);
      const key = secretKey({ name: resource.name, source: { kind: 'static' } });
      this.#publish(key, config);
    }
  }

  problem(refs: readonly SecretRef[]): string | undefined {
    for (const { name, source } of refs) {
      if (source.kind === 'static' && !this.#statics.has(name))
        return `Unknown static secret: ${name}`;
      if (source.kind === 'ads' && !this.#deps.hasAds)
        return `secret ${name}: ads is its source, but the bootstrap has no ads_config`;
    }
    return undefined;
  }

  retain(user: SecretUser): void {
    for (const ref of user.refs) {
      if (ref.source.kind === 'static') continue;
      const key = secretKey(ref);
      const known = this.#known.get(key);
      if (known !== undefined) known.users.add(user);
      else this.#subscribe(key, ref, user);
    }
  }

  /** As workers have it; undefined: none came yet. */
  current(key: string): SecretConfig | undefined {
    return this.#published.get(key);
  }

  /** What nobody needs any more is asked for no longer; not at once, so that a successor finds it. */
  release(user: SecretUser): void {
    let unused = false;
    for (const ref of user.refs) {
      const known = this.#known.get(secretKey(ref));
      if (known === undefined) continue;
      known.users.delete(user);
      unused ||= known.users.size === 0;
    }
    if (unused) this.#sweepTimer ??= this.#deps.time.setTimer(() => this.#sweep(), 0);
  }

  ready(refs: readonly SecretRef[]): boolean {
    return refs.every(
      (ref) => ref.source.kind === 'static' || this.#known.get(secretKey(ref))?.settled === true,
    );
  }

  /** For the aggregated stream. */
  get adsWatcher(): ResourceWatcher<SecretConfig> {
    return {
      onUpdate: (upserts) =>
        upserts.flatMap((resource) => {
          const known = this.#known.get(adsKey(resource.name));
          if (known === undefined) return [];
          const startMs = this.#deps.time.monotonicMs();
          const problems = this.#takeAll(known, [resource]);
          if (problems.length === 0) this.#succeeded(known, resource.version, startMs);
          return problems;
        }),
      onRejected: (rejected) => {
        for (const resource of rejected) {
          const known = this.#known.get(adsKey(resource.name));
          if (known !== undefined) this.#refuse(known, resource);
        }
      },
    };
  }

  dump(): ConfigDumpSection {
    const entries: ConfigDumpEntry[] = [];
    for (const { name, raw } of this.#statics.values()) {
      const lastUpdatedMs = this.#staticsAtMs;
      entries.push({
        name,
        state: 'static',
        version: '',
        raw,
        lastUpdatedMs,
        errorState: undefined,
      });
    }
    for (const { ref, resource, lastUpdatedMs, errorState } of this.#known.values()) {
      entries.push({
        name: ref.name,
        state: resource === undefined ? 'warming' : 'active',
        version: resource?.version ?? 'uninitialized',
        raw: resource?.raw ?? new Uint8Array(),
        lastUpdatedMs,
        errorState,
      });
    }
    return { entries, failures: [], versionInfo: '' };
  }

  close(): void {
    this.#sweepTimer?.cancel();
    this.#settledTimer?.cancel();
    for (const known of this.#known.values()) closeSecret(known);
    this.#known.clear();
  }

  #subscribe(key: string, ref: SecretRef, user: SecretUser): void {
    const { stats, time } = this.#deps;
    const prefix = `sds.${ref.name}.`;
    const known: KnownSecret = {
      key,
      ref,
      users: new Set([user]),
      // A stream of its own counts by itself.
      stats: new SubscriptionStats(stats, ref.source.kind === 'grpc' ? undefined : prefix),
      rotationFailed: stats.counter(`${prefix}key_rotation_failed`),
      resource: undefined,
      lastUpdatedMs: time.wallMs(),
      errorState: undefined,
      settled: false,
      feed: undefined,
      fetchTimer: undefined,
      fileWatch: undefined,
    };
    this.#known.set(key, known);
    if (ref.initialFetchTimeoutMs > 0)
      known.fetchTimer = time.setTimer(() => this.#onOverdue(known), ref.initialFetchTimeoutMs);
    known.stats.onAttempt();
    known.feed = this.#openFeed(known);
  }

  #openFeed(known: KnownSecret): Closable | undefined {
    const { ref } = known;
    switch (ref.source.kind) {
      case 'static':
        return undefined;
      case 'ads':
        this.#tellAdsNames();
        return undefined;
      case 'grpc':
        return this.#openSoon(known, ref.source);
      case 'path':
        return new (pathFeed().SecretPathFeed)(ref.name, ref.source, this.#deps.time, {
          onSecret: (resource) => {
            const startMs = this.#deps.time.monotonicMs();
            const [problem] = this.#takeAll(known, [resource]);
            if (problem !== undefined) throw new Error(problem.message);
            this.#succeeded(known, resource.version, startMs);
          },
          onRejected: (reason) => {
            this.#deps.log.warn(`secret ${ref.name} refused: ${reason}`);
            known.stats.onRejected();
            this.#settle(known);
          },
        });
    }
  }

  /** Its cluster may stand behind the one that asks in the same list. */
  #openSoon(known: KnownSecret, source: Extract<SecretRef['source'], { kind: 'grpc' }>): Closable {
    const timer = this.#deps.time.setTimer(() => {
      known.feed = this.#openStream(known, source);
    }, 0);
    return { close: () => timer.cancel() };
  }

  #openStream(
    known: KnownSecret,
    source: Extract<SecretRef['source'], { kind: 'grpc' }>,
  ): AdsClient {
    const { channels, time, random, log, stats, nodeOnFirstMessageOnly } = this.#deps;
    const { name } = known.ref;
    const client = new (adsClient().AdsClient)({
      mode: modeOf(source.delta),
      transport: channels.transport(source.cluster, 'secrets'),
      nodeOnFirstMessageOnly,
      clustersFetchTimeoutMs: 0,
      listenersFetchTimeoutMs: 0,
      time,
      random,
      log,
      stats,
      fields: this.#deps.fields,
      statPrefix: `sds.${name}.`,
    });
    client.setWatchers({
      secrets: {
        onUpdate: (upserts) => this.#takeAll(known, upserts),
        onRejected: (rejected) => {
          for (const resource of rejected) this.#refuse(known, resource);
        },
      },
    });
    client.setNames('secrets', new Set([name]));
    client.start();
    return client;
  }

  #takeAll(
    known: KnownSecret,
    resources: readonly XdsResource<SecretConfig>[],
  ): readonly ResourceProblem[] {
    for (const resource of resources) {
      try {
        const config = withFilesRead(resource.config);
        checkSecret(config);
        this.#accept(known, resource, config);
      } catch (error) {
        const { message } = error as Error;
        this.#refuse(known, { ...resource, message });
        return [{ name: resource.name, message }];
      }
    }
    return [];
  }

  #publish(key: string, config: SecretConfig): void {
    this.#published.set(key, config);
    this.#deps.sink.publishSecret(key, config);
  }

  #accept(known: KnownSecret, resource: XdsResource<SecretConfig>, config: SecretConfig): void {
    const { time, log } = this.#deps;
    log.debug(`secret ${known.ref.name} taken`, { version: resource.version });
    known.resource = resource;
    known.errorState = undefined;
    known.lastUpdatedMs = time.wallMs();
    this.#watchFiles(known);
    this.#publish(known.key, config);
    for (const user of known.users) user.onSecret();
    this.#settle(known);
  }

  /** Files that the secret names change by themselves. */
  #watchFiles(known: KnownSecret): void {
    known.fileWatch?.close();
    known.fileWatch = undefined;
    const { resource } = known;
    const files = resource === undefined ? [] : filesOf(resource.config);
    if (files.length === 0) return;
    const parts = { time: this.#deps.time, debounceMs: FILE_DEBOUNCE_MS, onFailure: () => {} };
    known.fileWatch = new FileWatch(files, parts, () => this.#reread(known));
  }

  #reread(known: KnownSecret): void {
    const { resource } = known;
    const { stats, log, time } = this.#deps;
    if (resource === undefined) return;
    try {
      const config = withFilesRead(resource.config);
      checkSecret(config);
      this.#publish(known.key, config);
    } catch (error) {
      stats.inc(known.rotationFailed);
      log.warn(`secret ${known.ref.name}: ${(error as Error).message}; the one before stays`);
      return;
    }
    known.lastUpdatedMs = time.wallMs();
    for (const user of known.users) user.onSecret();
  }

  #succeeded(known: KnownSecret, version: string, startMs: number): void {
    const { time } = this.#deps;
    known.stats.onSuccess(version, time.wallMs(), time.monotonicMs() - startMs);
  }

  /** The one before stays; who waits for a first one waits no longer. */
  #refuse(known: KnownSecret, rejected: RejectedResource): void {
    known.errorState = {
      details: rejected.message,
      lastUpdateAttemptMs: this.#deps.time.wallMs(),
      version: rejected.version,
      raw: rejected.raw,
    };
    if (known.ref.source.kind === 'ads') known.stats.onRejected();
    this.#settle(known);
  }

  #onOverdue(known: KnownSecret): void {
    if (known.settled) return;
    const { stats, log } = this.#deps;
    stats.inc(stats.counter(`sds.${known.ref.name}.init_fetch_timeout`));
    log.warn(`no secret ${known.ref.name} within the initial fetch time-out; going on without`);
    this.#settle(known);
  }

  #settle(known: KnownSecret): void {
    known.fetchTimer?.cancel();
    if (known.settled) return;
    known.settled = true;
    // Not from within the managers that have just asked for it.
    this.#settledTimer ??= this.#deps.time.setTimer(() => {
      this.#settledTimer = undefined;
      this.#deps.onSettled();
    }, 0);
  }

  #sweep(): void {
    this.#sweepTimer = undefined;
    for (const known of this.#known.values()) {
      if (known.users.size > 0) continue;
      this.#known.delete(known.key);
      closeSecret(known);
      this.#published.delete(known.key);
      if (known.resource !== undefined) this.#deps.sink.removeSecret(known.key);
    }
    this.#tellAdsNames();
  }

  #tellAdsNames(): void {
    const names = new Set<string>();
    for (const { ref } of this.#known.values()) if (ref.source.kind === 'ads') names.add(ref.name);
    if (names.size === 0 && this.#adsNames.size === 0) return;
    this.#adsNames = names;
    this.#deps.onAdsNames(names);
  }
}

const adsKey = (name: string): string => secretKey({ name, source: { kind: 'ads' } });

function closeSecret(known: KnownSecret): void {
  known.feed?.close();
  known.fetchTimer?.cancel();
  known.fileWatch?.close();
}
