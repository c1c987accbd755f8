// [m] ConfigPublisher: gathers the changes of one moment into one numbered ConfigUpdate for all workers, and keeps the
// sum of all of them for a worker that starts later. Of a large update workers that serve hear part after part.
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ClusterEndpointsConfig } from '../config/endpoint-config.ts';
import type { ListenerConfig } from '../config/listener-config.ts';
import { routeKey } from '../config/route-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import type { SecretConfig } from '../config/secret-config.ts';
import type { ConfigUpdate } from '../config/snapshot.ts';
import type { ListenerSink } from '../listener-manager/listener-manager-deps.ts';
import type { HostHealthConfig } from '../config/host-health-config.ts';
import type { ClusterSink } from '../upstream/cluster-manager-deps.ts';
import type { HostHealthSink } from '../upstream/health-environment.ts';
import { clearWorkerCounts, sharedCountsBuffer } from '../filters/shared-counts.ts';
import type { TokenBucketPlace } from '../filters/token-bucket-memory.ts';
import { clearWorkerHostCounts, sharedHostCountsBuffer } from '../upstream/shared-host-counts.ts';
import { EndpointBook } from './endpoint-book.ts';
import type { EndpointNews } from './endpoint-book.ts';
import type { SecretUpdate } from '../tls/secret-store.ts';
import { CircuitBreakerSlots } from './circuit-breaker-slots.ts';
import { SecretStore } from '../tls/secret-store.ts';
import { HostHealthBook } from './host-health-book.ts';
import { TokenBucketPlaces } from './token-bucket-places.ts';
import { partsOf } from './update-parts.ts';
import type { CircuitBreakerSlot, WorkerInit } from './worker-protocol.ts';

/** Between two updates: a storm of changes must not be a storm of messages. */
const LEAST_GAP_MS = 10;

/** Tables of hashes depend, by rounding, on the order in which the assignment lists hosts. */
const goesByOrder = (cluster: ClusterConfig | undefined): boolean =>
  cluster?.lbPolicy.kind === 'ring_hash' || cluster?.lbPolicy.kind === 'maglev';

export interface PublishedConfig {
  readonly update: ConfigUpdate;
  readonly slots: readonly CircuitBreakerSlot[];
  readonly bucketPlaces: readonly TokenBucketPlace[];
  /** New ones, which the update may need: they go first. */
  readonly secrets: readonly SecretUpdate[];
  /** What nothing needs once the update is applied. */
  readonly removedSecrets: readonly SecretUpdate[];
}

type SharedBuffers = Pick<
  WorkerInit,
  'circuitBreakerCounts' | 'hostCounts' | 'tokenBuckets' | 'sharedCounts' | 'outlierCounts'
>;

/** The two sides of one kind of thing: what is in force, and what changes with the next update. */
class Collected<T> {
  readonly all = new Map<string, T>();
  readonly #changed = new Map<string, T>();
  readonly #removed = new Set<string>();

  put(name: string, config: T): void {
    this.all.set(name, config);
    this.#changed.set(name, config);
    this.#removed.delete(name);
  }

  remove(name: string): void {
    this.#changed.delete(name);
    if (this.all.delete(name)) this.#removed.add(name);
  }

