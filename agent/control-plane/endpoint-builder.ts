// [m] EDS: the addresses behind one cluster, by locality. Istio: pilot/pkg/xds/endpoints/endpoint_builder.go.
import { matchesLabels } from './istio-model.ts';
import type { Service, ServicePort } from './istio-model.ts';
import { byText, socketAddress } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { outboundClusterName, parseOutboundClusterName } from './names.ts';
import type { ProxyView, PushContext } from './push-context.ts';
import { endpointPort } from './service-registry.ts';
import type { Endpoint } from './service-registry.ts';
import { effectivePolicy } from './traffic-policy.ts';

function firstLabel(
  labels: ReadonlyMap<string, string>,
  names: readonly string[],
): string | undefined {
  for (const name of names) {
    const value = labels.get(name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** `workload;namespace;canonical name;canonical revision;cluster`: the labels of client-side metrics. */
function workloadText(endpoint: Endpoint, clusterId: string): string {
  const { labels, workloadName, namespace } = endpoint;
  const name =
    firstLabel(labels, ['service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app']) ??
    workloadName;
  const revision =
    firstLabel(labels, [
      'service.istio.io/canonical-revision',
      'app.kubernetes.io/version',
      'version',
    ]) ?? '';
  return [workloadName, workloadName === '' ? '' : namespace, name, revision, clusterId].join(';');
}

function localityOf(text: string): JsonObject {
  const [region, zone, subZone] = text.split('/');
  return { region: region === '' ? undefined : region, zone, sub_zone: subZone };
}

export interface AssignmentTarget {
  readonly service: Service;
  readonly port: ServicePort;
  readonly subset: string;
}

/** Whether a client of this service may use mTLS at all, before each endpoint is asked. */
function clientMayUseTls(
  push: PushContext,
  view: ProxyView,
  { service, port, subset }: AssignmentTarget,
): boolean {
  if (service.meshExternal || !push.mesh.autoMtls) return false;
  const rule = push.destinationRuleOf(service.host, view.node.namespace);
  const ofSubset = rule?.subsets.find(({ name }) => name === subset)?.policy;
  return effectivePolicy(rule?.policy, ofSubset, port.number)?.tlsMode !== 'DISABLE';
}

export function endpointsOf(
  push: PushContext,
  view: ProxyView,
  target: AssignmentTarget,
): readonly Endpoint[] {
  const all = push.registry.endpointsOf(target.service);
  if (target.subset === '') return all;
  const subset = push
    .subsetsOf(target.service.host, view.node.namespace)
    .find(({ name }) => name === target.subset);
  return subset === undefined
    ? []
    : all.filter(({ labels }) => matchesLabels(labels, subset.labels));
}

/** The value of `load_assignment`; also inline in clusters that are resolved by DNS. */
export function loadAssignment(
  push: PushContext,
  view: ProxyView,
  target: AssignmentTarget,
): JsonObject {
  const { service, port, subset } = target;
  const mayUseTls = clientMayUseTls(push, view, target);
  const localities = new Map<string, { endpoints: Json[]; weight: number }>();
  for (const endpoint of endpointsOf(push, view, target)) {
    const number = endpointPort(endpoint, port);
    if (number === undefined) continue;
    const tls =
      mayUseTls &&
      endpoint.tlsMode === 'istio' &&
      push.mtlsModeOf(endpoint.namespace, endpoint.labels, number) !== 'DISABLE';
    const locality = localities.get(endpoint.locality) ?? { endpoints: [], weight: 0 };
    locality.endpoints.push({
      endpoint: { address: socketAddress(endpoint.address, number) },
      metadata: {
        filter_metadata: {
          istio: { workload: workloadText(endpoint, view.node.clusterId) },
          'envoy.transport_socket_match': tls ? { tlsMode: 'istio' } : undefined,
        },
      },
      load_balancing_weight: endpoint.weight,
    });
    locality.weight += endpoint.weight;
    localities.set(endpoint.locality, locality);
  }
  const sorted = [...localities].sort(([a], [b]) => byText(a, b));
  return {
    cluster_name: outboundClusterName(port.number, subset, service.host),
    endpoints: sorted.map(([text, { endpoints, weight }]) => ({
      locality: localityOf(text),
      lb_endpoints: endpoints,
      load_balancing_weight: weight,
    })),
  };
}

/** An unknown name gets an empty assignment, so that a cluster that asks for it can leave warming. */
export function buildEndpoints(
  push: PushContext,
  view: ProxyView,
  clusterName: string,
): JsonObject {
  const parsed = parseOutboundClusterName(clusterName);
  const service =
    parsed === undefined ? undefined : view.services.find(({ host }) => host === parsed.host);
  const port = service?.ports.find(({ number }) => number === parsed?.port);
  if (parsed === undefined || service === undefined || port === undefined)
    return { cluster_name: clusterName };
  return loadAssignment(push, view, { service, port, subset: parsed.subset });
}
