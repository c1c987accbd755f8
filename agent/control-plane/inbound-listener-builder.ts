// [m] virtualInbound: chains per served port and mTLS mode, and the inspectors that they need. Istio: core/listener_inbound.go.
import { listenerAccessLog } from './access-log-config.ts';
import type { MtlsMode, Protocol } from './istio-model.ts';
import { anyOf, durationOf, socketAddress } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import {
  BLACK_HOLE_CLUSTER,
  inboundClusterName,
  INBOUND_PASSTHROUGH_CLUSTER,
  isHttp,
  isHttp2,
} from './names.ts';
import { httpConnectionManager, metadataExchange, tcpFilters } from './network-filter-config.ts';
import type { ProxyView, PushContext } from './push-context.ts';
import { downstreamTls } from './tls-config.ts';

/** One way to recognise a connection, and what it then is. */
interface ChainKind {
  readonly alpn: readonly string[] | undefined;
  readonly transport: 'tls' | 'raw_buffer';
  readonly http: boolean;
  /** Whether our side ends the TLS; else it passes through. */
  readonly terminates: boolean;
}

const HTTP_MTLS_ALPN = ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'];
const ANY_MTLS_ALPN = ['istio', 'istio-peer-exchange', ...HTTP_MTLS_ALPN];
const TCP_MTLS_ALPN = ['istio-peer-exchange', 'istio'];
const PLAIN_HTTP_ALPN = ['http/1.1', 'h2c'];

const mtls = (http: boolean, alpn: readonly string[] | undefined): ChainKind => ({
  alpn,
  transport: 'tls',
  http,
  terminates: true,
});
const plain = (http: boolean, alpn?: readonly string[]): ChainKind => ({
  alpn,
  transport: 'raw_buffer',
  http,
  terminates: false,
});
const tlsPassthrough: ChainKind = {
  alpn: undefined,
  transport: 'tls',
  http: false,
  terminates: false,
};

const AUTO_CHAINS: Readonly<Record<MtlsMode, readonly ChainKind[]>> = {
  PERMISSIVE: [
    mtls(true, HTTP_MTLS_ALPN),
    plain(true, PLAIN_HTTP_ALPN),
    mtls(false, TCP_MTLS_ALPN),
    plain(false),
    tlsPassthrough,
  ],
  STRICT: [mtls(true, HTTP_MTLS_ALPN), mtls(false, undefined)],
  DISABLE: [plain(true, PLAIN_HTTP_ALPN), plain(false)],
};

function chainKinds(mode: MtlsMode, protocol: Protocol): readonly ChainKind[] {
  if (protocol === 'AUTO') return AUTO_CHAINS[mode];
  const http = isHttp(protocol);
  switch (mode) {
    case 'STRICT':
      return [mtls(http, undefined)];
    case 'DISABLE':
      return [plain(http)];
    case 'PERMISSIVE':
      return http
        ? [mtls(true, ANY_MTLS_ALPN), plain(true)]
        : [mtls(false, ANY_MTLS_ALPN), tlsPassthrough, plain(false)];
  }
}

/** A served port; port 0 stands for all ports that no service names. */
interface InboundPort {
  readonly targetPort: number;
  readonly servicePort: number;
  readonly host: string;
  readonly protocol: Protocol;
}

const PASSTHROUGH: InboundPort = { targetPort: 0, servicePort: 0, host: '', protocol: 'AUTO' };

const clusterOf = ({ targetPort }: InboundPort): string =>
  targetPort === 0 ? INBOUND_PASSTHROUGH_CLUSTER : inboundClusterName(targetPort);

function inboundRoutes(port: InboundPort): JsonObject {
  const cluster = clusterOf(port);
  const grpc = port.protocol === 'GRPC' || port.protocol === 'GRPC-WEB';
  return {
    name: cluster,
    virtual_hosts: [
      {
        name: `inbound|http|${port.servicePort}`,
        domains: ['*'],
        routes: [
          {
            name: 'default',
            match: { prefix: '/' },
            route: {
              cluster,
              timeout: '0s',
              // A request of which nothing was sent yet may go again; gRPC clients retry by themselves.
              retry_policy: grpc ? undefined : { retry_on: 'reset-before-request', num_retries: 2 },
              max_stream_duration: { max_stream_duration: '0s', grpc_timeout_header_max: '0s' },
            },
            decorator: { operation: `${port.host}:${port.servicePort}/*` },
          },
        ],
      },
    ],
    validate_clusters: false,
  };
}

function chainFilters(
  push: PushContext,
  view: ProxyView,
  port: InboundPort,
  http: boolean,
): Json[] {
  if (!http) return tcpFilters({ mesh: push.mesh, direction: 'inbound', cluster: clusterOf(port) });
  const passthrough = port.targetPort === 0;
  const manager = httpConnectionManager({
    mesh: push.mesh,
    view,
    direction: 'inbound',
    statPrefix: passthrough
      ? `${INBOUND_PASSTHROUGH_CLUSTER};`
      : `inbound_0.0.0.0_${port.targetPort};`,
    routes: { routeConfig: inboundRoutes(port) },
    http2: isHttp2(port.protocol),
    grpcWeb: port.protocol === 'GRPC-WEB',
  });
  return [metadataExchange, manager];
}

