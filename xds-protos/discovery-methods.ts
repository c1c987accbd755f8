// [m] The gRPC methods by which resources are discovered: all kinds over one stream (ADS), or each over a stream of its own
// (envoy.service.*.v3.*DiscoveryService). The messages are the same everywhere.

const SERVICES = {
  aggregated: ['envoy.service.discovery.v3.AggregatedDiscoveryService', 'AggregatedResources'],
  clusters: ['envoy.service.cluster.v3.ClusterDiscoveryService', 'Clusters'],
  endpoints: ['envoy.service.endpoint.v3.EndpointDiscoveryService', 'Endpoints'],
  listeners: ['envoy.service.listener.v3.ListenerDiscoveryService', 'Listeners'],
  routes: ['envoy.service.route.v3.RouteDiscoveryService', 'Routes'],
  scopes: ['envoy.service.route.v3.ScopedRoutesDiscoveryService', 'ScopedRoutes'],
  virtualHosts: ['envoy.service.route.v3.VirtualHostDiscoveryService', 'VirtualHosts'],
  secrets: ['envoy.service.secret.v3.SecretDiscoveryService', 'Secrets'],
  runtime: ['envoy.service.runtime.v3.RuntimeDiscoveryService', 'Runtime'],
  extensions: ['envoy.service.extension.v3.ExtensionConfigDiscoveryService', 'ExtensionConfigs'],
} as const;

export type DiscoveryService = keyof typeof SERVICES;

export const DISCOVERY_SERVICES = Object.keys(SERVICES) as readonly DiscoveryService[];

/** `aggregated`, or what only this kind is discovered by. */
export const deltaMethod = (service: DiscoveryService) =>
  ({
    path: `/${SERVICES[service][0]}/Delta${SERVICES[service][1]}`,
    request: 'envoy.service.discovery.v3.DeltaDiscoveryRequest',
    response: 'envoy.service.discovery.v3.DeltaDiscoveryResponse',
  }) as const;

export const sotwMethod = (service: DiscoveryService) =>
  ({
    path: `/${SERVICES[service][0]}/Stream${SERVICES[service][1]}`,
    request: 'envoy.service.discovery.v3.DiscoveryRequest',
    response: 'envoy.service.discovery.v3.DiscoveryResponse',
  }) as const;
