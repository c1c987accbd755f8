// Pods as Linux network namespaces on one virtual switch; needs root, `ip` and `setpriv`. Names no test library, so samples may learn from it. [m] ip-netns(8).
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import process from 'node:process';

import { boundCommand } from './bound-command.ts';

export interface RunOptions {
  /** User and group the command runs as; root where not given. */
  readonly uid?: number;
  /** Another group than that of the user's number. */
  readonly gid?: number;
  /** Kept by that user, such as `net_admin`. */
  readonly capabilities?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Default 10 000; a command that takes longer is killed. */
  readonly timeoutMs?: number;
}

export interface RunResult {
  /** Undefined where the command was killed or did not start. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const prefix = 'outrigger';
const open = new Set<PodNetwork>();
let networksMade = 0;
let reason: string | undefined | null = null;

/** Why namespaces cannot be used here, in words for a skip message; undefined where they can. Asked once per process. */
export function netnsUnavailableReason(): string | undefined {
  if (reason === null) reason = findReason();
  return reason;
}

export function canUseNetns(): boolean {
  return netnsUnavailableReason() === undefined;
}

/**
 * Two pods or more, each with `eth0` in 10.77.0.0/24 and fd77::/64 (10.77.0.1 and fd77::1 for the first), able to reach
 * each other and nothing else. The addresses live inside the namespaces only. Close it; an exit or a signal closes it too.
 */
export class PodNetwork {
  readonly pods: readonly Pod[];
  readonly #hub: string;

