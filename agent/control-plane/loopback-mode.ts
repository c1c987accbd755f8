// [m] Pods on loopback addresses without packet redirection: what istiod would leave to iptables is bound for real.
//
// A pod has three addresses: its own, where its sidecar takes inbound connections; one per service it calls, where its sidecar
// takes outbound ones and which act as the original destination; and the application's, which the inbound cluster dials.
import { anyOf, nonEmpty, socketAddress } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import type { LoopbackSettings } from './proxy-node.ts';
import type { ProxyView } from './push-context.ts';

/** Which of istiod's outbound listeners serves a service port. */
export interface ServiceListener {
  readonly host: string;
  readonly port: number;
  readonly listener: string;
}

/** Without a restored destination the original one is the sidecar itself: the application's address is named instead. */
export function loopbackInboundCluster(
  name: string,
  { appAddress }: LoopbackSettings,
  targetPort: number,
): JsonObject {
  const endpoint = { endpoint: { address: socketAddress(appAddress, targetPort) } };
  return {
    type: 'STATIC',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] },
  };
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function chainsOf(listener: JsonObject): JsonObject[] {
  const chains = listener['filter_chains'];
  return Array.isArray(chains) ? chains.filter(isObject) : [];
}

const matchOf = (chain: JsonObject): JsonObject =>
  isObject(chain['filter_chain_match']) ? chain['filter_chain_match'] : {};

const destinationPort = (chain: JsonObject): Json | undefined => matchOf(chain)['destination_port'];

export interface LoopbackInputs {
  readonly view: ProxyView;
  readonly outbound: readonly JsonObject[];
  readonly ofService: readonly ServiceListener[];
  readonly virtualInbound: JsonObject;
}

function outboundListeners({ view, outbound, ofService }: LoopbackInputs): JsonObject[] {
  const byName = new Map(outbound.map((listener) => [listener['name'], listener]));
  const bound = new Map<string, JsonObject>();
  for (const { host, port, listener } of ofService) {
    const address = view.node.loopback?.serviceAddresses.get(host);
    const twin = byName.get(listener);
    if (address === undefined || twin === undefined) continue;
    const name = `${address}_${port}`;
    // Two services on one address share what stands there first.
    if (!bound.has(name))
      bound.set(name, { ...twin, name, address: socketAddress(address, port), bind_to_port: true });
  }
  return [...bound.values()];
}

/** The inspectors that the chains of one port need; there is no destination to restore. */
function inboundInspectors(chains: readonly JsonObject[]): readonly Json[] | undefined {
  const filters: Json[] = [];
  if (chains.some((chain) => matchOf(chain)['transport_protocol'] === 'tls')) {
    const config = anyOf('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {
      initial_read_buffer_size: 512,
    });
    filters.push({ name: 'envoy.filters.listener.tls_inspector', typed_config: config });
  }
  const plainHttp = chains.some((chain) => {
    const alpn = matchOf(chain)['application_protocols'];
    return Array.isArray(alpn) && alpn.includes('http/1.1');
  });
  if (plainHttp) {
    const config = anyOf('envoy.extensions.filters.listener.http_inspector.v3.HttpInspector');
    filters.push({ name: 'envoy.filters.listener.http_inspector', typed_config: config });
  }
  return nonEmpty(filters);
}

function inboundListeners({ view, virtualInbound }: LoopbackInputs): JsonObject[] {
  const { inbound, addresses } = view.node;
  const address = inbound.address === '0.0.0.0' ? addresses[0]! : inbound.address;
  const ports = new Set(view.targets.map(({ targetPort }) => targetPort));
  return [...ports].map((port) => {
    const chains = chainsOf(virtualInbound).filter((chain) => destinationPort(chain) === port);
    return {
      ...virtualInbound,
      name: `${address}_${port}`,
      address: socketAddress(address, port),
      filter_chains: chains,
      listener_filters: inboundInspectors(chains),
      bind_to_port: true,
    };
  });
}

/** The listeners that stand beside istiod's. */
export function loopbackListeners(inputs: LoopbackInputs): JsonObject[] {
  return [...outboundListeners(inputs), ...inboundListeners(inputs)];
}
