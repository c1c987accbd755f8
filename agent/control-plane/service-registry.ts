// [m] ServiceRegistry: which addresses stand behind which port of which service. Istio: pilot/pkg/serviceregistry.
import { matchesLabels } from './istio-model.ts';
import type {
  ConfigItem,
  EndpointsOfService,
  InlineEndpoint,
  Service,
  ServicePort,
  TlsMode,
  Workload,
} from './istio-model.ts';

/** One address behind one service, before a port is chosen. */
export interface Endpoint {
  readonly address: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly tlsMode: TlsMode;
  readonly locality: string;
  readonly workloadName: string;
  /** At least 1. */
  readonly weight: number;
  readonly ports: ReadonlyMap<string, number>;
  readonly containerPorts: ReadonlyMap<string, number>;
}

/** A service port that a proxy's own pod serves. */
export interface ServiceTarget {
  readonly service: Service;
  readonly port: ServicePort;
  readonly targetPort: number;
}

/** The port on which `endpoint` serves `port`; undefined where it has none (a named target port it does not know). */
export function endpointPort(endpoint: Endpoint, port: ServicePort): number | undefined {
  const given = endpoint.ports.get(port.name);
  if (given !== undefined) return given;
  return typeof port.targetPort === 'string'
    ? endpoint.containerPorts.get(port.targetPort)
    : port.targetPort;
}

const NO_PORTS: ReadonlyMap<string, number> = new Map();

function endpointOf(source: Workload | InlineEndpoint, namespace: string): Endpoint {
  return {
    address: source.address,
    labels: source.labels,
    namespace,
    serviceAccount: source.serviceAccount,
    tlsMode: source.tlsMode,
    locality: source.locality,
    workloadName: source.workloadName,
    weight: Math.max(1, source.weight),
    ports: source.ports,
    containerPorts: 'containerPorts' in source ? source.containerPorts : NO_PORTS,
  };
}

export class ServiceRegistry {
  /** By host; of two services with one host the first wins. */
  readonly services: ReadonlyMap<string, Service>;
  readonly #endpoints = new Map<string, readonly Endpoint[]>();
  readonly #byAddress = new Map<string, Service[]>();

  constructor(items: readonly ConfigItem[]) {
    const services = new Map<string, Service>();
    const workloadsByNamespace = new Map<string, Workload[]>();
    const extra = new Map<string, EndpointsOfService[]>();
    for (const item of items) {
      if (item.type === 'service') {
        for (const service of item.value)
          if (!services.has(service.host)) services.set(service.host, service);
      } else if (item.type === 'workload') {
        const list = workloadsByNamespace.get(item.meta.namespace) ?? [];
        list.push(item.value);
        workloadsByNamespace.set(item.meta.namespace, list);
      } else if (item.type === 'endpoints') {
        const list = extra.get(item.value.service) ?? [];
        list.push(item.value);
        extra.set(item.value.service, list);
      }
    }
    this.services = services;
    for (const service of services.values()) {
      const workloads = workloadsByNamespace.get(service.meta.namespace) ?? [];
      this.#add(service, workloads, extra.get(service.host) ?? []);
    }
  }

  #add(
    service: Service,
    workloads: readonly Workload[],
    extra: readonly EndpointsOfService[],
  ): void {
    const { namespace } = service.meta;
    const byAddress = new Map<string, Endpoint>();
    const add = (endpoint: Endpoint): void => {
      if (!byAddress.has(endpoint.address)) byAddress.set(endpoint.address, endpoint);
    };
    for (const endpoint of service.endpoints) add(endpointOf(endpoint, namespace));
    if (service.selector.size > 0) {
      for (const workload of workloads) {
        if (matchesLabels(workload.labels, service.selector)) add(endpointOf(workload, namespace));
      }
    }
    for (const { endpoints } of extra) {
      for (const endpoint of endpoints) {
        // An address of Endpoints is a pod: its labels are the pod's.
        const pod = workloads.find((workload) => workload.address === endpoint.address);
        add(
          pod === undefined
            ? endpointOf(endpoint, namespace)
            : { ...endpointOf(pod, namespace), ports: endpoint.ports },
        );
      }
    }
    this.#endpoints.set(service.host, [...byAddress.values()]);
    for (const address of byAddress.keys()) {
      const list = this.#byAddress.get(address) ?? [];
      list.push(service);
      this.#byAddress.set(address, list);
    }
  }

  endpointsOf(service: Service): readonly Endpoint[] {
    return this.#endpoints.get(service.host) ?? [];
  }

  /** The ports of the services of `namespace` that one of `addresses` serves; the first service of a port first. */
  targetsOf(addresses: readonly string[], namespace: string): ServiceTarget[] {
    const targets: ServiceTarget[] = [];
    const services = new Set(addresses.flatMap((address) => this.#byAddress.get(address) ?? []));
    for (const service of services) {
      if (service.meta.namespace !== namespace || service.meshExternal) continue;
      const endpoint = this.endpointsOf(service).find(({ address }) => addresses.includes(address));
      if (endpoint === undefined) continue;
      for (const port of service.ports) {
        const targetPort = endpointPort(endpoint, port);
        if (targetPort !== undefined && port.protocol !== 'UDP')
          targets.push({ service, port, targetPort });
      }
    }
    return targets;
  }

  /** What the registry knows of a pod; it wins over what the pod says of itself. */
  labelsOf(
    addresses: readonly string[],
    namespace: string,
  ): ReadonlyMap<string, string> | undefined {
    for (const address of addresses) {
      for (const service of this.#byAddress.get(address) ?? []) {
        if (service.meta.namespace !== namespace) continue;
        const endpoint = this.endpointsOf(service).find((each) => each.address === address);
        if (endpoint !== undefined && endpoint.labels.size > 0) return endpoint.labels;
      }
    }
    return undefined;
  }
}