  constructor(names: readonly string[]) {
    removeLeftovers();
    if (open.size === 0) watchProcessEnd();
    const id = `${prefix}-${process.pid}-${++networksMade}`;
    this.#hub = `${id}-hub`;
    this.pods = names.map((name, i) => new Pod(name, `${id}-${name}`, i + 1));
    open.add(this);
    try {
      this.#build();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  pod(name: string): Pod {
    const found = this.pods.find((pod) => pod.name === name);
    if (found === undefined) throw new Error(`no pod named ${name}`);
    return found;
  }

  /** Kills what still runs in the pods, and removes them. Synchronous, so that it also works while the process exits. */
  close(): void {
    if (!open.delete(this)) return;
    for (const pod of this.pods) removeNamespace(pod.namespace);
    removeNamespace(this.#hub);
    if (open.size === 0) unwatchProcessEnd();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #build(): void {
    ip('netns', 'add', this.#hub);
    ip('-n', this.#hub, 'link', 'add', 'switch', 'type', 'bridge');
    ip('-n', this.#hub, 'link', 'set', 'switch', 'up');
    for (const [i, pod] of this.pods.entries()) {
      ip('netns', 'add', pod.namespace);
      const far = ['peer', 'name', 'eth0', 'netns', pod.namespace];
      ip('-n', this.#hub, 'link', 'add', `pod${i}`, 'type', 'veth', ...far);
      ip('-n', this.#hub, 'link', 'set', `pod${i}`, 'master', 'switch', 'up');
      ip('-n', pod.namespace, 'link', 'set', 'lo', 'up');
      ip('-n', pod.namespace, 'addr', 'add', `${pod.ipv4}/24`, 'dev', 'eth0');
      // nodad: without it the address cannot be bound for the first second or two.
      tryIp('-n', pod.namespace, 'addr', 'add', `${pod.ipv6}/64`, 'dev', 'eth0', 'nodad');
      ip('-n', pod.namespace, 'link', 'set', 'eth0', 'up');
    }
  }
}

/** One namespace. Commands run with its network and with the machine's files. */
export class Pod {
  readonly name: string;
  readonly namespace: string;
  readonly ipv4: string;
  readonly ipv6: string;

  constructor(name: string, namespace: string, number: number) {
    this.name = name;
    this.namespace = namespace;
    this.ipv4 = `10.77.0.${number}`;
    this.ipv6 = `fd77::${number.toString(16)}`;
  }

  /** Runs to the end. */
  run(command: string, args: readonly string[], options: RunOptions = {}): RunResult {
    const [file, ...rest] = this.#wrap(command, args, options);
    const result = spawnSync(file, rest, {
      encoding: 'utf8',
      input: options.input ?? '',
      timeout: options.timeoutMs ?? 10_000,
      killSignal: 'SIGKILL',
      env: { ...process.env, ...options.env },
    });
    const status = result.status ?? undefined;
    const stderr = result.error === undefined ? result.stderr : result.error.message;
    return { status, stdout: result.stdout ?? '', stderr };
  }

  /** Starts and returns at once. The child's pid is the command's own: `ip` and `setpriv` are replaced by it. */
  spawn(
    command: string,
    args: readonly string[],
    options: Pick<RunOptions, 'uid' | 'gid' | 'capabilities' | 'env'> &
      Pick<SpawnOptions, 'stdio'> = {},
  ): ChildProcess {
    const [file, ...rest] = this.#wrap(command, args, options);
    return spawn(...boundCommand(file, rest), {
      stdio: options.stdio ?? 'pipe',
      env: { ...process.env, ...options.env },
    });
  }

  /**
   * The file capability lets the user read the work tree where that lies in a folder closed to others (a root home in CI);
   * it has no bearing on the network.
   */
  #wrap(
    command: string,
    args: readonly string[],
    { uid, gid = uid, capabilities = [] }: RunOptions,
  ): readonly [string, ...string[]] {
    const inside = ['netns', 'exec', this.namespace];
    if (uid === undefined) return ['ip', ...inside, command, ...args];
    // A change of user undoes what was asked of the kernel before it.
    const user = [
      'setpriv',
      '--pdeathsig=KILL',
      `--reuid=${uid}`,
      `--regid=${gid}`,
      '--clear-groups',
    ];
    const kept = ['dac_read_search', ...capabilities].map((name) => `+${name}`).join(',');
    const caps = [`--inh-caps=${kept}`, `--ambient-caps=${kept}`];
    return ['ip', ...inside, ...user, ...caps, '--', command, ...args];
  }
}

function findReason(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces exist on Linux only';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  for (const [command, args] of [
    ['ip', ['-V']],
    ['setpriv', ['--version']],
    ['iptables', ['--version']],
  ] as const) {
    if (spawnSync(command, args).status !== 0) return `there is no \`${command}\` here`;
  }
  const probe = `${prefix}-${process.pid}-probe`;
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' });
  if (made.status !== 0) return `\`ip netns add\` is refused: ${made.stderr.trim()}`;
  const list = ['netns', 'exec', probe, 'iptables', '-t', 'nat', '-S'];
  const listed = spawnSync('ip', list, { encoding: 'utf8' });
  removeNamespace(probe);
  return listed.status === 0 ? undefined : `iptables does not work here: ${listed.stderr.trim()}`;
}

/** Namespaces of processes that were killed before they could clean up. */
function removeLeftovers(): void {
  for (const line of tryIp('netns', 'list').split('\n')) {
    const match = /^(outrigger-(\d+)-\S+)/.exec(line);
    const pid = Number(match?.[2]);
    if (match?.[1] !== undefined && pid !== process.pid && !isAlive(pid)) removeNamespace(match[1]);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** A namespace lives on while processes run in it, so these go first; they are all ours. */
function removeNamespace(namespace: string): void {
  for (const pid of tryIp('netns', 'pids', namespace).split('\n')) {
    if (pid !== '' && Number(pid) !== process.pid) killQuietly(Number(pid));
  }
  tryIp('netns', 'del', namespace);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself in between.
  }
}

function ip(...args: readonly string[]): void {
  const result = spawnSync('ip', args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`ip ${args.join(' ')}: ${result.stderr.trim()}`);
}

function tryIp(...args: readonly string[]): string {
  return spawnSync('ip', args, { encoding: 'utf8' }).stdout ?? '';
}

function closeAll(): void {
  for (const network of open) network.close();
}

function closeAndDie(signal: NodeJS.Signals): void {
  closeAll();
  process.kill(process.pid, signal); // The handler is gone by now, so this ends the process in the usual way.
}

const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function watchProcessEnd(): void {
  process.on('exit', closeAll);
  for (const signal of endSignals) process.once(signal, closeAndDie);
}

function unwatchProcessEnd(): void {
  process.off('exit', closeAll);
  for (const signal of endSignals) process.off(signal, closeAndDie);
}
