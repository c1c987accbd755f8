// Command line and environment to checked options; every problem is collected and names its flag. [m] Istio contract: istio-iptables.
import { flags, givenValue, parseCommandLine } from './flags.ts';
import type { Given } from './flags.ts';
import * as check from './option-values.ts';
import type { Checked } from './option-values.ts';

export type Family = 'IPv4' | 'IPv6';
export type CidrsByFamily = Readonly<Record<Family, readonly string[]>>;

/** All values are checked and in the spelling that iptables gets. */
export interface IptablesOptions {
  readonly proxyPort: string;
  readonly inboundCapturePort: string;
  readonly inboundTunnelPort: string;
  readonly proxyUids: readonly string[];
  readonly proxyGids: readonly string[];
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
  readonly dropInvalid: boolean;
  readonly dualStack: boolean;
  readonly action: 'apply' | 'cleanup' | 'nothing';
  readonly dryRun: boolean;
  readonly restoreFormat: boolean;
  /** Rules that are there and differ: fail, or replace; `always` replaces equal ones too. */
  readonly replace: 'never' | 'different' | 'always';
  readonly iptablesBinary: 'legacy' | 'nft' | undefined;
}

export type ParsedOptions =
  | { readonly kind: 'options'; readonly options: IptablesOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

/** @param uidOfUser looks up a user by name (ENVOY_USER); undefined where there is none. */
export function parseOptions(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  uidOfUser: (user: string) => string | undefined,
): ParsedOptions {
  const problems: string[] = [];
  const commandLine = parseCommandLine(argv, problems);
  const reader = new Reader(commandLine, environment, problems);
  if (reader.isOn('help')) return { kind: 'help' };
  const defaultUid = uidOfUser(environment['ENVOY_USER'] || 'istio-proxy') ?? '1337';
  const options = readOptions(reader, defaultUid);
  refuseUnbuilt(reader);
  return problems.length > 0 ? { kind: 'problems', problems } : { kind: 'options', options };
}

function readOptions(reader: Reader, defaultUid: string): IptablesOptions {
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
    outboundCidrsInclude: include === '*' ? '*' : byFamily(include),
    outboundCidrsExclude: byFamily(reader.list('istio-service-exclude-cidr', check.checkCidr, [])),
    capturesLoopback: include !== '*' && include.some(check.isLoopbackCidr),
    outboundPortsInclude: reader.list('istio-outbound-ports', check.checkPort, []),
    outboundPortsExclude: reader.list('istio-local-outbound-ports-exclude', check.checkPort, []),
    ...readVariables(reader),
    dropInvalid: reader.isOn('drop-invalid'),
    dualStack: reader.isOn('dual-stack'),
    ...readAction(reader),
  };
}

/** Options that Istio knows as variables only. */
function readVariables(
  reader: Reader,
): Pick<IptablesOptions, 'ownerGroupsInclude' | 'ownerGroupsExclude' | 'loopbackCidrIPv4'> {
  const loopback = reader.variable('ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR') ?? '127.0.0.1/32';
  const groups = reader.variable('ISTIO_OUTBOUND_OWNER_GROUPS') ?? '*';
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

function readAction(
  reader: Reader,
): Pick<IptablesOptions, 'action' | 'dryRun' | 'restoreFormat' | 'replace' | 'iptablesBinary'> {
  const cleanup = reader.isOn('cleanup-only') || reader.isOn('cleanup');
  const binary = reader.one('force-iptables-binary', oneOf('', 'legacy', 'nft'), '');
  return {
    action: reader.isOn('skip-rule-apply') ? 'nothing' : cleanup ? 'cleanup' : 'apply',
    dryRun: reader.isOn('dry-run'),
    restoreFormat: reader.isOn('restore-format', true),
    replace: reader.isOn('force-apply')
      ? 'always'
      : reader.isOn('reconcile')
        ? 'different'
        : 'never',
    iptablesBinary: binary === 'legacy' || binary === 'nft' ? binary : undefined,
  };
}

/** What Istio's tool does and ours does not: said before anything is changed, never left out in silence. */
function refuseUnbuilt(reader: Reader): void {
  const mode = reader.one('istio-inbound-interception-mode', oneOf('', 'REDIRECT', 'TPROXY'), '');
  if (mode === 'TPROXY') {
    reader.refuse('istio-inbound-interception-mode', 'TPROXY is not built yet; use REDIRECT');
  }
  for (const name of [
    'redirect-dns',
    'capture-all-dns',
    'run-validation',
    'native-nftables',
    'cni-mode',
  ]) {
    if (reader.isOn(name)) reader.refuse(name, 'is not built yet; leave it out or set it to false');
  }
  if (reader.one('network-namespace', anyText, '') !== '') {
    reader.refuse('network-namespace', 'is not built yet; run this inside the namespace instead');
  }
  // Checked although they have no effect here, so that a typing mistake does not wait for TPROXY to be noticed.
  reader.one('istio-inbound-tproxy-mark', check.checkUint32, '1337');
  reader.one('istio-inbound-tproxy-route-table', check.checkUint32, '133');
  reader.one('iptables-probe-port', check.checkPort, '15002');
  reader.one('probe-timeout', check.checkDuration, '5s');
  reader.isOn('log_as_json');
}

class Reader {
  readonly #commandLine: ReadonlyMap<string, Given>;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #problems: string[];

  constructor(
    commandLine: ReadonlyMap<string, Given>,
    environment: Readonly<Record<string, string | undefined>>,
    problems: string[],
  ) {
    this.#commandLine = commandLine;
    this.#environment = environment;
    this.#problems = problems;
  }

  one(name: string, checkValue: (text: string) => Checked, fallback: string): string {
    const given = this.#given(name);
    return given === undefined || given.text === '' ? fallback : this.check(given, checkValue);
  }

  isOn(name: string, fallback = false): boolean {
    return this.one(name, check.checkBoolean, String(fallback)) === 'true';
  }

  /** Comma list; blanks around an item and empty items are let go. */
  list(
    name: string,
    checkValue: (text: string) => Checked,
    fallback: readonly string[],
  ): readonly string[] {
    const given = this.#given(name);
    const items = given === undefined ? [] : this.checkList(given, checkValue);
    return items.length === 0 ? fallback : items;
  }

  listOrAll(name: string, checkValue: (text: string) => Checked): '*' | readonly string[] {
    return this.#given(name)?.text === '*' ? '*' : this.list(name, checkValue, []);
  }

  variable(name: string): string | undefined {
    return this.#environment[name] || undefined;
  }

  check(given: Given, checkValue: (text: string) => Checked): string {
    const checked = checkValue(given.text);
    if ('value' in checked) return checked.value;
    const problem = `${given.source}: ${checked.reason}`;
    if (!this.#problems.includes(problem)) this.#problems.push(problem);
    return '';
  }

  checkList(given: Given, checkValue: (text: string) => Checked): readonly string[] {
    return given.text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .map((text) => this.check({ text, source: given.source }, checkValue));
  }

  refuse(name: string, reason: string): void {
    this.#problems.push(`${this.#given(name)?.source ?? `--${name}`}: ${reason}`);
  }

  #given(name: string): Given | undefined {
    const flag = flags.find((f) => f.name === name);
    if (flag === undefined) throw new Error(`no such flag: ${name}`);
    return givenValue(flag, this.#commandLine, this.#environment);
  }
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

function anyText(text: string): Checked {
  return { value: text };
}
