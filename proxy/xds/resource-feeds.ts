// [m] ResourceFeeds: opens what brings resources of one kind where it is not the aggregated stream: a gRPC stream of their own
// (one for each subscription, as Envoy) or a file.
import type { DiscoveryService } from '../../xds-protos/discovery-methods.ts';
import type { TimeSource } from '../base/clock.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { Closable } from '../base/lifetime.ts';
import type { Logger } from '../base/logger.ts';
import type { RandomSource } from '../base/random.ts';
import type { ConfigSourceConfig, SourceRef } from '../config/config-source.ts';
import type { StatsStore } from '../stats/store.ts';
import { modeOf } from './discovery-channels.ts';
import type { DiscoveryChannels } from './discovery-channels.ts';
import type { FieldNotices } from './field-notices.ts';
import type { NamedResourceKind, ResourceWatcher } from './resource-watcher.ts';
import type { ResourceType } from './subscription-state.ts';
import { SubscriptionStats } from './subscription-stats.ts';

const adsClient = lazyPart<typeof import('./ads-client.ts')>('xds/ads-client');
const pathFeed = lazyPart<typeof import('./path-feed.ts')>('xds/path-feed');

export interface ResourceFeedsDeps {
  readonly channels: DiscoveryChannels;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly stats: StatsStore;
  readonly log: Logger;
  readonly fields?: FieldNotices | undefined;
}

export interface FeedOptions {
  /** Not ADS. */
  readonly ref: SourceRef;
  /** The one resource that is asked for; '' : all of the kind. */
  readonly name: string;
  /** With the last dot. */
  readonly statPrefix: string;
  /** Updates are counted by who watches. */
  readonly countsStreamOnly?: boolean;
}

export interface Feed extends Closable {
  /** Of the last response that was accepted; '' before. */
  readonly version: string;
}

/** A feed whose names may grow. */
export interface NamedFeed extends Feed {
  setNames(names: ReadonlySet<string>): void;
}

export class ResourceFeeds {
  readonly #deps: ResourceFeedsDeps;

  constructor(deps: ResourceFeedsDeps) {
    this.#deps = deps;
  }

  open<T>(type: ResourceType<T>, watcher: ResourceWatcher<T>, options: FeedOptions): Feed {
    const { source } = options.ref;
    const { time, log, stats, fields } = this.#deps;
    switch (source.kind) {
      case 'path': {
        const prefix = options.countsStreamOnly === true ? undefined : options.statPrefix;
        const parts = { ...source, time, log, fields, stats: new SubscriptionStats(stats, prefix) };
        return new (pathFeed().PathFeed)(type, options.name, watcher, parts);
      }
      case 'grpc':
        return this.#openStream(type, watcher, options, source);
      case 'ads':
        throw new Error('the aggregated stream is not a feed');
    }
  }

  /** Over one stream, and by name; not from a file. */
  openNamed<T>(
    type: ResourceType<T>,
    watcher: ResourceWatcher<T>,
    ref: SourceRef,
    statPrefix: string,
  ): NamedFeed {
    const { source } = ref;
    if (source.kind !== 'grpc')
      throw new Error(`names are asked for by streams, not ${source.kind}`);
    return this.#openStream(type, watcher, { ref, name: '', statPrefix }, source);
  }

  #openStream<T>(
    type: ResourceType<T>,
    watcher: ResourceWatcher<T>,
    { name, ref, statPrefix, countsStreamOnly }: FeedOptions,
    source: Extract<ConfigSourceConfig, { readonly kind: 'grpc' }>,
  ): NamedFeed {
    const { channels, time, random, stats, log, fields } = this.#deps;
    const client = new (adsClient().AdsClient)({
      mode: modeOf(source.delta),
      transport: channels.transport(source.cluster, type.kind satisfies DiscoveryService),
      nodeOnFirstMessageOnly: source.nodeOnce ?? false,
      clustersFetchTimeoutMs: name === '' ? ref.initialFetchTimeoutMs : 0,
      listenersFetchTimeoutMs: name === '' ? ref.initialFetchTimeoutMs : 0,
      time,
      random,
      log,
      stats,
      fields,
      statPrefix,
      countsStreamOnly,
    });
    client.watch(type, watcher);
    if (type.onRequest === true) client.request(type.kind);
    if (name !== '') client.setNames(type.kind as NamedResourceKind, new Set([name]));
    // What it asks may come in the same list as who asks for it.
    const timer = time.setTimer(() => client.start(), 0);
    return {
      get version() {
        return client.versionOf(type.kind);
      },
      setNames: (names) => client.setNames(type.kind as NamedResourceKind, names),
      close: () => {
        timer.cancel();
        client.close();
      },
    };
  }
}
