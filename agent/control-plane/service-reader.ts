// [m] ServiceEntry, WorkloadEntry and the Kubernetes kinds that make services and workloads.
import { isIP } from 'node:net';

import type { FieldReader } from './field-reader.ts';
import { PROTOCOLS, resolveHost } from './istio-model.ts';
import type {
  ConfigMeta,
  EndpointsOfService,
  InlineEndpoint,
  Protocol,
  Service,
  ServicePort,
  TlsMode,
  Workload,
} from './istio-model.ts';

/** On a Pod, a Deployment or its template: where the workload listens; several with commas, one a replica. */
export const ADDRESS_ANNOTATION = 'outrigger/address';
const LOCALITY_LABEL = 'istio-locality';

function readAddress(field: FieldReader): string {
  const address = field.requiredText();
  if (address !== '' && isIP(address) === 0) field.fail(`must be an IP address, not "${address}"`);
  return address;
}

/** The injector's label; without it istiod takes a workload with an account to have a sidecar, and a bare pod to have none. */
function tlsModeOf(labels: ReadonlyMap<string, string>, fallback: TlsMode): TlsMode {
  const label = labels.get('security.istio.io/tlsMode');
  return label === undefined ? fallback : label === 'istio' ? 'istio' : 'disabled';
}

function readPortMap(field: FieldReader): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  for (const [name, entry] of field.entries()) {
    const port = entry.port();
    if (port !== undefined) ports.set(name, port);
  }
  return ports;
}

/** `http-web`, `grpc`, `tcp-db`: the part before the dash declares the protocol. */
export function protocolOfName(name: string): Protocol {
  const lower = name.toLowerCase();
  if (lower === 'grpc-web' || lower.startsWith('grpc-web-')) return 'GRPC-WEB';
  const prefix = lower.split('-', 1)[0]!.toUpperCase();
  return PROTOCOLS.find((protocol) => protocol === prefix) ?? 'AUTO';
}

function protocolOfText(text: string | undefined): Protocol | undefined {
  if (text === undefined) return undefined;
  const upper = text.toUpperCase();
  if (upper === 'KUBERNETES.IO/H2C') return 'HTTP2';
  return PROTOCOLS.find((protocol) => protocol === upper);
}

function readEntryPort(item: FieldReader): ServicePort {
  item.object(['number', 'name', 'protocol', 'targetPort']);
  const name = item.at('name').text() ?? '';
  const number = item.at('number').required().port() ?? 0;
  const given = item.at('protocol').text();
  const protocol =
    given === undefined || given === '' ? protocolOfName(name) : protocolOfText(given);
  if (protocol === undefined) item.at('protocol').fail(`must be one of ${PROTOCOLS.join(', ')}`);
  const target = item.at('targetPort');
  return {
    number,
    name,
    protocol: protocol ?? 'TCP',
    targetPort: target.port() ?? number,
    hasTargetPort: target.present,
  };
}

const WORKLOAD_FIELDS: readonly string[] = [
  'address',
  'ports',
  'labels',
  'network',
  'locality',
  'weight',
  'serviceAccount',
];

function readInlineEndpoint(item: FieldReader, external: boolean): InlineEndpoint {
  item.unsupported(['network']).object(WORKLOAD_FIELDS);
  const labels = item.at('labels').textMap();
  const serviceAccount = item.at('serviceAccount').text() ?? '';
  return {
    address: external ? item.at('address').requiredText() : readAddress(item.at('address')),
    ports: readPortMap(item.at('ports')),
    labels,
    serviceAccount,
    tlsMode: tlsModeOf(labels, serviceAccount === '' ? 'disabled' : 'istio'),
    locality: item.at('locality').text() ?? '',
    weight: item.at('weight').integer(0, 0x7fffffff) ?? 0,
    workloadName: '',
  };
}

