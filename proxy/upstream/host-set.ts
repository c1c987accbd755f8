// [w] HostSet: the hosts that a balancer chooses from, by priority, locality and health (envoy-behaviour §7.4, §7.5).
// One host that changes costs the same however many there are; what follows from counts is worked out by whoever
// reads it, when `version` has moved.
import type { Host, Locality } from './host.ts';
import { Health, healthOf, isExcluded } from './host-health.ts';
import { HostList } from './host-list.ts';

/** Takes part in what happens to the hosts of a cluster. */
export interface HostSink {
  add(host: Host): void;
  /** As it was added: before anything of the host is changed but its health. */
  remove(host: Host): void;
  /** Its flags were `before`, and are `host.healthFlags` now. */
  healthChanged(host: Host, before: number): void;
  setLocalityWeight(priority: number, locality: Locality, weight: number): void;
  setPolicy(policy: PriorityPolicy): void;
}

/** How the health of a priority is counted. */
export interface PriorityPolicy {
  readonly overprovisioningPercent: number;
  /** By the weights of hosts, not their number. */
  readonly weightedHealth: boolean;
}

/** Hosts by health. */
export class HostGroup {
  readonly all = new HostList();
  readonly healthy = new HostList();
  readonly degraded = new HostList();
  /** Of all hosts, those left out of the total. */
  excluded = 0;
  excludedWeight = 0;

  add(host: Host, flags: number): void {
    this.all.add(host);
    this.#listOf(flags)?.add(host);
    this.#countExcluded(host, isExcluded(flags) ? 1 : 0);
  }

  remove(host: Host, flags: number): void {
    this.all.remove(host);
    this.#listOf(flags)?.remove(host);
    this.#countExcluded(host, isExcluded(flags) ? -1 : 0);
  }

  healthChanged(host: Host, before: number, now: number): void {
    const from = this.#listOf(before);
    const to = this.#listOf(now);
    if (from !== to) {
      from?.remove(host);
      to?.add(host);
    }
    this.#countExcluded(host, Number(isExcluded(now)) - Number(isExcluded(before)));
  }

  /** Hosts that shares are taken of. */
  get counted(): number {
    return this.all.hosts.length - this.excluded;
  }

  #listOf(flags: number): HostList | null {
    const health = healthOf(flags);
    if (health === Health.Unhealthy) return null;
    return health === Health.Healthy ? this.healthy : this.degraded;
  }

  #countExcluded(host: Host, change: number): void {
    this.excluded += change;
    this.excludedWeight += change * host.weight;
  }
}

export class LocalityHosts extends HostGroup {
  readonly locality: Locality;
  /** 0: none was given. */
  weight = 0;

  constructor(locality: Locality) {
    super();
    this.locality = locality;
  }
}

export class PriorityHosts extends HostGroup {
  readonly priority: number;
  /** The own locality first if it is there, the others by name; empty where nobody asks for localities. */
  readonly localities: LocalityHosts[] = [];
  hasLocal = false;
  /** Changes with everything of this priority. */
  version = 0;

  constructor(priority: number) {
    super();
    this.priority = priority;
  }

  localityOf(locality: Locality): LocalityHosts | undefined {
    return this.localities.find((each) => each.locality.key === locality.key);
  }
}

export interface HostSetOptions {
  /** Hosts are kept by locality, too. */
  readonly byLocality: boolean;
  /** Key of the own locality; null: unknown. */
  readonly localKey: string | null;
  /** The whole that this is a subset of: weights of localities are scaled to it; null or absent: they are not. */
  readonly scaleOf?: HostSet | null;
}

export class HostSet implements HostSink {
  readonly priorities: PriorityHosts[] = [];
  overprovisioningPercent = 140;
  weightedHealth = false;
  /** Changes with everything. */
  version = 0;
  readonly #options: HostSetOptions;
  readonly #localityWeights = new Map<string, number>();

  constructor(options: HostSetOptions) {
    this.#options = options;
    this.#priority(0);
  }

  /** Of a locality: as given, or the part of it that its hosts are of the whole. */
  weightOf(priority: PriorityHosts, group: LocalityHosts): number {
    const whole = this.#options.scaleOf?.priorities[priority.priority]?.localityOf(group.locality);
    if (whole === undefined || group.weight === 0) return group.weight;
    return Math.round((group.weight * group.all.hosts.length) / whole.all.hosts.length);
  }

  /** Something that numbers here depend on has changed elsewhere. */
  touch(): void {
    this.version++;
    for (const priority of this.priorities) priority.version++;
  }

  get hostCount(): number {
    return this.priorities.reduce((sum, each) => sum + each.all.hosts.length, 0);
  }

  add(host: Host): void {
    this.version++;
    const priority = this.#priority(host.priority);
    priority.version++;
    priority.add(host, host.healthFlags);
    if (this.#options.byLocality)
      this.#localityIn(priority, host.locality).add(host, host.healthFlags);
  }

  remove(host: Host): void {
    this.version++;
    const priority = this.#priority(host.priority);
    priority.version++;
    priority.remove(host, host.healthFlags);
    const group = priority.localityOf(host.locality);
    if (group === undefined) return;
    group.remove(host, host.healthFlags);
    if (group.all.hosts.length > 0) return;
    priority.localities.splice(priority.localities.indexOf(group), 1);
    if (group.locality.key === this.#options.localKey) priority.hasLocal = false;
  }

  healthChanged(host: Host, before: number): void {
    this.version++;
    const priority = this.#priority(host.priority);
    priority.version++;
    priority.healthChanged(host, before, host.healthFlags);
    priority.localityOf(host.locality)?.healthChanged(host, before, host.healthFlags);
  }

  setLocalityWeight(priority: number, locality: Locality, weight: number): void {
    const key = `${priority} ${locality.key}`;
    if ((this.#localityWeights.get(key) ?? 0) === weight) return;
    this.version++;
    this.#localityWeights.set(key, weight);
    const hosts = this.#priority(priority);
    hosts.version++;
    const group = hosts.localityOf(locality);
    if (group !== undefined) group.weight = weight;
  }

  setPolicy({ overprovisioningPercent, weightedHealth }: PriorityPolicy): void {
    this.overprovisioningPercent = overprovisioningPercent;
    this.weightedHealth = weightedHealth;
    this.version++;
  }

  #priority(priority: number): PriorityHosts {
    for (let i = this.priorities.length; i <= priority; i++)
      this.priorities.push(new PriorityHosts(i));
    return this.priorities[priority]!;
  }

  #localityIn(priority: PriorityHosts, locality: Locality): LocalityHosts {
    const present = priority.localityOf(locality);
    if (present !== undefined) return present;
    const group = new LocalityHosts(locality);
    group.weight = this.#localityWeights.get(`${priority.priority} ${locality.key}`) ?? 0;
    const isLocal = locality.key === this.#options.localKey;
    const { localities } = priority;
    let at = isLocal || !priority.hasLocal ? 0 : 1;
    if (!isLocal)
      while (at < localities.length && localities[at]!.locality.key < locality.key) at++;
    localities.splice(at, 0, group);
    if (isLocal) priority.hasLocal = true;
    return group;
  }
}
