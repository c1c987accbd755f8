// [m] Decodes where clusters are asked for on demand: of the HTTP filter on_demand and its routes, and of tcp_proxy.
import type { ConfigSource } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { OnDemandCds } from '../../xds-protos/gen/envoy.extensions.filters.http.on_demand.v3.ts';
import type { TcpProxy_OnDemand } from '../../xds-protos/gen/envoy.extensions.filters.network.tcp_proxy.v3.ts';
import type { OnDemandClustersConfig, OnDemandFilterConfig } from '../config/on-demand-config.ts';
import { decodeConfigSource } from './config-source.ts';
import type { FieldReader } from './field-reader.ts';
import type { TypedConfig } from './typed-config.ts';

const REQUEST_TIMEOUT_MS = 5000;
const CONNECTION_TIMEOUT_MS = 60_000;

export function decodeOnDemandFilter(config: TypedConfig): OnDemandFilterConfig | undefined {
  const reader = config.as('envoy.extensions.filters.http.on_demand.v3.OnDemand');
  return reader && { kind: 'on_demand', clusters: decodeOdcds(reader.child('odcds')) };
}

export function decodeOnDemandRoute(config: TypedConfig): OnDemandFilterConfig | undefined {
  const reader = config.as('envoy.extensions.filters.http.on_demand.v3.PerRouteConfig');
  return reader && { kind: 'on_demand', clusters: decodeOdcds(reader.child('odcds')) };
}

/** Of tcp_proxy: undefined where connections do not ask. */
export function decodeTcpOnDemand(
  reader: FieldReader<TcpProxy_OnDemand> | undefined,
): OnDemandClustersConfig | undefined {
  if (reader === undefined) return undefined;
  const source = reader.child('odcds_config');
  if (reader.string('resources_locator') !== '') reader.refuse('resources_locator');
  const timeoutMs = reader.durationMs('timeout', CONNECTION_TIMEOUT_MS);
  return source && { ref: decodeSource(source), timeoutMs };
}

function decodeOdcds(
  reader: FieldReader<OnDemandCds> | undefined,
): OnDemandClustersConfig | undefined {
  if (reader === undefined) return undefined;
  const source = reader.child('source');
  if (source === undefined) reader.problem('source', 'is required');
  if (reader.string('resources_locator') !== '') reader.refuse('resources_locator');
  const timeoutMs = reader.durationMs('timeout', REQUEST_TIMEOUT_MS);
  return source && { ref: decodeSource(source), timeoutMs };
}

function decodeSource(reader: FieldReader<ConfigSource>): OnDemandClustersConfig['ref'] {
  const ref = decodeConfigSource(reader);
  const { source } = ref;
  if (source.kind === 'path' || (source.kind === 'grpc' && !source.delta))
    reader.problem('', 'clusters are asked for by name: use ads, or a stream of type DELTA_GRPC');
  return ref;
}
