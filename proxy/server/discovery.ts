// [m] Discovery: where resources come from (the aggregated stream, streams of their own, files), joined with the managers that
// use them.
import { lazyPart } from '../base/lazy-part.ts';
import type { Closable } from '../base/lifetime.ts';
import type { Logger } from '../base/logger.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { SourceRef, SubscriptionRef } from '../config/config-source.ts';
import type { ClusterEndpointsConfig } from '../config/endpoint-config.ts';
import type { ExtensionConfig } from '../config/extension-config.ts';
import type { ListenerConfig } from '../config/listener-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import type { ScopeConfig } from '../config/scoped-routes-config.ts';
import type { RuntimeValuesConfig } from '../config/runtime-layer-config.ts';
import type { ListenerManager } from '../listener-manager/listener-manager.ts';
import type { StatsStore } from '../stats/store.ts';
import type { ClusterManager } from '../upstream/cluster-manager.ts';
import type { AdsClient } from '../xds/ads-client.ts';
import type { AdsTransport } from '../xds/ads-transport.ts';
import { DiscoveryChannels } from '../xds/discovery-channels.ts';
import type { ExtensionManager } from '../xds/extension-manager.ts';
import type { FieldNotices } from '../xds/field-notices.ts';
import { ScopeRelay } from '../xds/scope-relay.ts';
import { NamedSubscriptions } from '../xds/named-subscriptions.ts';
import { ResourceFeeds } from '../xds/resource-feeds.ts';
import type { Feed } from '../xds/resource-feeds.ts';
import {
  clusterType,
  endpointsType,
  extensionType,
  listenerType,
  onDemandClusterType,
  routeType,
  runtimeType,
  scopeType,
  secretType,
} from '../xds/resource-types.ts';
import type { ResourceWatcher, XdsResourceKind } from '../xds/resource-watcher.ts';
import type { SecretManager } from '../xds/secret-manager.ts';
import type { GrpcChannel } from '../../xds-protos/grpc-channel.ts';
import { OnDemandClusters } from './on-demand-clusters.ts';
import type { RuntimeLayers } from './runtime-layers.ts';
import type { ServerDeps } from './server-deps.ts';
import { VERSION } from './version.ts';

const adsClient = lazyPart<typeof import('../xds/ads-client.ts')>('xds/ads-client');

export interface DiscoveryParts {
  readonly deps: Pick<ServerDeps, 'bootstrap' | 'time' | 'random' | 'loggers'>;
  readonly channels: DiscoveryChannels;
  readonly clusters: ClusterManager;
  readonly listeners: ListenerManager;
  readonly secrets: SecretManager;
  readonly extensions: ExtensionManager;
  readonly runtime: RuntimeLayers;
  /** The first response of the kind was worked through, or its wait is over. */
  readonly onAnswered: (kind: 'clusters' | 'listeners') => void;
  readonly stats: StatsStore;
  /** A cluster that was wanted on demand does not exist. */
  readonly onMissingCluster: (cluster: string) => void;
  readonly fields: FieldNotices;
}

/** `connect`: to a host of the cluster; a sentence says why there is none. */
export const discoveryChannels = (
  { bootstrap, time }: Pick<ServerDeps, 'bootstrap' | 'time'>,
  connect: (cluster: string) => GrpcChannel | string,
): DiscoveryChannels =>
  new DiscoveryChannels({
    connect,
    node: bootstrap.config.node,
    userAgentVersion: VERSION,
    time,
  });

type Wanted = ReadonlyMap<string, SubscriptionRef>;

export class Discovery implements Closable {
  readonly #parts: DiscoveryParts;
  readonly #log: Logger;
  readonly #feeds: ResourceFeeds;
  readonly #endpoints: NamedSubscriptions<ClusterEndpointsConfig>;
  readonly #routes: NamedSubscriptions<RouteConfig>;
  readonly #extensions: NamedSubscriptions<ExtensionConfig>;
  readonly #runtime: NamedSubscriptions<RuntimeValuesConfig>;
  /** Those that come by ADS. */
  readonly #scopes = new ScopeRelay();
  readonly #onDemand: OnDemandClusters;
  #ads: AdsClient | undefined;
  #clusterFeed: Feed | undefined;
  #listenerFeed: Feed | undefined;

