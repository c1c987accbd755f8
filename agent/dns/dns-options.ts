// [m] DnsOptions: where the DNS proxy listens and whom it asks (istio-contract §6.2, §6.10).

import { isIpv6 } from '../../proxy/base/ip-text.ts';
import type { VariableReader } from '../variable-reader.ts';
import type { NameServer } from './forwarder.ts';
import type { NameTablePlace } from './name-table.ts';
import { parseResolvConf } from './resolv-conf.ts';

export interface DnsOptions {
  readonly addresses: readonly string[];
  readonly port: number;
  readonly servers: readonly NameServer[];
  readonly parallel: boolean;
  readonly timeoutMs: number;
  /** On machines (port 53): names are answered before the first table. */
  readonly answersEarly: boolean;
  readonly place: NameTablePlace;
}

const DNS_PORT = 53;
/** What a machine's resolv.conf names once this proxy is its resolver. */
const OWN = ['127.0.0.1', '::1'];
const RESOLV_CONF = '/etc/resolv.conf';
/** What a machine had before its resolver became this proxy. */
const MACHINE_RESOLV_CONF = '/var/lib/istio/resolv.conf';

/** `domain` of the pod: `default.svc.cluster.local`. Undefined: no DNS proxy is asked for. */
export function readDns(
  read: VariableReader,
  pod: { readonly namespace: string; readonly domain: string },
  readText: (path: string) => string | undefined,
): DnsOptions | undefined {
  const captured = read.flag('ISTIO_META_DNS_CAPTURE', false);
  if (!read.flag('ISTIO_META_ENABLE_DNS_SERVER', captured)) return undefined;
  const given = read.text('DNS_PROXY_ADDR', 'localhost:15053');
  const [, host, portText] = /^\[?(.*?)\]?:([0-9]{1,5})$/.exec(given) ?? [];
  const port = Number(portText ?? '0');
  if (host === undefined || port > 65_535)
    read.problems.push(`DNS_PROXY_ADDR: must be host:port, not "${given}"`);
  const onMachine = port === DNS_PORT;
  const kept = onMachine ? readText(MACHINE_RESOLV_CONF) : undefined;
  const { servers, search } = parseResolvConf(kept ?? readText(RESOLV_CONF) ?? '');
  const prefix = `${pod.namespace}.`;
  // Asking itself, it would never answer.
  const others = onMachine ? servers.filter((address) => !OWN.includes(address)) : servers;
  return {
    addresses: host === 'localhost' ? loopbacks(servers) : [host ?? '127.0.0.1'],
    port,
    servers: others.map((address) => ({ address, port: DNS_PORT })),
    parallel: read.flag('DNS_FORWARD_PARALLEL', false),
    timeoutMs: read.durationMs('DNS_FORWARD_TIMEOUT', '5s'),
    answersEarly: onMachine,
    place: {
      namespace: pod.namespace,
      domain: pod.domain.startsWith(prefix) ? pod.domain.slice(prefix.length) : '',
      searchDomain: search[0] ?? '',
    },
  };
}

/** The families that the pod's own name servers have: what iptables redirects to. */
function loopbacks(servers: readonly string[]): string[] {
  const v6 = servers.some((address) => isIpv6(address));
  const v4 = servers.some((address) => !isIpv6(address)) || !v6;
  return [...(v4 ? ['127.0.0.1'] : []), ...(v6 ? ['::1'] : [])];
}
