// [m] LDS: virtualOutbound, virtualInbound and the outbound listeners of service ports. Istio: core/listener.go, listener_builder.go.
import { listenerAccessLog } from './access-log-config.ts';
import { buildVirtualInbound } from './inbound-listener-builder.ts';
import type { Service, ServicePort } from './istio-model.ts';
import { anyOf, durationOf, nonEmpty, socketAddress } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { loopbackListeners } from './loopback-mode.ts';
import type { ServiceListener } from './loopback-mode.ts';
import { BLACK_HOLE_CLUSTER, isHttp, outboundClusterName, PASSTHROUGH_CLUSTER } from './names.ts';
import { httpConnectionManager, tcpFilters } from './network-filter-config.ts';
import type { ProxyView, PushContext } from './push-context.ts';
import { effectivePolicy } from './traffic-policy.ts';

/** Ports that the bootstrap's own listeners have. */
const RESERVED_PORTS: readonly number[] = [15000, 15001, 15006, 15020, 15021, 15090];
const WILDCARD = '0.0.0.0';
const CONNECT_TIMEOUT = '15s';
const PLAIN_HTTP = { transport_protocol: 'raw_buffer', application_protocols: ['http/1.1', 'h2c'] };

/** What is to stand on one address and port, collected over all services. */
interface OutboundListener {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Name of the route configuration, where HTTP is spoken. */
  routeConfigName: string | undefined;
  /** The service that gets whatever is not HTTP and carries no known server name. */
  tcp: Service | undefined;
  readonly serverNames: Service[];
}

class OutboundListeners {
  readonly #push: PushContext;
  readonly #view: ProxyView;
  readonly #byName = new Map<string, OutboundListener>();
  readonly #ofService: ServiceListener[] = [];

  constructor(push: PushContext, view: ProxyView) {
    this.#push = push;
    this.#view = view;
  }

