// [m] Names that istiod gives and that dashboards, tools and the data plane read. Istio: pilot/pkg/model/service.go.
import type { Protocol, Service } from './istio-model.ts';

export const outboundClusterName = (port: number, subset: string, host: string): string =>
  `outbound|${port}|${subset}|${host}`;

/** The server name by which a sidecar asks for a subset over Istio mTLS. */
export const outboundSni = (port: number, subset: string, host: string): string =>
  `outbound_.${port}_.${subset}_.${host}`;

export const inboundClusterName = (targetPort: number): string => `inbound|${targetPort}||`;

export const PASSTHROUGH_CLUSTER = 'PassthroughCluster';
export const BLACK_HOLE_CLUSTER = 'BlackHoleCluster';
export const INBOUND_PASSTHROUGH_CLUSTER = 'InboundPassthroughCluster';

export interface ParsedClusterName {
  readonly port: number;
  readonly subset: string;
  readonly host: string;
}

export function parseOutboundClusterName(name: string): ParsedClusterName | undefined {
  const parts = name.split('|');
  if (parts.length !== 4 || parts[0] !== 'outbound' || !/^[1-9][0-9]{0,4}$/.test(parts[1]!))
    return undefined;
  return { port: Number(parts[1]), subset: parts[2]!, host: parts[3]! };
}

const HTTP_PROTOCOLS: readonly Protocol[] = ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB'];

export const isHttp = (protocol: Protocol): boolean => HTTP_PROTOCOLS.includes(protocol);
export const isHttp2 = (protocol: Protocol): boolean =>
  protocol === 'HTTP2' || protocol === 'GRPC' || protocol === 'GRPC-WEB';

/** Kubernetes knows a service by its short name, the others by their host. */
export const registryName = (service: Service): string =>
  service.registry === 'Kubernetes' ? service.meta.name : service.host;

export const serviceMetadata = (
  service: Service,
): { host: string; namespace: string; name: string } => ({
  host: service.host,
  namespace: service.meta.namespace,
  name: registryName(service),
});

export const destinationRulePath = (namespace: string, name: string): string =>
  `/apis/networking.istio.io/v1/namespaces/${namespace}/destination-rule/${name}`;
