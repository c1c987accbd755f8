// [b] Endpoints as plain data: localities, priorities, weights, health (envoy.config.endpoint.v3).
import type { AddressConfig } from './listener-config.ts';
import type { FractionConfig } from './matcher-config.ts';

export interface EndpointConfig {
  readonly address: AddressConfig;
  readonly hostname: string;
  /** 1 to 2^32-1; default 1. */
  readonly weight: number;
  readonly health: 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED';
  /** `envoy.transport_socket_match` labels. */
  readonly transportSocketMatch: ReadonlyMap<string, string>;
  /** `metadata.filter_metadata` as JSON text by namespace. */
  readonly metadata: ReadonlyMap<string, string>;
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
}
