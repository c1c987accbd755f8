// Istio's flags of `istio-iptables`: names, short names, environment, and the words of a command line. [m] pflag syntax, Istio contract.

export interface Flag {
  readonly name: string;
  readonly short?: string;
  readonly kind: 'text' | 'switch';
  readonly meaning: string;
  /** Environment variables; the flag's own name in capitals comes first. */
  readonly environment: readonly string[];
}

/** A raw value and where it came from, for messages. */
export interface Given {
  readonly text: string;
  readonly source: string;
}

/** Variables of these names would mean something else to anybody who sets them. */
const commandLineOnly: ReadonlySet<string> = new Set(['help', 'cleanup']);

export const flags: readonly Flag[] = [
  text('envoy-port', 'p', 'port of the proxy for outbound traffic (15001)'),
  text('inbound-capture-port', 'z', 'port of the proxy for inbound traffic (15006)'),
  text('inbound-tunnel-port', 'e', 'HBONE port, never captured (15008)'),
  text('proxy-uid', 'u', 'uids of the proxy, never captured (uid of ENVOY_USER, else 1337)'),
  text('proxy-gid', 'g', 'gids of the proxy, never captured (same as -u)'),
  text('istio-inbound-interception-mode', 'm', 'REDIRECT, or TPROXY to keep the client’s address'),
  text('istio-inbound-ports', 'b', 'inbound ports to capture, * for all, empty for none'),
  text('istio-local-exclude-ports', 'd', 'inbound ports to leave alone; only with -b "*"'),
  text('istio-exclude-interfaces', 'c', 'interfaces to leave alone'),
  text('istio-service-cidr', 'i', 'destinations to capture, * for all, empty for none'),
  text('istio-service-exclude-cidr', 'x', 'destinations to leave alone'),
  text('istio-outbound-ports', 'q', 'outbound ports to capture whatever the address'),
  text('istio-local-outbound-ports-exclude', 'o', 'outbound ports to leave alone'),
  text('kube-virt-interfaces', 'k', 'interfaces whose incoming traffic counts as outbound'),
  text('istio-inbound-tproxy-mark', 't', 'packet mark, TPROXY only (1337)'),
  text('istio-inbound-tproxy-route-table', 'r', 'routing table, TPROXY only (133)'),
  toggle('dry-run', 'print the rules, change nothing', 'n'),
  toggle('restore-format', 'print for iptables-restore (true), or as commands (false)', 'f'),
  toggle('cleanup-only', 'remove the rules (also: --cleanup)'),
  toggle('cleanup', 'same as --cleanup-only'),
  toggle('force-apply', 'replace rules that are there'),
  toggle('reconcile', 'replace rules that are there and differ'),
  toggle('skip-rule-apply', 'check the options, change nothing'),
  toggle('drop-invalid', 'drop packets that conntrack calls INVALID', undefined, ['INVALID_DROP']),
  toggle('dual-stack', 'write IPv6 rules in any case', undefined, ['ISTIO_DUAL_STACK']),
  text('force-iptables-binary', undefined, 'legacy or nft (found out)'),
  toggle('redirect-dns', 'send DNS questions to the agent', undefined, ['ISTIO_META_DNS_CAPTURE']),
  toggle('capture-all-dns', 'with --redirect-dns: those to every resolver, not to the pod’s only'),
  toggle('native-nftables', 'write nftables tables instead of iptables rules'),
  text('network-namespace', undefined, 'file of the namespace to work in, such as /run/netns/NAME'),
  toggle(
    'cni-mode',
    'the files around are the node’s: lock and user database of the node are left alone',
  ),
  toggle(
    'run-validation',
    'make probe connections through each chain; exit code 126 if one is lost',
  ),
  text('iptables-probe-port', undefined, 'port the probe connections are addressed to (15002)'),
  text('probe-timeout', undefined, 'how long to wait for rules and probes (5s)'),
  toggle('iptables-trace-logging', 'taken, no effect'),
  text('log_output_level', undefined, 'taken, no effect'),
  toggle('log_as_json', 'taken, no effect'),
  toggle('log_caller', 'taken, no effect'),
  text('log_stacktrace_level', undefined, 'taken, no effect'),
  text('log_target', undefined, 'taken, no effect'),
  toggle('help', 'print this', 'h'),
];

