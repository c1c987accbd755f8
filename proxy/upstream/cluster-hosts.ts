// [w] ClusterHosts: the hosts of one cluster on one worker, which keep their identity by address through updates (law 6),
// and the balancer that chooses among them, made when the first request asks. An update tells the balancer only what
// changed.
import type {
  ClusterEndpointsConfig,
  EndpointChangesConfig,
  EndpointConfig,
  LocalityEndpointsConfig,
} from '../config/endpoint-config.ts';
import type { HostSet, HostSink } from './host-set.ts';
import { sameSocketLabels } from './transport-socket-choice.ts';
import { ENVOY_LB, Host, addressText, localityOf } from './host.ts';
import type { Locality } from './host.ts';
import type { LoadBalancer } from './load-balancer.ts';
import type { Balancing } from './load-balancing/create-balancing.ts';
import type { LoadWeights } from './load-balancing/load-weights.ts';

export type AssignedHosts = Pick<
  ClusterEndpointsConfig,
  'localities' | 'overprovisioningPercent' | 'weightedPriorityHealth'
>;

export interface ClusterHostsOwner {
  readonly nowMs: number;
  createBalancing(): Balancing;
  onHostLeft(host: Host): void;
  /** Of transport_socket_matches. */
  onHostLabelsChanged(host: Host): void;
}

export class ClusterHosts {
  readonly #owner: ClusterHostsOwner;
  #all: Host[] = [];
  #policy: Omit<AssignedHosts, 'localities'>;
  #localityWeights: LocalityWeight[] = [];
  /** Made when first asked for. */
  #byAddress: Map<string, Host> | null = null;
  #balancing: Balancing | null = null;
  /** Slots of hosts that are gone. */
  readonly #freeSlots: number[] = [];
  #slotCount = 0;

  constructor(assigned: AssignedHosts, owner: ClusterHostsOwner) {
    this.#owner = owner;
    this.#policy = assigned;
    this.assign(assigned);
  }

  /** Of the last update. */
  get all(): readonly Host[] {
    return this.#all;
  }

  byAddress(address: string): Host | undefined {
    return this.#addresses().get(address);
  }

