// [m] Types of resources that the agent knows by name (istio-contract §1.2).

const PREFIX = 'type.googleapis.com/';
export const CLUSTER = `${PREFIX}envoy.config.cluster.v3.Cluster`;
export const ENDPOINTS = `${PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`;
export const LISTENER = `${PREFIX}envoy.config.listener.v3.Listener`;
export const ROUTE = `${PREFIX}envoy.config.route.v3.RouteConfiguration`;
export const SECRET = `${PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret`;
export const EXTENSION_CONFIG = `${PREFIX}envoy.config.core.v3.TypedExtensionConfig`;