/** Reads pflag's spellings: `--flag value`, `--flag=value`, `-f value`, `-fvalue`, `-f=value`, `-nf`. The last one wins. */
export function parseCommandLine(
  argv: readonly string[],
  problems: string[],
): ReadonlyMap<string, Given> {
  const given = new Map<string, Given>();
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word.startsWith('--') && word.length > 2) readLong(word, words, given, problems);
    else if (word.startsWith('-') && word.length > 1 && word !== '--')
      readShort(word, words, given, problems);
    else problems.push(`unexpected argument "${word}"`);
  }
  return given;
}

/** The flag's value: command line, then environment. An empty variable counts as not set. */
export function givenValue(
  flag: Flag,
  commandLine: ReadonlyMap<string, Given>,
  environment: Readonly<Record<string, string | undefined>>,
): Given | undefined {
  const fromCommandLine = commandLine.get(flag.name);
  if (fromCommandLine !== undefined) return fromCommandLine;
  for (const name of flag.environment) {
    const value = environment[name];
    // Kubernetes sets ENVOY_PORT=tcp://10.0.0.1:80 for a service of the name "envoy": that is not meant for us.
    if (value !== undefined && value !== '' && !/^(?:tcp|udp|sctp):\/\//.test(value)) {
      return { text: value, source: `${name} (${flagLabel(flag)})` };
    }
  }
  return undefined;
}

export function flagLabel(flag: Flag): string {
  return flag.short === undefined ? `--${flag.name}` : `-${flag.short}, --${flag.name}`;
}

export function usage(): string {
  const lines = flags.map((flag) => `  ${flagLabel(flag).padEnd(42)} ${flag.meaning}`);
  return [
    'usage: outrigger-iptables [flags]           lay the rules, or with --cleanup-only take them away',
    '       outrigger-iptables explain [flags]   say what they do to a packet (explain --help)',
    'Sends the pod’s TCP traffic through the proxy. Every flag is also a variable: --proxy-uid is PROXY_UID.',
    ...lines,
    '',
  ].join('\n');
}

function readLong(
  word: string,
  rest: string[],
  given: Map<string, Given>,
  problems: string[],
): void {
  const equals = word.indexOf('=');
  const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
  const flag = flags.find((f) => f.name === name);
  if (flag === undefined) {
    problems.push(`unknown flag --${name}`);
    return;
  }
  let value = equals < 0 ? undefined : word.slice(equals + 1);
  if (value === undefined) value = flag.kind === 'switch' ? 'true' : rest.shift();
  store(flag, value, given, problems);
}

function readShort(
  word: string,
  rest: string[],
  given: Map<string, Given>,
  problems: string[],
): void {
  for (let at = 1; at < word.length; at++) {
    const flag = flags.find((f) => f.short === word[at]);
    if (flag === undefined) {
      problems.push(`unknown flag -${word[at]} in "${word}"`);
      return;
    }
    const tail = word.slice(at + 1);
    if (tail.startsWith('=')) {
      store(flag, tail.slice(1), given, problems);
      return;
    }
    if (flag.kind === 'text') {
      store(flag, tail === '' ? rest.shift() : tail, given, problems);
      return;
    }
    store(flag, 'true', given, problems);
  }
}

function store(
  flag: Flag,
  value: string | undefined,
  given: Map<string, Given>,
  problems: string[],
): void {
  if (value === undefined) problems.push(`${flagLabel(flag)} needs a value`);
  else given.set(flag.name, { text: value, source: flagLabel(flag) });
}

function environmentName(flagName: string): string {
  return flagName.toUpperCase().replaceAll('-', '_');
}

function text(name: string, short: string | undefined, meaning: string): Flag {
  const environment = [environmentName(name)];
  return { name, kind: 'text', meaning, environment, ...(short === undefined ? {} : { short }) };
}

function toggle(
  name: string,
  meaning: string,
  short?: string,
  moreEnvironment: readonly string[] = [],
): Flag {
  const environment = commandLineOnly.has(name) ? [] : [environmentName(name), ...moreEnvironment];
  return { name, kind: 'switch', meaning, environment, ...(short === undefined ? {} : { short }) };
}