  #at(address: string, port: number): OutboundListener {
    const name = `${address}_${port}`;
    let listener = this.#byName.get(name);
    if (listener === undefined) {
      listener = {
        name,
        address,
        port,
        routeConfigName: undefined,
        tcp: undefined,
        serverNames: [],
      };
      this.#byName.set(name, listener);
    }
    return listener;
  }

  add(service: Service, port: ServicePort): void {
    if (port.protocol === 'UDP') return;
    for (const address of this.#addressesOf(service, port)) {
      if (address === WILDCARD && RESERVED_PORTS.includes(port.number)) continue;
      const listener = this.#at(address, port.number);
      this.#ofService.push({ host: service.host, port: port.number, listener: listener.name });
      const wildcard = address === WILDCARD;
      if (isHttp(port.protocol) || port.protocol === 'AUTO') {
        listener.routeConfigName ??= wildcard
          ? String(port.number)
          : `${service.host}:${port.number}`;
        if (port.protocol === 'AUTO') listener.tcp ??= service;
      } else if (wildcard && (port.protocol === 'TLS' || port.protocol === 'HTTPS')) {
        listener.serverNames.push(service);
      } else {
        // Two TCP services cannot be told apart on one wildcard port: the first has it.
        listener.tcp ??= service;
      }
    }
  }

  /** HTTP services of a port share a listener: the Host header tells them apart. */
  #addressesOf(service: Service, port: ServicePort): readonly string[] {
    if (isHttp(port.protocol)) return [WILDCARD];
    if (service.addresses.length > 0) return service.addresses.slice(0, 1);
    const headless = service.resolution === 'NONE' && !service.meshExternal;
    const own = this.#view.node.addresses;
    const endpoints = headless
      ? this.#push.registry.endpointsOf(service).map(({ address }) => address)
      : [];
    return endpoints.length === 0
      ? [WILDCARD]
      : endpoints.filter((address) => !own.includes(address));
  }

  build(): { listeners: JsonObject[]; ofService: readonly ServiceListener[] } {
    return {
      listeners: [...this.#byName.values()].map((listener) => this.#build(listener)),
      ofService: this.#ofService,
    };
  }

  #httpChain(listener: OutboundListener, routeConfigName: string): JsonObject {
    const filter = httpConnectionManager({
      mesh: this.#push.mesh,
      view: this.#view,
      direction: 'outbound',
      statPrefix: `outbound_${listener.name};`,
      routes: { routeConfigName },
      http2: false,
      grpcWeb: false,
    });
    return {
      filter_chain_match: PLAIN_HTTP,
      filters: [filter],
      transport_socket_connect_timeout: CONNECT_TIMEOUT,
    };
  }

  #tcpChain(service: Service, port: number, match: JsonObject | undefined): JsonObject {
    const rule = this.#push.destinationRuleOf(service.host, this.#view.node.namespace);
    const policy = effectivePolicy(rule?.policy, undefined, port);
    const pool = policy?.connectionPool;
    const duration = (ms: number | undefined): string | undefined =>
      ms === undefined ? undefined : durationOf(ms);
    const filters = tcpFilters({
      mesh: this.#push.mesh,
      direction: 'outbound',
      cluster: outboundClusterName(port, '', service.host),
      idleTimeout: duration(pool?.tcpIdleTimeoutMs),
      maxConnectionDuration: duration(pool?.maxConnectionDurationMs),
      hashSourceIp: policy?.loadBalancer?.consistentHash?.sourceIp,
    });
    return {
      filter_chain_match: match,
      filters,
      transport_socket_connect_timeout: CONNECT_TIMEOUT,
    };
  }

  #build(listener: OutboundListener): JsonObject {
    const { name, address, port, routeConfigName, tcp, serverNames } = listener;
    const chains: JsonObject[] = [];
    if (routeConfigName !== undefined) chains.push(this.#httpChain(listener, routeConfigName));
    for (const service of serverNames)
      chains.push(this.#tcpChain(service, port, { server_names: [service.host] }));
    const rest = tcp === undefined ? undefined : this.#tcpChain(tcp, port, undefined);
    const filters: Json[] = [];
    if (serverNames.length > 0) filters.push(TLS_INSPECTOR);
    if (routeConfigName !== undefined) filters.push(HTTP_INSPECTOR);
    const inspects = routeConfigName !== undefined;
    return {
      name,
      address: socketAddress(address, port),
      filter_chains: chains.length === 0 && rest !== undefined ? [rest] : chains,
      listener_filters: nonEmpty(filters),
      listener_filters_timeout: inspects
        ? durationOf(this.#push.mesh.protocolDetectionTimeoutMs)
        : '0s',
      traffic_direction: 'OUTBOUND',
      continue_on_listener_filters_timeout: true,
      default_filter_chain:
        chains.length === 0
          ? undefined
          : (rest ?? passthroughChain(this.#push, this.#view, 'PassthroughFilterChain', {})),
      bind_to_port: false,
    };
  }
}

const HTTP_INSPECTOR: JsonObject = {
  name: 'envoy.filters.listener.http_inspector',
  typed_config: anyOf('envoy.extensions.filters.listener.http_inspector.v3.HttpInspector'),
};

const TLS_INSPECTOR: JsonObject = {
  name: 'envoy.filters.listener.tls_inspector',
  typed_config: anyOf('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {
    initial_read_buffer_size: 512,
  }),
};

/** Where a connection goes that no service claims. */
function passthroughChain(
  push: PushContext,
  view: ProxyView,
  name: string,
  match: JsonObject | undefined,
): JsonObject {
  const cluster = view.allowAny ? PASSTHROUGH_CLUSTER : BLACK_HOLE_CLUSTER;
  return {
    name,
    filter_chain_match: match,
    filters: tcpFilters({ mesh: push.mesh, direction: 'outbound', cluster }),
  };
}

function buildVirtualOutbound(push: PushContext, view: ProxyView): JsonObject {
  const { address, port } = view.node.outbound;
  return {
    name: 'virtualOutbound',
    address: socketAddress(address, port),
    filter_chains: [
      {
        // A connection that was meant for this very port would come back for ever.
        name: 'virtualOutbound-blackhole',
        filter_chain_match: { destination_port: port },
        filters: tcpFilters({
          mesh: push.mesh,
          direction: 'outbound',
          cluster: BLACK_HOLE_CLUSTER,
          logged: false,
        }),
      },
      passthroughChain(push, view, 'virtualOutbound-catchall-tcp', undefined),
    ],
    use_original_dst: true,
    traffic_direction: 'OUTBOUND',
    access_log: listenerAccessLog(push.mesh),
    max_connections_to_accept_per_socket_event: 1,
  };
}

export function buildListeners(push: PushContext, view: ProxyView): JsonObject[] {
  const outbound = new OutboundListeners(push, view);
  for (const service of view.services)
    for (const port of service.ports) outbound.add(service, port);
  const { listeners, ofService } = outbound.build();
  const virtualInbound = buildVirtualInbound(push, view);
  const usual = [...listeners, buildVirtualOutbound(push, view), virtualInbound];
  return view.node.loopback === undefined
    ? usual
    : [...usual, ...loopbackListeners({ view, outbound: listeners, ofService, virtualInbound })];
}
