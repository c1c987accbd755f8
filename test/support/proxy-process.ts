// The proxy as a process of its own, on free ports, with one access log and an admin port; also Envoy, for comparisons.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

import { boundCommand } from './bound-command.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
import { ask } from './test-http.ts';
import { programPath } from './program-path.ts';

interface Teardowns {
  teardown(fn: () => void | Promise<void>): void;
}

interface Bootstrap {
  readonly static_resources: {
    readonly listeners: readonly {
      readonly name: string;
      readonly address: { readonly socket_address?: { readonly port_value: number } };
    }[];
  };
}

type Json = { readonly [key: string]: unknown };

const MAIN = programPath('proxy/main');
const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

/** Set: comparisons run. Path of an Envoy binary. */
export const envoyBinary: string | undefined = process.env['ENVOY_BIN'];

export class ProxyProcess {
  readonly #child: ChildProcess;
  readonly #dir: string;
  readonly #ports = new Map<string, number>();
  readonly #adminPort: number;
  #stderr = '';
  #exited = false;

  constructor(child: ChildProcess, dir: string, adminPort: number, bootstrap: string) {
    this.#child = child;
    this.#dir = dir;
    this.#adminPort = adminPort;
    for (const { name, address: bound } of (JSON.parse(bootstrap) as Bootstrap).static_resources
      .listeners) {
      if (bound.socket_address !== undefined)
        this.#ports.set(name, bound.socket_address.port_value);
    }
    child.stderr?.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    child.on('exit', () => (this.#exited = true));
  }

  /** `bootstrap` without admin; port 0 in it becomes a free port and `LOG` the access log's path. Ready when it returns. */
  static async start(
    t: Teardowns,
    bootstrap: Json,
    binary?: string,
    run: number | { readonly concurrency?: number; readonly flags?: readonly string[] } = 1,
  ): Promise<ProxyProcess> {
    const { concurrency = 1, flags: more = [] } =
      typeof run === 'number' ? { concurrency: run } : run;
    const dir = mkdtempSync(join(tmpdir(), 'proxy-'));
    const path = join(dir, 'bootstrap.json');
    const adminPort = await freePort();
    let text = JSON.stringify({
      node: { id: 'n', cluster: 'c' },
      ...bootstrap,
      admin: { address: address(adminPort) },
    });
    text = text.replaceAll('"LOG"', JSON.stringify(join(dir, 'access.log')));
    while (text.includes('"port_value":0'))
      text = text.replace('"port_value":0', `"port_value":${await freePort()}`);
    writeFileSync(path, text);
    const flags = [
      '-c',
      path,
      '--concurrency',
      String(concurrency),
      '--file-flush-interval-msec',
      '20',
      ...more,
    ];
    const envoyFlags = ['--base-id', String(1000 + Math.floor(Math.random() * 1e6)), '-l', 'error'];
    const command =
      binary === undefined ? [process.execPath, MAIN, ...flags] : [binary, ...flags, ...envoyFlags];
    const child = spawn(...boundCommand(command[0]!, command.slice(1)), {
      stdio: ['ignore', 'ignore', 'pipe'],
      // Logs of listeners that come later are named LOG as they stand.
      cwd: dir,
    });
    const proxy = new ProxyProcess(child, dir, adminPort, text);
    t.teardown(() => proxy.stop());
    await proxy.#ready(binary !== undefined);
    return proxy;
  }

  get alive(): boolean {
    return !this.#exited;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get adminPort(): number {
    return this.#adminPort;
  }

  port(listener: string): number {
    const port = this.#ports.get(listener);
    if (port === undefined) throw new Error(`no listener '${listener}'`);
    return port;
  }

  /** Counters and gauges by name. */
  async stats(): Promise<ReadonlyMap<string, number>> {
    const reply = await ask(this.#adminPort, 'GET', '/stats?format=json');
    const list = (JSON.parse(reply.body) as { stats: { name?: string; value?: number }[] }).stats;
    return new Map(
      list.flatMap(({ name, value }) =>
        name === undefined || value === undefined ? [] : [[name, value] as const],
      ),
    );
  }

  async stat(name: string): Promise<number> {
    return (await this.stats()).get(name) ?? 0;
  }

  untilStat(name: string, value: number): Promise<void> {
    return eventually(`${name} is ${value}`, async () => (await this.stat(name)) === value);
  }

  /** Lines of the access log, once there are at least `count`. */
  async log(count: number): Promise<readonly string[]> {
    const path = join(this.#dir, 'access.log');
    const lines = (): string[] =>
      existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
    await eventually(`${count} lines of access log`, () => lines().length >= count);
    return lines();
  }

  /** The newest line behind the first `seen` ones that matches; lines of earlier requests may come late. */
  async logLine(seen: number, pattern: RegExp): Promise<string> {
    let line: string | undefined;
    await eventually(`a line of access log like ${String(pattern)}`, async () => {
      line = (await this.log(seen)).slice(seen).findLast((text) => pattern.test(text));
      return line !== undefined;
    });
    return line!;
  }

  /** Private memory in kilobytes. */
  privateKb(): number {
    const rollup = readFileSync(`/proc/${this.#child.pid}/smaps_rollup`, 'utf8');
    let sum = 0;
    for (const match of rollup.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB$/gm))
      sum += Number(match[1]);
    return sum;
  }

  async stop(): Promise<void> {
    if (!this.#exited) {
      this.#child.kill('SIGKILL');
      await new Promise<void>((resolve) =>
        this.#exited ? resolve() : this.#child.once('exit', () => resolve()),
      );
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #ready(isEnvoy: boolean): Promise<void> {
    await eventually(`the proxy is live; it said ${this.#stderr}`, async () => {
      if (this.#exited) throw new Error(`the proxy exited: ${this.#stderr}`);
      if (!isEnvoy) return this.#stderr.includes('the server is live');
      return (await ask(this.#adminPort, 'GET', '/ready').catch(() => null))?.status === 200;
    });
  }
}

/** An address on loopback. */
export const address = (port: number): Json => ({
  socket_address: { address: '127.0.0.1', port_value: port },
});

export interface ClusterSample {
  readonly ports: readonly number[];
  readonly more?: Json;
}

export const cluster = (name: string, ports: readonly number[], more: Json = {}): Json => ({
  name,
  type: 'STATIC',
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: address(port) } })) }],
  },
  ...more,
});