  get balancer(): LoadBalancer {
    return (this.#balancing ??= this.#create()).balancer;
  }

  /** Of the balancer, once there is one. */
  get reports(): LoadWeights | null {
    return this.#balancing === null ? null : this.#balancing.reports;
  }

  get set(): HostSet {
    return (this.#balancing ??= this.#create()).hosts;
  }

  /** Another policy: the next request makes a balancer for it. */
  forgetBalancer(): void {
    this.#balancing = null;
  }

  onHealthChanged(hosts: readonly Host[]): void {
    const sink = this.#balancing?.sink;
    for (const host of hosts) {
      if (host.removed || host.listedFlags === host.healthFlags) continue;
      sink?.healthChanged(host, host.listedFlags);
      host.listedFlags = host.healthFlags;
    }
  }

  assign(assigned: AssignedHosts): void {
    const before = new Map<string, Host>();
    for (const host of this.#all) before.set(host.addressText, host);
    this.#localityWeights = [];
    for (const config of assigned.localities)
      if (config.endpoints.length > 0) this.#noteWeight(config);
    this.#takePolicy(assigned);
    const hosts: Host[] = [];
    const taken = new Set<string>();
    for (const config of assigned.localities) {
      const locality = localityOf(config.region, config.zone, config.subZone);
      for (const endpoint of config.endpoints) {
        const key = addressText(endpoint.address);
        // The first occurrence of an address wins (envoy-behaviour §7.1).
        if (taken.has(key)) continue;
        taken.add(key);
        const present = before.get(key);
        const host =
          present === undefined
            ? this.#newHost(endpoint, config.priority, locality)
            : this.#change(present, { endpoint, priority: config.priority, locality });
        host.order = hosts.length;
        hosts.push(host);
      }
    }
    for (const [key, host] of before) if (!taken.has(key)) this.#remove(host);
    this.#all = hosts;
    this.#byAddress = null;
  }

  /** Hosts that came, changed or went, and no others. */
  change(changes: EndpointChangesConfig): void {
    for (const config of changes.put) this.#noteWeight(config);
    this.#takePolicy(changes);
    const known = this.#addresses();
    for (const config of changes.put) {
      const locality = localityOf(config.region, config.zone, config.subZone);
      for (const endpoint of config.endpoints) {
        const key = addressText(endpoint.address);
        const present = known.get(key);
        if (present !== undefined) {
          this.#change(present, { endpoint, priority: config.priority, locality });
          continue;
        }
        const host = this.#newHost(endpoint, config.priority, locality);
        host.order = (this.#all.at(-1)?.order ?? -1) + 1;
        this.#all.push(host);
        known.set(key, host);
      }
    }
    let left = false;
    for (const address of changes.removed) {
      const host = known.get(address);
      if (host === undefined) continue;
      known.delete(address);
      this.#remove(host);
      left = true;
    }
    if (left) this.#all = this.#all.filter((host) => !host.removed);
  }

  #addresses(): Map<string, Host> {
    return (this.#byAddress ??= new Map(this.#all.map((host) => [host.addressText, host])));
  }

  #create(): Balancing {
    const balancing = this.#owner.createBalancing();
    this.#setPolicy(balancing.sink);
    for (const host of this.#all) {
      host.listedFlags = host.healthFlags;
      balancing.sink.add(host);
    }
    return balancing;
  }

  #takePolicy(policy: Omit<AssignedHosts, 'localities'>): void {
    const { overprovisioningPercent, weightedPriorityHealth = false } = policy;
    this.#policy = { overprovisioningPercent, weightedPriorityHealth };
    if (this.#balancing !== null) this.#setPolicy(this.#balancing.sink);
  }

  #noteWeight({ region, zone, subZone, priority, weight = 0 }: LocalityEndpointsConfig): void {
    const locality = localityOf(region, zone, subZone);
    const present = this.#localityWeights.find(
      (each) => each.priority === priority && each.locality.key === locality.key,
    );
    if (present === undefined) this.#localityWeights.push({ priority, locality, weight });
    else present.weight = weight;
  }

  #setPolicy(sink: HostSink): void {
    const { overprovisioningPercent, weightedPriorityHealth } = this.#policy;
    sink.setPolicy({ overprovisioningPercent, weightedHealth: weightedPriorityHealth === true });
    for (const { priority, locality, weight } of this.#localityWeights)
      sink.setLocalityWeight(priority, locality, weight);
  }

  #newHost(endpoint: EndpointConfig, priority: number, locality: Locality): Host {
    const host = new Host(endpoint, priority);
    host.slot = this.#freeSlots.pop() ?? this.#slotCount++;
    host.locality = locality;
    host.healthySinceMs = Math.floor(this.#owner.nowMs);
    this.#balancing?.sink.add(host);
    return host;
  }

  #change(host: Host, now: Place): Host {
    const sink = this.#balancing?.sink;
    const moves =
      host.priority !== now.priority ||
      host.locality.key !== now.locality.key ||
      !countsAlike(host.endpoint, now.endpoint);
    if (sink !== undefined && moves) {
      this.onHealthChanged([host]);
      sink.remove(host);
    }
    const relabelled = !sameSocketLabels(host.endpoint, now.endpoint);
    host.endpoint = now.endpoint;
    if (relabelled) this.#owner.onHostLabelsChanged(host);
    host.priority = now.priority;
    if (host.locality.key !== now.locality.key) host.locality = now.locality;
    if (sink === undefined || !moves) this.onHealthChanged([host]);
    else {
      host.listedFlags = host.healthFlags;
      sink.add(host);
    }
    return host;
  }

  #remove(host: Host): void {
    this.onHealthChanged([host]);
    this.#balancing?.sink.remove(host);
    host.removed = true;
    this.#freeSlots.push(host.slot);
    this.#owner.onHostLeft(host);
  }
}

interface LocalityWeight {
  readonly priority: number;
  readonly locality: Locality;
  weight: number;
}

interface Place {
  readonly endpoint: EndpointConfig;
  readonly priority: number;
  readonly locality: Locality;
}

/** To balancers the two are the same host, but for its health. */
function countsAlike(a: EndpointConfig, b: EndpointConfig): boolean {
  if (a.weight !== b.weight || a.hostname !== b.hostname) return false;
  return a.metadata.get(ENVOY_LB) === b.metadata.get(ENVOY_LB);
}
