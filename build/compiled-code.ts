// V8's code of what every start of the proxy runs, written beside the bundle: the proxy is started once as the image starts it, with one listener
// and one cluster, answers a request, and what its threads have compiled until then is kept. Not more: code that a start does not
// need is memory that no collection gives back (docs/adr/0019-compiled-code.md).
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, get } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT_MS = 30_000;
const LOOK_MS = 20;
/** Another program may take the free port before the proxy does. */
const TRIES = 3;
const TYPE = 'type.googleapis.com/envoy.extensions.filters';

/** V8 takes only code that was made with the flags it runs with. */
export function launcherFlags(root: string): string[] {
  const text = readFileSync(join(root, 'proxy/bin/outrigger-proxy'), 'utf8');
  const flags = /^outrigger_node_flags='([^']*)'$/m.exec(text)?.[1];
  if (flags === undefined) throw new Error('proxy/bin/outrigger-proxy has no outrigger_node_flags');
  return flags.split(' ');
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function listening(): Promise<Server> {
  const server = createServer((_request, response) => response.end('served'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const place = (port: number): object => ({
  socket_address: { address: '127.0.0.1', port_value: port },
});

function bootstrap(listenPort: number, backendPort: number): string {
  const router = {
    name: 'envoy.filters.http.router',
    typed_config: { '@type': `${TYPE}.http.router.v3.Router` },
  };
  const manager = {
    '@type': `${TYPE}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'start',
    route_config: {
      name: 'start',
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster: 'backend' } }],
        },
      ],
    },
    http_filters: [router],
  };
  const name = 'envoy.filters.network.http_connection_manager';
  const hosts = [{ endpoint: { address: place(backendPort) } }];
  return JSON.stringify({
    static_resources: {
      listeners: [
        {
          name: 'start',
          address: place(listenPort),
          filter_chains: [{ filters: [{ name, typed_config: manager }] }],
        },
      ],
      clusters: [
        {
          name: 'backend',
          type: 'STATIC',
          load_assignment: { cluster_name: 'backend', endpoints: [{ lb_endpoints: hosts }] },
        },
      ],
    },
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('error', () => resolve(false));
  });
}

async function until(holds: () => boolean | Promise<boolean>, problem: () => string | undefined) {
  const deadlineMs = performance.now() + LIMIT_MS;
  while (!(await holds())) {
    const reason = problem() ?? (performance.now() > deadlineMs ? 'it takes too long' : undefined);
    if (reason !== undefined) throw new Error(`no compiled code: ${reason}`);
    await sleep(LOOK_MS);
  }
}

/** Of the proxy of the bundle in `out`, made from the tree at `root`. */
export async function writeCompiledCode(root: string, out: string): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      await record(root, out);
      return;
    } catch (error) {
      if (tried === TRIES) throw error;
    }
  }
}

async function record(root: string, out: string): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'outrigger-code-'));
  const backend = await listening();
  const free = await listening();
  const port = portOf(free);
  await new Promise((resolve) => free.close(resolve));
  const config = join(dir, 'bootstrap.json');
  writeFileSync(config, bootstrap(port, portOf(backend)));
  const order = join(dir, 'order');
  const recorder = join(root, 'build/code-recorder.ts');
  const words = ['--require', recorder, join(out, 'proxy/main.js'), '-c', config];
  const child = spawn(
    process.execPath,
    [...launcherFlags(root), ...words, '--concurrency', '1', '-l', 'error'],
    {
      env: { ...process.env, OUTRIGGER_CODE_ORDER: order },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString('utf8')));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const problem = (): string | undefined =>
    child.exitCode === null ? undefined : `the proxy ended with ${child.exitCode}: ${complaint}`;
  try {
    await until(() => answers(port), problem);
    writeFileSync(order, '');
    await until(() => existsSync(`${order}.main`) && existsSync(`${order}.worker`), problem);
  } finally {
    child.kill('SIGTERM');
    await ended;
    backend.close();
    backend.closeAllConnections();
    rmSync(dir, { recursive: true, force: true });
  }
}
