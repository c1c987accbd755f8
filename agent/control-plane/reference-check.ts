// [m] Names that stand for nothing: routes to hosts no service has, subsets no DestinationRule has. Warnings, never refusals.
import type { ConfigProblem } from './config-problem.ts';
import { ADDRESS_ANNOTATION } from './service-reader.ts';
import { resolveHost } from './istio-model.ts';
import type { Destination, Service, Subset, VirtualService } from './istio-model.ts';

export interface ReferenceSources {
  readonly services: ReadonlyMap<string, Service>;
  readonly virtualServices: readonly VirtualService[];
  readonly subsetsOf: (host: string) => readonly Subset[];
  readonly endpointCount: (service: Service) => number;
}

function wrong(
  destination: Destination,
  namespace: string,
  sources: ReferenceSources,
): string | undefined {
  const host = resolveHost(destination.host, namespace);
  const service = sources.services.get(host);
  if (service === undefined)
    return `no service has the host ${host}: requests routed there get 503`;
  if (
    destination.subset !== '' &&
    !sources.subsetsOf(host).some(({ name }) => name === destination.subset)
  ) {
    return `no DestinationRule of ${host} has the subset ${destination.subset}: requests routed there get 503`;
  }
  if (
    destination.port !== undefined &&
    !service.ports.some(({ number }) => number === destination.port)
  ) {
    return `${host} has no port ${destination.port}: requests routed there get 503`;
  }
  return undefined;
}

function checkEndpoints(sources: ReferenceSources, warnings: ConfigProblem[]): void {
  for (const service of sources.services.values()) {
    if (service.resolution !== 'STATIC' || sources.endpointCount(service) > 0) continue;
    const { file, document, line } = service.meta;
    const message =
      `${service.host} has no endpoints: requests to it get 503; give its pods an address ` +
      `(annotation ${ADDRESS_ANNOTATION}), or it Endpoints`;
    warnings.push({ severity: 'warning', file, document, line, path: '', message });
  }
}

/** Adds a warning for each name that leads nowhere. */
export function checkReferences(sources: ReferenceSources, warnings: ConfigProblem[]): void {
  checkEndpoints(sources, warnings);
  for (const { meta, http } of sources.virtualServices) {
    http.forEach((route, at) => {
      const named = [
        ...route.route.map(({ destination }, index) => ({
          destination,
          path: `spec.http[${at}].route[${index}].destination`,
        })),
        ...route.mirrors.map(({ destination }) => ({
          destination,
          path: `spec.http[${at}].mirror`,
        })),
      ];
      for (const { destination, path } of named) {
        const message = wrong(destination, meta.namespace, sources);
        const { file, document, line } = meta;
        // The rules of a RouteRule are one document each; the path would name the made VirtualService.
        const place = meta.kind === 'RouteRule' ? '' : path;
        if (message !== undefined)
          warnings.push({ severity: 'warning', file, document, line, path: place, message });
      }
    });
  }
}
