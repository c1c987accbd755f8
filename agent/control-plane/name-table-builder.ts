// [m] The name table of one proxy: what its agent's DNS proxy answers (istio-contract §6.10). Istio: pkg/dns/server/name_table.go.
import type { Service } from './istio-model.ts';
import type { JsonObject } from './json.ts';
import type { ProxyView, PushContext } from './push-context.ts';

function addressesOf(push: PushContext, view: ProxyView, service: Service): readonly string[] {
  const own = view.node.loopback?.serviceAddresses.get(service.host);
  if (own !== undefined) return [own];
  if (service.addresses.length > 0) return service.addresses;
  // Headless: Kubernetes answers with the pods, and so does this.
  return service.registry === 'Kubernetes' && service.resolution === 'NONE'
    ? push.registry.endpointsOf(service).map(({ address }) => address)
    : [];
}

export function buildNameTable(push: PushContext, view: ProxyView): JsonObject {
  const rows = view.services.flatMap((service): [string, JsonObject][] => {
    const ips = addressesOf(push, view, service);
    if (ips.length === 0) return [];
    const { registry, host, meta } = service;
    // Short forms are for the names of Kubernetes alone.
    const short =
      registry === 'Kubernetes' ? { shortname: meta.name, namespace: meta.namespace } : {};
    return [[host, { ips, registry, ...short }]];
  });
  return { table: Object.fromEntries(rows) };
}
