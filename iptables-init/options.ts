// Command line and environment to checked options; every problem is collected and names its flag. [m] Istio contract: istio-iptables.
import { flags, parseCommandLine } from './flags.ts';
import { OptionReader } from './option-reader.ts';
import type { Variables } from './option-reader.ts';
import * as check from './option-values.ts';
import type { Checked } from './option-values.ts';

export type Family = 'IPv4' | 'IPv6';
export type CidrsByFamily = Readonly<Record<Family, readonly string[]>>;

/** `all`: every question on port 53; else those to the resolvers named, each a CIDR of one address. */
export interface DnsCapture {
  readonly all: boolean;
  readonly servers: CidrsByFamily;
}

/** All values are checked and in the spelling that iptables gets. */
export interface IptablesOptions {
  readonly proxyPort: string;
  readonly inboundCapturePort: string;
  readonly inboundTunnelPort: string;
  readonly proxyUids: readonly string[];
  readonly proxyGids: readonly string[];
  readonly interceptionMode: 'REDIRECT' | 'TPROXY';
  readonly tproxyMark: string;
  readonly tproxyRouteTable: string;
  readonly inboundPortsInclude: '*' | readonly string[];
  readonly inboundPortsExclude: readonly string[];
  readonly excludeInterfaces: readonly string[];
  readonly kubeVirtInterfaces: readonly string[];
  readonly outboundCidrsInclude: '*' | CidrsByFamily;
  readonly outboundCidrsExclude: CidrsByFamily;
  /** An included range is loopback itself: then loopback traffic of the application is captured too. */
  readonly capturesLoopback: boolean;
  readonly outboundPortsInclude: readonly string[];
  readonly outboundPortsExclude: readonly string[];
  readonly ownerGroupsInclude: '*' | readonly string[];
  readonly ownerGroupsExclude: readonly string[];
  readonly loopbackCidrIPv4: string;
  readonly dns: DnsCapture | undefined;
  readonly dropInvalid: boolean;
  readonly dualStack: boolean;
  readonly action: 'apply' | 'cleanup' | 'nothing';
  readonly dryRun: boolean;
  readonly restoreFormat: boolean;
  /** Rules that are there and differ: fail, or replace; `always` replaces equal ones too. */
  readonly replace: 'never' | 'different' | 'always';
  readonly iptablesBinary: 'legacy' | 'nft' | undefined;
  readonly nativeNftables: boolean;
  /** File of the namespace to work in, such as /run/netns/pod; undefined is our own. */
  readonly networkNamespace: string | undefined;
  /** The files around us are the node's, not the pod's. */
  readonly cniMode: boolean;
  readonly runValidation: boolean;
  readonly probePort: string;
  readonly probeTimeoutMs: number;
  /** What the operator should know about how the options were read. */
  readonly notes: readonly string[];
}

