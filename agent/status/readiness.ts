// [m] Readiness: may the pod get traffic; asked of the proxy's stats in stock's order (istio-contract §6.5). Istio: pilot-agent/status/ready.
import type { ProxyAdmin } from '../proxy-admin.ts';

export interface ReadinessParts {
  readonly admin: Pick<ProxyAdmin, 'stats'>;
  /** The agent is on its way out. */
  readonly leaving: () => boolean;
  /** A name table is needed and has not come. */
  readonly dnsMissing: () => boolean;
  /** Once, at the first success. */
  readonly onFirstReady: () => void;
}

const UPDATE_STATS =
  '^(cluster_manager\\.cds|listener_manager\\.lds)\\.(update_success|update_rejected)$';
const SERVER_STATS = '^(server\\.state|listener_manager\\.workers_started)';
const SERVER_STATES = ['LIVE', 'DRAINING', 'PRE_INITIALIZING', 'INITIALIZING'];

export class Readiness {
  readonly #parts: ReadinessParts;
  #configReceived = false;
  #everLive = false;
  #everReady = false;

  constructor(parts: ReadinessParts) {
    this.#parts = parts;
  }

  /** A new proxy process has nothing yet. */
  proxyRestarted(): void {
    this.#configReceived = false;
    this.#everLive = false;
  }

  /** Undefined: ready; else the first reason against it. */
  async check(): Promise<string | undefined> {
    if (this.#parts.leaving()) return 'server is terminated';
    const reason = (await this.#checkConfig()) ?? (await this.#checkServer());
    if (reason !== undefined) return reason;
    if (this.#parts.dnsMissing()) return 'DNS lookup table not received from XDS server';
    if (!this.#everReady) {
      this.#everReady = true;
      this.#parts.onFirstReady();
    }
    return undefined;
  }

  async #checkConfig(): Promise<string | undefined> {
    if (this.#configReceived) return undefined;
    const stats = await this.#parts.admin.stats(UPDATE_STATS);
    if (!stats.ok) return `failed to get stats of the proxy: ${stats.reason}`;
    const count = (name: string): number => stats.values.get(name) ?? 0;
    const cds = count('cluster_manager.cds.update_success');
    const lds = count('listener_manager.lds.update_success');
    if (cds > 0 && lds > 0) {
      this.#configReceived = true;
      return undefined;
    }
    const cdsRejected = count('cluster_manager.cds.update_rejected');
    const ldsRejected = count('listener_manager.lds.update_rejected');
    const counts =
      `cds updates: ${cds} successful, ${cdsRejected} rejected; ` +
      `lds updates: ${lds} successful, ${ldsRejected} rejected`;
    if (cdsRejected + ldsRejected > 0)
      return `config received from XDS server, but was rejected: ${counts}`;
    if (cds + lds === 0)
      return `config not received from XDS server (is Istiod running?): ${counts}`;
    return `config not fully received from XDS server: ${counts}`;
  }

  async #checkServer(): Promise<string | undefined> {
    const stats = await this.#parts.admin.stats(SERVER_STATS);
    if (!stats.ok) return `failed to get stats of the proxy: ${stats.reason}`;
    const state = stats.values.get('server.state');
    if (state !== 0) {
      const name = state === undefined ? 'unknown' : (SERVER_STATES[state] ?? `state ${state}`);
      return `server is not live, current state is: ${name}`;
    }
    if (!this.#everLive && stats.values.get('listener_manager.workers_started') !== 1) {
      return 'workers have not yet started';
    }
    this.#everLive = true;
    return undefined;
  }
}
