// [w] Host: one endpoint as a worker knows it. Outlives configuration updates by address (law 6): pools and counts
// stay, facts that came from configuration are replaced in place.
import type { IdleLimit } from './conn-pool/idle-limit.ts';
import type { HostConnections, SharedHostCounts } from './shared-host-counts.ts';
import type { HostStatus } from '../config/cluster-config.ts';
import type { EndpointConfig } from '../config/endpoint-config.ts';
import type { AddressConfig } from '../config/listener-config.ts';
import {
  Health,
  HealthFlag,
  edsFlags,
  healthOf,
  withCheckHealth,
  withEdsHealth,
} from './host-health.ts';
import type { HealthState } from './host-health.ts';
import type { HostMonitor } from './host-monitor.ts';

/** Per host counts for /clusters; plain numbers of this worker. */
export interface HostCounts {
  cxTotal: number;
  cxActive: number;
  cxConnectFail: number;
  rqTotal: number;
  rqActive: number;
  /** Requests that wait for a connection. */
  rqPendingActive: number;
  rqSuccess: number;
  rqError: number;
  rqTimeout: number;
}

/** Metadata that balancing goes by. */
export const ENVOY_LB = 'envoy.lb';

/** One object for all hosts of a locality. */
export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  /** Of all three: equal for equal localities, and in the order of their names. */
  readonly key: string;
}

export const localityOf = (region: string, zone: string, subZone: string): Locality => ({
  region,
  zone,
  subZone,
  key: `${region}\u0000${zone}\u0000${subZone}`,
});

export const NO_LOCALITY: Locality = localityOf('', '', '');

export class Host {
  readonly address: AddressConfig;
  /** `ip:port`, `[v6]:port` or the path of a pipe: the host's identity within its cluster. */
  readonly addressText: string;
  readonly counts: HostCounts = {
    cxTotal: 0,
    cxActive: 0,
    cxConnectFail: 0,
    rqTotal: 0,
    rqActive: 0,
    rqPendingActive: 0,
    rqSuccess: 0,
    rqError: 0,
    rqTimeout: 0,
  };
  priority: number;
  /** Connections of all workers; null: no limit asks for them. */
  #connections: HostConnections | null = null;
  /** What is known of how long it keeps idle connections; null: nothing. */
  idleLimit: IdleLimit | null = null;
  locality: Locality = NO_LOCALITY;
  /** A number of its own among the hosts of its cluster, small, and another's once it is gone; -1: none. */
  slot = -1;
  /** Its place in the last assignment. */
  order = 0;
  /** What requests find out is told to it; null: nobody wants to know. */
  monitor: HostMonitor | null = null;
  /** Removed by an update: pools drain, no new streams. */
  removed = false;
  /** `healthFlags` that balancers know of. */
  listedFlags: number;
  /** When it came, or last began to pass active checks (monotonic, whole): slow start counts from here. */
  healthySinceMs = 0;
  #healthFlags: number;
  #endpoint: EndpointConfig;
  #canary: boolean;

  constructor(endpoint: EndpointConfig, priority: number) {
    this.#endpoint = endpoint;
    this.#healthFlags = edsFlags(endpoint.health, endpoint.edsStatus);
    this.listedFlags = this.#healthFlags;
    this.#canary = saysCanary(endpoint);
    this.address = endpoint.address;
    this.addressText = addressText(endpoint.address);
    this.priority = priority;
  }

  /** From now on its connections are counted for all workers. */
  shareConnections(counts: SharedHostCounts, cluster: string): void {
    if (this.#connections !== null) return;
    this.#connections = counts.of(cluster, this.addressText);
    this.#connections.add(this.counts.cxActive);
  }

  /** Of all workers where they are shared, else of this one. */
  get connectionCount(): number {
    return this.#connections === null ? this.counts.cxActive : this.#connections.count;
  }

  onConnectionMade(): void {
    this.counts.cxTotal++;
    this.counts.cxActive++;
    if (this.#connections !== null) this.#connections.add(1);
  }

  onConnectionGone(): void {
    this.counts.cxActive--;
    if (this.#connections !== null) this.#connections.add(-1);
  }

  get endpoint(): EndpointConfig {
    return this.#endpoint;
  }

  set endpoint(endpoint: EndpointConfig) {
    this.#endpoint = endpoint;
    this.#healthFlags = withEdsHealth(this.#healthFlags, endpoint.health, endpoint.edsStatus);
    this.#canary = saysCanary(endpoint);
  }

  /** `HealthFlag` bits. */
  get healthFlags(): number {
    return this.#healthFlags;
  }

  /** What main's checks say (all bits but the assignment's). The cluster is to be told: `onHostHealthChanged`. */
  setCheckFlags(flags: number, nowMs: number): void {
    const failed = HealthFlag.FailedActiveCheck;
    if ((this.#healthFlags & failed) !== 0 && (flags & failed) === 0) {
      this.healthySinceMs = Math.floor(nowMs);
    }
    this.#healthFlags = withCheckHealth(this.#healthFlags, flags);
  }

  get health(): HealthState {
    return healthOf(this.#healthFlags);
  }

  /** Metadata `envoy.lb` says `canary: true`. */
  get canary(): boolean {
    return this.#canary;
  }

  get hostname(): string {
    return this.endpoint.hostname;
  }

  get metadata(): ReadonlyMap<string, string> {
    return this.endpoint.metadata;
  }

  /** Of its locality; '' where none was said. */
  get zone(): string {
    return this.locality.zone;
  }

  get weight(): number {
    return this.endpoint.weight;
  }

  /** In the words of EDS: what checks found goes over what it said. */
  get status(): HostStatus {
    const flags = this.#healthFlags;
    if ((flags & (HealthFlag.FailedActiveCheck | HealthFlag.FailedOutlierCheck)) !== 0)
      return 'UNHEALTHY';
    const { edsStatus, health } = this.#endpoint;
    if (health !== 'UNHEALTHY' && this.health === Health.Degraded) return 'DEGRADED';
    return edsStatus ?? health;
  }

  /** Usable by balancers outside of panic. */
  get healthy(): boolean {
    return !this.removed && this.health === Health.Healthy;
  }
}

export function saysCanary(endpoint: EndpointConfig): boolean {
  const labels = endpoint.metadata.get(ENVOY_LB);
  return labels !== undefined && (JSON.parse(labels) as { canary?: unknown }).canary === true;
}

export function addressText(address: AddressConfig): string {
  if (address.kind === 'pipe') return address.path;
  return address.address.includes(':')
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
}