  takeChanged(): readonly T[] {
    const changed = [...this.#changed.values()];
    this.#changed.clear();
    return changed;
  }

  takeRemoved(): readonly string[] {
    const removed = [...this.#removed];
    this.#removed.clear();
    return removed;
  }
}

export class ConfigPublisher implements ClusterSink, ListenerSink, HostHealthSink {
  readonly #time: TimeSource;
  readonly #publish: (config: PublishedConfig) => void;
  readonly #slots: CircuitBreakerSlots;
  readonly #buckets = new TokenBucketPlaces();
  readonly #health = new HostHealthBook();
  /** The secrets that workers have or are about to get, for main's own use. */
  readonly secretStore = new SecretStore();
  /** What workers count together besides breakers. */
  readonly sharedCounts: SharedArrayBuffer;
  /** Their connections to single hosts. */
  readonly hostCounts: SharedArrayBuffer;
  readonly #clusters = new Collected<ClusterConfig>();
  readonly #endpoints = new EndpointBook();
  readonly #routes = new Collected<RouteConfig>();
  readonly #listeners = new Collected<ListenerConfig>();
  readonly #secrets = new Collected<SecretUpdate>();
  /** Things that are free once all workers run on the version. */
  readonly #releasedAt: { version: number; readonly reclaim: () => void }[] = [];
  #runtime: ReadonlyMap<string, string> | undefined = undefined;
  #runtimeVersion = 0;
  #runtimeChanged = false;
  #timer: TimerHandle | undefined = undefined;
  /** Of the newest update what workers are yet to hear, in order: each when all run on the one before. */
  #queue: readonly PublishedConfig[] = [];
  /** Changes came meanwhile. */
  #waiting = false;
  /** Listeners were published: there may be requests. */
  #serving = false;
  /** One died, and there is no other in its place yet: nobody waits for it. */
  #workerGone = false;
  #version = 0;
  #appliedVersion = -1;
  #flushedMs = -Infinity;

  constructor(time: TimeSource, publish: (config: PublishedConfig) => void, workerCount: number) {
    this.#slots = new CircuitBreakerSlots(workerCount);
    this.sharedCounts = sharedCountsBuffer(workerCount);
    this.hostCounts = sharedHostCountsBuffer(workerCount);
    this.#time = time;
    this.#publish = publish;
  }

  /** Of the newest update: all of it is in force when all workers run on this. */
  get version(): number {
    return this.#version;
  }

  /** A worker died: its requests and connections are gone, so are their places in the breakers. */
  onWorkerGone(workerIndex: number): void {
    this.#workerGone = true;
    this.#publishRest();
    this.#slots.clearWorker(workerIndex);
    clearWorkerCounts(this.sharedCounts, workerIndex);
    clearWorkerHostCounts(this.hostCounts, workerIndex);
  }

  get breakers(): Pick<CircuitBreakerSlots, 'read'> {
    return this.#slots;
  }

  get circuitBreakerCounts(): SharedArrayBuffer {
    return this.#slots.counts;
  }

  get outlierCounts(): SharedArrayBuffer {
    return this.#health.outlierCounts;
  }

  /** What workers write together, as their `init` names it. */
  get sharedBuffers(): SharedBuffers {
    return {
      circuitBreakerCounts: this.circuitBreakerCounts,
      hostCounts: this.hostCounts,
      tokenBuckets: this.#buckets.words,
      sharedCounts: this.sharedCounts,
      outlierCounts: this.outlierCounts,
    };
  }

  publishCluster(config: ClusterConfig): void {
    // Hosts, those that the configuration lists included, go by publishEndpoints alone.
    this.#clusters.put(config.name, { ...config, localities: [] });
    this.#later();
  }

  publishEndpoints(endpoints: ClusterEndpointsConfig): void {
    this.#endpoints.put(endpoints);
    this.#later();
  }

  removeCluster(name: string): void {
    this.#clusters.remove(name);
    this.#endpoints.remove(name);
    this.#health.removeCluster(name);
    this.#later();
  }

  publishSecret(key: string, secret: SecretConfig): void {
    this.#secrets.put(key, { key, secret });
    this.secretStore.apply([{ key, secret }]);
    this.#later();
  }

  removeSecret(key: string): void {
    this.#secrets.remove(key);
    this.secretStore.apply([{ key, secret: undefined }]);
    this.#later();
  }

  // === HostHealthSink

  publishHostHealth(cluster: string, health: HostHealthConfig): void {
    this.#health.put(cluster, health);
    this.#later();
  }

  forgetHostHealth(cluster: string, address: string): void {
    this.#health.forget(cluster, address);
  }

  resetHostHealth(cluster: string): void {
    this.#health.reset(cluster);
    this.#later();
  }

  takeOutlierSlot(): number {
    return this.#health.takeSlot();
  }

  releaseOutlierSlot(slot: number): void {
    // What its host's end is published with: workers have let go of the host when they run on that.
    this.#later();
    this.#releasedAt.push({
      version: this.#version + 1,
      reclaim: () => this.#health.reclaimSlot(slot),
    });
  }

