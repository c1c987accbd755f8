// [m] Addresses of gRPC servers and the headers that go to them, as ProxyConfig and environment give them (istio-contract §1.1).
import type { NodeDescription } from './node-metadata.ts';
import type { VariableReader } from './variable-reader.ts';

const TARGET = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}$/;

/** `host:port` or `unix:<path>`. */
export const isTarget = (address: string): boolean =>
  TARGET.test(address) || address.startsWith('unix:');

const HEADER_NAME = /^[a-z0-9._-]{1,256}$/;
const HEADER_VALUE = /^[\x20-\x7e]{0,8192}$/;

/** The cluster's id, and one header for each variable whose name begins with `prefix`. */
export function headersOf(
  prefix: 'XDS_HEADER_' | 'CA_HEADER_',
  node: NodeDescription,
  read: VariableReader,
): ReadonlyMap<string, string> {
  const clusterId = String(node.metadata['CLUSTER_ID']);
  if (!HEADER_VALUE.test(clusterId))
    read.problems.push(
      `ISTIO_META_CLUSTER_ID: must be printable ASCII, as a header carries it, not "${clusterId}"`,
    );
  const headers = new Map([['clusterid', clusterId]]);
  for (const [variable, value] of read.variables) {
    if (!variable.startsWith(prefix)) continue;
    const name = variable.slice(prefix.length).toLowerCase();
    if (HEADER_NAME.test(name) && !name.endsWith('-bin') && HEADER_VALUE.test(value))
      headers.set(name, value);
    else read.problems.push(`${variable}: must be a header name followed by printable ASCII`);
  }
  return headers;
}
