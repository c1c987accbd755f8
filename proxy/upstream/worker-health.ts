// [w] WorkerHealth: applies what main says of hosts' health, gives hosts their monitors, and tells main what requests
// find out.
import { lazyPart } from '../base/lazy-part.ts';
import type { TimeSource } from '../base/clock.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ClusterHealthConfig, HostHealthConfig } from '../config/host-health-config.ts';
import type { MonitorContext, MonitorEvent } from './host-monitor.ts';
import type { Host } from './host.ts';

const hostMonitor = lazyPart<typeof import('./host-monitor.ts')>('upstream/host-monitor');

/** Where findings go: to main. */
export interface HealthReport {
  onHostEvent(cluster: string, address: string, event: MonitorEvent): void;
  /** Once for each version of a cluster that is checked. */
  onTraffic(cluster: string): void;
}

/** A cluster as far as it is needed here. */
export interface HealthyCluster {
  readonly config: ClusterConfig;
  hosts(): Iterable<Host>;
  host(address: string): Host | undefined;
  onHostHealthChanged(hosts: readonly Host[]): void;
}

export class WorkerHealth {
  readonly #counts: Int32Array;
  readonly #time: TimeSource;
  readonly #report: HealthReport;
  readonly #contexts = new WeakMap<ClusterConfig, MonitorContext>();
  /** Said of hosts that are not here yet: main tells of many hosts in parts. */
  readonly #early = new WeakMap<HealthyCluster, Map<string, HostHealthConfig>>();

  /** `counts`: of outlier-memory.ts. */
  constructor(counts: SharedArrayBuffer, time: TimeSource, report: HealthReport) {
    this.#counts = new Int32Array(counts);
    this.#time = time;
    this.#report = report;
  }

  /** Behind the endpoints of the same update. */
  apply(cluster: HealthyCluster, update: ClusterHealthConfig): void {
    const changed = new Set<Host>();
    if (update.reset) {
      this.#early.delete(cluster);
      this.#forget(cluster, changed);
    }
    this.#take(cluster, update.hosts, changed);
    if (changed.size > 0) cluster.onHostHealthChanged([...changed]);
  }

  /** More hosts of the cluster are here. */
  onEndpoints(cluster: HealthyCluster): void {
    const early = this.#early.get(cluster);
    if (early === undefined) return;
    this.#early.delete(cluster);
    const changed = new Set<Host>();
    this.#take(cluster, early.values(), changed);
    if (changed.size > 0) cluster.onHostHealthChanged([...changed]);
  }

  /** The cluster opens its first connections. */
  onTraffic(config: ClusterConfig): void {
    if (config.healthCheck !== undefined) this.#report.onTraffic(config.name);
  }

  #take(cluster: HealthyCluster, healths: Iterable<HostHealthConfig>, changed: Set<Host>): void {
    const context = this.#contextOf(cluster.config);
    for (const health of healths) {
      const host = cluster.host(health.address);
      if (host === undefined) {
        this.#keep(cluster, health);
        continue;
      }
      this.#set(host, health, context);
      changed.add(host);
    }
  }

  #keep(cluster: HealthyCluster, health: HostHealthConfig): void {
    let early = this.#early.get(cluster);
    if (early === undefined) {
      early = new Map();
      this.#early.set(cluster, early);
    }
    early.set(health.address, health);
  }

  #set(host: Host, { flags, outlierSlot }: HostHealthConfig, context: MonitorContext): void {
    host.setCheckFlags(flags, this.#time.monotonicMs());
    if (outlierSlot < 0 && !context.checked) host.monitor = null;
    else if (host.monitor === null || !host.monitor.fits(context, outlierSlot))
      host.monitor = new (hostMonitor().HostMonitor)(context, host, outlierSlot);
  }

  #forget(cluster: HealthyCluster, changed: Set<Host>): void {
    for (const host of cluster.hosts()) {
      if (host.monitor === null && host.healthFlags === 0) continue;
      host.setCheckFlags(0, this.#time.monotonicMs());
      host.monitor = null;
      changed.add(host);
    }
  }

  #contextOf(config: ClusterConfig): MonitorContext {
    let context = this.#contexts.get(config);
    if (context === undefined) {
      context = {
        outlierDetection: config.outlierDetection,
        checked: config.healthCheck !== undefined,
        counts: this.#counts,
        tell: (address, event) => this.#report.onHostEvent(config.name, address, event),
      };
      this.#contexts.set(config, context);
    }
    return context;
  }
}
