// The processes of a local mesh: started with a log file each, and ended for certain, whatever they started themselves.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chownSync, closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProcessSpec {
  /** In words, as in `sidecar of reviews-v1`. */
  readonly name: string;
  readonly logFile: string;
  readonly command: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Owner of the log file, where the process will run as that user. */
  readonly uid?: number;
}

export interface ProcessEnd {
  readonly name: string;
  /** Without a full stop. */
  readonly reason: string;
  readonly logFile: string;
}

/** Every process of one mesh has it in its environment, and so have those that it starts. */
export const RUN_VARIABLE = 'OUTRIGGER_LOCAL_MESH';

const LOG_TAIL_LINES = 12;

export function logTail(logFile: string): string {
  try {
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
  } catch {
    return '';
  }
}

/** Processes of this run that are alive, children or orphans, but not this one. Empty where there is no /proc. */
export function processesOfRun(runId: string): number[] {
  const mark = `${RUN_VARIABLE}=${runId}\0`;
  let names: string[];
  try {
    names = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  } catch {
    return [];
  }
  return names
    .filter((name) => name !== String(process.pid) && environmentHas(name, mark))
    .map(Number);
}

function environmentHas(pid: string, mark: string): boolean {
  try {
    return `\0${readFileSync(join('/proc', pid, 'environ'), 'latin1')}\0`.includes(`\0${mark}`);
  } catch {
    return false; // Ended meanwhile, or somebody else's.
  }
}

export class MeshProcesses {
  readonly #runId: string;
  readonly #onEnd: (end: ProcessEnd) => void;
  readonly #children = new Map<ChildProcess, ProcessSpec>();
  #stopping = false;

  /** `onEnd` hears of processes that end although nobody stopped them. */
  constructor(runId: string, onEnd: (end: ProcessEnd) => void) {
    this.#runId = runId;
    this.#onEnd = onEnd;
  }

  start(spec: ProcessSpec): void {
    // Appending: a process that opens /dev/stdout again must not write over what others wrote.
    const log = openSync(spec.logFile, 'a', 0o644);
    if (spec.uid !== undefined) chownSync(spec.logFile, spec.uid, spec.uid);
    const child = spawn(spec.command[0]!, spec.command.slice(1), {
      stdio: ['ignore', log, log],
      // Not in the terminal's group: Ctrl-C is for the one who started the mesh, who then stops it in order.
      detached: true,
      env: { ...process.env, ...spec.env, [RUN_VARIABLE]: this.#runId },
      ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
    });
    closeSync(log);
    this.#children.set(child, spec);
    child.once('error', (error) => this.#ended(child, `cannot be started: ${error.message}`));
    child.once('exit', (code, signal) =>
      this.#ended(child, signal === null ? `ended with code ${code}` : `was ended by ${signal}`),
    );
  }

  #ended(child: ChildProcess, reason: string): void {
    const spec = this.#children.get(child);
    if (spec === undefined) return;
    this.#children.delete(child);
    if (!this.#stopping) this.#onEnd({ name: spec.name, reason, logFile: spec.logFile });
  }

  /** SIGTERM for all, and SIGKILL for what is left after `graceMs`, grandchildren too. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    for (const child of this.#children.keys()) signal(child.pid, 'SIGTERM');
    const deadlineMs = performance.now() + graceMs;
    while (
      (this.#children.size > 0 || processesOfRun(this.#runId).length > 0) &&
      performance.now() < deadlineMs
    ) {
      await sleep(25);
    }
    for (const child of this.#children.keys()) signal(child.pid, 'SIGKILL');
    // A supervisor may start its child anew between two looks.
    for (let looks = 0; looks < 40; looks++) {
      const left = processesOfRun(this.#runId);
      if (left.length === 0 && this.#children.size === 0) return;
      for (const pid of left) signal(pid, 'SIGKILL');
      await sleep(25);
    }
  }
}

function signal(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}