  publishRoute(config: RouteConfig): void {
    this.#routes.put(routeKey(config), config);
    this.#later();
  }

  removeRoute(name: string): void {
    this.#routes.remove(name);
    this.#later();
  }

  publishListener(config: ListenerConfig): void {
    this.#listeners.put(config.name, config);
    this.#later();
  }

  /** What workers compiled from the values before is sent again, so that they compile it from these. */
  publishRuntime(values: ReadonlyMap<string, string>): void {
    this.#runtime = values;
    this.#runtimeVersion++;
    this.#runtimeChanged = true;
    for (const [key, route] of this.#routes.all) this.#routes.put(key, route);
    for (const [name, listener] of this.#listeners.all) this.#listeners.put(name, listener);
    this.#later();
  }

  removeListener(name: string): void {
    this.#listeners.remove(name);
    this.#later();
  }

  /** Everything in force, as one update with the number of the newest; changes that still wait are in it too. */
  sum(): PublishedConfig {
    this.flush();
    const clusters = [...this.#clusters.all.values()];
    return {
      update: {
        version: this.#version,
        runtime: this.#runtime,
        clusters,
        endpoints: this.#endpoints.all(),
        endpointChanges: [],
        hostHealth: this.#health.sum(),
        routes: [...this.#routes.all.values()],
        listeners: this.#compiledAnew([...this.#listeners.all.values()]),
        removedListeners: [],
        removedRoutes: [],
        removedClusters: [],
      },
      slots: this.#slotsOf(clusters),
      bucketPlaces: this.#placesOf([...this.#listeners.all.keys()], [...this.#routes.all.keys()]),
      secrets: [...this.#secrets.all.values()],
      removedSecrets: [],
    };
  }

  /** All workers run on this version. */
  onAllApplied(version: number): void {
    this.#appliedVersion = version;
    this.#workerGone = false;
    this.#publishNext(version);
    if (this.#endpoints.partsLeft) this.#later();
    while (this.#releasedAt.length > 0 && this.#releasedAt[0]!.version <= version) {
      this.#releasedAt.shift()!.reclaim();
    }
  }

  /** Publishes now, and whole, what else would go out in a millisecond or in parts. */
  flush(): void {
    this.#publishRest();
    if (this.#timer === undefined) return;
    this.#flushOne();
    this.#publishRest();
  }

  #flushOne(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#flushedMs = this.#time.monotonicMs();
    const config = this.#take();
    const [first, ...rest] = this.#serving && !this.#workerGone ? partsOf(config) : [config];
    this.#queue = rest;
    this.#version += rest.length;
    // What goes with this update goes with the last of its parts.
    for (const released of this.#releasedAt)
      if (released.version === config.update.version) released.version = this.#version;
    if (config.update.listeners.length > 0) this.#serving = true;
    this.#publish(first!);
  }

  #publishNext(appliedVersion: number): void {
    const [next, ...rest] = this.#queue;
    if (next === undefined || appliedVersion < next.update.version - 1) return;
    this.#queue = rest;
    this.#publish(next);
    this.#whenPublished();
  }

  #publishRest(): void {
    const rest = this.#queue;
    this.#queue = [];
    for (const part of rest) this.#publish(part);
    this.#whenPublished();
  }

  #whenPublished(): void {
    if (this.#queue.length > 0 || !this.#waiting) return;
    this.#waiting = false;
    this.#later();
  }

  /** All that changed. */
  #take(): PublishedConfig {
    const idle = this.#appliedVersion === this.#version;
    this.#version++;
    const clusters = this.#clusters.takeChanged();
    const endpoints = this.#takeEndpoints(clusters, idle);
    const update: ConfigUpdate = {
      version: this.#version,
      runtime: this.#takeRuntime(),
      clusters,
      endpoints: endpoints.whole,
      endpointChanges: endpoints.changes,
      hostHealth: this.#health.takeChanged(),
      routes: this.#routes.takeChanged(),
      listeners: this.#compiledAnew(this.#listeners.takeChanged()),
      removedListeners: this.#listeners.takeRemoved(),
      removedRoutes: this.#routes.takeRemoved(),
      removedClusters: this.#clusters.takeRemoved(),
    };
    const slots = this.#slotsOf(clusters);
    for (const name of update.removedClusters) {
      const slot = this.#slots.release(name);
      if (slot !== undefined) this.#reclaimLater(() => this.#slots.reclaim(slot));
    }
    return {
      update,
      slots,
      bucketPlaces: this.#placeBuckets(update),
      secrets: this.#secrets.takeChanged(),
      removedSecrets: this.#secrets.takeRemoved().map((key) => ({ key, secret: undefined })),
    };
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #takeRuntime(): ReadonlyMap<string, string> | undefined {
    if (!this.#runtimeChanged) return undefined;
    this.#runtimeChanged = false;
    return this.#runtime;
  }

  /** Chains of another runtime are other chains: they are swapped under their connections. */
  #compiledAnew(listeners: readonly ListenerConfig[]): readonly ListenerConfig[] {
    if (this.#runtimeVersion === 0) return listeners;
    const mark = `@${this.#runtimeVersion}`;
    return listeners.map((listener) => ({
      ...listener,
      hash: listener.hash + mark,
      filterChains: listener.filterChains.map((chain) => ({ ...chain, hash: chain.hash + mark })),
      defaultFilterChain: listener.defaultFilterChain && {
        ...listener.defaultFilterChain,
        hash: listener.defaultFilterChain.hash + mark,
      },
    }));
  }

  /** Places for the buckets of what changed. */
  #placeBuckets(update: ConfigUpdate): readonly TokenBucketPlace[] {
    const buckets = this.#buckets;
    const free = [
      ...update.listeners.flatMap((listener) => buckets.putListener(listener)),
      ...update.routes.flatMap((route) => buckets.putRoute(route)),
      ...update.removedListeners.flatMap((name) => buckets.removeListener(name)),
      ...update.removedRoutes.flatMap((name) => buckets.removeRoute(name)),
    ];
    for (const range of free) this.#reclaimLater(() => buckets.reclaim(range));
    return this.#placesOf(
      update.listeners.map(({ name }) => name),
      update.routes.map(routeKey),
    );
  }

  #placesOf(listeners: readonly string[], routes: readonly string[]): readonly TokenBucketPlace[] {
    return [
      ...listeners.flatMap((name) => this.#buckets.placesOfListener(name)),
      ...routes.flatMap((name) => this.#buckets.placesOfRoute(name)),
    ];
  }

  #reclaimLater(reclaim: () => void): void {
    this.#releasedAt.push({ version: this.#version, reclaim });
  }

  #slotsOf(clusters: readonly ClusterConfig[]): readonly CircuitBreakerSlot[] {
    return clusters.map(({ name }) => ({ cluster: name, slot: this.#slots.slotOf(name) }));
  }

  /** A cluster that comes anew, or as another, begins without hosts on the worker. */
  #takeEndpoints(clusters: readonly ClusterConfig[], idle: boolean): EndpointNews {
    const fresh = new Set(clusters.map(({ name }) => name));
    return this.#endpoints.take(
      (name) => fresh.has(name) || goesByOrder(this.#clusters.all.get(name)),
      idle,
    );
  }

  /** At once, but in a storm of changes those of some milliseconds together. */
  #later(): void {
    if (this.#timer !== undefined) return;
    if (this.#queue.length > 0) {
      this.#waiting = true;
      return;
    }
    const sinceMs = this.#time.monotonicMs() - this.#flushedMs;
    this.#timer = this.#time.setTimer(() => this.#flushOne(), Math.max(0, LEAST_GAP_MS - sinceMs));
  }
}
