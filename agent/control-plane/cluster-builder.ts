// [m] CDS: outbound clusters per service port and subset, inbound ones, and the fixed four. Istio: core/cluster.go, cluster_builder.go.
import { endpointsOf, loadAssignment } from './endpoint-builder.ts';
import type { AssignmentTarget } from './endpoint-builder.ts';
import type { Service, ServicePort, Subset, TrafficPolicy } from './istio-model.ts';
import { anyOf, byText, durationOf, socketAddress } from './json.ts';
import type { JsonObject } from './json.ts';
import { loopbackInboundCluster } from './loopback-mode.ts';
import {
  BLACK_HOLE_CLUSTER,
  destinationRulePath,
  inboundClusterName,
  INBOUND_PASSTHROUGH_CLUSTER,
  isHttp2,
  outboundClusterName,
  outboundSni,
  PASSTHROUGH_CLUSTER,
  serviceMetadata,
} from './names.ts';
import { ADS_SOURCE, metadataExchange } from './network-filter-config.ts';
import type { ProxyView, PushContext } from './push-context.ts';
import type { ServiceTarget } from './service-registry.ts';
import { autoMtlsMatches, originationTls, upstreamTls } from './tls-config.ts';
import type { UpstreamTls } from './tls-config.ts';
import {
  balancerFields,
  circuitBreakers,
  effectivePolicy,
  httpProtocolOptions,
  outlierDetection,
  upstreamConnectionOptions,
} from './traffic-policy.ts';

/** The source by which the redirection rules tell the sidecar's own connections to its application. */
const INBOUND_BIND: JsonObject = { source_address: { address: '127.0.0.6', port_value: 0 } };
/** A service port's original-destination hosts are never cleaned up (the longest Duration of Go). */
const NEVER = '9223372035s';

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

function discoveryFields(
  push: PushContext,
  view: ProxyView,
  target: AssignmentTarget,
  originalDst: boolean,
): JsonObject {
  const { service, port, subset } = target;
  const name = outboundClusterName(port.number, subset, service.host);
  if (originalDst || service.resolution === 'NONE') {
    const override =
      service.registry === 'External' && service.resolution === 'NONE' && port.hasTargetPort
        ? port.targetPort
        : undefined;
    return {
      type: 'ORIGINAL_DST',
      original_dst_lb_config:
        override === undefined ? undefined : { upstream_port_override: override },
    };
  }
  if (service.resolution === 'STATIC') {
    return { type: 'EDS', eds_cluster_config: { eds_config: ADS_SOURCE, service_name: name } };
  }
  return {
    type: service.resolution === 'DNS' ? 'STRICT_DNS' : 'LOGICAL_DNS',
    load_assignment: dnsAssignment(push, view, target),
    dns_refresh_rate: '60s',
    dns_lookup_family: view.node.addresses[0]!.includes(':') ? 'V6_ONLY' : 'V4_ONLY',
    respect_dns_ttl: true,
    dns_jitter: '0.100s',
    typed_dns_resolver_config: {
      name: 'envoy.network.dns_resolver.cares',
      typed_config: anyOf('envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig', {
        udp_max_queries: 100,
      }),
    },
  };
}

/** Without endpoints a DNS service is its own host name. */
function dnsAssignment(push: PushContext, view: ProxyView, target: AssignmentTarget): JsonObject {
  if (endpointsOf(push, view, target).length > 0) return loadAssignment(push, view, target);
  const { service, port, subset } = target;
  const own = {
    endpoint: {
      address: socketAddress(
        service.host,
        typeof port.targetPort === 'number' ? port.targetPort : port.number,
      ),
    },
    metadata: { filter_metadata: { istio: { workload: `;;;;${view.node.clusterId}` } } },
    load_balancing_weight: 1,
  };
  return {
    cluster_name: outboundClusterName(port.number, subset, service.host),
    endpoints: [{ locality: {}, lb_endpoints: [own], load_balancing_weight: 1 }],
  };
}

function spiffeNames(push: PushContext, service: Service): readonly string[] {
  const names = new Set<string>();
  for (const { serviceAccount, namespace } of push.registry.endpointsOf(service)) {
    if (serviceAccount !== '')
      names.add(`spiffe://${push.mesh.trustDomain}/ns/${namespace}/sa/${serviceAccount}`);
  }
  return [...names].sort(byText);
}

function transportFields(
  push: PushContext,
  target: AssignmentTarget,
  policy: TrafficPolicy | undefined,
  originalDst: boolean,
): JsonObject {
  const { service, port, subset } = target;
  if (policy?.tlsMode === 'DISABLE') return {};
  const http2 = isHttp2(port.protocol) || policy?.connectionPool?.h2Upgrade === true;
  if (policy?.origination !== undefined)
    return { transport_socket: originationTls(policy.origination, http2) };
  const tls: UpstreamTls = {
    sni: outboundSni(port.number, subset, service.host),
    spiffeNames: spiffeNames(push, service),
    http2,
  };
  if (policy?.tlsMode === 'ISTIO_MUTUAL') return { transport_socket: upstreamTls(tls) };
  const auto =
    push.mesh.autoMtls &&
    !service.meshExternal &&
    push.mtlsModeOf(service.meta.namespace, new Map(), undefined) !== 'DISABLE';
  if (!auto) return {};
  // The hosts of an original-destination cluster carry no metadata to choose a socket by.
  if (originalDst) return { transport_socket: upstreamTls(tls) };
  return { transport_socket_matches: autoMtlsMatches(tls) };
}

