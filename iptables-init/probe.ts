// One probe connection: from this process, from another user, or from a namespace that plays the outside. [m]
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import process from 'node:process';
import { mustRun, run } from './run-command.ts';

/** Who makes the connection. The process has to change its user for that, unless it is that user. */
export interface ProbeUser {
  readonly uid: number;
  readonly gid: number;
}

export interface Probe {
  readonly host: string;
  readonly port: number;
  /** Address to call from; the kernel's choice where there is none. */
  readonly source: string | undefined;
  /** Sent, and expected back: the answer of anybody else does not count. */
  readonly token: string;
  readonly timeoutMs: number;
}

/** Undefined: it arrived and was answered. `cannot` is about the probe, `lost` about the connection. */
export type ProbeFailure =
  | undefined
  | { readonly kind: 'cannot' | 'lost'; readonly reason: string };

interface ProbeOrder {
  readonly probes: readonly Probe[];
  readonly user?: ProbeUser;
  /** Addresses of the interface that the parent puts into the namespace; then the first line of input says it is there. */
  readonly addresses?: readonly string[];
}

const command = 'probe-connections';
/** A route that refuses does so in connect() itself; neighbours that do not answer are given up after their retries, a second apart. */
const refusedByRouteMs = 50;
/** The pod's end of the wire to the namespace that plays the outside, and both ends' addresses (RFC 2544, RFC 5180). */
export const wire = {
  name: 'outriggerprobe',
  IPv4: ['198.18.77.1', '198.18.77.2'],
  IPv6: ['2001:2:0:77::1', '2001:2:0:77::2'],
} as const;

/** Whether this process is one that `probeAs` or `probeFromOutside` started. */
export function isProbe(argv: readonly string[]): boolean {
  return argv[0] === command && argv.length === 2;
}

/** The child's side: answers with a JSON line, a failure or null for each probe. */
export async function runProbe(argv: readonly string[]): Promise<number> {
  const order = JSON.parse(argv[1]!) as ProbeOrder;
  if (order.addresses !== undefined) {
    process.stdout.write('inside\n');
    await new Promise((resolve) => process.stdin.once('data', resolve));
    process.stdin.destroy();
    for (const address of order.addresses)
      mustRun('ip', [
        'addr',
        'add',
        address,
        'dev',
        'eth0',
        ...(address.includes(':') ? ['nodad'] : []),
      ]);
    mustRun('ip', ['link', 'set', 'eth0', 'up']);
  }
  const failures: (ProbeFailure | null)[] = [];
  const refused = order.user === undefined ? undefined : becomeUser(order.user);
  for (const probe of order.probes)
    failures.push(refused ?? (await probeConnection(probe)) ?? null);
  process.stdout.write(`${JSON.stringify(failures)}\n`);
  return 0;
}

/** From this process, as the user it has. */
export function probeConnection({
  host,
  port,
  source,
  token,
  timeoutMs,
}: Probe): Promise<ProbeFailure> {
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      ...(source === undefined ? {} : { localAddress: source }),
    });
    const startMs = performance.now();
    let answer = '';
    const end = (failure: ProbeFailure): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(failure);
    };
    const timer = setTimeout(
      () => end({ kind: 'lost', reason: `no answer in ${timeoutMs} ms` }),
      timeoutMs,
    );
    socket.once('connect', () => socket.write(token));
    socket.setEncoding('latin1').on('data', (text: string) => {
      answer = (answer + text).slice(0, token.length);
      if (answer.length === token.length)
        end(answer === token ? undefined : { kind: 'lost', reason: 'somebody else answered' });
    });
    socket.once('end', () => end({ kind: 'lost', reason: 'somebody else closed it' }));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const atOnce = performance.now() - startMs < refusedByRouteMs;
      const noRoute = error.code === 'ENETUNREACH' || (error.code === 'EHOSTUNREACH' && atOnce);
      end(
        noRoute
          ? { kind: 'cannot', reason: `there is no route to ${host}` }
          : { kind: 'lost', reason: error.code ?? error.message },
      );
    });
  });
}

/** From a process of the user given. */
export function probeAs(user: ProbeUser, probe: Probe): Promise<ProbeFailure> {
  if (process.geteuid?.() === user.uid && process.getegid?.() === user.gid)
    return probeConnection(probe);
  const order: ProbeOrder = { probes: [probe], user };
  return runChild([], order).then(([failure]) => failure);
}

/** From a namespace of its own, joined to this one by a wire that goes away with it. Needs the right to make namespaces. */
export async function probeFromOutside(
  probes: readonly Probe[],
  families: readonly ('IPv4' | 'IPv6')[],
): Promise<readonly ProbeFailure[]> {
  const unshare = ['unshare', '--net', '--'];
  if (run('unshare', ['--net', '--', 'true']).status !== 0) {
    return probes.map(() => ({
      kind: 'cannot',
      reason: 'making a namespace needs the capability SYS_ADMIN',
    }));
  }
  const prefix = { IPv4: 24, IPv6: 64 } as const;
  const addresses = families.map((family) => `${wire[family][1]}/${prefix[family]}`);
  try {
    return await runChild(unshare, { probes, addresses }, (pid) => {
      mustRun('ip', [
        'link',
        'add',
        wire.name,
        'type',
        'veth',
        'peer',
        'name',
        'eth0',
        'netns',
        String(pid),
      ]);
      for (const family of families) {
        mustRun('ip', [
          'addr',
          'add',
          `${wire[family][0]}/${prefix[family]}`,
          'dev',
          wire.name,
          ...(family === 'IPv6' ? ['nodad'] : []),
        ]);
      }
      mustRun('ip', ['link', 'set', wire.name, 'up']);
    });
  } finally {
    run('ip', ['link', 'del', wire.name]);
  }
}

/** @param whenInside puts into the child's namespace what it needs, by the child's process id. */
function runChild(
  prefix: readonly string[],
  order: ProbeOrder,
  whenInside?: (pid: number) => void,
): Promise<readonly ProbeFailure[]> {
  const words = [
    ...prefix,
    process.execPath,
    ...process.execArgv,
    process.argv[1]!,
    command,
    JSON.stringify(order),
  ];
  return new Promise((resolve) => {
    const cannot = (reason: string): void =>
      resolve(order.probes.map(() => ({ kind: 'cannot', reason })));
    const child = spawn(words[0]!, words.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.once('error', (error) => cannot(error.message));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.stdin.on('error', () => {}); // It ended before it was told to go on; its exit says why.
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const wasInside = output.includes('inside\n');
      output += text;
      if (wasInside || !output.includes('inside\n')) return;
      try {
        whenInside?.(child.pid!);
        child.stdin.end('go\n');
      } catch (error) {
        child.kill('SIGKILL');
        errors = error instanceof Error ? error.message : String(error);
      }
    });
    child.once('close', () => {
      const line = output.split('\n').find((text) => text.startsWith('['));
      if (line === undefined) return cannot(errors.trim().split('\n').at(-1) ?? 'it ended');
      resolve((JSON.parse(line) as (ProbeFailure | null)[]).map((failure) => failure ?? undefined));
    });
  });
}

function becomeUser({ uid, gid }: ProbeUser): ProbeFailure {
  try {
    process.setgroups?.([]);
    process.setgid?.(gid);
    process.setuid?.(uid);
    return undefined;
  } catch {
    return {
      kind: 'cannot',
      reason: `becoming uid ${uid} needs the capabilities SETUID and SETGID`,
    };
  }
}