export type ParsedOptions =
  | { readonly kind: 'options'; readonly options: IptablesOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

/** What options depend on besides command line and environment. */
export interface Machine {
  /** Uid of a user by name (ENVOY_USER); undefined where there is none. */
  readonly uidOfUser: (user: string) => string | undefined;
  /** Text of resolv.conf; throws where it cannot be read. */
  readonly resolvConf: () => string;
}

export function parseOptions(
  argv: readonly string[],
  environment: Variables,
  machine: Machine,
): ParsedOptions {
  const problems: string[] = [];
  const commandLine = parseCommandLine(argv, problems);
  const reader = new OptionReader(commandLine, environment, problems);
  if (reader.isOn('help')) return { kind: 'help' };
  const defaultUid = machine.uidOfUser(environment['ENVOY_USER'] || 'istio-proxy') ?? '1337';
  const notes: string[] = [];
  const options = {
    ...readCapture(reader, defaultUid),
    ...readTproxy(reader),
    ...readVariables(reader),
    dns: readDns(reader, machine, notes),
    dropInvalid: reader.isOn('drop-invalid'),
    dualStack: reader.isOn('dual-stack'),
    ...readAction(reader),
    ...readValidation(reader),
    ...(isShortStyle(reader) ? shortStyle(notes) : {}),
    notes,
  };
  return problems.length > 0 ? { kind: 'problems', problems } : { kind: 'options', options };
}

function readCapture(reader: OptionReader, defaultUid: string) {
  const proxyUids = reader.list('proxy-uid', check.checkId, [defaultUid]);
  const include = reader.listOrAll('istio-service-cidr', check.checkCidr);
  return {
    proxyPort: reader.one('envoy-port', check.checkPort, '15001'),
    inboundCapturePort: reader.one('inbound-capture-port', check.checkPort, '15006'),
    inboundTunnelPort: reader.one('inbound-tunnel-port', check.checkPort, '15008'),
    proxyUids,
    proxyGids: reader.list('proxy-gid', check.checkId, proxyUids),
    inboundPortsInclude: reader.listOrAll('istio-inbound-ports', check.checkPort),
    inboundPortsExclude: reader.list('istio-local-exclude-ports', check.checkPort, []),
    excludeInterfaces: reader.list('istio-exclude-interfaces', check.checkInterface, []),
    kubeVirtInterfaces: reader.list('kube-virt-interfaces', check.checkInterface, []),
    outboundCidrsInclude: include === '*' ? include : byFamily(include),
    outboundCidrsExclude: byFamily(reader.list('istio-service-exclude-cidr', check.checkCidr, [])),
    capturesLoopback: include !== '*' && include.some(check.isLoopbackCidr),
    outboundPortsInclude: reader.list('istio-outbound-ports', check.checkPort, []),
    outboundPortsExclude: reader.list('istio-local-outbound-ports-exclude', check.checkPort, []),
  };
}

function readTproxy(
  reader: OptionReader,
): Pick<IptablesOptions, 'interceptionMode' | 'tproxyMark' | 'tproxyRouteTable'> {
  const mode = reader.one('istio-inbound-interception-mode', oneOf('', 'REDIRECT', 'TPROXY'), '');
  const interceptionMode = mode === 'TPROXY' ? 'TPROXY' : 'REDIRECT';
  const tproxyMark = reader.one('istio-inbound-tproxy-mark', check.checkUint32, '1337');
  const tproxyRouteTable = reader.one('istio-inbound-tproxy-route-table', check.checkUint32, '133');
  if (tproxyMark === '0' || tproxyMark === '1338') {
    const reason =
      tproxyMark === '0'
        ? '0 is the mark of all packets'
        : '1338 marks what the proxy sends to its own pod';
    reader.refuse('istio-inbound-tproxy-mark', `${reason}; choose another`);
  }
  if (['0', '253', '254', '255'].includes(tproxyRouteTable)) {
    reader.refuse(
      'istio-inbound-tproxy-route-table',
      `${tproxyRouteTable} is a table of the system; choose another`,
    );
  }
  return { interceptionMode, tproxyMark, tproxyRouteTable };
}

/** Options that Istio knows as variables only. */
function readVariables(
  reader: OptionReader,
): Pick<IptablesOptions, 'ownerGroupsInclude' | 'ownerGroupsExclude' | 'loopbackCidrIPv4'> {
  const loopback = reader.variable('ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR') ?? '127.0.0.1/32';
  const groups = reader.variable('ISTIO_OUTBOUND_OWNER_GROUPS')?.trim() ?? '*';
  const excluded = reader.variable('ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE') ?? '';
  const checkAll = (text: string, source: string): readonly string[] =>
    reader.checkList({ text, source }, check.checkGroup);
  const included = groups === '*' ? [] : checkAll(groups, 'ISTIO_OUTBOUND_OWNER_GROUPS');
  return {
    loopbackCidrIPv4: reader.check(
      { text: loopback, source: 'ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR' },
      check.checkCidrIPv4,
    ),
    // A list of nothing but commas means all: "none of no groups" would let everything go uncaptured.
    ownerGroupsInclude: included.length === 0 ? '*' : included,
    ownerGroupsExclude: checkAll(excluded, 'ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE'),
  };
}

function readDns(reader: OptionReader, machine: Machine, notes: string[]): DnsCapture | undefined {
  const all = reader.isOn('capture-all-dns');
  if (!reader.isOn('redirect-dns')) {
    if (all) notes.push('--capture-all-dns has no effect without --redirect-dns');
    return undefined;
  }
  if (all) return { all, servers: { IPv4: [], IPv6: [] } };
  let text: string;
  try {
    text = machine.resolvConf();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    reader.refuse(
      'redirect-dns',
      `the pod’s resolvers cannot be read (${reason}); or use --capture-all-dns`,
    );
    return undefined;
  }
  const servers = check.resolversOf(text);
  if (servers.length > 0) return { all, servers: byFamily(servers) };
  notes.push('DNS is not captured: resolv.conf names no resolver (--capture-all-dns needs none)');
  return undefined;
}

function readAction(reader: OptionReader) {
  const cleanup = reader.isOn('cleanup-only') || reader.isOn('cleanup');
  const binary = reader.one('force-iptables-binary', oneOf('', 'legacy', 'nft'), '');
  const replaces = reader.isOn('reconcile') ? 'different' : 'never';
  return {
    action: reader.isOn('skip-rule-apply') ? 'nothing' : cleanup ? 'cleanup' : 'apply',
    dryRun: reader.isOn('dry-run'),
    restoreFormat: reader.isOn('restore-format', true),
    replace: reader.isOn('force-apply') ? 'always' : replaces,
    iptablesBinary: binary === 'legacy' || binary === 'nft' ? binary : undefined,
    nativeNftables: reader.isOn('native-nftables'),
    networkNamespace: reader.one('network-namespace', check.checkPath, '') || undefined,
    cniMode: reader.isOn('cni-mode'),
  } as const;
}

function readValidation(
  reader: OptionReader,
): Pick<IptablesOptions, 'runValidation' | 'probePort' | 'probeTimeoutMs'> {
  // Checked although they have no effect here, so that a typing mistake is noticed.
  reader.isOn('log_as_json');
  reader.isOn('iptables-trace-logging');
  return {
    runValidation: reader.isOn('run-validation'),
    probePort: reader.one('iptables-probe-port', check.checkPort, '15002'),
    probeTimeoutMs: Number(reader.one('probe-timeout', check.checkDurationMs, '5000')),
  };
}

/** Flags that say nothing about what is captured, so that the short style may have them. */
const besides: ReadonlySet<string> = new Set([
  'envoy-port',
  'proxy-uid',
  ...[
    'dry-run',
    'restore-format',
    'cleanup-only',
    'cleanup',
    'force-apply',
    'reconcile',
    'skip-rule-apply',
  ],
  ...[
    'dual-stack',
    'force-iptables-binary',
    'run-validation',
    'native-nftables',
    'cni-mode',
    'network-namespace',
  ],
  ...[
    'iptables-probe-port',
    'probe-timeout',
    'log_output_level',
    'log_as_json',
    'log_caller',
    'log_stacktrace_level',
    'log_target',
    'iptables-trace-logging',
    'help',
  ],
]);

/** `-p 15001 -u 1337` and no word about what to capture: the whole init container of 2017, which captured all. */
function isShortStyle(reader: OptionReader): boolean {
  const both = ['envoy-port', 'proxy-uid'].every((name) => reader.given(name) !== undefined);
  return (
    both && flags.every((flag) => besides.has(flag.name) || reader.given(flag.name) === undefined)
  );
}

function shortStyle(
  notes: string[],
): Pick<IptablesOptions, 'inboundPortsInclude' | 'inboundPortsExclude' | 'outboundCidrsInclude'> {
  notes.push(
    '-p and -u alone: everything is captured, as in 2017 (same as -b "*" -i "*" -d 15090,15021,15020)',
  );
  return {
    inboundPortsInclude: '*',
    inboundPortsExclude: ['15090', '15021', '15020'],
    outboundCidrsInclude: '*',
  };
}

function byFamily(cidrs: readonly string[]): CidrsByFamily {
  const isV6 = (cidr: string): boolean => cidr.includes(':');
  return { IPv4: cidrs.filter((c) => !isV6(c)), IPv6: cidrs.filter(isV6) };
}

function oneOf(...allowed: readonly string[]): (text: string) => Checked {
  return (text) =>
    allowed.includes(text)
      ? { value: text }
      : { reason: `"${text}" is not one of ${allowed.filter((a) => a !== '').join(', ')}` };
}
