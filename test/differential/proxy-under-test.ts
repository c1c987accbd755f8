// Envoy or ours as a process, all ports chosen by the kernel and asked back from its admin.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { boundCommand } from '../support/bound-command.ts';
import { eventually } from '../support/eventually.ts';
import { ask } from '../support/test-http.ts';
import type { Json } from './row.ts';

export type Which = 'envoy' | 'ours';

const OURS = join(import.meta.dirname, '../../proxy/bin/outrigger-proxy');
const READY_WITHIN_MS = 25_000;

interface ListenerStatus {
  readonly name: string;
  readonly local_address: { readonly socket_address: { readonly port_value: number } };
}

export class ProxyUnderTest {
  readonly which: Which;
  /** Its access logs lie here. */
  readonly dir: string;
  readonly #child: ChildProcess;
  readonly #ports = new Map<string, number>();
  #said = '';
  #exited = false;
  #adminPort = 0;

  private constructor(which: Which, dir: string, child: ChildProcess) {
    this.which = which;
    this.dir = dir;
    this.#child = child;
    child.stderr?.on('data', (chunk: Buffer) => (this.#said += chunk.toString()));
    child.on('exit', () => (this.#exited = true));
  }

  /** Ready when it returns. `envoy`: path of the binary; undefined: ours. A port that was taken meanwhile costs another start. */
  static async start(
    dir: string,
    bootstrap: Json,
    envoy: string | undefined,
  ): Promise<ProxyUnderTest> {
    try {
      return await ProxyUnderTest.#startOnce(dir, bootstrap, envoy);
    } catch (error) {
      if (!String(error).includes('EADDRINUSE')) throw error;
      return ProxyUnderTest.#startOnce(dir, bootstrap, envoy);
    }
  }

  static async #startOnce(
    dir: string,
    bootstrap: Json,
    envoy: string | undefined,
  ): Promise<ProxyUnderTest> {
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
    const path = join(dir, 'bootstrap.json');
    const adminFile = join(dir, 'admin-address');
    writeFileSync(path, JSON.stringify(bootstrap));
    const flags = ['-c', path, '--concurrency', '1', '--file-flush-interval-msec', '20'];
    flags.push('--admin-address-path', adminFile, '-l', envoy === undefined ? 'info' : 'error');
    if (envoy !== undefined)
      flags.push('--base-id', String(1000 + Math.floor(Math.random() * 1e9)));
    const child = spawn(...boundCommand(envoy ?? OURS, flags), {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const proxy = new ProxyUnderTest(envoy === undefined ? 'ours' : 'envoy', dir, child);
    try {
      await proxy.#ready(adminFile);
    } catch (error) {
      await proxy.stop();
      throw error;
    }
    return proxy;
  }

  get alive(): boolean {
    return !this.#exited;
  }

  get said(): string {
    return this.#said;
  }

  port(listener: string): number {
    const port = this.#ports.get(listener);
    if (port === undefined) throw new Error(`${this.which} has no listener '${listener}'`);
    return port;
  }

  /** Counters and gauges that are not zero. */
  async stats(): Promise<ReadonlyMap<string, number>> {
    const reply = await ask(this.#adminPort, 'GET', '/stats?format=json');
    const list = (JSON.parse(reply.body) as { stats: { name?: string; value?: number }[] }).stats;
    const found = new Map<string, number>();
    for (const { name, value } of list) {
      if (name !== undefined && value !== undefined && value !== 0) found.set(name, value);
    }
    return found;
  }

  async stop(): Promise<void> {
    if (this.#exited) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }

  async #ready(adminFile: string): Promise<void> {
    const check = async (): Promise<boolean> => {
      if (this.#exited) throw new Error(`${this.which} exited: ${this.#said.slice(-4000)}`);
      if (this.#adminPort === 0) {
        const text = existsSync(adminFile) ? readFileSync(adminFile, 'utf8') : '';
        this.#adminPort = Number(text.split(':').at(-1));
        if (this.#adminPort === 0) return false;
      }
      return (await ask(this.#adminPort, 'GET', '/ready').catch(() => null))?.status === 200;
    };
    try {
      await eventually(`${this.which} is ready`, check, READY_WITHIN_MS);
    } catch (error) {
      throw new Error(`${this.which} is not ready; it said ${this.#said.slice(-4000)}`, {
        cause: error,
      });
    }
    const reply = await ask(this.#adminPort, 'GET', '/listeners?format=json');
    const { listener_statuses: all } = JSON.parse(reply.body) as {
      listener_statuses: ListenerStatus[];
    };
    for (const { name, local_address: bound } of all)
      this.#ports.set(name, bound.socket_address.port_value);
  }
}
