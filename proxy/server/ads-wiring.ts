// [m] Joins the xDS stream with the managers of clusters and listeners: each speaks its own interface, this adapts.
import type { RandomSource } from '../base/random.ts';
import type { TimeSource } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { AdsConfig, BootstrapConfig } from '../config/bootstrap-config.ts';
import type { ListenerManager } from '../listener-manager/listener-manager.ts';
import type { StatsStore } from '../stats/store.ts';
import type { ClusterManager } from '../upstream/cluster-manager.ts';
import { AdsClient } from '../xds/ads-client.ts';
import type { AdsTransport } from '../xds/ads-transport.ts';
import type { XdsResourceKind } from '../xds/resource-watcher.ts';
import type { SecretManager } from '../xds/secret-manager.ts';

export interface AdsWiring {
  readonly bootstrap: BootstrapConfig;
  readonly ads: AdsConfig;
  readonly transport: AdsTransport;
  readonly clusters: ClusterManager;
  readonly listeners: ListenerManager;
  readonly secrets: SecretManager;
  /** The first response of the kind was worked through, or its wait is over. */
  readonly onAnswered: (kind: 'clusters' | 'listeners') => void;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly stats: StatsStore;
  readonly log: Logger;
}

/** Not started yet. */
export function wireAds(wiring: AdsWiring): AdsClient {
  const { bootstrap, ads, clusters, listeners, onAnswered } = wiring;
  const client = new AdsClient({
    mode: ads.mode,
    transport: wiring.transport,
    nodeOnFirstMessageOnly: ads.setNodeOnFirstMessageOnly,
    clustersFetchTimeoutMs: bootstrap.cds?.initialFetchTimeoutMs ?? 0,
    listenersFetchTimeoutMs: bootstrap.lds?.initialFetchTimeoutMs ?? 0,
    time: wiring.time,
    random: wiring.random,
    log: wiring.log,
    stats: wiring.stats,
  });
  client.setWatchers({
    clusters: bootstrap.cds && {
      onUpdate(upserts, removed) {
        const problems = clusters.onClusters(upserts, removed);
        onAnswered('clusters');
        return problems;
      },
      onRejected: (rejected) => clusters.onRejectedClusters(rejected),
      onInitialFetchTimeout: () => onAnswered('clusters'),
    },
    endpoints: {
      onUpdate: (upserts) => clusters.onEndpoints(upserts),
      onRejected: (rejected) => clusters.onRejectedEndpoints(rejected),
      onUnchanged: (name, version) => clusters.onUnchangedEndpoints(name, version),
    },
    listeners: bootstrap.lds && {
      onUpdate(upserts, removed) {
        const problems = listeners.onListeners(upserts, removed);
        onAnswered('listeners');
        return problems;
      },
      onRejected: (rejected) => listeners.onRejectedListeners(rejected),
      onInitialFetchTimeout: () => onAnswered('listeners'),
    },
    routes: {
      onUpdate: (upserts) => listeners.onRoutes(upserts),
      onRejected: (rejected) => listeners.onRejectedRoutes(rejected),
    },
    secrets: wiring.secrets.adsWatcher,
  });
  return client;
}

/** `version_info` for dumps; '' without ADS. */
export function adsVersion(client: AdsClient | undefined, kind: XdsResourceKind): string {
  return client?.state().types.find((type) => type.kind === kind)?.version ?? '';
}
