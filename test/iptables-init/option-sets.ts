// Option sets whose plans are held by golden files; the names are the files' names.
import { parseOptions } from '../../iptables-init/options.ts';
import type { IptablesOptions } from '../../iptables-init/options.ts';

export interface OptionSet {
  readonly name: string;
  /** Flags as in a shell, without quotes; `''` is an empty word. */
  readonly flags: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly resolvConf: string;
}

export const injected =
  "-p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x '' -b * -d 15090,15021,15020";
const tproxy = injected.replace('REDIRECT', 'TPROXY');
const resolvers = 'search a.svc\nnameserver 10.96.0.10\nnameserver fd00::a\n';

// prettier-ignore
const rows: readonly (readonly [name: string, flags: string, more?: Readonly<Record<string, string>>, resolvConf?: string])[] = [
  ['sidecar-default', injected],
  ['nothing-captured', ''],
  ['short-style-of-2017', '-p 15001 -u 1337'],
  ['sidecar-of-istio-1-5', '-p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x \'\' -b * -d 15090,15020'],
  ['ports-and-owner', '-p 1001 -z 1006 -e 1008 -u 3,4 -g 1,2 -b * -i *'],
  ['proxy-ids-only', '-u 3,4 -g 1,2'],
  ['variables-only', '', { ENVOY_PORT: '15001', PROXY_UID: '1337', ISTIO_INBOUND_PORTS: '*', ISTIO_SERVICE_CIDR: '*', ISTIO_LOCAL_EXCLUDE_PORTS: '15090, 15021, 15020' }],
  ['inbound-none', '-b \'\' -i *'],
  ['inbound-port-list', '-b 4000,5000 -d 15090 -i *'],
  ['inbound-all-nothing-excluded', '-b *'],
  ['outbound-none', '-b * -i \'\' -d 15090,15021,15020'],
  ['outbound-cidrs', '-b * -i 10.0.0.0/8,192.168.0.0/16,2001:DB8::/32'],
  ['outbound-cidrs-ipv6-only', '-b * -i 2001:db8::/32'],
  ['outbound-cidrs-excluded', `${injected} -x 169.254.169.254/32,10.96.0.1/32,fd00::/8`],
  ['outbound-cidrs-in-and-out', '-b * -i 10.0.0.0/8,fd00::/8 -x 10.1.0.0/16,fd00:1::/32'],
  ['outbound-ports-excluded', `${injected} -o 3306,6379`],
  ['outbound-ports-included', '-b * -q 32000,31000 -i 10.0.0.0/8'],
  ['outbound-ports-included-only', '-q 32000'],
  ['outbound-everything-at-once', `${injected} -x 10.96.0.1/32 -q 8443 -o 22 -c net1`],
  ['loopback-captured', '-b * -i 127.1.2.3/32'],
  ['loopback-captured-ipv6', '-b * -i ::1/128'],
  ['loopback-captured-with-dns', '-b * -i 127.1.2.3/32 --redirect-dns -u 3,4 -g 1,2', {}, 'nameserver 127.0.0.53\n'],
  ['loopback-cidr-variable', injected, { ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '127.0.0.0/8' }],
  ['loopback-cidr-variable-tproxy', tproxy, { ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '127.0.0.0/8' }],
  ['interfaces-excluded', `${injected} -c eth1,net+`],
  ['interfaces-excluded-tproxy', `${tproxy} -c eth1`],
  ['kube-virt-all', `${injected} -k eth1,eth2`],
  ['kube-virt-cidrs', '-b * -i 10.0.0.0/8,2001:db8::/32 -k eth1,eth2'],
  ['kube-virt-nothing-outbound', '-b 4000,5000 -k eth0,eth1'],
  ['drop-invalid', `${injected} --drop-invalid`],
  ['drop-invalid-variable', injected, { INVALID_DROP: 'true' }],
  ['drop-invalid-tproxy', `${tproxy} --drop-invalid`],
  ['owner-groups-excluded', injected, { ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: '888,ftp' }],
  ['owner-groups-included', injected, { ISTIO_OUTBOUND_OWNER_GROUPS: 'java,202' }],
  ['owner-groups-included-with-dns', `${injected} --redirect-dns`, { ISTIO_OUTBOUND_OWNER_GROUPS: 'java, 202' }, resolvers],
  ['owner-groups-excluded-with-all-dns', `${injected} --redirect-dns --capture-all-dns`, { ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: '888' }],
  ['dns-resolvers', `${injected} --redirect-dns`, {}, resolvers],
  ['dns-resolvers-ipv4-only', `${injected} --redirect-dns`, {}, 'nameserver 10.96.0.10\nnameserver 10.96.0.11\n'],
  ['dns-resolvers-ipv6-only', `${injected} --redirect-dns`, {}, 'nameserver fd00::a\nnameserver fe80::1%eth0\n'],
  ['dns-all', `${injected} --redirect-dns --capture-all-dns`],
  ['dns-variable', injected, { ISTIO_META_DNS_CAPTURE: 'true' }, resolvers],
  ['dns-without-resolvers', `${injected} --redirect-dns`, {}, 'search a.svc\n'],
  ['dns-several-owners', '-b * -i * --redirect-dns -u 3,4 -g 1,2', {}, resolvers],
  ['dns-other-tunnel-port', `${injected} --redirect-dns -e 25008`, {}, resolvers],
  ['dns-tproxy', `${tproxy} --redirect-dns`, {}, resolvers],
  ['tproxy', tproxy],
  ['tproxy-port-list', '-b 32000,31000 -m TPROXY -i *'],
  ['tproxy-no-inbound', '-m TPROXY -i *'],
  ['tproxy-mark-and-table', `${tproxy} -t 4242 -r 77`],
  ['tproxy-several-owners', `${tproxy} -u 3,4 -g 1,2`],
  ['everything', `${tproxy} --redirect-dns --drop-invalid -c net1 -k vm0 -q 8443 -o 22 -x 10.96.0.1/32,fd00::1/128`, { ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: '888' }, resolvers],
];

export const optionSets: readonly OptionSet[] = rows.map(
  ([name, flags, variables = {}, resolvConf = '']) => ({ name, flags, variables, resolvConf }),
);

export function wordsOf(flags: string): readonly string[] {
  return flags
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => (word === "''" ? '' : word));
}

export function optionsOf({ flags, variables, resolvConf }: OptionSet): IptablesOptions {
  const machine = { uidOfUser: () => undefined, resolvConf: () => resolvConf };
  const parsed = parseOptions(wordsOf(flags), variables, machine);
  if (parsed.kind !== 'options') throw new Error(JSON.stringify(parsed));
  return parsed.options;
}

/** How a golden file says what it is of. */
export function headerOf({ flags, variables, resolvConf }: OptionSet): string {
  const shown = Object.entries(variables).map(([key, value]) => `${key}=${value}`);
  const resolvers =
    resolvConf === '' ? '' : `# resolv.conf: ${resolvConf.trim().replaceAll('\n', '; ')}\n`;
  return `# ${[...shown, flags].join(' ').trim()}\n${resolvers}`;
}
