// [w] AGGREGATE: the priorities of several clusters, one cluster after the other, as if they were one (envoy-behaviour §7.1): a request
// goes to a priority by load, spilling over as health goes, and the cluster of that priority chooses the host.
import type { RandomSource } from '../base/random.ts';
import type { HostSet } from './host-set.ts';
import type { Host } from './host.ts';
import type { LoadBalancer, LoadBalancerContext, RetryPriority } from './load-balancer.ts';
import { healthOf } from './load-balancing/priority-levels.ts';
import { priorityLoads } from './load-balancing/priority-load.ts';
import type { PriorityLoads } from './load-balancing/priority-load.ts';

/** One of the clusters it is made of. */
export interface AggregateMember {
  readonly hostSet: HostSet;
  chooseMemberHost(context: LoadBalancerContext | null): Host | null;
}

export interface AggregateSettings {
  readonly clusters: readonly string[];
  readonly overprovisioningPercent: number;
  readonly panicThresholdPercent: number;
}

interface Level<M> {
  readonly member: M;
  /** Of the member. */
  readonly priority: number;
}

interface Seen<M> {
  readonly member: M;
  readonly version: number;
}

export class AggregateBalancer<M extends AggregateMember> implements LoadBalancer {
  readonly #settings: AggregateSettings;
  readonly #find: (name: string) => M | undefined;
  readonly #random: RandomSource;
  /** Whose pools a host that was chosen is reached by. */
  readonly #owners = new WeakMap<Host, M>();
  #seen: readonly (Seen<M> | undefined)[] | null = null;
  #levels: readonly Level<M>[] = [];
  #loads: PriorityLoads = { healthy: [], degraded: [], panic: [], availability: [] };

  /** `find`: clusters come and go; those that are not there are passed over. */
  constructor(
    settings: AggregateSettings,
    find: (name: string) => M | undefined,
    random: RandomSource,
  ) {
    this.#settings = settings;
    this.#find = find;
    this.#random = random;
  }

  /** Of a host that was chosen here. */
  ownerOf(host: Host): M | undefined {
    return this.#owners.get(host);
  }

  chooseHost(context: LoadBalancerContext | null): Host | null {
    if (this.#isStale()) this.#evaluate();
    const forRetry = context?.retryPriority?.loads(this.#loads.availability) ?? null;
    const level = forRetry === null ? this.#pick() : this.#among(forRetry, this.#roll());
    if (level === null || typeof level === 'number') return null;
    const { member, priority, degraded } = level;
    const host = member.chooseMemberHost(new MemberContext(context, priority, degraded));
    if (host !== null) this.#owners.set(host, member);
    return host;
  }

  #roll(): number {
    return this.#random.nextUint32() % 100;
  }

  #pick(): Choice<M> | null {
    const { healthy, degraded } = this.#loads;
    const found = this.#among(healthy, this.#roll());
    if (typeof found !== 'number') return found;
    const other = this.#among(degraded, found);
    return typeof other === 'number' || other === null ? null : { ...other, degraded: true };
  }

  /** The level whose load the roll falls into, or what is left of the roll behind them all. */
  #among(loads: readonly number[], roll: number): Choice<M> | number | null {
    let left = roll;
    for (let i = 0; i < loads.length; i++) {
      if (left < loads[i]!) {
        const level = this.#levels[i];
        return level === undefined ? null : { ...level, degraded: false };
      }
      left -= loads[i]!;
    }
    return left;
  }

  #isStale(): boolean {
    const seen = this.#seen;
    if (seen === null) return true;
    const { clusters } = this.#settings;
    for (let i = 0; i < clusters.length; i++) {
      const member = this.#find(clusters[i]!);
      const before = seen[i];
      if (member !== before?.member) return true;
      if (member !== undefined && member.hostSet.version !== before!.version) return true;
    }
    return false;
  }

  #evaluate(): void {
    const members = this.#settings.clusters.map((name) => this.#find(name));
    this.#seen = members.map((member) => member && { member, version: member.hostSet.version });
    const present = members.filter((member) => member !== undefined);
    this.#levels = present.flatMap((member) =>
      member.hostSet.priorities.map(({ priority }) => ({ member, priority })),
    );
    const health = present.flatMap(({ hostSet }) =>
      hostSet.priorities.map((priority) => healthOf(priority, hostSet.weightedHealth)),
    );
    const { overprovisioningPercent, panicThresholdPercent } = this.#settings;
    this.#loads = priorityLoads(health, overprovisioningPercent, panicThresholdPercent);
  }
}

interface Choice<M> extends Level<M> {
  readonly degraded: boolean;
}

/** The same stream, with the priority already decided. */
class MemberContext implements LoadBalancerContext, RetryPriority {
  readonly degraded: boolean;
  readonly #stream: LoadBalancerContext | null;
  readonly #priority: number;

  constructor(stream: LoadBalancerContext | null, priority: number, degraded: boolean) {
    this.#stream = stream;
    this.#priority = priority;
    this.degraded = degraded;
  }

  get retryPriority(): RetryPriority {
    return this;
  }

  loads(availability: readonly number[]): readonly number[] {
    return availability.map((_, priority) => (priority === this.#priority ? 100 : 0));
  }

  hashKey(): bigint | undefined {
    return this.#stream?.hashKey();
  }

  get downstreamConnection(): LoadBalancerContext['downstreamConnection'] {
    return this.#stream?.downstreamConnection;
  }

  get requestHeaders(): LoadBalancerContext['requestHeaders'] {
    return this.#stream?.requestHeaders;
  }

  get originalDestination(): string | undefined {
    return this.#stream?.originalDestination;
  }

  get metadataMatch(): LoadBalancerContext['metadataMatch'] {
    return this.#stream?.metadataMatch;
  }

  shouldSelectAnotherHost(host: Host): boolean {
    return this.#stream?.shouldSelectAnotherHost(host) ?? false;
  }

  get hostSelectionRetryCount(): number {
    return this.#stream?.hostSelectionRetryCount ?? 0;
  }
}
