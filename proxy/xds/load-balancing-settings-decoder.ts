// [m] Decodes the parts that load balancing policies have in common: slow start, localities, consistent hashing
// (envoy.config.cluster.v3 and envoy.extensions.load_balancing_policies.common.v3 say them in the same words).
import type { Cluster_CommonLbConfig } from '../../xds-protos/gen/envoy.config.cluster.v3.ts';
import type { RuntimeDouble } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type {
  ConsistentHashingLbConfig,
  LocalityLbConfig,
  LocalityLbConfig_ZoneAwareLbConfig,
  SlowStartConfig as SlowStartMessage,
} from '../../xds-protos/gen/envoy.extensions.load_balancing_policies.common.v3.ts';
import type { HostStatus } from '../config/cluster-config.ts';
import type {
  ConsistentHashingConfig,
  LocalityPolicyConfig,
  RuntimeNumberConfig,
  SlowStartConfig,
} from '../config/load-balancing-config.ts';
import { DEFAULT_ZONE_AWARE } from '../config/load-balancing-config.ts';
import type { FieldReader } from './field-reader.ts';

const DEFAULT_MIN_WEIGHT_PERCENT = 10;
const MIN_BALANCE_FACTOR = 100;

export const decodeRuntimeNumber = (
  reader: FieldReader<RuntimeDouble> | undefined,
): RuntimeNumberConfig | undefined =>
  reader && {
    runtimeKey: reader.string('runtime_key'),
    value: reader.message.default_value ?? 0,
  };

/** Without a window there is no slow start. */
export function decodeSlowStart(
  reader: FieldReader<SlowStartMessage> | undefined,
): SlowStartConfig | undefined {
  const windowMs = reader?.durationMs('slow_start_window', 0) ?? 0;
  if (reader === undefined || windowMs === 0) return undefined;
  const percent = reader.child('min_weight_percent');
  return {
    windowMs,
    aggression: decodeRuntimeNumber(reader.child('aggression')) ?? { runtimeKey: '', value: 1 },
    minWeightPercent: percent?.number('value', 0, 0, 100) ?? DEFAULT_MIN_WEIGHT_PERCENT,
  };
}

/** Of an extension; undefined: nothing is said. */
export function decodeLocality(
  reader: FieldReader<LocalityLbConfig> | undefined,
): LocalityPolicyConfig | undefined {
  if (reader?.has('locality_weighted_lb_config') === true) return { kind: 'weighted' };
  const zones = reader?.child('zone_aware_lb_config');
  return zones && decodeZoneAware(zones);
}

/** Of `common_lb_config`. */
export function decodeCommonLocality(
  reader: FieldReader<Cluster_CommonLbConfig> | undefined,
): LocalityPolicyConfig | undefined {
  if (reader?.has('locality_weighted_lb_config') === true) return { kind: 'weighted' };
  const zones = reader?.child('zone_aware_lb_config');
  return zones && decodeZoneAware(zones);
}

function decodeZoneAware(
  reader: FieldReader<LocalityLbConfig_ZoneAwareLbConfig>,
): LocalityPolicyConfig {
  const force = reader.child('force_local_zone');
  const legacyForce = reader.bool('force_locality_direct_routing') ? 1 : undefined;
  return {
    kind: 'zone_aware',
    routingEnabledPercent: reader.child('routing_enabled')?.number('value', 0, 0, 100) ?? 100,
    minClusterSize: reader.number('min_cluster_size', DEFAULT_ZONE_AWARE.minClusterSize),
    failTrafficOnPanic: reader.bool('fail_traffic_on_panic'),
    forceLocalMinSize: force?.number('min_size', 1) ?? legacyForce,
    byWeight: reader.enumName('locality_basis', 'HEALTHY_HOSTS_NUM') === 'HEALTHY_HOSTS_WEIGHT',
  };
}

export function decodeHashing(
  reader: FieldReader<ConsistentHashingLbConfig> | undefined,
  localityWeighted: boolean,
): ConsistentHashingConfig {
  reader?.refuse('hash_policy');
  return {
    useHostname: reader?.bool('use_hostname_for_hashing') ?? false,
    balanceFactor: reader?.number('hash_balance_factor', 0, MIN_BALANCE_FACTOR) ?? 0,
    localityWeighted,
  };
}

/** Undefined: nothing is said. Numbers of a newer API are of no host. */
export function decodeOverrideStatuses(
  reader: FieldReader<Cluster_CommonLbConfig> | undefined,
): readonly HostStatus[] | undefined {
  const set = reader?.child('override_host_status');
  return set?.message.statuses?.filter((status) => typeof status === 'string') ?? (set && []);
}
