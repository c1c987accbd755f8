// [m] Command lines: a table of flags per subcommand, read the way cobra does (`--flag value`, `--flag=value`). Istio: pilot/cmd/pilot-agent.

export const FLAG_KINDS = { text: 'text', count: 'count', switch: 'switch' } as const;
export type FlagKind = (typeof FLAG_KINDS)[keyof typeof FLAG_KINDS];

export interface FlagSpec {
  readonly name: string;
  readonly kind: FlagKind;
  /** `o`: also written `-o`. */
  readonly letter?: string;
  /** As written on the command line; shown in the usage. */
  readonly fallback: string;
  readonly meaning: string;
}

export interface CommandSpec {
  readonly name: string;
  readonly synopsis: string;
  readonly flags: readonly FlagSpec[];
  readonly maxArguments: number;
  /** Flags that are not known are passed over, as stock does for an agent that is older than its injector. */
  readonly isTolerant?: boolean;
}

export interface CommandLine {
  readonly arguments: readonly string[];
  /** Only the flags that were given. */
  readonly flags: ReadonlyMap<string, string>;
  /** Flags that were passed over. */
  readonly unknown?: readonly string[];
}

export type CommandLineResult =
  | { readonly ok: true; readonly line: CommandLine }
  | { readonly ok: false; readonly message: string };

const WHOLE_NUMBER = /^[0-9]{1,9}$/;

const failure = (message: string): CommandLineResult => ({ ok: false, message });

function checkValue(flag: FlagSpec, value: string): string | undefined {
  if (flag.kind === 'count' && !WHOLE_NUMBER.test(value)) {
    return `--${flag.name} needs a whole number, not "${value}"`;
  }
  if (flag.kind === 'switch' && value !== 'true' && value !== 'false') {
    return `--${flag.name} needs true or false, not "${value}"`;
  }
  return undefined;
}

const findFlag = ({ flags }: CommandSpec, word: string): FlagSpec | undefined =>
  flags.find(({ name, letter }) => word === `--${name}` || word === `-${letter ?? ' '}`);

const isValue = (word: string | undefined): boolean => word?.startsWith('-') === false;

/** Words after the subcommand. A word `--` ends the flags. */
export function parseCommandLine(spec: CommandSpec, words: readonly string[]): CommandLineResult {
  const flags = new Map<string, string>();
  const positional: string[] = [];
  const unknown: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--') {
      positional.push(...words.slice(i + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      positional.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const flag = findFlag(spec, name);
    if (flag === undefined) {
      if (spec.isTolerant !== true) return failure(`unknown flag ${name}`);
      unknown.push(name);
      // Cobra takes what follows for its value.
      if (equals < 0 && isValue(words[i + 1])) i++;
      continue;
    }
    let value: string | undefined;
    if (equals >= 0) value = word.slice(equals + 1);
    else if (flag.kind === 'switch') value = 'true';
    else value = words[++i];
    if (value === undefined) return failure(`${name} needs a value`);
    const problem = checkValue(flag, value);
    if (problem !== undefined) return failure(problem);
    flags.set(flag.name, value);
  }
  if (positional.length > spec.maxArguments) {
    return failure(`unexpected argument "${positional[spec.maxArguments]}"`);
  }
  return { ok: true, line: { arguments: positional, flags, unknown } };
}

export function commandUsage(spec: CommandSpec): string {
  const lines = [`usage: pilot-agent ${spec.synopsis}`];
  for (const flag of spec.flags) {
    const fallback = flag.fallback === '' ? '' : ` (default ${flag.fallback})`;
    lines.push(`  --${flag.name.padEnd(24)} ${flag.meaning}${fallback}`);
  }
  return `${lines.join('\n')}\n`;
}

const text = (name: string, fallback: string, meaning: string): FlagSpec => ({
  name,
  kind: 'text',
  fallback,
  meaning,
});
const count = (name: string, fallback: string, meaning: string): FlagSpec => ({
  name,
  kind: 'count',
  fallback,
  meaning,
});
const onOff = (name: string, fallback: string, meaning: string): FlagSpec => ({
  name,
  kind: 'switch',
  fallback,
  meaning,
});

/** Flags that stock takes and that change nothing here yet; accepted so that an injected pod starts. */
const UNUSED = 'accepted, not used';

export const PROXY_COMMAND: CommandSpec = {
  name: 'proxy',
  synopsis: 'proxy [sidecar|router] [flags]',
  maxArguments: 1,
  isTolerant: true,
  flags: [
    text('domain', '<POD_NAMESPACE>.svc.cluster.local', 'DNS domain of the node id'),
    text('meshConfig', './etc/istio/config/mesh', 'mesh config file; its defaultConfig is read'),
    text('serviceCluster', 'istio-proxy', 'service cluster where no label names one'),
    text('proxyLogLevel', 'warning', "the proxy's log level, with scopes: info,upstream:debug"),
    text('proxyComponentLogLevel', '', "log levels of the proxy's components: upstream:debug"),
    count('concurrency', '0', "the proxy's worker threads; 0: ProxyConfig decides"),
    text('log_output_level', 'info', "the agent's log level"),
    onOff('log_as_json', 'false', "write the agent's log as JSON"),
    text('stsPort', '0', UNUSED),
    text('tokenManagerPlugin', '', UNUSED),
    text('templateFile', '', 'bootstrap of your own, JSON or YAML; see docs/agent.md'),
    text('outlierLogPath', '', 'file for outlier ejection events (node metadata)'),
    onOff('profiling', 'true', 'answer /debug/pprof/ on the status port, to this pod alone'),
    text('log_target', 'stdout', UNUSED),
    onOff('log_caller', 'false', UNUSED),
    text('log_stacktrace_level', 'none', UNUSED),
    text('log_rotate', '', UNUSED),
    count('log_rotate_max_age', '30', UNUSED),
    count('log_rotate_max_backups', '1000', UNUSED),
    count('log_rotate_max_size', '104857600', UNUSED),
  ],
};

export const REQUEST_COMMAND: CommandSpec = {
  name: 'request',
  synopsis: 'request <method> <path> [body] [flags]',
  maxArguments: 3,
  flags: [
    count(
      'debug-port',
      '15000',
      'local port: admin 15000, status 15020, readiness 15021, debug 15004',
    ),
  ],
};

export const WAIT_COMMAND: CommandSpec = {
  name: 'wait',
  synopsis: 'wait [flags]',
  maxArguments: 0,
  flags: [
    count('timeoutSeconds', '60', 'give up after this many seconds'),
    count('requestTimeoutMillis', '500', 'time for one request'),
    count('periodMillis', '500', 'time between requests'),
    text('url', 'http://localhost:15021/healthz/ready', 'address to ask'),
  ],
};

export const VERSION_COMMAND: CommandSpec = {
  name: 'version',
  synopsis: 'version [flags]',
  maxArguments: 0,
  flags: [
    { ...onOff('short', 'false', 'the Istio version alone'), letter: 's' },
    { ...text('output', '', 'json or yaml'), letter: 'o' },
  ],
};

export const COMPLETION_COMMAND: CommandSpec = {
  name: 'completion',
  synopsis: 'completion bash|zsh|fish|powershell',
  maxArguments: 1,
  flags: [],
};
