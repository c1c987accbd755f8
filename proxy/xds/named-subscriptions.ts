// [m] NamedSubscriptions: all that is asked for by name of one kind, whatever it comes from. Resources reach the watcher under
// their subscriptionKey(), which is the name where they come by ADS.
import type { Closable } from '../base/lifetime.ts';
import type { SubscriptionRef } from '../config/config-source.ts';
import type { Feed, FeedOptions, ResourceFeeds } from './resource-feeds.ts';
import type { ResourceProblem, ResourceWatcher } from './resource-watcher.ts';
import type { ResourceType } from './subscription-state.ts';

export interface NamedSubscriptionsDeps<T> {
  readonly type: ResourceType<T>;
  readonly watcher: ResourceWatcher<T>;
  readonly feeds: ResourceFeeds;
  /** The whole set of names that the aggregated stream is to ask for. */
  readonly onAdsNames: (names: ReadonlySet<string>) => void;
  readonly statsOf: (
    key: string,
    ref: SubscriptionRef,
  ) => Pick<FeedOptions, 'statPrefix' | 'countsStreamOnly'>;
}

export class NamedSubscriptions<T> implements Closable {
  readonly #deps: NamedSubscriptionsDeps<T>;
  readonly #feeds = new Map<string, Feed>();

  constructor(deps: NamedSubscriptionsDeps<T>) {
    this.#deps = deps;
  }

  /** The whole set of what is wanted now, by key. */
  setWanted(wanted: ReadonlyMap<string, SubscriptionRef>): void {
    for (const [key, feed] of this.#feeds) {
      if (wanted.has(key)) continue;
      this.#feeds.delete(key);
      feed.close();
    }
    const adsNames = new Set<string>();
    for (const [key, ref] of wanted) {
      if (ref.source.kind === 'ads') adsNames.add(ref.name);
      else if (!this.#feeds.has(key)) this.#feeds.set(key, this.#open(key, ref));
    }
    this.#deps.onAdsNames(adsNames);
  }

  close(): void {
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
  }

  #open(key: string, ref: SubscriptionRef): Feed {
    const { type, watcher, feeds, statsOf } = this.#deps;
    const { name } = ref;
    return feeds.open(type, renamed(watcher, name, key), { ref, name, ...statsOf(key, ref) });
  }
}

/** What is told of `name` is told of `key`. */
function renamed<T>(watcher: ResourceWatcher<T>, name: string, key: string): ResourceWatcher<T> {
  const named = (problem: ResourceProblem): ResourceProblem => ({ ...problem, name });
  return {
    onUpdate: (upserts, removed) =>
      watcher
        .onUpdate(
          upserts.map((resource) => ({ ...resource, name: key })),
          removed.map(() => key),
        )
        .map(named),
    onRejected: (rejected) =>
      watcher.onRejected?.(rejected.map((resource) => ({ ...resource, name: key }))),
    onUnchanged: (_name, version) => watcher.onUnchanged?.(key, version),
    onGivenUp: () => watcher.onGivenUp?.(key),
  };
}
