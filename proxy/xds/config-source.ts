// [m] Decodes where resources are fetched from (ConfigSource): the aggregated stream, a stream of their own, a file.
import type { ApiConfigSource, ConfigSource } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import { ADS_SOURCE } from '../config/config-source.ts';
import type { ConfigSourceConfig, SourceRef } from '../config/config-source.ts';
import type { FieldReader } from './field-reader.ts';

/** Envoy's default of `initial_fetch_timeout`; Istio sends 0, for ever. */
export const DEFAULT_FETCH_TIMEOUT_MS = 15_000;

const NOWHERE: SourceRef = { source: ADS_SOURCE, initialFetchTimeoutMs: DEFAULT_FETCH_TIMEOUT_MS };

export function decodeConfigSource(reader: FieldReader<ConfigSource> | undefined): SourceRef {
  if (reader === undefined) return NOWHERE;
  // `resource_api_version` is not looked at, as in Envoy: there is but one version.
  return {
    source: decodeSource(reader),
    initialFetchTimeoutMs: reader.durationMs('initial_fetch_timeout', DEFAULT_FETCH_TIMEOUT_MS),
  };
}

function decodeSource(reader: FieldReader<ConfigSource>): ConfigSourceConfig {
  const api = reader.child('api_config_source');
  if (api !== undefined) return decodeApi(api);
  if (reader.has('ads')) return ADS_SOURCE;
  const watched = reader.child('path_config_source');
  const path = watched?.requiredString('path') ?? reader.nonEmpty('path');
  if (path === undefined) {
    reader.problem('', 'one of ads, api_config_source, path_config_source is required');
    return ADS_SOURCE;
  }
  const directory = watched?.child('watched_directory')?.requiredString('path') ?? '';
  return { kind: 'path', path, watchedDirectory: directory };
}

function decodeApi(reader: FieldReader<ApiConfigSource>): ConfigSourceConfig {
  const version = reader.enumName('transport_api_version', 'AUTO');
  if (version !== 'V3') reader.problem('transport_api_version', `must be V3, is ${version}`);
  const type = reader.enumName('api_type', 'DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE');
  if (type === 'AGGREGATED_GRPC' || type === 'AGGREGATED_DELTA_GRPC') {
    reader.problem('api_type', `Unsupported config source ${type}: ads is said by \`ads: {}\``);
    return ADS_SOURCE;
  }
  if (type !== 'GRPC' && type !== 'DELTA_GRPC')
    reader.problem('api_type', `must be GRPC or DELTA_GRPC, is ${type}`);
  const services = reader.children('grpc_services');
  const envoy = services[0]?.child('envoy_grpc');
  if (services.length !== 1 || envoy === undefined) {
    reader.problem('grpc_services', 'must name one service, by envoy_grpc');
    return ADS_SOURCE;
  }
  return {
    kind: 'grpc',
    cluster: envoy.requiredString('cluster_name'),
    delta: type === 'DELTA_GRPC',
    ...(reader.bool('set_node_on_first_message_only') ? { nodeOnce: true } : {}),
  };
}
