// [m] Checks where a resource is to be fetched from: only the aggregated stream is built.
import type { ConfigSource } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { FieldReader } from './field-reader.ts';

/** Envoy's default of `initial_fetch_timeout`; Istio sends 0, for ever. */
export const DEFAULT_FETCH_TIMEOUT_MS = 15_000;

/** Records a problem unless the source is ADS. The initial fetch time-out in ms, 0 for ever. */
export function checkAdsSource(reader: FieldReader<ConfigSource> | undefined): number {
  if (reader === undefined) return DEFAULT_FETCH_TIMEOUT_MS;
  if (!reader.has('ads') && !reader.has('self')) {
    reader.problem('', 'only ads is supported by this version as a configuration source');
  }
  const version = reader.enumName('resource_api_version', 'AUTO');
  if (version !== 'V3') reader.problem('resource_api_version', `must be V3, is ${version}`);
  return reader.durationMs('initial_fetch_timeout', DEFAULT_FETCH_TIMEOUT_MS);
}
