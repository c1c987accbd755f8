// Fields of health checks and outlier detection that Envoy 1.40 has and the .proto files do not yet (development only): rows
// of newer-fields.ts.
import type { NewerField } from './newer-fields.ts';

export const newerHealthFields: readonly NewerField[] = [
  { message: 'envoy.config.core.v3.HealthCheck', name: 'name', number: 27, type: 'string' },
  {
    message: 'envoy.config.cluster.v3.OutlierDetection',
    name: 'detect_degraded_hosts',
    number: 26,
    type: 'google.protobuf.BoolValue',
  },
  {
    message: 'envoy.admin.v3.HostHealthStatus',
    name: 'failed_degraded_outlier_detection',
    number: 9,
    type: 'bool',
  },
  // Its matchers are not read: that it is there is enough to refuse it.
  {
    message: 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    name: 'outlier_detection',
    number: 8,
    type: 'google.protobuf.Empty',
  },
];