// oxlint-disable-next-line eslint/complexity -- the message as a literal: each field with its absence
function buildOutboundCluster(
  push: PushContext,
  view: ProxyView,
  target: AssignmentTarget,
): JsonObject {
  const { service, port, subset } = target;
  const name = outboundClusterName(port.number, subset, service.host);
  const rule = push.destinationRuleOf(service.host, view.node.namespace);
  const policy = effectivePolicy(
    rule?.policy,
    rule?.subsets.find((each) => each.name === subset)?.policy,
    port.number,
  );
  const balancer = balancerFields(policy?.loadBalancer);
  const originalDst = balancer.originalDst || service.resolution === 'NONE';
  const pool = policy?.connectionPool;
  const outlier = policy?.outlierDetection;
  return {
    name,
    ...discoveryFields(push, view, target, originalDst),
    connect_timeout: durationOf(pool?.connectTimeoutMs ?? push.mesh.connectTimeoutMs),
    ...(originalDst ? { lb_policy: 'CLUSTER_PROVIDED' } : balancer.fields),
    circuit_breakers: circuitBreakers(pool),
    outlier_detection: outlier === undefined ? undefined : outlierDetection(outlier),
    metadata: {
      filter_metadata: {
        istio: {
          external: service.meshExternal ? true : undefined,
          config:
            rule === undefined
              ? undefined
              : destinationRulePath(rule.meta.namespace, rule.meta.name),
          subset: subset === '' ? undefined : subset,
          services: [serviceMetadata(service)],
        },
      },
    },
    common_lb_config:
      outlier === undefined ? {} : { healthy_panic_threshold: { value: outlier.minHealthPercent } },
    alt_stat_name: `${name};`,
    upstream_connection_options: upstreamConnectionOptions(pool),
    typed_extension_protocol_options: httpProtocolOptions(pool, port.protocol, policy?.origination),
    filters: [metadataExchange],
    ...transportFields(push, target, policy, originalDst),
  };
}

function subsetNames(subsets: readonly Subset[]): readonly string[] {
  return ['', ...subsets.map(({ name }) => name)];
}

function buildInboundCluster(
  push: PushContext,
  view: ProxyView,
  targets: readonly ServiceTarget[],
): JsonObject {
  const { targetPort, port } = targets[0]!;
  const name = inboundClusterName(targetPort);
  const services = [
    ...new Map(targets.map(({ service }) => [service.host, serviceMetadata(service)])).values(),
  ];
  const common = {
    name,
    connect_timeout: '10s',
    circuit_breakers: circuitBreakers(undefined),
    metadata: { filter_metadata: { istio: { services } } },
    common_lb_config: {},
    alt_stat_name: `${name};`,
    typed_extension_protocol_options: httpProtocolOptions(undefined, port.protocol),
  };
  if (view.node.loopback !== undefined)
    return { ...common, ...loopbackInboundCluster(name, view.node.loopback, targetPort) };
  if (push.mesh.inboundLocalhost) {
    const endpoint = { endpoint: { address: socketAddress('127.0.0.1', targetPort) } };
    return {
      ...common,
      type: 'STATIC',
      load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] },
    };
  }
  return {
    ...common,
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    cleanup_interval: NEVER,
    upstream_bind_config: INBOUND_BIND,
  };
}

function passthrough(name: string, extra: JsonObject): JsonObject {
  return {
    name,
    type: 'ORIGINAL_DST',
    connect_timeout: '10s',
    lb_policy: 'CLUSTER_PROVIDED',
    circuit_breakers: circuitBreakers(undefined),
    // The inbound one counts under the outbound one's name, as istiod has it.
    alt_stat_name: `${PASSTHROUGH_CLUSTER};`,
    typed_extension_protocol_options: {
      [HTTP_OPTIONS]: anyOf(HTTP_OPTIONS, {
        common_http_protocol_options: { idle_timeout: '300s' },
        use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} },
      }),
    },
    ...extra,
  };
}

function inboundByPort(view: ProxyView): Map<number, ServiceTarget[]> {
  const byPort = new Map<number, ServiceTarget[]>();
  for (const target of view.targets)
    byPort.set(target.targetPort, [...(byPort.get(target.targetPort) ?? []), target]);
  return byPort;
}

const servicePorts = (service: Service): readonly ServicePort[] =>
  service.ports.filter(({ protocol }) => protocol !== 'UDP');

/** In istiod's order: outbound by host, the fixed ones, inbound. */
export function buildClusters(push: PushContext, view: ProxyView): JsonObject[] {
  const clusters: JsonObject[] = [];
  for (const service of view.services) {
    const subsets = subsetNames(push.subsetsOf(service.host, view.node.namespace));
    for (const port of servicePorts(service)) {
      for (const subset of subsets)
        clusters.push(buildOutboundCluster(push, view, { service, port, subset }));
    }
  }
  clusters.push({
    name: BLACK_HOLE_CLUSTER,
    type: 'STATIC',
    connect_timeout: '10s',
    alt_stat_name: `${BLACK_HOLE_CLUSTER};`,
  });
  clusters.push(passthrough(PASSTHROUGH_CLUSTER, { filters: [metadataExchange] }));
  for (const targets of inboundByPort(view).values())
    clusters.push(buildInboundCluster(push, view, targets));
  clusters.push(passthrough(INBOUND_PASSTHROUGH_CLUSTER, { upstream_bind_config: INBOUND_BIND }));
  return clusters;
}
