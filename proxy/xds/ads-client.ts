// [m] The aggregated xDS stream: connect, back off, reconnect, and what admin shows of it. Which resource is asked for
// when, and what is answered, is the mux's work (envoy-behaviour §13, istio-contract §1).
import { assert } from '../base/assert.ts';
import { JitteredBackoff } from '../base/backoff.ts';
import type { TimeSource, TimerHandle } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { RandomSource } from '../base/random.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ClusterEndpointsConfig } from '../config/endpoint-config.ts';
import type { ListenerConfig } from '../config/listener-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import type { SecretConfig } from '../config/secret-config.ts';
import type { StatsStore } from '../stats/store.ts';
import type { AdsMode, AdsMux, AdsRequest, AdsResponse } from './ads-mux.ts';
import type { AdsStream, AdsTransport } from './ads-transport.ts';
import { mayAsk } from './ads-mux.ts';
import { DeltaMux } from './delta-mux.ts';
import {
  clusterType,
  endpointsType,
  listenerType,
  routeType,
  secretType,
} from './resource-types.ts';
import type { FieldNotices } from './field-notices.ts';
import type { NamedResourceKind, ResourceWatcher, XdsResourceKind } from './resource-watcher.ts';
import { SotwMux } from './sotw-mux.ts';
import { ControlPlaneStats, SubscriptionStats } from './subscription-stats.ts';
import { SubscriptionState } from './subscription-state.ts';
import type { ResourceType, SubscriptionSnapshot } from './subscription-state.ts';

/** Envoy's default for a stream without retry_policy of its own (§13.1). */
const BACKOFF_BASE_MS = 500;
const BACKOFF_MAX_MS = 30_000;

export interface AdsClientOptions {
  readonly mode: AdsMode;
  readonly transport: AdsTransport;
  /** `ads_config.set_node_on_first_message_only`; false sends the node every time. */
  readonly nodeOnFirstMessageOnly: boolean;
  /** Of CDS and LDS; 0 waits for ever. */
  readonly clustersFetchTimeoutMs: number;
  readonly listenersFetchTimeoutMs: number;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly log: Logger;
  readonly stats: StatsStore;
  readonly fields?: FieldNotices | undefined;
  /** Of all stats of this client; '' for the aggregated stream. */
  readonly statPrefix?: string | undefined;
  /** Who watches counts updates by itself: only the stream is counted here. Absent: both are. */
  readonly countsStreamOnly?: boolean | undefined;
}

/** A kind without watcher is not subscribed to (static clusters, static listeners). */
export interface AdsWatchers {
  readonly clusters?: ResourceWatcher<ClusterConfig> | undefined;
  readonly endpoints?: ResourceWatcher<ClusterEndpointsConfig> | undefined;
  readonly listeners?: ResourceWatcher<ListenerConfig> | undefined;
  readonly routes?: ResourceWatcher<RouteConfig> | undefined;
  readonly secrets?: ResourceWatcher<SecretConfig> | undefined;
}

/** Plain data for admin. */
export interface AdsState {
  readonly mode: AdsMode;
  readonly connected: boolean;
  readonly controlPlaneIdentifier: string;
  readonly streamsOpened: number;
  /** Why the last stream ended; '' while none has. */
  readonly lastEnd: string;
  readonly types: readonly SubscriptionSnapshot[];
}

const STAT_PREFIXES: Readonly<Partial<Record<XdsResourceKind, string>>> = {
  clusters: 'cluster_manager.cds.',
  listeners: 'listener_manager.lds.',
};

export class AdsClient {
  readonly #options: AdsClientOptions;
  readonly #log: Logger;
  readonly #backoff: JitteredBackoff;
  readonly #controlPlane: ControlPlaneStats;
  readonly #subscriptions = new Map<XdsResourceKind, SubscriptionState<unknown>>();
  readonly #mux: AdsMux;
  readonly #timers: TimerHandle[] = [];
  #stream: AdsStream | undefined = undefined;
  #retryTimer: TimerHandle | undefined = undefined;
  #started = false;
  #listenersAwaited = false;
  #closed = false;
  #connected = false;
  #nodeSent = false;
  #streamsOpened = 0;
  #lastEnd = '';
  #controlPlaneIdentifier = '';

