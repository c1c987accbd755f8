// [m] SidecarScope: what one proxy may see: exportTo of services and rules, and a Sidecar resource. Istio: model/sidecar.go.
import { byText } from './json.ts';
import { matchesLabels } from './istio-model.ts';
import type { Service, Sidecar } from './istio-model.ts';

/** `exportTo`: nothing or `*` is everybody, `.` is the own namespace. */
export function isVisible(exportTo: readonly string[], owner: string, viewer: string): boolean {
  if (exportTo.length === 0) return true;
  return exportTo.some(
    (entry) => entry === '*' || entry === viewer || (entry === '.' && owner === viewer),
  );
}

/** `*.example.com` covers every longer name; `*` covers all. */
export function hostMatches(pattern: string, host: string): boolean {
  if (pattern === '*') return true;
  return pattern.startsWith('*')
    ? host.length > pattern.length - 1 && host.endsWith(pattern.slice(1))
    : pattern === host;
}

/** A workload's own Sidecar, else the one without selector in its namespace, else the one of the root namespace. */
export function sidecarFor(
  sidecars: readonly Sidecar[],
  namespace: string,
  labels: ReadonlyMap<string, string>,
  rootNamespace: string,
): Sidecar | undefined {
  const own = sidecars.filter(({ meta }) => meta.namespace === namespace);
  return (
    own.find(({ selector }) => selector.size > 0 && matchesLabels(labels, selector)) ??
    own.find(({ selector }) => selector.size === 0) ??
    sidecars.find(({ meta, selector }) => meta.namespace === rootNamespace && selector.size === 0)
  );
}

function egressAllows(hosts: readonly string[], service: Service, namespace: string): boolean {
  return hosts.some((entry) => {
    const slash = entry.indexOf('/');
    const from = entry.slice(0, slash);
    const allowed =
      from === '*' ||
      from === service.meta.namespace ||
      (from === '.' && service.meta.namespace === namespace);
    return allowed && hostMatches(entry.slice(slash + 1), service.host);
  });
}

export function visibleServices(
  services: Iterable<Service>,
  namespace: string,
  sidecar: Sidecar | undefined,
): Service[] {
  const visible: Service[] = [];
  for (const service of services) {
    if (!isVisible(service.exportTo, service.meta.namespace, namespace)) continue;
    if (
      sidecar?.egressHosts !== undefined &&
      !egressAllows(sidecar.egressHosts, service, namespace)
    )
      continue;
    visible.push(service);
  }
  return visible.sort((a, b) => byText(a.host, b.host));
}
