// [m] Decodes outlier detection of a cluster (envoy.config.cluster.v3.OutlierDetection; envoy-behaviour §7.9).
import type { Cluster, OutlierDetection } from '../../xds-protos/gen/envoy.config.cluster.v3.ts';
import type { OutlierDetectionConfig } from '../config/outlier-detection-config.ts';
import type { FieldReader } from './field-reader.ts';

const DEFAULT_INTERVAL_MS = 10_000;
const DEFAULT_BASE_MS = 30_000;
const DEFAULT_MAX_MS = 300_000;

type Reader = FieldReader<OutlierDetection>;

/** Undefined: the cluster has none. */
export function decodeOutlierDetection(
  cluster: FieldReader<Cluster>,
): OutlierDetectionConfig | undefined {
  const reader = cluster.child('outlier_detection');
  if (reader === undefined) return undefined;
  reader.refuse('monitors');
  const baseEjectionMs = reader.positiveDurationMs('base_ejection_time', DEFAULT_BASE_MS);
  const maxEjectionMs = reader.positiveDurationMs(
    'max_ejection_time',
    Math.max(DEFAULT_MAX_MS, baseEjectionMs),
  );
  if (maxEjectionMs < baseEjectionMs) {
    reader.problem(
      'max_ejection_time',
      "outlier detector's max_ejection_time cannot be smaller than base_ejection_time",
    );
  }
  return {
    intervalMs: reader.positiveDurationMs('interval', DEFAULT_INTERVAL_MS),
    baseEjectionMs,
    maxEjectionMs,
    maxEjectionJitterMs: reader.durationMs('max_ejection_time_jitter', 0),
    maxEjectionPercent: percent(reader, 'max_ejection_percent', 10),
    alwaysEjectOneHost: reader.bool('always_eject_one_host'),
    splitLocalOrigin: reader.bool('split_external_local_origin_errors'),
    uneject: reader.bool('successful_active_health_check_uneject_host', true),
    detectDegradedHosts: reader.bool('detect_degraded_hosts'),
    ...detectors(reader),
  };
}

function detectors(
  reader: Reader,
): Pick<OutlierDetectionConfig, 'consecutive' | 'successRate' | 'failurePercentage'> {
  return {
    consecutive: {
      http5xx: reader.number('consecutive_5xx', 5),
      gatewayFailure: reader.number('consecutive_gateway_failure', 5),
      localOriginFailure: reader.number('consecutive_local_origin_failure', 5),
      enforcingHttp5xx: percent(reader, 'enforcing_consecutive_5xx', 100),
      enforcingGatewayFailure: percent(reader, 'enforcing_consecutive_gateway_failure', 0),
      enforcingLocalOriginFailure: percent(
        reader,
        'enforcing_consecutive_local_origin_failure',
        100,
      ),
    },
    successRate: {
      minimumHosts: reader.number('success_rate_minimum_hosts', 5),
      requestVolume: reader.number('success_rate_request_volume', 100),
      stdevFactor: reader.number('success_rate_stdev_factor', 1900),
      enforcing: percent(reader, 'enforcing_success_rate', 100),
      enforcingLocalOrigin: percent(reader, 'enforcing_local_origin_success_rate', 100),
    },
    failurePercentage: {
      threshold: percent(reader, 'failure_percentage_threshold', 85),
      minimumHosts: reader.number('failure_percentage_minimum_hosts', 5),
      requestVolume: reader.number('failure_percentage_request_volume', 50),
      enforcing: percent(reader, 'enforcing_failure_percentage', 0),
      enforcingLocalOrigin: percent(reader, 'enforcing_failure_percentage_local_origin', 0),
    },
  };
}

type PercentField =
  | 'max_ejection_percent'
  | 'enforcing_consecutive_5xx'
  | 'enforcing_consecutive_gateway_failure'
  | 'enforcing_consecutive_local_origin_failure'
  | 'enforcing_success_rate'
  | 'enforcing_local_origin_success_rate'
  | 'failure_percentage_threshold'
  | 'enforcing_failure_percentage'
  | 'enforcing_failure_percentage_local_origin';

const percent = (reader: Reader, field: PercentField, fallback: number): number =>
  reader.number(field, fallback, 0, 100);
