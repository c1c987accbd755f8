// [m] WatchedHost: one host of a cluster that is checked or watched, with everything main finds out about its health.
// Outlives updates of the endpoints by address.
import type { EndpointConfig, LocalityEndpointsConfig } from '../config/endpoint-config.ts';
import type { CheckedHost, CheckEvent, HealthSession } from './health-session.ts';
import { withEdsHealth } from './host-health.ts';
import { addressText } from './host.ts';
import { OutlierState } from './outlier-detector.ts';
import type { OutlierHost } from './outlier-detector.ts';

/** The cluster, as its hosts see it. */
export interface WatchedHostOwner {
  onFlags(host: WatchedHost): void;
  onCheckEvent(host: WatchedHost, event: CheckEvent): void;
  onCheckDone(host: WatchedHost, healthy: boolean): void;
}

export class WatchedHost implements CheckedHost, OutlierHost {
  readonly addressText: string;
  readonly outlier = new OutlierState();
  endpoint: EndpointConfig;
  locality: LocalityEndpointsConfig;
  session: HealthSession | null = null;
  outlierSlot = -1;
  readonly #owner: WatchedHostOwner;
  #flags: number;

  constructor(
    owner: WatchedHostOwner,
    endpoint: EndpointConfig,
    locality: LocalityEndpointsConfig,
    flags: number,
  ) {
    this.#owner = owner;
    this.addressText = addressText(endpoint.address);
    this.endpoint = endpoint;
    this.locality = locality;
    this.#flags = withEdsHealth(flags, endpoint.health, endpoint.edsStatus);
  }

  /** `HealthFlag` bits, those of its assignment included. */
  get flags(): number {
    return this.#flags;
  }

  setFlags(flags: number): void {
    if (flags === this.#flags) return;
    this.#flags = flags;
    this.#owner.onFlags(this);
  }

  onCheckEvent(event: CheckEvent): void {
    this.#owner.onCheckEvent(this, event);
  }

  onCheckDone(healthy: boolean): void {
    this.#owner.onCheckDone(this, healthy);
  }

  /** Takes over what the predecessor of the same address learned of outliers. */
  inherit(other: WatchedHost): void {
    Object.assign(this.outlier, other.outlier);
    this.outlierSlot = other.outlierSlot;
    other.outlierSlot = -1;
  }
}