  constructor(parts: DiscoveryParts) {
    this.#parts = parts;
    const { time, random, loggers } = parts.deps;
    const { channels, stats, fields } = parts;
    this.#log = loggers.get('xds');
    this.#feeds = new ResourceFeeds({ channels, time, random, stats, fields, log: this.#log });
    this.#endpoints = new NamedSubscriptions({
      type: endpointsType,
      watcher: this.#endpointWatcher(),
      feeds: this.#feeds,
      onAdsNames: (names) => this.#ads?.setNames('endpoints', names),
      // The clusters count what comes.
      statsOf: (_key, { name }) => ({ statPrefix: `cluster.${name}.`, countsStreamOnly: true }),
    });
    this.#routes = new NamedSubscriptions({
      type: routeType,
      watcher: this.#routeWatcher(),
      feeds: this.#feeds,
      onAdsNames: (names) => this.#ads?.setNames('routes', names),
      statsOf: (_key, { name }) => ({ statPrefix: `rds.${name}.`, countsStreamOnly: true }),
    });
    this.#runtime = new NamedSubscriptions({
      type: runtimeType,
      watcher: parts.runtime.watcher,
      feeds: this.#feeds,
      onAdsNames: (names) => this.#ads?.setNames('runtime', names),
      statsOf: () => ({ statPrefix: 'runtime.', countsStreamOnly: true }),
    });
    this.#extensions = new NamedSubscriptions({
      type: extensionType,
      watcher: parts.extensions.watcher,
      feeds: this.#feeds,
      onAdsNames: (names) => this.#ads?.setNames('extensions', names),
      statsOf: (key) => ({ statPrefix: parts.extensions.statPrefix(key), countsStreamOnly: true }),
    });
    this.#onDemand = new OnDemandClusters({
      feeds: this.#feeds,
      watcher: this.#onDemandWatcher(),
      onAdsNames: (names) => this.#ads?.setNames('clusters', names),
      onMissing: parts.onMissingCluster,
      time,
      log: this.#log,
    });
  }

  /** A worker waits for it. */
  wantCluster(name: string, ref: SourceRef): void {
    this.#onDemand.want(name, ref);
  }

  /** Once, before anybody wants something: where the bootstrap names ADS. */
  attach(transport: AdsTransport): void {
    this.#ads = this.#openAds(transport);
  }

  /** Clusters are asked for, and whatever comes by the aggregated stream. */
  start(): void {
    const { cds } = this.#parts.deps.bootstrap.config;
    this.#parts.runtime.start((wanted) => this.#runtime.setWanted(wanted));
    this.#ads?.start();
    if (isOwn(cds)) this.#clusterFeed = this.#openClusters(cds);
  }

  /** Clusters are ready: listeners may be asked for. Those of the aggregated stream wait by themselves. */
  startListeners(): void {
    const { lds } = this.#parts.deps.bootstrap.config;
    if (isOwn(lds)) this.#listenerFeed = this.#openListeners(lds);
  }

  setEndpoints(wanted: Wanted): void {
    this.#endpoints.setWanted(wanted);
  }

  setRoutes(wanted: Wanted): void {
    this.#routes.setWanted(wanted);
  }

  setExtensions(wanted: Wanted): void {
    this.#extensions.setWanted(wanted);
  }

  /** All scopes of routes that a source has. */
  openScopes(ref: SourceRef, watcher: ResourceWatcher<ScopeConfig>, statPrefix: string): Closable {
    if (ref.source.kind !== 'ads') {
      const options = { ref, name: '', statPrefix, countsStreamOnly: true };
      return this.#feeds.open(scopeType, watcher, options);
    }
    const opened = this.#scopes.open(watcher);
    this.#ads?.request('scopes');
    return opened;
  }

  setSecretNames(names: ReadonlySet<string>): void {
    this.#ads?.setNames('secrets', names);
  }

  /** `version_info` for dumps; '' where nothing came. */
  version(kind: XdsResourceKind): string {
    const feed = kind === 'clusters' ? this.#clusterFeed : undefined;
    const own = kind === 'listeners' ? this.#listenerFeed : feed;
    return own?.version ?? this.#ads?.versionOf(kind) ?? '';
  }

  close(): void {
    this.#ads?.close();
    this.#clusterFeed?.close();
    this.#listenerFeed?.close();
    this.#endpoints.close();
    this.#routes.close();
    this.#extensions.close();
    this.#runtime.close();
    this.#onDemand.close();
  }

  #openAds(transport: AdsTransport): AdsClient {
    const { deps, stats, fields, secrets, extensions } = this.#parts;
    const { ads, cds, lds } = deps.bootstrap.config;
    const client = new (adsClient().AdsClient)({
      mode: ads!.mode,
      transport,
      nodeOnFirstMessageOnly: ads!.setNodeOnFirstMessageOnly,
      clustersFetchTimeoutMs: cds?.initialFetchTimeoutMs ?? 0,
      listenersFetchTimeoutMs: lds?.initialFetchTimeoutMs ?? 0,
      time: deps.time,
      random: deps.random,
      log: this.#log,
      stats,
      fields,
    });
    if (cds?.source.kind === 'ads') client.watch(clusterType, this.#clusterWatcher());
    else client.watch(onDemandClusterType, this.#onDemandWatcher());
    client.watch(endpointsType, this.#endpointWatcher());
    if (lds?.source.kind === 'ads') client.watch(listenerType, this.#listenerWatcher());
    client.watch(routeType, this.#routeWatcher());
    client.watch(scopeType, this.#scopes.watcher);
    client.watch(extensionType, extensions.watcher);
    client.watch(runtimeType, this.#parts.runtime.watcher);
    client.watch(secretType, secrets.adsWatcher);
    return client;
  }

  #openClusters(ref: SourceRef): Feed {
    const options = { ref, name: '', statPrefix: 'cluster_manager.cds.' };
    return this.#feeds.open(clusterType, this.#clusterWatcher(), options);
  }

  #openListeners(ref: SourceRef): Feed {
    const options = { ref, name: '', statPrefix: 'listener_manager.lds.' };
    return this.#feeds.open(listenerType, this.#listenerWatcher(), options);
  }

  #endpointWatcher(): ResourceWatcher<ClusterEndpointsConfig> {
    const { clusters } = this.#parts;
    return {
      onUpdate: (upserts) => clusters.onEndpoints(upserts),
      onRejected: (rejected) => clusters.onRejectedEndpoints(rejected),
      onUnchanged: (name, version) => clusters.onUnchangedEndpoints(name, version),
      onGivenUp: (name) => clusters.onGivenUpEndpoints(name),
    };
  }

  #routeWatcher(): ResourceWatcher<RouteConfig> {
    const { listeners } = this.#parts;
    return {
      onUpdate: (upserts) => listeners.onRoutes(upserts),
      onRejected: (rejected) => listeners.onRejectedRoutes(rejected),
      onGivenUp: (name) => listeners.onGivenUpRoutes(name),
    };
  }

  #onDemandWatcher(): ResourceWatcher<ClusterConfig> {
    const { clusters } = this.#parts;
    return {
      onUpdate: (upserts, removed) => {
        const problems = clusters.onClusters(upserts, removed);
        this.#onDemand.onAvailable(upserts);
        this.#onDemand.onRemoved(removed);
        return problems;
      },
      onRejected: (rejected) => clusters.onRejectedClusters(rejected),
    };
  }

  #clusterWatcher(): ResourceWatcher<ClusterConfig> {
    const { clusters, onAnswered } = this.#parts;
    return {
      onUpdate: (upserts, removed) => {
        const problems = clusters.onClusters(upserts, removed);
        this.#onDemand.onAvailable(upserts);
        this.#onDemand.onRemoved(removed);
        onAnswered('clusters');
        return problems;
      },
      onRejected: (rejected) => clusters.onRejectedClusters(rejected),
      onInitialFetchTimeout: () => onAnswered('clusters'),
    };
  }

  #listenerWatcher(): ResourceWatcher<ListenerConfig> {
    const { listeners, onAnswered } = this.#parts;
    return {
      onUpdate(upserts, removed) {
        const problems = listeners.onListeners(upserts, removed);
        onAnswered('listeners');
        return problems;
      },
      onRejected: (rejected) => listeners.onRejectedListeners(rejected),
      onInitialFetchTimeout: () => onAnswered('listeners'),
    };
  }
}

const isOwn = (ref: SourceRef | undefined): ref is SourceRef =>
  ref !== undefined && ref.source.kind !== 'ads';
