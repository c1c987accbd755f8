// [m] Decodes the health_check filter.
import type { HealthCheck } from '../../xds-protos/gen/envoy.extensions.filters.http.health_check.v3.ts';
import type { HealthCheckFilterConfig } from '../config/http-filter-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderMatches } from './matcher-decoder.ts';

export function decodeHealthCheck(reader: FieldReader<HealthCheck>): HealthCheckFilterConfig {
  if (!reader.has('pass_through_mode')) reader.problem('pass_through_mode', 'is required');
  const passThrough = reader.bool('pass_through_mode');
  const cacheTimeMs = reader.durationMs('cache_time', 0);
  if (!passThrough && cacheTimeMs > 0) {
    reader.problem(
      'cache_time',
      'cache_time_ms must not be set when path_through_mode is disabled',
    );
  }
  return {
    kind: 'health_check',
    passThrough,
    cacheTimeMs,
    // Envoy cuts what is behind the point.
    minHealthyPercentages: new Map(
      reader
        .entries('cluster_min_healthy_percentages')
        .map(([cluster, percent]) => [cluster, Math.trunc(percent.number('value', 0, 0, 100))]),
    ),
    headers: decodeHeaderMatches(reader.children('headers')),
  };
}
