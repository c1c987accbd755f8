// [m] ControlPlaneOptions: where configuration comes from and how the agent asks for it (istio-contract §1.1, §6.2).
import type { NodeDescription } from './node-metadata.ts';
import type { ProxyConfig } from './proxy-config.ts';
import { readTokenSource, readXdsTrust } from './security/security-options.ts';
import type { ServerTrust, TokenSource } from './security/security-options.ts';
import { headersOf, isTarget } from './target.ts';
import type { VariableReader } from './variable-reader.ts';

export interface ControlPlaneOptions {
  /** `host:port`, or `unix:<path>`. */
  readonly address: string;
  /** Undefined: plaintext (ProxyConfig.controlPlaneAuthPolicy NONE). */
  readonly trust: ServerTrust | undefined;
  /** Shown to a control plane that we are sure of; never in plaintext. */
  readonly token: TokenSource;
  /** Sent as gRPC metadata with each stream. */
  readonly headers: ReadonlyMap<string, string>;
  readonly deltaXds: boolean;
  readonly proxyConfigXds: boolean;
}

export function readControlPlane(
  proxyConfig: ProxyConfig,
  node: NodeDescription,
  read: VariableReader,
): ControlPlaneOptions {
  const given = read.variables.has('XDS_ADDR') ? 'XDS_ADDR' : 'ProxyConfig.discoveryAddress';
  const address = read.text('XDS_ADDR', proxyConfig.discoveryAddress);
  if (!isTarget(address))
    read.problems.push(`${given}: must be host:port or unix:<path>, not "${address}"`);
  const secure = proxyConfig.controlPlaneAuthPolicy !== 'NONE' && !address.startsWith('unix:');
  return {
    address,
    trust: secure ? readXdsTrust(read) : undefined,
    token: readTokenSource(read),
    headers: headersOf('XDS_HEADER_', node, read),
    deltaXds: read.flag('ISTIO_DELTA_XDS', true),
    proxyConfigXds: read.flag('PROXY_CONFIG_XDS_AGENT', false),
  };
}
