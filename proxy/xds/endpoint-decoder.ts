// [m] Decodes ClusterLoadAssignment: from EDS, and inside static and DNS clusters (envoy-behaviour §7.1, istio-contract §4.4).
import type {
  ClusterLoadAssignment,
  ClusterLoadAssignment_Policy,
  Endpoint_HealthCheckConfig,
  LbEndpoint,
  LocalityLbEndpoints,
} from '../../xds-protos/gen/envoy.config.endpoint.v3.ts';
import type {
  ClusterEndpointsConfig,
  EndpointConfig,
  EndpointHealthCheckConfig,
  LocalityEndpointsConfig,
} from '../config/endpoint-config.ts';
import type { FractionConfig } from '../config/matcher-config.ts';
import { MAX_PORT, decodeAddress } from './address-decoder.ts';
import { ConfigProblems } from './config-problems.ts';
import type { FieldObserver } from './config-problems.ts';
import { FieldReader } from './field-reader.ts';
import { decodeFraction } from './matcher-decoder.ts';
import { decodeMetadata, structLabels } from './metadata-decoder.ts';

const TRANSPORT_SOCKET_MATCH = 'envoy.transport_socket_match';
const MAX_PRIORITY = 128;
/** A timer of the platform cannot wait longer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const HEALTH = {
  UNKNOWN: 'HEALTHY',
  HEALTHY: 'HEALTHY',
  UNHEALTHY: 'UNHEALTHY',
  DRAINING: 'UNHEALTHY',
  TIMEOUT: 'UNHEALTHY',
  DEGRADED: 'DEGRADED',
} as const;

/** Throws ConfigError with every problem. */
export function decodeEndpoints(
  message: ClusterLoadAssignment,
  version: string,
  watch?: FieldObserver,
): ClusterEndpointsConfig {
  const problems = new ConfigProblems(watch);
  const config = readEndpoints(new FieldReader(message, '', problems), version, false);
  problems.throwIfAny();
  return config;
}

/** `names`: addresses may be host names (DNS clusters). */
export function readEndpoints(
  reader: FieldReader<ClusterLoadAssignment>,
  version: string,
  names: boolean,
): ClusterEndpointsConfig {
  const policy = reader.child('policy');
  const staleAfterMs = policy?.has('endpoint_stale_after')
    ? Math.min(Math.max(1, policy.positiveDurationMs('endpoint_stale_after', 0)), MAX_TIMER_MS)
    : undefined;
  return {
    clusterName: reader.requiredString('cluster_name'),
    version,
    localities: reader.children('endpoints').map((locality) => decodeLocality(locality, names)),
    overprovisioningPercent: policy?.number('overprovisioning_factor', 140, 1) ?? 140,
    dropOverloads: policy && decodeDrops(policy),
    ...(policy?.bool('weighted_priority_health') === true && { weightedPriorityHealth: true }),
    ...(staleAfterMs !== undefined && { staleAfterMs }),
  };
}

function decodeDrops(policy: FieldReader<ClusterLoadAssignment_Policy>): readonly FractionConfig[] {
  const drops = policy.children('drop_overloads');
  if (drops.length > 1) {
    policy.problem(
      'drop_overloads',
      `Cluster drop_overloads config has ${drops.length} categories. Envoy only support one.`,
    );
  }
  return drops.map((drop) => {
    drop.requiredString('category');
    const percentage = drop.child('drop_percentage');
    if (percentage === undefined) return { numerator: 0, denominator: 100 };
    const fraction = decodeFraction(percentage);
    if (fraction.numerator > fraction.denominator)
      drop.problem('drop_percentage', 'Cluster drop_overloads config is invalid: more than 100 %');
    return fraction;
  });
}

function decodeLocality(
  reader: FieldReader<LocalityLbEndpoints>,
  names: boolean,
): LocalityEndpointsConfig {
  reader.refuse('leds_cluster_locality_config');
  const { locality } = reader.message;
  const list =
    reader.child('load_balancer_endpoints')?.children('lb_endpoints') ??
    reader.children('lb_endpoints');
  const labels = reader.message.metadata?.filter_metadata?.get(TRANSPORT_SOCKET_MATCH);
  const localitySocketMatch = labels === undefined ? undefined : structLabels(labels);
  const endpoints = list.map((endpoint) => ({
    ...decodeEndpoint(endpoint, names),
    ...(localitySocketMatch && { localitySocketMatch }),
  }));
  return {
    region: locality?.region ?? '',
    zone: locality?.zone ?? '',
    subZone: locality?.sub_zone ?? '',
    priority: reader.number('priority', 0, 0, MAX_PRIORITY),
    weight: reader.optionalNumber('load_balancing_weight', 1),
    endpoints,
  };
}

const NO_LABELS: ReadonlyMap<string, string> = new Map();

function decodeEndpoint(reader: FieldReader<LbEndpoint>, names: boolean): EndpointConfig {
  // Envoy 1.40 reads `named_endpoints` and then asks for an address all the same.
  if (reader.string('endpoint_name') !== '') reader.refuse('endpoint_name');
  const endpoint = reader.required('endpoint');
  const match = reader.message.metadata?.filter_metadata?.get(TRANSPORT_SOCKET_MATCH);
  const address = decodeAddress(endpoint?.required('address'), names);
  const weight = reader.number('load_balancing_weight', 1, 1);
  const status = reader.enumName('health_status', 'UNKNOWN');
  return {
    address,
    hostname: endpoint?.string('hostname') ?? '',
    weight,
    health: HEALTH[status],
    transportSocketMatch: match === undefined ? NO_LABELS : structLabels(match),
    metadata: decodeMetadata(reader.child('metadata')),
    ...(isEdsStatus(status) && { edsStatus: status }),
    ...(endpoint?.has('additional_addresses') && {
      additionalAddresses: endpoint
        .children('additional_addresses')
        .map((additional) => decodeAddress(additional.required('address'), false)),
    }),
    ...(endpoint?.has('health_check_config') && {
      healthCheck: decodeHealthCheck(endpoint.child('health_check_config')!),
    }),
  };
}

function isEdsStatus(
  status: keyof typeof HEALTH,
): status is NonNullable<EndpointConfig['edsStatus']> {
  return status === 'UNKNOWN' || status === 'DRAINING' || status === 'TIMEOUT';
}

function decodeHealthCheck(
  reader: FieldReader<Endpoint_HealthCheckConfig>,
): EndpointHealthCheckConfig {
  const address = reader.child('address');
  return {
    port: reader.number('port_value', 0, 0, MAX_PORT),
    hostname: reader.string('hostname'),
    ...(address !== undefined && { address: decodeAddress(address, false) }),
    disabled: reader.bool('disable_active_health_check'),
  };
}
