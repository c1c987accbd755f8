// [m] HealthKeepers: makes a keeper for each version of a cluster that is to be checked or watched, and hands one over
// to the next.
import { lazyPart } from '../base/lazy-part.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { HealthEnvironment } from './health-environment.ts';
import type { HealthKeeper, HealthKeeperEvents } from './health-keeper.ts';
import type { MonitorEvent } from './host-monitor.ts';

const keeper = lazyPart<typeof import('./health-keeper.ts')>('upstream/health-keeper');

export class HealthKeepers {
  /** Of versions that workers have, by cluster. */
  readonly #active = new Map<string, HealthKeeper>();
  readonly #environment: HealthEnvironment;

  constructor(environment: HealthEnvironment) {
    this.#environment = environment;
  }

  problemOf(config: ClusterConfig): string | undefined {
    return this.#environment.problemOf(config);
  }

  /** Undefined: nothing is to be done for this cluster's hosts. */
  create(config: ClusterConfig, events: HealthKeeperEvents): HealthKeeper | undefined {
    if (config.healthCheck === undefined && config.outlierDetection === undefined) return undefined;
    return new (keeper().HealthKeeper)(config, this.#environment, events);
  }

  /** Workers have `keeper`'s cluster, or none that is kept, in place of what `before` kept; `before` is not closed. */
  handOver(before: HealthKeeper | undefined, keeper: HealthKeeper | undefined): void {
    if (keeper !== undefined) {
      this.#active.set(keeper.config.name, keeper);
      keeper.activate(before);
    } else if (before !== undefined) {
      this.#active.delete(before.config.name);
      this.#environment.sink.resetHostHealth(before.config.name);
    }
  }

  /** A worker tells of a host. */
  onHostEvent(cluster: string, address: string, event: MonitorEvent): void {
    this.#active.get(cluster)?.onHostEvent(address, event);
  }

  /** A worker opens the first connections of a cluster that is checked. */
  onTraffic(cluster: string): void {
    this.#active.get(cluster)?.onTraffic();
  }

  close(): void {
    this.#environment.close();
  }
}
