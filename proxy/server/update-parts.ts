// [m] A large update in parts, so that a worker serves requests between them: clusters with their endpoints first, then changes of
// endpoints, then what refers to them, and what goes last. Each part is a version of its own.
import type { ConfigUpdate } from '../config/snapshot.ts';
import { emptyUpdate } from '../config/snapshot.ts';
import type { PublishedConfig } from './config-publisher.ts';

/** Clusters in one message: a worker takes a few milliseconds for them. */
export const CLUSTERS_PER_PART = 100;

/** The first has the number of the update, each other one more; most updates are one part. */
export function partsOf(config: PublishedConfig): readonly PublishedConfig[] {
  const { update, slots, secrets, removedSecrets, bucketPlaces } = config;
  const { clusters, endpoints, endpointChanges, removedClusters } = update;
  const largest = Math.max(
    clusters.length,
    endpoints.length,
    endpointChanges.length,
    removedClusters.length,
  );
  if (largest <= CLUSTERS_PER_PART) return [config];
  const [removedFirst = [], ...removedLater] = slicesOf(removedClusters);
  const whole = new Map(endpoints.map((one) => [one.clusterName, one]));
  const slotOf = new Map(slots.map((one) => [one.cluster, one]));
  const contents: readonly Partial<ConfigUpdate>[] = [
    ...slicesOf(clusters).map((slice) => ({
      clusters: slice,
      endpoints: slice.flatMap(({ name }) => {
        const own = whole.get(name);
        whole.delete(name);
        return own ?? [];
      }),
    })),
    ...slicesOf([...whole.values()]).map((slice) => ({ endpoints: slice })),
    ...slicesOf(endpointChanges).map((slice) => ({ endpointChanges: slice })),
    {
      hostHealth: update.hostHealth,
      routes: update.routes,
      listeners: update.listeners,
      removedListeners: update.removedListeners,
      removedRoutes: update.removedRoutes,
      removedClusters: removedFirst,
    },
    ...removedLater.map((slice) => ({ removedClusters: slice })),
  ];
  const last = contents.length - 1;
  return contents.map((content, i) => ({
    update: {
      ...emptyUpdate(update.version + i),
      ...content,
      ...(i === 0 ? { runtime: update.runtime } : {}),
    },
    slots: (content.clusters ?? []).flatMap(({ name }) => slotOf.get(name) ?? []),
    bucketPlaces: content.routes === undefined ? [] : bucketPlaces,
    secrets: i === 0 ? secrets : [],
    removedSecrets: i === last ? removedSecrets : [],
  }));
}

function slicesOf<T>(all: readonly T[]): readonly (readonly T[])[] {
  const slices: (readonly T[])[] = [];
  for (let at = 0; at < all.length; at += CLUSTERS_PER_PART)
    slices.push(all.slice(at, at + CLUSTERS_PER_PART));
  return slices;
}