export function readServiceEntry(meta: ConfigMeta, spec: FieldReader): Service[] {
  spec
    .unsupported(['subjectAltNames'])
    .object([
      'hosts',
      'addresses',
      'ports',
      'location',
      'resolution',
      'endpoints',
      'workloadSelector',
      'exportTo',
      'subjectAltNames',
    ]);
  const hosts = spec.at('hosts').required().texts();
  const resolution =
    spec.at('resolution').choice(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN']) ?? 'NONE';
  const dns = resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN';
  const addresses = spec
    .at('addresses')
    .items()
    .flatMap((item) => {
      const address = item.text() ?? '';
      return isIP(address) !== 0
        ? address
        : (item.fail(
            'must be an IP address; ranges are not supported by the embedded control plane',
          ) ?? []);
    });
  const ports = spec.at('ports').required().items().map(readEntryPort);
  const shared = {
    meta,
    addresses,
    ports,
    resolution,
    registry: 'External' as const,
    meshExternal:
      spec.at('location').choice(['MESH_EXTERNAL', 'MESH_INTERNAL']) !== 'MESH_INTERNAL',
    selector: spec.at('workloadSelector').object(['labels']).at('labels').textMap(),
    endpoints: spec
      .at('endpoints')
      .items()
      .map((item) => readInlineEndpoint(item, dns)),
    exportTo: spec.at('exportTo').texts(),
  };
  return hosts.map((host) => ({ ...shared, host }));
}

export function readWorkloadEntry(meta: ConfigMeta, spec: FieldReader): Workload {
  spec.unsupported(['network']).object(WORKLOAD_FIELDS);
  const labels = new Map([...meta.labels, ...spec.at('labels').textMap()]);
  const serviceAccount = spec.at('serviceAccount').text() ?? '';
  return {
    meta,
    address: readAddress(spec.at('address')),
    labels,
    ports: readPortMap(spec.at('ports')),
    containerPorts: new Map(),
    workloadName: meta.name,
    serviceAccount,
    tlsMode: tlsModeOf(labels, serviceAccount === '' ? 'disabled' : 'istio'),
    locality: spec.at('locality').text() ?? '',
    weight: spec.at('weight').integer(0, 0x7fffffff) ?? 0,
  };
}

function readServicePort(item: FieldReader): ServicePort {
  const number = item.at('port').required().port() ?? 0;
  const name = item.at('name').text() ?? '';
  const target = item.at('targetPort');
  const l4 = item.at('protocol').choice(['TCP', 'UDP', 'SCTP']);
  const protocol =
    l4 === 'UDP' ? 'UDP' : (protocolOfText(item.at('appProtocol').text()) ?? protocolOfName(name));
  return {
    number,
    name,
    protocol,
    targetPort: targetPortOf(target) ?? number,
    hasTargetPort: target.present,
  };
}

function targetPortOf(field: FieldReader): number | string | undefined {
  if (!field.present) return undefined;
  return field.isText ? field.text() : field.port();
}

export function readKubernetesService(meta: ConfigMeta, spec: FieldReader): Service {
  const clusterIp = spec.at('clusterIP').text() ?? '';
  if (clusterIp !== '' && clusterIp !== 'None' && isIP(clusterIp) === 0)
    spec.at('clusterIP').fail('must be an IP address or None');
  if (spec.at('type').text() === 'ExternalName')
    spec
      .at('type')
      .fail('ExternalName is not supported by the embedded control plane; use a ServiceEntry');
  const headless = clusterIp === 'None';
  const exportTo = meta.annotations.get('networking.istio.io/exportTo');
  return {
    meta,
    registry: 'Kubernetes',
    host: resolveHost(meta.name, meta.namespace),
    addresses: headless || clusterIp === '' ? [] : [clusterIp],
    ports: spec.at('ports').required().items().map(readServicePort),
    resolution: headless ? 'NONE' : 'STATIC',
    meshExternal: false,
    selector: spec.at('selector').textMap(),
    endpoints: [],
    exportTo: exportTo === undefined ? [] : exportTo.split(',').map((entry) => entry.trim()),
  };
}

interface PodParts {
  readonly spec: FieldReader;
  readonly labels: ReadonlyMap<string, string>;
  /** Given by an annotation or, in a Pod, by status.podIP; several with commas. */
  readonly addresses: string | undefined;
}

function containerPorts(podSpec: FieldReader): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  for (const container of podSpec.at('containers').items()) {
    for (const item of container.at('ports').items()) {
      const name = item.at('name').text();
      const port = item.at('containerPort').port();
      if (name !== undefined && port !== undefined) ports.set(name, port);
    }
  }
  return ports;
}

