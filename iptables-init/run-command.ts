// Runs the system's programs, and says what an operator can do where one fails. [m]
import { spawnSync } from 'node:child_process';
import process from 'node:process';

export interface Ran {
  /** Undefined where the program did not start. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** An operator's fault; the message says what to do. */
export class ApplyError extends Error {}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function run(command: string, args: readonly string[], options: RunOptions = {}): Ran {
  const result = spawnSync(command, args, {
    input: options.input ?? '',
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, LC_ALL: 'C', ...options.env },
  });
  if (result.error !== undefined) {
    const missing = 'code' in result.error && result.error.code === 'ENOENT';
    return { status: undefined, stdout: '', stderr: missing ? 'not found' : result.error.message };
  }
  return { status: result.status ?? undefined, stdout: result.stdout, stderr: result.stderr };
}

export function mustRun(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): string {
  const result = run(command, args, options);
  if (result.status === 0) return result.stdout;
  throw new ApplyError(explainFailure([command, ...args].join(' '), result, options.input ?? ''));
}

const packages: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  nsenter: 'util-linux',
  unshare: 'util-linux',
};

/** What the program said, the line it complains about, and what to do about it. */
export function explainFailure(commandLine: string, ran: Ran, input: string): string {
  const said =
    ran.stderr
      .trim()
      .split('\n')
      .filter((text) => !text.startsWith('Try `'))
      .slice(0, 6)
      .join('; ') || `exit ${ran.status}`;
  const line = lineAtFault(ran.stderr, input);
  const program = commandLine.split(' ', 1)[0]!;
  const hint =
    ran.stderr === 'not found'
      ? `install the package ${packages[program] ?? 'iptables'}`
      : hintFor(said, line);
  return `${commandLine}: ${said}${line === '' ? '' : `; the line is "${line}"`}${hint === '' ? '' : ` (${hint})`}`;
}

function lineAtFault(stderr: string, input: string): string {
  const number = /line:? (\d+)/.exec(stderr)?.[1];
  const line = number === undefined ? undefined : input.split('\n')[Number(number) - 1];
  return line === undefined || line === 'COMMIT' ? '' : line;
}

/** Kernel modules by a word of the rules that need them. */
const modules: readonly (readonly [word: string, modules: string])[] = [
  ['owner', 'xt_owner'],
  ['TPROXY', 'xt_TPROXY (nf_tproxy_ipv4, nf_tproxy_ipv6)'],
  ['conntrack', 'xt_conntrack'],
  ['CONNMARK', 'xt_connmark'],
  ['connmark', 'xt_connmark'],
  ['CT --zone', 'xt_CT'],
  ['multiport', 'xt_multiport'],
  ['MARK', 'xt_mark'],
  ['mark', 'xt_mark'],
  ['REDIRECT', 'xt_REDIRECT (nf_nat)'],
  ['redirect to', 'nft_redir (nf_nat)'],
  ['tproxy', 'nft_tproxy'],
];

function hintFor(said: string, line: string): string {
  if (/Read-only file system/.test(said)) {
    return 'mount what is named writable (readOnlyRootFilesystem: false, or an emptyDir on /run)';
  }
  if (/xtables lock/.test(said))
    return 'another program holds the lock of iptables; wait for it and run again';
  if (/disable_ipv6|IPv6 is disabled/.test(said))
    return 'IPv6 is off here: sysctl net.ipv6.conf.lo.disable_ipv6=0, or leave out --dual-stack';
  if (isRefusal(said)) {
    return 'run as root, or with the capabilities NET_ADMIN and NET_RAW: securityContext.capabilities.add';
  }
  if (/Invalid argument/.test(said) && line.includes('owner'))
    return 'the user namespace does not know that user or group: map it, see /proc/self/uid_map';
  if (isMissingModule(said)) {
    const named =
      modules.find(([word]) => line.includes(word))?.[1] ?? 'ip_tables, iptable_nat or nf_tables';
    return `the node’s kernel lacks a module: modprobe ${named} on the node, or try the other kind with --force-iptables-binary`;
  }
  return '';
}

/** Whether rights are missing, and nothing else. */
export function isRefusal(said: string): boolean {
  return /ermission denied|must be root|not permitted/.test(said);
}

function isMissingModule(said: string): boolean {
  return [
    /missing kernel module/,
    /No chain\/target\/match by that name/,
    /Couldn't load (?:match|target)/,
    /(?:Table|table) does not exist/,
    /[Ee]xtension \S+ .*not supported/,
    /rotocol not supported/,
    /(?:RULE|CHAIN|TABLE)_\w+ failed/,
    /No such file or directory/,
  ].some((pattern) => pattern.test(said));
}
