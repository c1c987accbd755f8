// [m] ProxyNode: the proxy on the other end of a stream, as its Node message tells. Istio: pilot/pkg/model/context.go.
import { isIP } from 'node:net';

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/** Pods without packet redirection: see loopback-mode.ts. */
export interface LoopbackSettings {
  /** Service host to the address of this pod that stands for the service. */
  readonly serviceAddresses: ReadonlyMap<string, string>;
  readonly appAddress: string;
}

export interface ProxyNode {
  readonly id: string;
  readonly namespace: string;
  /** '': not said. */
  readonly serviceAccount: string;
  /** The pod's address first. */
  readonly addresses: readonly string[];
  readonly labels: ReadonlyMap<string, string>;
  readonly clusterId: string;
  readonly meshId: string;
  readonly outbound: ListenAddress;
  readonly inbound: ListenAddress;
  readonly loopback: LoopbackSettings | undefined;
  /** It asks our name table for names, and hosts without an address shall have one (DNS_CAPTURE, DNS_AUTO_ALLOCATE). */
  readonly autoAllocate: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function field(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function textOf(fields: Fields, name: string): string {
  const value = field(fields, name);
  return typeof value === 'string' ? value : '';
}

function isTrue(fields: Fields, name: string): boolean {
  const value = field(fields, name);
  return value === true || value === 'true';
}

function addressOf(metadata: Fields, name: string, fallback: string): string {
  const text = textOf(metadata, name);
  if (text === '') return fallback;
  if (isIP(text) === 0) throw new Error(`node metadata ${name} must be an IP address`);
  return text;
}

/** The metadata of a proxy comes from its environment, so a number may come as text. */
function portOf(metadata: Fields, name: string, fallback: number): number {
  const value = field(metadata, name);
  if (value === undefined || value === '') return fallback;
  const port = typeof value === 'string' && /^[0-9]{1,5}$/.test(value) ? Number(value) : value;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65535) {
    throw new Error(`node metadata ${name} must be a port`);
  }
  return port;
}

function textMapOf(value: unknown): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  if (!isObject(value)) return map;
  for (const [name, entry] of Object.entries(value))
    if (typeof entry === 'string') map.set(name, entry);
  return map;
}

function serviceAddressesOf(metadata: Fields): ReadonlyMap<string, string> {
  const name = 'OUTRIGGER_SERVICE_ADDRESSES';
  const given = field(metadata, name);
  let value = given;
  if (typeof given === 'string' && given !== '') {
    try {
      value = JSON.parse(given);
    } catch {
      throw new Error(`node metadata ${name} must be a JSON object of service host to address`);
    }
  }
  const addresses = textMapOf(value);
  for (const [host, address] of addresses) {
    if (isIP(address) === 0)
      throw new Error(
        `node metadata ${name} has "${address}" for ${host}; it must be an IP address`,
      );
  }
  return addresses;
}

/** Throws an Error for the stream's INVALID_ARGUMENT when id or metadata are wrong. */
// oxlint-disable-next-line eslint/complexity -- one default for each field of a flat record
export function readProxyNode(id: string, metadata: unknown): ProxyNode {
  const parts = id.split('~');
  const [type, address, workload, domain] = parts;
  if (
    parts.length !== 4 ||
    type === undefined ||
    address === undefined ||
    workload === undefined ||
    domain === undefined
  ) {
    throw new Error(`node id "${id.slice(0, 200)}" must be type~address~name.namespace~domain`);
  }
  if (type !== 'sidecar')
    throw new Error(
      `node type "${type}" is not supported by the embedded control plane; only sidecars are`,
    );
  const fields = isObject(metadata) ? metadata : {};
  const instanceIps = textOf(fields, 'INSTANCE_IPS')
    .split(',')
    .map((ip) => ip.trim());
  const addresses = [...new Set([address, ...instanceIps].filter((ip) => isIP(ip) !== 0))];
  if (addresses.length === 0)
    throw new Error(`node id "${id.slice(0, 200)}" must carry the pod's IP address`);
  const noRedirect = isTrue(fields, 'OUTRIGGER_NO_REDIRECT');
  return {
    id,
    namespace: textOf(fields, 'NAMESPACE') || (domain.split('.', 1)[0] ?? '') || 'default',
    serviceAccount: textOf(fields, 'SERVICE_ACCOUNT'),
    addresses,
    labels: textMapOf(field(fields, 'LABELS')),
    clusterId: textOf(fields, 'CLUSTER_ID') || 'Kubernetes',
    meshId: textOf(fields, 'MESH_ID') || 'unknown',
    outbound: {
      address: addressOf(fields, 'OUTRIGGER_OUTBOUND_ADDRESS', '0.0.0.0'),
      port: portOf(fields, 'OUTRIGGER_OUTBOUND_PORT', 15001),
    },
    inbound: {
      address: addressOf(fields, 'OUTRIGGER_INBOUND_ADDRESS', '0.0.0.0'),
      port: portOf(fields, 'OUTRIGGER_INBOUND_PORT', 15006),
    },
    loopback: noRedirect
      ? {
          serviceAddresses: serviceAddressesOf(fields),
          appAddress: addressOf(fields, 'OUTRIGGER_APP_ADDRESS', '127.0.0.1'),
        }
      : undefined,
    autoAllocate: isTrue(fields, 'DNS_CAPTURE') && isTrue(fields, 'DNS_AUTO_ALLOCATE'),
  };
}
