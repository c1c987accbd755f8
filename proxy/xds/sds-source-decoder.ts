// [m] Decodes where a secret comes from (SdsSecretConfig; istio-contract §2.4).
import type { ApiConfigSource, ConfigSource } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { SdsSecretConfig } from '../../xds-protos/gen/envoy.extensions.transport_sockets.tls.v3.ts';
import type { SecretRef, SecretSourceConfig } from '../config/secret-config.ts';
import { DEFAULT_FETCH_TIMEOUT_MS } from './config-source.ts';
import type { FieldReader } from './field-reader.ts';

const STATIC: SecretSourceConfig = { kind: 'static' };

export function decodeSecretRef(reader: FieldReader<SdsSecretConfig>): SecretRef {
  const source = reader.child('sds_config');
  return {
    name: reader.requiredString('name'),
    source: source === undefined ? STATIC : decodeSource(source),
    initialFetchTimeoutMs:
      source?.durationMs('initial_fetch_timeout', DEFAULT_FETCH_TIMEOUT_MS) ?? 0,
  };
}

function decodeSource(reader: FieldReader<ConfigSource>): SecretSourceConfig {
  const version = reader.enumName('resource_api_version', 'AUTO');
  if (version === 'V2') reader.problem('resource_api_version', `must be V3, is ${version}`);
  const api = reader.child('api_config_source');
  if (api !== undefined) return decodeApi(api);
  if (reader.has('ads') || reader.has('self')) return { kind: 'ads' };
  const watched = reader.child('path_config_source');
  const path = watched?.requiredString('path') ?? reader.nonEmpty('path');
  if (path !== undefined) {
    const directory = watched?.child('watched_directory')?.requiredString('path') ?? '';
    return { kind: 'path', path, watchedDirectory: directory };
  }
  reader.problem('', 'one of ads, api_config_source, path_config_source is required');
  return STATIC;
}

function decodeApi(reader: FieldReader<ApiConfigSource>): SecretSourceConfig {
  const type = reader.enumName('api_type', 'DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE');
  if (type === 'AGGREGATED_GRPC' || type === 'AGGREGATED_DELTA_GRPC') return { kind: 'ads' };
  if (type !== 'GRPC' && type !== 'DELTA_GRPC')
    reader.problem('api_type', `must be GRPC or DELTA_GRPC, is ${type}`);
  const services = reader.children('grpc_services');
  const envoy = services[0]?.child('envoy_grpc');
  if (services.length !== 1 || envoy === undefined) {
    reader.problem('grpc_services', 'must name one service, by envoy_grpc');
    return STATIC;
  }
  return {
    kind: 'grpc',
    cluster: envoy.requiredString('cluster_name'),
    delta: type === 'DELTA_GRPC',
  };
}
