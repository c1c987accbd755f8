// [b] Endpoints as plain data: localities, priorities, weights, health (envoy.config.endpoint.v3).
import type { AddressConfig } from './listener-config.ts';
import type { FractionConfig } from './matcher-config.ts';

export interface EndpointConfig {
  readonly address: AddressConfig;
  readonly hostname: string;
  /** 1 to 2^32-1; default 1. */
  readonly weight: number;
  readonly health: 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED';
  /** What EDS said where `health` does not tell it; absent: the same word as `health`. */
  readonly edsStatus?: 'UNKNOWN' | 'DRAINING' | 'TIMEOUT';
  /** `envoy.transport_socket_match` labels. */
  readonly transportSocketMatch: ReadonlyMap<string, string>;
  /** The same of its locality's metadata: where the endpoint's own labels match nothing; absent: none. */
  readonly localitySocketMatch?: ReadonlyMap<string, string>;
  /** `metadata.filter_metadata` as JSON text by namespace. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Further addresses of the same host, in the order they are to be tried (RFC 8305); absent: none. */
  readonly additionalAddresses?: readonly AddressConfig[];
  /** How active health checks reach it, where not as requests do. */
  readonly healthCheck?: EndpointHealthCheckConfig;
}

export interface EndpointHealthCheckConfig {
  /** 0: the port of the address. */
  readonly port: number;
  /** '': as without. */
  readonly hostname: string;
  /** Of the family `ip`; absent: the endpoint's own. */
  readonly address?: AddressConfig;
  /** Counts as healthy without being asked. */
  readonly disabled: boolean;
}

export interface LocalityEndpointsConfig {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly priority: number;
  /** undefined: no locality weight given. */
  readonly weight: number | undefined;
  readonly endpoints: readonly EndpointConfig[];
}

/** One ClusterLoadAssignment. */
export interface ClusterEndpointsConfig {
  readonly clusterName: string;
  readonly version: string;
  readonly localities: readonly LocalityEndpointsConfig[];
  readonly overprovisioningPercent: number;
  /** Share of requests to drop, one draw per entry; absent: none. */
  readonly dropOverloads?: readonly FractionConfig[] | undefined;
  /** Priorities count the weights of their hosts, not their number. */
  readonly weightedPriorityHealth?: boolean;
  /** EDS: without a new assignment for so long, the hosts are gone. */
  readonly staleAfterMs?: number;
}

/** What changed of a cluster's hosts since it was last told of. */
export interface EndpointChangesConfig extends Omit<ClusterEndpointsConfig, 'localities'> {
  /** Hosts that came or changed, in their localities; a locality without hosts is there for its weight. */
  readonly put: readonly LocalityEndpointsConfig[];
  /** Addresses as text (`Host.addressText`) of hosts that are gone. */
  readonly removed: readonly string[];
}
