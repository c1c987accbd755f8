// [m] Endpoint assignments by EDS service (subscriptionKey), who waits for which, and what EDS is to be asked for. What was received
// is kept as long as a cluster refers to it: a changed cluster is ready at once, without a new answer.
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import type { ConfigDumpEntry, ConfigResource } from '../config/config-resource.ts';
import { subscriptionKey } from '../config/config-source.ts';
import type { SubscriptionRef } from '../config/config-source.ts';
import type { ClusterEndpointsConfig } from '../config/endpoint-config.ts';

interface Assignment {
  readonly ref: SubscriptionRef;
  /** Clusters that refer to this service name; usually one. */
  readonly clusters: Set<string>;
  resource: ConfigResource<ClusterEndpointsConfig> | undefined;
  lastUpdatedMs: number;
  /** Runs while the assignment names a time within which it wants to be renewed. */
  staleTimer: TimerHandle | undefined;
  stale: boolean;
}

export class EndpointAssignments {
  readonly #byService = new Map<string, Assignment>();
  readonly #serviceOf = new Map<string, string>();
  #namesChanged = false;
  readonly #time: TimeSource;
  readonly #onStale: (service: string) => void;

  /** `onStale`: nobody renewed it in the time it named (`endpoint_stale_after`). */
  constructor(time: TimeSource, onStale: (service: string) => void) {
    this.#time = time;
    this.#onStale = onStale;
  }

  close(): void {
    for (const { staleTimer } of this.#byService.values()) staleTimer?.cancel();
  }

  /** The cluster refers to this service from now on; gives what is held of it. */
  watch(cluster: string, ref: SubscriptionRef): ClusterEndpointsConfig | undefined {
    const service = subscriptionKey(ref);
    if (this.#serviceOf.get(cluster) !== service) {
      this.forgetCluster(cluster);
      this.#serviceOf.set(cluster, service);
    }
    let assignment = this.#byService.get(service);
    if (assignment === undefined) {
      assignment = {
        ref,
        clusters: new Set(),
        resource: undefined,
        lastUpdatedMs: 0,
        staleTimer: undefined,
        stale: false,
      };
      this.#byService.set(service, assignment);
      this.#namesChanged = true;
    }
    assignment.clusters.add(cluster);
    return assignment.stale ? undefined : assignment.resource?.config;
  }

  heldOf(service: string): ConfigResource<ClusterEndpointsConfig> | undefined {
    return this.#byService.get(service)?.resource;
  }

  /** The cluster needs nothing any more; what it referred to stays until sweep(). */
  forgetCluster(cluster: string): void {
    const service = this.#serviceOf.get(cluster);
    if (service === undefined) return;
    this.#serviceOf.delete(cluster);
    this.#byService.get(service)!.clusters.delete(cluster);
  }

  /** Forgets what no cluster refers to; not before the end of an update, so that a successor finds it. */
  sweep(): void {
    for (const [service, assignment] of this.#byService) {
      if (assignment.clusters.size > 0) continue;
      assignment.staleTimer?.cancel();
      this.#byService.delete(service);
      this.#namesChanged = true;
    }
  }

  /** Names of the clusters it is for; none when nobody refers to it any more. */
  set(resource: ConfigResource<ClusterEndpointsConfig>): readonly string[] {
    const assignment = this.#byService.get(resource.name);
    if (assignment === undefined) return [];
    assignment.resource = resource;
    assignment.lastUpdatedMs = this.#time.wallMs();
    assignment.stale = false;
    assignment.staleTimer?.cancel();
    const { staleAfterMs } = resource.config;
    assignment.staleTimer =
      staleAfterMs === undefined
        ? undefined
        : this.#time.setTimer(() => {
            assignment.stale = true;
            this.#onStale(resource.name);
          }, staleAfterMs);
    return [...assignment.clusters];
  }

  clustersOf(service: string): readonly string[] {
    return [...(this.#byService.get(service)?.clusters ?? [])];
  }

  /** Whether wanted() differs from what it was at the last call of this. */
  namesChanged(): boolean {
    const changed = this.#namesChanged;
    this.#namesChanged = false;
    return changed;
  }

  wanted(): ReadonlyMap<string, SubscriptionRef> {
    return new Map([...this.#byService].map(([service, { ref }]) => [service, ref]));
  }

  entries(): readonly ConfigDumpEntry[] {
    const entries: ConfigDumpEntry[] = [];
    for (const { resource, lastUpdatedMs } of this.#byService.values()) {
      if (resource === undefined) continue;
      const { name, version, raw } = resource;
      entries.push({ name, state: 'active', version, raw, lastUpdatedMs, errorState: undefined });
    }
    return entries;
  }
}
