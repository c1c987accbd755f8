// [w] All clusters of one worker: applies updates, keeps what did not change.
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ClusterEndpointsConfig } from '../config/endpoint-config.ts';
import type { ThreadLocalClusterManager } from './thread-local-cluster.ts';
import { WorkerCluster } from './worker-cluster.ts';
import type { ClusterEnvironment } from './worker-cluster.ts';

export class WorkerClusterManager implements ThreadLocalClusterManager {
  readonly #environment: ClusterEnvironment;
  readonly #clusters = new Map<string, WorkerCluster>();

  constructor(environment: ClusterEnvironment) {
    this.#environment = environment;
  }

  get(name: string): WorkerCluster | undefined {
    return this.#clusters.get(name);
  }

  all(): Iterable<WorkerCluster> {
    return this.#clusters.values();
  }

  /** `slot`: the cluster's place among the circuit-breaker counts. */
  upsert(config: ClusterConfig, slot: number): void {
    const present = this.#clusters.get(config.name);
    if (present !== undefined && present.config.type === config.type) present.update(config);
    else {
      present?.close();
      this.#clusters.set(config.name, new WorkerCluster(config, slot, this.#environment));
    }
  }

  updateEndpoints(update: ClusterEndpointsConfig): void {
    this.#clusters.get(update.clusterName)?.updateEndpoints(update);
  }

  remove(name: string): void {
    this.#clusters.get(name)?.close();
    this.#clusters.delete(name);
  }
}
