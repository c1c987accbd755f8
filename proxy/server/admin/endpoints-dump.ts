// [m] EndpointsConfigDump: assignments as the hosts in use say them, with their health, as Envoy rebuilds them
// (envoy-behaviour §12.4).
import { packAny } from '../../../xds-protos/any.ts';
import type {
  ClusterLoadAssignment,
  LbEndpoint,
  LocalityLbEndpoints,
} from '../../../xds-protos/gen/envoy.config.endpoint.v3.ts';
import type { Any, JsonObject } from '../../../xds-protos/well-known-types.ts';
import { Health, healthOf } from '../../upstream/host-health.ts';
import type { HealthState } from '../../upstream/host-health.ts';
import type { ClusterHostReport, ClusterReport } from '../admin-context.ts';
import { addressMessage } from './address-message.ts';

const ASSIGNMENT = 'envoy.config.endpoint.v3.ClusterLoadAssignment';

/** `filter` is asked for the names of assignments. */
export function endpointsDump(
  clusters: readonly ClusterReport[],
  filter: (name: string) => boolean,
): Any {
  const wanted = clusters.filter((cluster) => filter(assignmentName(cluster)));
  const dump = (cluster: ClusterReport): { endpoint_config: Any } => ({
    endpoint_config: packAny(ASSIGNMENT, assignment(cluster)),
  });
  return packAny('envoy.admin.v3.EndpointsConfigDump', {
    static_endpoint_configs: wanted.filter(({ config }) => !config.addedViaApi).map(dump),
    dynamic_endpoint_configs: wanted.filter(({ config }) => config.addedViaApi).map(dump),
  });
}

const assignmentName = ({ config }: ClusterReport): string =>
  config.edsServiceName === '' ? config.name : config.edsServiceName;

function assignment(cluster: ClusterReport): ClusterLoadAssignment {
  const byPlace = new Map<string, ClusterHostReport[]>();
  for (const host of cluster.hosts) {
    const key = [host.priority, host.region, host.zone, host.subZone].join('\u0000');
    const place = byPlace.get(key);
    if (place === undefined) byPlace.set(key, [host]);
    else place.push(host);
  }
  return {
    cluster_name: assignmentName(cluster),
    endpoints: [...byPlace.values()].map(localityEndpoints),
    policy: { overprovisioning_factor: cluster.overprovisioningPercent },
  };
}

function localityEndpoints(hosts: readonly ClusterHostReport[]): LocalityLbEndpoints {
  const { region, zone, subZone, priority, localityWeight } = hosts[0]!;
  return {
    locality: { region, zone, sub_zone: subZone },
    lb_endpoints: hosts.map(lbEndpoint),
    load_balancing_weight: localityWeight ?? 0,
    priority,
  };
}

const HEALTH_STATUS: Readonly<Record<HealthState, 'HEALTHY' | 'DEGRADED' | 'UNHEALTHY'>> = {
  [Health.Healthy]: 'HEALTHY',
  [Health.Degraded]: 'DEGRADED',
  [Health.Unhealthy]: 'UNHEALTHY',
};

function lbEndpoint({ endpoint, flags }: ClusterHostReport): LbEndpoint {
  const { address, hostname, healthCheck, metadata, weight, additionalAddresses } = endpoint;
  const namespaces = [...metadata].map(
    ([name, json]) => [name, JSON.parse(json) as JsonObject] as const,
  );
  return {
    endpoint: {
      address: addressMessage(address),
      hostname,
      health_check_config: {
        port_value: healthCheck?.port ?? 0,
        hostname: healthCheck?.hostname ?? '',
        disable_active_health_check: healthCheck?.disabled ?? false,
        ...(healthCheck?.address ? { address: addressMessage(healthCheck.address) } : {}),
      },
      additional_addresses: additionalAddresses?.map((additional) => ({
        address: addressMessage(additional),
      })),
    },
    health_status: HEALTH_STATUS[healthOf(flags)],
    ...(namespaces.length === 0 ? {} : { metadata: { filter_metadata: new Map(namespaces) } }),
    load_balancing_weight: weight,
  };
}
