// [w] PreconnectAhead: `predictive_preconnect_ratio`: hosts that the next requests will go to are chosen before these come, and
// dialled if the cluster has too few connections for what is likely (envoy-behaviour §7.2).
import type { PoolLoad } from './conn-pool/conn-pool.ts';
import type { Host } from './host.ts';

/** Connections for one request, at most. */
const MAX_AT_ONCE = 3;

export interface AheadCluster {
  /** Of all its pools. */
  load(): PoolLoad;
  /** More hosts than there are are not chosen ahead. */
  readonly usableHosts: number;
  nextHost(): Host | null;
  /** False: the host wants no connection, or may not have one. */
  preconnect(host: Host, ratio: number): boolean;
}

export class PreconnectAhead {
  readonly #chosen: Host[] = [];

  /** The host that was chosen for this request before; null: none. */
  take(): Host | null {
    for (;;) {
      const host = this.#chosen.shift();
      if (host === undefined) return null;
      if (!host.removed && host.healthy) return host;
    }
  }

  /** A request is about to get its connection. */
  dial(ratio: number, cluster: AheadCluster): void {
    for (let i = 0; i < MAX_AT_ONCE; i++) {
      const { pending, active, free } = cluster.load();
      if ((pending + active + 1) * ratio <= free + active) return;
      if (this.#chosen.length >= cluster.usableHosts) return;
      const host = cluster.nextHost();
      if (host === null) return;
      this.#chosen.push(host);
      if (!cluster.preconnect(host, ratio)) return;
    }
  }
}