  constructor(options: AdsClientOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#backoff = new JitteredBackoff(BACKOFF_BASE_MS, BACKOFF_MAX_MS, options.random);
    this.#controlPlane = new ControlPlaneStats(options.stats, options.statPrefix ?? '');
    this.#mux =
      options.mode === 'delta'
        ? new DeltaMux(this.#subscriptions, options.log)
        : new SotwMux(this.#subscriptions, options.log);
  }

  /** Before start(), once. */
  setWatchers(watchers: AdsWatchers): void {
    assert(!this.#started, 'watchers are set before the client starts');
    if (watchers.clusters !== undefined) this.watch(clusterType, watchers.clusters);
    if (watchers.endpoints !== undefined) this.watch(endpointsType, watchers.endpoints);
    if (watchers.listeners !== undefined) this.watch(listenerType, watchers.listeners);
    if (watchers.routes !== undefined) this.watch(routeType, watchers.routes);
    if (watchers.secrets !== undefined) this.watch(secretType, watchers.secrets);
  }

  /** Before start(), once for each type. */
  watch<T>(type: ResourceType<T>, watcher: ResourceWatcher<T>): void {
    const { stats: store, statPrefix = '', countsStreamOnly } = this.#options;
    const own = statPrefix === '' ? STAT_PREFIXES[type.kind] : statPrefix;
    const stats = new SubscriptionStats(store, countsStreamOnly === true ? undefined : own);
    const state = new SubscriptionState(type, watcher, {
      stats,
      time: this.#options.time,
      log: this.#log,
      fields: this.#options.fields,
    });
    // The map holds all types side by side; only the state itself knows its T.
    this.#subscriptions.set(type.kind, state as unknown as SubscriptionState<unknown>);
  }

  start(): void {
    assert(!this.#started, 'the client starts once');
    this.#started = true;
    this.#armFetchTimeout('clusters', this.#options.clustersFetchTimeoutMs);
    this.#awaitListeners();
    this.#openStream();
  }

  /** The whole set of names wanted now; the difference to the last set is subscribed to and unsubscribed from. */
  setNames(kind: NamedResourceKind, names: ReadonlySet<string>): void {
    this.#mux.setNames(kind, names);
  }

  /** All of a kind that nobody asked for before. */
  request(kind: XdsResourceKind): void {
    this.#subscriptions.get(kind)?.request();
    this.#mux.onWaitOver();
  }

  /** Of the last response of that kind that was accepted; '' before. */
  versionOf(kind: XdsResourceKind): string {
    return this.#subscriptions.get(kind)?.version ?? '';
  }

  state(): AdsState {
    return {
      mode: this.#options.mode,
      connected: this.#connected,
      controlPlaneIdentifier: this.#controlPlaneIdentifier,
      streamsOpened: this.#streamsOpened,
      lastEnd: this.#lastEnd,
      types: [...this.#subscriptions.values()].map((subscription) => subscription.snapshot()),
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#retryTimer?.cancel();
    this.#stream?.cancel();
    this.#stream = undefined;
    this.#mux.onStreamEnd();
    for (const subscription of this.#subscriptions.values()) subscription.close();
    this.#setConnected(false);
    this.#options.transport.close();
  }

  /** Their time begins when they may be asked for. */
  #awaitListeners(): void {
    if (this.#listenersAwaited || !mayAsk('listeners', this.#subscriptions)) return;
    this.#listenersAwaited = true;
    this.#armFetchTimeout('listeners', this.#options.listenersFetchTimeoutMs);
  }

  #armFetchTimeout(kind: XdsResourceKind, timeoutMs: number): void {
    const subscription = this.#subscriptions.get(kind);
    if (subscription === undefined || timeoutMs === 0) return;
    this.#timers.push(
      this.#options.time.setTimer(() => {
        subscription.onInitialFetchTimeout();
        this.#awaitListeners();
        this.#mux.onWaitOver();
      }, timeoutMs),
    );
  }

  #openStream(): void {
    if (this.#closed) return;
    this.#streamsOpened++;
    this.#nodeSent = false;
    this.#stream = this.#options.transport.open(this.#options.mode, {
      onResponse: (response) => this.#onResponse(response),
      onEnd: (end) => this.#onEnd(end),
    });
    this.#mux.onStreamOpen((request) => this.#send(request));
  }

  #send(request: AdsRequest): void {
    if (request.nack === undefined)
      this.#log.debug('request', { type: request.typeUrl, nonce: request.nonce });
    else this.#log.debug('NACK', { type: request.typeUrl, nonce: request.nonce });
    this.#stream?.send(request, !this.#nodeSent || !this.#options.nodeOnFirstMessageOnly);
    this.#nodeSent = true;
  }

  #onResponse(response: AdsResponse): void {
    this.#backoff.reset();
    this.#setConnected(true);
    if (response.controlPlaneIdentifier !== '')
      this.#controlPlaneIdentifier = response.controlPlaneIdentifier;
    this.#mux.onResponse(response);
    this.#awaitListeners();
  }

  #onEnd(end: { readonly ok: boolean; readonly reason: string }): void {
    if (this.#closed) return;
    this.#stream = undefined;
    this.#mux.onStreamEnd();
    this.#lastEnd = end.reason;
    this.#setConnected(false);
    for (const subscription of this.#subscriptions.values()) subscription.onConnectionFailure();
    const delayMs = this.#backoff.nextMs();
    const text = `xDS stream ended (${end.reason}); the configuration held goes on; trying again in ${delayMs} ms`;
    if (end.ok) this.#log.info(text);
    else this.#log.warn(text);
    this.#retryTimer = this.#options.time.setTimer(() => this.#openStream(), delayMs);
  }

  #setConnected(connected: boolean): void {
    this.#connected = connected;
    this.#controlPlane.setConnected(connected);
  }
}
