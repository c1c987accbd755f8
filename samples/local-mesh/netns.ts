// A mesh in namespaces of its own (network, processes, mounts): whether this machine can have one, and how to start it from outside.
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import type { ForwardPlace } from './forwarder.ts';
import type { RunningMesh, StartOptions } from './mesh-run.ts';
import { SIDECAR_UID } from './network.ts';
import { logTail, RUN_VARIABLE } from './processes.ts';
import type { MeshPlan } from './plan.ts';

/** To the process inside. */
export type ToInside =
  | {
      readonly kind: 'start';
      readonly plan: MeshPlan;
      readonly runId: string;
      readonly runDir: string;
      readonly root: string;
    }
  | { readonly kind: 'stop' };

/** From the process inside. */
export type FromInside =
  | { readonly kind: 'progress' | 'event' | 'failed'; readonly text: string }
  | { readonly kind: 'ready' };

/** Flags of `unshare`, or why there can be no namespaces here. */
export type NamespaceSupport =
  | { readonly ok: true; readonly unshareFlags: readonly string[] }
  | { readonly ok: false; readonly reason: string };

/** The end of the child's first process ends all others in its namespace: nothing can be left behind. */
const COMMON_FLAGS = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
const AS_ROOT = COMMON_FLAGS;
/** Without root: uid 1337 and others must be mapped, which /etc/subuid has to allow. */
const AS_USER = ['--user', '--map-root-user', '--map-auto', ...COMMON_FLAGS];

/** Does in small what the mesh will do. $1 is node, $2 a file of this tree. */
const PROBE = `set -e
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add probe0 type bridge
ip link add probe1 type veth peer name probe2
printf '*nat\\n-A OUTPUT -p tcp -m owner --uid-owner ${SIDECAR_UID} -j REDIRECT --to-ports 15001\\nCOMMIT\\n' | iptables-restore
nsenter --target $$ --net --setgid ${SIDECAR_UID} --setuid ${SIDECAR_UID} -- "$1" -e 'require("node:fs").accessSync(process.argv[1], 4)' "$2"
`;

function probe(flags: readonly string[], root: string): Promise<string | undefined> {
  const args = [
    ...flags,
    'sh',
    '-c',
    PROBE,
    'probe',
    process.execPath,
    join(root, 'samples/start.ts'),
  ];
  return new Promise((resolve) => {
    execFile('unshare', args, { timeout: 20_000 }, (error, _stdout, stderr) => {
      if (error === null) resolve(undefined);
      else if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        resolve('there is no `unshare` (package util-linux)');
      else resolve(firstReason(stderr) ?? error.message.split('\n', 1)[0]);
    });
  });
}

function firstReason(stderr: string): string | undefined {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return (
    lines.find((line) => /Error|denied|not permitted|not found/.test(line)) ?? lines[0]
  )?.trim();
}

export async function findNamespaceSupport(root: string): Promise<NamespaceSupport> {
  if (process.platform !== 'linux')
    return { ok: false, reason: 'network namespaces are Linux only' };
  let reason = 'unknown';
  for (const unshareFlags of process.getuid?.() === 0 ? [AS_ROOT, AS_USER] : [AS_USER]) {
    const problem = await probe(unshareFlags, root);
    if (problem === undefined) return { ok: true, unshareFlags };
    // The first way is the one a person would expect to work.
    if (reason === 'unknown') reason = problem;
  }
  return { ok: false, reason };
}

/** Where the process inside listens for connections from outside; a unix socket is seen through network namespaces. */
export const pageSocket = (runDir: string): string => join(runDir, 'sockets', 'page');
export const adminSocket = (runDir: string, pod: string): string => join(runDir, 'sockets', pod);

const STOP_LIMIT_MS = 6_000;

class InsideProcess {
  readonly #child: ChildProcess;
  readonly #options: StartOptions;
  readonly #logFile: string;

  constructor(unshareFlags: readonly string[], options: StartOptions) {
    this.#options = options;
    this.#logFile = join(options.runDir, 'logs', 'namespaces.log');
    const log = openSync(this.#logFile, 'a');
    const inside = join(import.meta.dirname, 'namespaced.ts');
    this.#child = spawn(
      'unshare',
      [...unshareFlags, process.execPath, '--max-semi-space-size=1', inside],
      {
        stdio: ['ignore', log, log, 'ipc'],
        detached: true,
        env: { ...process.env, [RUN_VARIABLE]: options.runId },
      },
    );
    closeSync(log);
  }

  /** Rejects with what to tell a person. */
  start(): Promise<void> {
    const { plan, runId, runDir, root, signal, progress, onEvent } = this.#options;
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      this.#child.on('error', reject);
      this.#child.on('exit', (code) => {
        reject(
          new Error(
            `the process inside the namespaces ended with code ${code}\n${logTail(this.#logFile)}`,
          ),
        );
        onEvent('the process inside the namespaces has ended, and all pods with it');
      });
      this.#child.on('message', (message: FromInside) => {
        if (message.kind === 'progress') progress(message.text);
        else if (message.kind === 'event') onEvent(message.text);
        else if (message.kind === 'failed') reject(new Error(message.text));
        else resolve();
      });
      this.#send({ kind: 'start', plan, runId, runDir, root });
    });
  }

  #send(message: ToInside): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  async stop(): Promise<void> {
    if (
      this.#child.pid === undefined ||
      this.#child.exitCode !== null ||
      this.#child.signalCode !== null
    )
      return;
    this.#child.removeAllListeners('exit');
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#send({ kind: 'stop' });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    await ended;
    clearTimeout(timer);
  }
}

export async function startNamespaceMesh(
  unshareFlags: readonly string[],
  options: StartOptions,
): Promise<RunningMesh> {
  const { plan, runDir } = options;
  const inside = new InsideProcess(unshareFlags, options);
  try {
    await inside.start();
  } catch (error) {
    await inside.stop();
    throw error;
  }
  const admins = new Map<string, ForwardPlace>();
  if (plan.withSidecars)
    for (const { name } of plan.pods) admins.set(name, { path: adminSocket(runDir, name) });
  return { front: { path: pageSocket(runDir) }, admins, stop: () => inside.stop() };
}
