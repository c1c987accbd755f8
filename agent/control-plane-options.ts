// [m] ControlPlaneOptions: where configuration comes from and how the agent asks for it (istio-contract §1.1, §6.2).
import type { NodeDescription } from './node-metadata.ts';
import type { ProxyConfig } from './proxy-config.ts';
import type { VariableReader } from './variable-reader.ts';

export interface ControlPlaneOptions {
  /** `host:port`, or `unix:<path>`; plaintext gRPC. */
  readonly address: string;
  /** Sent as gRPC metadata with each stream. */
  readonly headers: ReadonlyMap<string, string>;
  readonly deltaXds: boolean;
  readonly dnsCapture: boolean;
  readonly proxyConfigXds: boolean;
}

const XDS_HEADER_PREFIX = 'XDS_HEADER_';
const HEADER_NAME = /^[a-z0-9._-]{1,256}$/;
const HEADER_VALUE = /^[\x20-\x7e]{0,8192}$/;

function readHeaders(node: NodeDescription, read: VariableReader): ReadonlyMap<string, string> {
  const headers = new Map([['clusterid', String(node.metadata['CLUSTER_ID'])]]);
  for (const [variable, value] of read.variables) {
    if (!variable.startsWith(XDS_HEADER_PREFIX)) continue;
    const name = variable.slice(XDS_HEADER_PREFIX.length).toLowerCase();
    if (HEADER_NAME.test(name) && !name.endsWith('-bin') && HEADER_VALUE.test(value))
      headers.set(name, value);
    else read.problems.push(`${variable}: must be a header name followed by printable ASCII`);
  }
  return headers;
}

const TARGET = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}$/;

export function readControlPlane(
  proxyConfig: ProxyConfig,
  node: NodeDescription,
  read: VariableReader,
): ControlPlaneOptions {
  const given = read.variables.has('XDS_ADDR') ? 'XDS_ADDR' : 'ProxyConfig.discoveryAddress';
  const address = read.text('XDS_ADDR', proxyConfig.discoveryAddress);
  if (!TARGET.test(address) && !address.startsWith('unix:')) {
    read.problems.push(`${given}: must be host:port or unix:<path>, not "${address}"`);
  }
  if (proxyConfig.controlPlaneAuthPolicy !== 'NONE') {
    read.problems.push(
      'ProxyConfig.controlPlaneAuthPolicy: MUTUAL_TLS is not built yet; ' +
        'set it to NONE and discoveryAddress to a plaintext port (istiod: 15010)',
    );
  }
  return {
    address,
    headers: readHeaders(node, read),
    deltaXds: read.flag('ISTIO_DELTA_XDS', true),
    dnsCapture: read.flag('ISTIO_META_DNS_CAPTURE', false),
    proxyConfigXds: read.flag('PROXY_CONFIG_XDS_AGENT', false),
  };
}
