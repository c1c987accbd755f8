// [w] All clusters of one worker: applies updates, keeps what did not change.
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ClusterEndpointsConfig, EndpointChangesConfig } from '../config/endpoint-config.ts';
import type { ClusterHealthConfig } from '../config/host-health-config.ts';
import type { HostSet } from './host-set.ts';
import type { BalancingFacts } from './load-balancing/balancer-environment.ts';
import type { ThreadLocalClusterManager } from './thread-local-cluster.ts';
import { WorkerCluster } from './worker-cluster.ts';
import type { ClusterEnvironment } from './worker-cluster.ts';

/** What clusters are made with. */
export type WorkerClusterParts = Omit<ClusterEnvironment, 'balancing' | 'clusterNamed'> &
  Omit<BalancingFacts, 'localHosts'>;

export class WorkerClusterManager implements ThreadLocalClusterManager {
  readonly #environment: ClusterEnvironment;
  readonly #clusters = new Map<string, WorkerCluster>();

  constructor(parts: WorkerClusterParts) {
    const { localClusterName, localKey, runtime } = parts;
    const localHosts = (): HostSet | null => this.get(localClusterName)?.hostSet ?? null;
    this.#environment = {
      ...parts,
      clusterNamed: (name) => this.#clusters.get(name),
      balancing: { runtime, localClusterName, localKey, localHosts },
    };
  }

  get(name: string): WorkerCluster | undefined {
    return this.#clusters.get(name);
  }

  all(): Iterable<WorkerCluster> {
    return this.#clusters.values();
  }

  /** Brings counters up to date that are not kept so at every step. */
  refreshStats(): void {
    for (const cluster of this.#clusters.values()) cluster.refreshStats();
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

  changeEndpoints(changes: EndpointChangesConfig): void {
    const cluster = this.#clusters.get(changes.clusterName);
    if (cluster === undefined) return;
    cluster.changeEndpoints(changes);
    this.#environment.health?.onEndpoints(cluster);
  }

  updateHealth(update: ClusterHealthConfig): void {
    const cluster = this.#clusters.get(update.clusterName);
    if (cluster !== undefined) this.#environment.health?.apply(cluster, update);
  }

  remove(name: string): void {
    this.#clusters.get(name)?.close();
    this.#clusters.delete(name);
  }
}
