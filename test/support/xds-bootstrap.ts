// What a bootstrap says of a ScriptedControlPlane: the cluster `xds`, and sources of all kinds.
import type { Json } from './scripted-control-plane.ts';
import { address } from './proxy-process.ts';

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

export const xdsCluster = (port: number): Json => ({
  name: 'xds',
  type: 'STATIC',
  connect_timeout: '5s',
  typed_extension_protocol_options: {
    [HTTP_OPTIONS]: {
      '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
  load_assignment: {
    cluster_name: 'xds',
    endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
  },
});

const SERVICES = [{ envoy_grpc: { cluster_name: 'xds' } }];

export type GrpcMode = 'GRPC' | 'DELTA_GRPC';

/** A stream of its own. */
export const ownStream = (mode: GrpcMode, timeout = '5s', more: Json = {}): Json => ({
  api_config_source: {
    api_type: mode,
    transport_api_version: 'V3',
    grpc_services: SERVICES,
    ...more,
  },
  resource_api_version: 'V3',
  initial_fetch_timeout: timeout,
});

export const byAds = (timeout = '5s'): Json => ({
  ads: {},
  resource_api_version: 'V3',
  initial_fetch_timeout: timeout,
});

export const adsConfig = (mode: GrpcMode, more: Json = {}): Json => ({
  api_type: mode,
  transport_api_version: 'V3',
  grpc_services: SERVICES,
  ...more,
});

export const endpointsOf = (name: string, port: number): Json => ({
  cluster_name: name,
  endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
});