function chainName({ targetPort }: InboundPort, http: boolean): string {
  if (targetPort !== 0) return `0.0.0.0_${targetPort}`;
  return http ? 'virtualInbound-catchall-http' : 'virtualInbound';
}

function buildChain(
  push: PushContext,
  view: ProxyView,
  port: InboundPort,
  kind: ChainKind,
): JsonObject {
  return {
    name: chainName(port, kind.http),
    filter_chain_match: {
      destination_port: port.targetPort === 0 ? undefined : port.targetPort,
      transport_protocol: kind.transport,
      application_protocols: kind.alpn,
    },
    filters: chainFilters(push, view, port, kind.http),
    transport_socket: kind.terminates ? downstreamTls(kind.http, push.mesh.trustDomain) : undefined,
  };
}

/** Which ports an inspector is wanted on; key 0 is every other port. */
interface Inspected {
  tls: boolean;
  http: boolean;
}

/** True where `range` is one of the ports. */
function anyPort(ports: readonly number[]): JsonObject {
  const ranges = ports
    .toSorted((a, b) => a - b)
    .map((port) => ({ destination_port_range: { start: port, end: port + 1 } }));
  return ranges.length === 1 ? ranges[0]! : { or_match: { rules: ranges } };
}

/** Undefined: the inspector is wanted nowhere. Else when it must stay off, if ever. */
function inspectorSwitch(
  inspected: ReadonlyMap<number, Inspected>,
  kind: keyof Inspected,
): { filter_disabled?: JsonObject } | undefined {
  const entries = [...inspected].filter(([port]) => port !== 0);
  const wanted = entries.filter(([, want]) => want[kind]).map(([port]) => port);
  const others = entries.filter(([, want]) => !want[kind]).map(([port]) => port);
  if (inspected.get(0)?.[kind] === true)
    return others.length === 0 ? {} : { filter_disabled: anyPort(others) };
  return wanted.length === 0 ? undefined : { filter_disabled: { not_match: anyPort(wanted) } };
}

function inspectors(inspected: ReadonlyMap<number, Inspected>): JsonObject[] {
  const filters: JsonObject[] = [];
  const tls = inspectorSwitch(inspected, 'tls');
  if (tls !== undefined) {
    const config = anyOf('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {
      initial_read_buffer_size: 512,
    });
    filters.push({ name: 'envoy.filters.listener.tls_inspector', typed_config: config, ...tls });
  }
  const http = inspectorSwitch(inspected, 'http');
  if (http !== undefined) {
    const config = anyOf('envoy.extensions.filters.listener.http_inspector.v3.HttpInspector');
    filters.push({ name: 'envoy.filters.listener.http_inspector', typed_config: config, ...http });
  }
  return filters;
}

function inboundPorts(view: ProxyView): InboundPort[] {
  const ports = new Map<number, InboundPort>();
  for (const { service, port, targetPort } of view.targets) {
    // Of two services on one target port the first names the chain.
    if (ports.has(targetPort)) continue;
    ports.set(targetPort, {
      targetPort,
      servicePort: port.number,
      host: service.host,
      protocol: port.protocol,
    });
  }
  return [...ports.values()].sort((a, b) => a.targetPort - b.targetPort);
}

export function buildVirtualInbound(push: PushContext, view: ProxyView): JsonObject {
  const { address, port } = view.node.inbound;
  const inspected = new Map<number, Inspected>([[port, { tls: false, http: false }]]);
  const chains: JsonObject[] = [
    {
      name: 'virtualInbound-blackhole',
      filter_chain_match: { destination_port: port },
      filters: tcpFilters({
        mesh: push.mesh,
        direction: 'inbound',
        cluster: BLACK_HOLE_CLUSTER,
        logged: false,
      }),
    },
  ];
  for (const inbound of [PASSTHROUGH, ...inboundPorts(view)]) {
    const mode = push.mtlsModeOf(
      view.node.namespace,
      view.labels,
      inbound.targetPort === 0 ? undefined : inbound.targetPort,
    );
    for (const kind of chainKinds(mode, inbound.protocol)) {
      chains.push(buildChain(push, view, inbound, kind));
      const want = inspected.get(inbound.targetPort) ?? { tls: false, http: false };
      want.tls ||= kind.transport === 'tls';
      want.http ||= kind.alpn === PLAIN_HTTP_ALPN;
      inspected.set(inbound.targetPort, want);
    }
  }
  return {
    name: 'virtualInbound',
    address: socketAddress(address, port),
    filter_chains: chains,
    listener_filters: [
      {
        name: 'envoy.filters.listener.original_dst',
        typed_config: anyOf('envoy.extensions.filters.listener.original_dst.v3.OriginalDst'),
      },
      ...inspectors(inspected),
    ],
    listener_filters_timeout: durationOf(push.mesh.protocolDetectionTimeoutMs),
    traffic_direction: 'INBOUND',
    continue_on_listener_filters_timeout: true,
    access_log: listenerAccessLog(push.mesh),
    max_connections_to_accept_per_socket_event: 1,
  };
}