function workloadsOf(meta: ConfigMeta, root: FieldReader, parts: PodParts): Workload[] {
  // Without an address a pod is only wanted, not running: Endpoints may name it later.
  if (parts.addresses === undefined) return [];
  return parts.addresses.split(',').flatMap((entry) => {
    const address = entry.trim();
    if (isIP(address) === 0)
      return (
        root.fail(
          `has "${address}" as an address (annotation ${ADDRESS_ANNOTATION}); it must be an IP address`,
        ) ?? []
      );
    return {
      meta,
      address,
      labels: parts.labels,
      ports: new Map(),
      containerPorts: containerPorts(parts.spec),
      workloadName: meta.name,
      serviceAccount: parts.spec.at('serviceAccountName').text() ?? 'default',
      tlsMode: tlsModeOf(parts.labels, 'disabled'),
      locality: (parts.labels.get(LOCALITY_LABEL) ?? '').replaceAll('.', '/'),
      weight: 0,
    };
  });
}

export function readPod(meta: ConfigMeta, document: FieldReader): Workload[] {
  const addresses =
    meta.annotations.get(ADDRESS_ANNOTATION) ?? document.at('status').at('podIP').text();
  return workloadsOf(meta, document, { spec: document.at('spec'), labels: meta.labels, addresses });
}

/** Deployment, StatefulSet, DaemonSet, ReplicaSet: the pod template with the addresses of its replicas. */
export function readPodController(meta: ConfigMeta, document: FieldReader): Workload[] {
  const template = document.at('spec').at('template').required();
  const annotations = template.at('metadata').at('annotations').textMap();
  return workloadsOf(meta, document, {
    spec: template.at('spec'),
    labels: template.at('metadata').at('labels').textMap(),
    addresses: annotations.get(ADDRESS_ANNOTATION) ?? meta.annotations.get(ADDRESS_ANNOTATION),
  });
}

function namedPorts(items: readonly FieldReader[]): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  for (const item of items) {
    const port = item.at('port').port();
    if (port !== undefined) ports.set(item.at('name').text() ?? '', port);
  }
  return ports;
}

const bareEndpoint = (
  address: string,
  ports: ReadonlyMap<string, number>,
  workloadName: string,
): InlineEndpoint => ({
  address,
  ports,
  labels: new Map(),
  serviceAccount: '',
  tlsMode: 'disabled',
  locality: '',
  weight: 0,
  workloadName,
});

export function readEndpoints(meta: ConfigMeta, document: FieldReader): EndpointsOfService {
  const endpoints = document
    .at('subsets')
    .items()
    .flatMap((subset) => {
      const ports = namedPorts(subset.at('ports').items());
      return subset
        .at('addresses')
        .items()
        .map((item) =>
          bareEndpoint(
            readAddress(item.at('ip')),
            ports,
            item.at('targetRef').at('name').text() ?? '',
          ),
        );
    });
  return { meta, service: resolveHost(meta.name, meta.namespace), endpoints };
}

export function readEndpointSlice(meta: ConfigMeta, document: FieldReader): EndpointsOfService {
  const ports = namedPorts(document.at('ports').items());
  const service = meta.labels.get('kubernetes.io/service-name');
  if (service === undefined)
    document.at('metadata').at('labels').fail('must carry kubernetes.io/service-name');
  const endpoints = document
    .at('endpoints')
    .items()
    .flatMap((item) => {
      if (item.at('conditions').at('ready').flag() === false) return [];
      const workloadName = item.at('targetRef').at('name').text() ?? '';
      return item
        .at('addresses')
        .items()
        .map((address) => bareEndpoint(readAddress(address), ports, workloadName));
    });
  return { meta, service: resolveHost(service ?? meta.name, meta.namespace), endpoints };
}
