// [m] Decodes ClusterLoadAssignment: from EDS, and inside static and DNS clusters (envoy-behaviour §7.1, istio-contract §4.4).
import type {
  ClusterLoadAssignment,
  LbEndpoint,
  LocalityLbEndpoints,
} from '../../xds-protos/gen/envoy.config.endpoint.v3.ts';
import type {
  ClusterEndpointsConfig,
  EndpointConfig,
  LocalityEndpointsConfig,
} from '../config/endpoint-config.ts';
import { decodeAddress } from './address-decoder.ts';
import { ConfigProblems } from './config-problems.ts';
import { FieldReader } from './field-reader.ts';
import { decodeFraction } from './matcher-decoder.ts';
import { decodeMetadata, structLabels } from './metadata-decoder.ts';
import { MAX_UINT32 } from './route-action-decoder.ts';

const TRANSPORT_SOCKET_MATCH = 'envoy.transport_socket_match';
const MAX_PRIORITY = 128;

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
): ClusterEndpointsConfig {
  const problems = new ConfigProblems();
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
  return {
    clusterName: reader.requiredString('cluster_name'),
    version,
    localities: reader.children('endpoints').map((locality) => decodeLocality(locality, names)),
    overprovisioningPercent: policy?.number('overprovisioning_factor', 140, 1) ?? 140,
    dropOverloads: policy?.children('drop_overloads').map((drop) => {
      drop.requiredString('category');
      const percentage = drop.child('drop_percentage');
      return percentage === undefined
        ? { numerator: 0, denominator: 100 }
        : decodeFraction(percentage);
    }),
  };
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
  const endpoints = list.map((endpoint) => decodeEndpoint(endpoint, names));
  const sum = endpoints.reduce((total, endpoint) => total + endpoint.weight, 0);
  if (sum > MAX_UINT32)
    reader.problem('lb_endpoints', `the sum of the weights exceeds ${MAX_UINT32}`);
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
  if (reader.string('endpoint_name') !== '') reader.refuse('endpoint_name');
  const endpoint = reader.required('endpoint');
  const match = reader.message.metadata?.filter_metadata?.get(TRANSPORT_SOCKET_MATCH);
  return {
    address: decodeAddress(endpoint?.required('address'), names),
    hostname: endpoint?.string('hostname') ?? '',
    weight: reader.number('load_balancing_weight', 1, 1),
    health: HEALTH[reader.enumName('health_status', 'UNKNOWN')],
    transportSocketMatch: match === undefined ? NO_LABELS : structLabels(match),
    metadata: decodeMetadata(reader.child('metadata')),
  };
}
