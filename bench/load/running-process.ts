// A process of the bench: started with a log file, awaited on its port, stopped for sure.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { boundCommand } from '../../test/support/bound-command.ts';

export interface StartRequest {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Standard output and error go there. */
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
  /** CPUs as taskset knows them (`1`, `0-2`); undefined: the kernel chooses. */
  readonly cpus?: string | undefined;
}

const STOP_GRACE_MS = 2_000;
const LOG_TAIL_CHARS = 2_000;

export class RunningProcess {
  readonly #child: ChildProcess;
  readonly #request: StartRequest;
  #problem: string | undefined;

  constructor(request: StartRequest) {
    this.#request = request;
    const log = openSync(request.logFile, 'a');
    const words = [request.command, ...request.args];
    if (request.cpus !== undefined) words.unshift('taskset', '--cpu-list', request.cpus);
    this.#child = spawn(...boundCommand(words[0]!, words.slice(1)), {
      stdio: ['ignore', log, log],
      // Its own group, so that a launcher's children are stopped with it.
      detached: true,
      ...(request.env === undefined ? {} : { env: request.env }),
    });
    closeSync(log);
    this.#child.on('error', (error) => (this.#problem = error.message));
    this.#child.on(
      'exit',
      (code, signal) => (this.#problem ??= `ended with ${signal ?? `code ${code}`}`),
    );
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Rejects with the end of the log when the process ends first, or after `limitMs`. */
  async waitForPort(port: number, limitMs: number): Promise<void> {
    const deadlineMs = performance.now() + limitMs;
    while (!(await accepts(port))) {
      if (this.problem !== undefined) throw new Error(this.problem);
      if (performance.now() > deadlineMs) {
        throw new Error(
          `${this.#request.name} did not listen on port ${port} within ${limitMs} ms\n${this.#logTail()}`,
        );
      }
      await sleep(50);
    }
  }

  /** Why it is not running any more, with the end of its log; undefined: it runs. */
  get problem(): string | undefined {
    return this.#problem === undefined
      ? undefined
      : `${this.#request.name} ${this.#problem}\n${this.#logTail()}`;
  }

  async stop(): Promise<void> {
    if (this.#child.pid === undefined) return;
    this.#signal('SIGTERM');
    const deadlineMs = performance.now() + STOP_GRACE_MS;
    while (
      this.#child.exitCode === null &&
      this.#child.signalCode === null &&
      performance.now() < deadlineMs
    ) {
      await sleep(20);
    }
    this.#signal('SIGKILL');
  }

  /** To the whole group; for use where nothing can be awaited any more. */
  kill(): void {
    if (this.#child.pid !== undefined) this.#signal('SIGKILL');
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // The group is gone.
    }
  }

  #logTail(): string {
    return readFileSync(this.#request.logFile, 'utf8').slice(-LOG_TAIL_CHARS);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Free now, and different; nothing else on this machine is asked to leave them free. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listenAnywhere));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function listenAnywhere(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}
