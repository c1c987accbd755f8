// Starts the processes of a plan, here or inside network namespaces, and waits until all are ready.
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import type { ForwardPlace } from './forwarder.ts';
import { MeshIdentities } from './identities.ts';
import { MeshProcesses, logTail } from './processes.ts';
import type { ProcessEnd, ProcessSpec } from './processes.ts';
import { APP_PROBE_PATH, READY_PORT, STATUS_PORT } from './plan.ts';
import type { MeshPlan, PodPlan } from './plan.ts';
import { waitForHttp, waitForPort } from './readiness.ts';

/** How a process gets into its pod. */
export interface PodEntrance {
  /** Words before the command of a pod's process. */
  readonly enter: (pod: PodPlan, uid: number) => readonly string[];
  /** Who the application and the sidecar run as; undefined: as we do. */
  readonly appUid: number | undefined;
  readonly sidecarUid: number | undefined;
}

export interface MeshRunOptions {
  readonly plan: MeshPlan;
  readonly runId: string;
  /** Holds `config`, `logs`, `pods`. */
  readonly runDir: string;
  /** The folder that holds agent/ and samples/. */
  readonly root: string;
  readonly entrance: PodEntrance;
  /** Aborted: give the start up. */
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
  /** After the start: one line about something that ended by itself. */
  readonly onEvent: (text: string) => void;
}

/** What a mode is given; how its pods are entered is its own affair. */
export type StartOptions = Omit<MeshRunOptions, 'entrance'>;

export interface RunningMesh {
  readonly front: ForwardPlace;
  /** By pod; empty without sidecars. */
  readonly admins: ReadonlyMap<string, ForwardPlace>;
  readonly stop: () => Promise<void>;
}

const START_LIMIT_MS = 60_000;
const STOP_GRACE_MS = 2_500;

/** A sample must stay small beside the proxies it shows. */
const LIGHT_NODE = ['--max-semi-space-size=1', '--max-old-space-size=64'] as const;

export const endText = ({ name, reason, logFile }: ProcessEnd): string => {
  const tail = logTail(logFile);
  return `${name} ${reason}${tail === '' ? '' : `; its last lines:\n${tail.replace(/^/gm, '    ')}`}`;
};

export class MeshRun {
  readonly #options: MeshRunOptions;
  readonly #processes: MeshProcesses;
  readonly #stopped = new AbortController();
  #starting = true;
  #identities: MeshIdentities | undefined;

  constructor(options: MeshRunOptions) {
    this.#options = options;
    this.#processes = new MeshProcesses(options.runId, (end) => this.#onEnd(end));
  }

  #onEnd(end: ProcessEnd): void {
    if (this.#starting) this.#stopped.abort(new Error(endText(end)));
    else this.#options.onEvent(endText(end));
  }

  /** Rejects with what to tell a person; the caller then stops. */
  async start(): Promise<void> {
    const { plan, progress } = this.#options;
    if (plan.withSidecars) {
      this.#identities = new MeshIdentities(this.#caDir);
      this.#startControlPlane();
      await this.#wait((signal) => waitForPort(plan.controlPlane, signal), 'the control plane');
      progress('control plane is up');
    }
    for (const pod of plan.pods) this.#startPod(pod);
    let ready = 0;
    await Promise.all(
      plan.pods.map(async (pod) => {
        await this.#wait((signal) => waitForPod(pod, plan, signal), pod.name);
        progress(`${pod.name} is ready (${++ready} of ${plan.pods.length})`);
      }),
    );
    this.#starting = false;
  }

  async #wait(until: (signal: AbortSignal) => Promise<void>, what: string): Promise<void> {
    const limit = AbortSignal.timeout(START_LIMIT_MS);
    try {
      await until(AbortSignal.any([limit, this.#stopped.signal, this.#options.signal]));
    } catch (error) {
      this.#options.signal.throwIfAborted();
      if (this.#stopped.signal.aborted) throw this.#stopped.signal.reason;
      throw new Error(
        `${what} was not ready within ${START_LIMIT_MS / 1_000} s: ${(error as Error).message}${this.#sidecarTail(what)}`,
      );
    }
  }

  #sidecarTail(name: string): string {
    const tail = logTail(this.#logFile(`${name}.sidecar`));
    return tail === '' ? '' : `; last lines of its sidecar:\n${tail.replace(/^/gm, '    ')}`;
  }

  #logFile(name: string): string {
    return join(this.#options.runDir, 'logs', `${name}.log`);
  }

  get #caDir(): string {
    return join(this.#options.runDir, 'ca');
  }

  #startControlPlane(): void {
    const { plan, root, runDir } = this.#options;
    const { address, port } = plan.controlPlane;
    const command = [
      join(root, 'agent/bin/outrigger-control-plane'),
      '--config',
      join(runDir, 'config'),
    ];
    command.push('--secure-listen', `${address}:${port}`, '--ca-dir', this.#caDir);
    this.#processes.start({
      name: 'the control plane',
      logFile: this.#logFile('control-plane'),
      command,
    });
  }

  #startPod(pod: PodPlan): void {
    const { root, entrance, plan, runDir } = this.#options;
    const app = join(root, 'samples/bookinfo', `${pod.app}.ts`);
    const own = process.getuid?.() ?? 0;
    this.#startIn(pod, entrance.appUid ?? own, {
      name: `${pod.name}'s application`,
      logFile: this.#logFile(pod.name),
      command: [process.execPath, ...LIGHT_NODE, app, ...pod.appFlags],
    });
    if (!plan.withSidecars) return;
    const cwd = join(runDir, 'pods', pod.name);
    mkdirSync(cwd, { recursive: true });
    const { sidecarUid } = entrance;
    if (sidecarUid !== undefined) chownSync(cwd, sidecarUid, sidecarUid);
    this.#identities?.give(cwd, pod.account, sidecarUid);
    this.#startIn(pod, sidecarUid ?? own, {
      name: `${pod.name}'s sidecar`,
      logFile: this.#logFile(`${pod.name}.sidecar`),
      command: [join(root, 'agent/bin/pilot-agent'), 'proxy', 'sidecar'],
      // The sidecar's own files, and its sockets, whose paths must be short.
      cwd,
      env: pod.agentEnv,
      ...(sidecarUid === undefined ? {} : { uid: sidecarUid }),
    });
  }

  #startIn(pod: PodPlan, uid: number, spec: ProcessSpec): void {
    this.#processes.start({
      ...spec,
      command: [...this.#options.entrance.enter(pod, uid), ...spec.command],
    });
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Error('stopped'));
    await this.#processes.stop(STOP_GRACE_MS);
  }
}

async function waitForPod(pod: PodPlan, plan: MeshPlan, signal: AbortSignal): Promise<void> {
  const inNamespace = plan.mode === 'netns';
  const app = inNamespace ? { address: pod.address, port: pod.appListen.port } : pod.appListen;
  if (!plan.withSidecars) return waitForHttp(app, '/health', signal);
  await waitForHttp({ address: pod.address, port: READY_PORT }, '/healthz/ready', signal);
  // From outside, only the sidecar may be asked: it asks its application.
  const status = { address: pod.address, port: STATUS_PORT };
  await (inNamespace
    ? waitForHttp(status, APP_PROBE_PATH, signal)
    : waitForHttp(app, '/health', signal));
}
