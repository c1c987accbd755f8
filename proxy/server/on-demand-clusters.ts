// [m] OnDemandClusters: clusters that workers ask for by name, each from where its filter says. Once asked for, a cluster is kept up to
// date as any other; its name is asked for as long as the process lives, as by Envoy, but for a bound: beyond it a name that no server
// knows of makes room for the next.
import type { TimeSource } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { SourceRef } from '../config/config-source.ts';
import { subscriptionKey } from '../config/config-source.ts';
import type { ResourceFeeds } from '../xds/resource-feeds.ts';
import type { NamedFeed } from '../xds/resource-feeds.ts';
import { onDemandClusterType } from '../xds/resource-types.ts';
import type { ResourceWatcher } from '../xds/resource-watcher.ts';

/** Names may come from headers of requests: a server is not asked for more than so many. */
export const MAX_NAMES = 5000;

export interface OnDemandClustersDeps {
  readonly feeds: ResourceFeeds;
  readonly watcher: ResourceWatcher<ClusterConfig>;
  /** The whole set of names that the aggregated stream is to ask for. */
  readonly onAdsNames: (names: ReadonlySet<string>) => void;
  readonly onMissing: (cluster: string) => void;
  readonly time: TimeSource;
  readonly log: Logger;
}

interface Source {
  readonly names: Set<string>;
  /** Null: the aggregated stream. */
  readonly feed: NamedFeed | null;
  /** Names of the same moment are asked for together. */
  asking: boolean;
}

export class OnDemandClusters {
  readonly #deps: OnDemandClustersDeps;
  readonly #sources = new Map<string, Source>();
  /** Of the names asked for those without a cluster, by the source they are asked of; who waits longest first. */
  readonly #unknown = new Map<string, Set<Source>>();
  #count = 0;
  #fullToldOf = false;

  constructor(deps: OnDemandClustersDeps) {
    this.#deps = deps;
  }

  want(name: string, ref: SourceRef): void {
    const source = this.#source(ref);
    if (source.names.has(name)) return;
    if (this.#count >= MAX_NAMES && !this.#makeRoom()) {
      if (!this.#fullToldOf)
        this.#deps.log.warn(
          `cluster '${name}' is not asked for, nor are others: ${MAX_NAMES} names were asked for on demand`,
        );
      this.#fullToldOf = true;
      this.#deps.onMissing(name);
      return;
    }
    this.#count++;
    source.names.add(name);
    this.#noteUnknown(name, source);
    this.#askSoon(source);
  }

  /** A server has clusters of these names. */
  onAvailable(resources: readonly { readonly name: string }[]): void {
    if (this.#unknown.size === 0) return;
    for (const { name } of resources) this.#unknown.delete(name);
  }

  /** The server took them back, or never had them. */
  onRemoved(names: readonly string[]): void {
    if (this.#count === 0) return;
    for (const name of names) {
      let asked = false;
      for (const source of this.#sources.values()) {
        if (!source.names.has(name)) continue;
        this.#noteUnknown(name, source);
        asked = true;
      }
      if (asked) this.#deps.onMissing(name);
    }
  }

  close(): void {
    for (const { feed } of this.#sources.values()) feed?.close();
    this.#sources.clear();
  }

  /** False: there is a cluster for every name. */
  #makeRoom(): boolean {
    const [oldest] = this.#unknown;
    if (oldest === undefined) return false;
    const [name, sources] = oldest;
    this.#unknown.delete(name);
    for (const source of sources) {
      if (source.names.delete(name)) this.#count--;
      this.#askSoon(source);
    }
    this.#deps.onMissing(name);
    return true;
  }

  #noteUnknown(name: string, source: Source): void {
    const sources = this.#unknown.get(name);
    if (sources === undefined) this.#unknown.set(name, new Set([source]));
    else sources.add(source);
  }

  #askSoon(source: Source): void {
    if (source.asking) return;
    source.asking = true;
    this.#deps.time.setTimer(() => this.#ask(source), 0);
  }

  #ask(source: Source): void {
    source.asking = false;
    const names = new Set(source.names);
    if (source.feed === null) this.#deps.onAdsNames(names);
    else source.feed.setNames(names);
  }

  #source(ref: SourceRef): Source {
    const key = subscriptionKey({ name: '', source: ref.source });
    let source = this.#sources.get(key);
    if (source === undefined) {
      const feed = ref.source.kind === 'ads' ? null : this.#open(ref);
      source = { names: new Set(), feed, asking: false };
      this.#sources.set(key, source);
    }
    return source;
  }

  #open(ref: SourceRef): NamedFeed {
    const { feeds, watcher } = this.#deps;
    return feeds.openNamed(onDemandClusterType, watcher, ref, 'cluster_manager.odcds.');
  }
}
