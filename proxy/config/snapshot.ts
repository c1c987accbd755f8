// [b] What main sends to workers: versioned changes of plain data, never whole worlds and never objects with methods.
import type { ClusterConfig } from './cluster-config.ts';
import type { ClusterEndpointsConfig, EndpointChangesConfig } from './endpoint-config.ts';
import type { ClusterHealthConfig } from './host-health-config.ts';
import type { ListenerConfig } from './listener-config.ts';
import type { RouteConfig } from './route-config.ts';

/**
 * One step from version `version - 1` to `version`. Applied in the order clusters, endpoints, health of hosts, routes, listeners,
 * then removals in the opposite order, so that nothing ever refers to a thing that is not there yet.
 * The sum of all updates since version 0 is the configuration; a replaced worker gets that sum as one update.
 */
export interface ConfigUpdate {
  readonly version: number;
  /** In force before everything else of the update; absent: as before. */
  readonly runtime?: ReadonlyMap<string, string> | undefined;
  readonly clusters: readonly ClusterConfig[];
  /** Keyed by cluster name (already mapped from `eds_cluster_config.service_name`), resolved addresses only. */
  readonly endpoints: readonly ClusterEndpointsConfig[];
  /** Of clusters whose endpoints earlier updates told; applied after `endpoints`. */
  readonly endpointChanges: readonly EndpointChangesConfig[];
  readonly hostHealth: readonly ClusterHealthConfig[];
  readonly routes: readonly RouteConfig[];
  readonly listeners: readonly ListenerConfig[];
  readonly removedListeners: readonly string[];
  readonly removedRoutes: readonly string[];
  readonly removedClusters: readonly string[];
}

export const emptyUpdate = (version: number): ConfigUpdate => ({
  version,
  clusters: [],
  endpoints: [],
  endpointChanges: [],
  hostHealth: [],
  routes: [],
  listeners: [],
  removedListeners: [],
  removedRoutes: [],
  removedClusters: [],
});

export const resourceCount = (update: ConfigUpdate): number =>
  update.clusters.length +
  update.endpoints.length +
  update.endpointChanges.length +
  update.routes.length +
  update.listeners.length;