const LOG_FORMAT =
  '%PROTOCOL% %REQ(:METHOD)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n';

const fileLog = (format: string): Json => ({
  name: 'envoy.access_loggers.file',
  typed_config: {
    '@type': `${EXTENSIONS}.access_loggers.file.v3.FileAccessLog`,
    path: 'LOG',
    log_format: { text_format_source: { inline_string: format } },
  },
});

const router: Json = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': `${EXTENSIONS}.filters.http.router.v3.Router` },
};

export const filterOf = (name: string, type: string, config: Json = {}): Json => ({
  name,
  typed_config: { '@type': `${EXTENSIONS}.${type}`, ...config },
});

/** A listener with one connection manager. `hcm` and `listener` fields go on top of the defaults. */
export function httpListener(
  name: string,
  routes: readonly Json[],
  settings: {
    readonly hcm?: Json;
    readonly listener?: Json;
    readonly httpFilters?: readonly Json[];
    readonly virtualHost?: Json;
  } = {},
): Json {
  const hcm = {
    '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    access_log: [fileLog(LOG_FORMAT)],
    generate_request_id: false,
    route_config: {
      name: 'local',
      validate_clusters: false,
      virtual_hosts: [{ name: 'all', domains: ['*'], routes, ...settings.virtualHost }],
    },
    http_filters: [...(settings.httpFilters ?? []), router],
    ...settings.hcm,
  };
  return {
    name,
    address: address(0),
    filter_chains: [
      { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: hcm }] },
    ],
    ...settings.listener,
  };
}

/** A filter chain entry with tcp_proxy to `clusterName`. */
export const tcpProxy = (clusterName: string, more: Json = {}): Json => ({
  name: 'envoy.filters.network.tcp_proxy',
  typed_config: {
    '@type': `${EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'tcp',
    cluster: clusterName,
    access_log: [fileLog('%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT%\n')],
    ...more,
  },
});

export const tcpListener = (name: string, clusterName: string, more: Json = {}): Json => ({
  name,
  address: address(0),
  filter_chains: [{ filters: [tcpProxy(clusterName, more)] }],
});

export const bootstrapOf = (listeners: readonly Json[], clusters: readonly Json[]): Json => ({
  static_resources: { listeners, clusters },
});

/** Every path to one cluster. */
export const toCluster = (name: string, action: Json = {}): Json => ({
  match: { prefix: '/' },
  route: { cluster: name, ...action },
});
