// The proxies that are compared: how each is found, asked for its version and started for a case, with one worker. A new peer is a
// finder here and its configuration in peer-configs.ts.
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

import type { LoadCase } from './cases.ts';
import { envoyBootstrap } from './envoy-bootstrap.ts';
import { findEnvoy, findProgram } from './find-program.ts';
import type { HopTls } from './tls-material.ts';
import { haproxyConfig, nghttpxConfig, nginxConfig } from './peer-configs.ts';

/** A tree that holds Outrigger: emitted JavaScript where it could be built, else the sources. */
export interface OutriggerTree {
  /** `outrigger`, or `outrigger@COMMIT` where two are compared. */
  readonly name: string;
  readonly root: string;
  readonly kind: 'emitted JS' | 'sources';
}

export interface PeerSearch {
  readonly outriggers: readonly OutriggerTree[];
  /** Virtual environments near it are searched for Envoy. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  readonly envoy: string | undefined;
}

/** One start of one peer for one case. */
export interface PeerSetup {
  readonly case: LoadCase;
  /** For the peer's files; its own. */
  readonly dir: string;
  readonly listenPort: number;
  readonly adminPort: number;
  readonly backendPort: number;
  readonly tls?: HopTls | undefined;
}

export interface Peer {
  readonly name: string;
  readonly version: string;
  readonly command: string;
  /** Added to the environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Why this peer cannot run the case; undefined: it can. */
  readonly refuses: (load: LoadCase) => string | undefined;
  /** Writes its files and returns its arguments. */
  readonly prepare: (setup: PeerSetup) => string[];
  /** Takes Envoy's bootstrap and xDS: the config scale cases run on it. Arguments besides the bootstrap's. */
  readonly envoyArguments?: readonly string[];
  /** Environment in which its log has V8's GC traces; `dir` is for files that this needs. */
  readonly heapTrace?: (dir: string) => NodeJS.ProcessEnv;
}

export interface MissingPeer {
  readonly name: string;
  readonly reason: string;
}

const run = promisify(execFile);

async function versionOf(command: string, flag: string): Promise<string> {
  try {
    const { stdout, stderr } = await run(command, [flag], { timeout: 20_000 });
    // nginx prints to standard error.
    return /[0-9]+\.[0-9]+\.[0-9]+[^ \n/]*/.exec(`${stdout}${stderr}`)?.[0] ?? 'unknown';
  } catch (error) {
    throw new Error(`\`${command} ${flag}\` fails: ${(error as Error).message.slice(0, 300)}`);
  }
}

function writeConfig(dir: string, name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

const workersOf = ({ workers = 1 }: LoadCase): string[] => ['--concurrency', String(workers)];

const prepareEnvoy =
  (...more: readonly string[]) =>
  ({ case: load, dir, ...ports }: PeerSetup): string[] => {
    const text = envoyBootstrap({
      chain: load.chain,
      http2Backend: load.origin !== undefined,
      accessLogPath: join(dir, 'access.log'),
      ...ports,
    });
    return ['-c', writeConfig(dir, 'bootstrap.json', text), ...workersOf(load), ...more];
  };

const ONE_WORKER = ['--concurrency', '1'];

function plainOnly({ chain, streams, origin, tls }: LoadCase): string | undefined {
  if (origin !== undefined) return 'is set up for backends of HTTP/1 here';
  if (tls !== undefined) return 'is set up without TLS here';
  if (streams !== undefined) return 'is set up for HTTP/1 here';
  return chain === 'sidecar' ? 'has nothing like the sidecar chain' : undefined;
}

const httpOnly = (load: LoadCase): string | undefined =>
  load.chain === 'tcp' ? 'does HTTP only' : plainOnly(load);

/** The launcher takes its node from OUTRIGGER_NODE: a script there adds the flag. V8's traces go to standard output. */
function heapTraceEnvironment(dir: string): NodeJS.ProcessEnv {
  const node = join(dir, 'node-with-gc-traces');
  writeFileSync(node, `#!/bin/sh\nexec '${process.execPath}' --trace-gc-nvp "$@"\n`);
  chmodSync(node, 0o755);
  return { OUTRIGGER_NODE: node };
}

async function findOutrigger({ name, root, kind }: OutriggerTree): Promise<Peer | MissingPeer> {
  const command = join(root, 'proxy/bin/outrigger-proxy');
  if (!existsSync(command))
    return { name, reason: `${kind}: there is no proxy/bin/outrigger-proxy` };
  return {
    name,
    version: `${await versionOf(command, '--version')} (${kind})`,
    command,
    env: { OUTRIGGER_NODE: process.execPath },
    refuses: (load) => load.notBuilt,
    prepare: prepareEnvoy(),
    envoyArguments: ONE_WORKER,
    heapTrace: heapTraceEnvironment,
  };
}

async function findEnvoyPeer({ root, env, envoy }: PeerSearch): Promise<Peer | MissingPeer> {
  const command = findEnvoy(envoy, root, env);
  if (command === undefined) {
    return { name: 'envoy', reason: 'not found; give its path with --envoy or ENVOY_BIN' };
  }
  const { stdout } = await run(command, ['--version'], { timeout: 20_000 });
  const version = /\/([0-9]+\.[0-9]+\.[0-9]+[^/]*)\//.exec(stdout)?.[1] ?? 'unknown';
  const more = ['--disable-hot-restart', '-l', 'error'];
  return {
    name: 'envoy',
    version,
    command,
    refuses: () => undefined,
    prepare: prepareEnvoy(...more),
    envoyArguments: [...ONE_WORKER, ...more],
  };
}

async function findNginx({ env }: PeerSearch): Promise<Peer | MissingPeer> {
  const command = findProgram('nginx', env);
  if (command === undefined) return { name: 'nginx', reason: 'not installed' };
  const { stdout, stderr } = await run(command, ['-V'], { timeout: 20_000 });
  const modulesDir = /--modules-path=(\S+)/.exec(`${stdout}${stderr}`)?.[1] ?? '';
  const builtIn = /--with-stream(?!\S)/.test(`${stdout}${stderr}`);
  const loadable = join(modulesDir, 'ngx_stream_module.so');
  const streamModule = builtIn ? '' : existsSync(loadable) ? loadable : undefined;
  return {
    name: 'nginx',
    version: await versionOf(command, '-v'),
    command,
    refuses: (load) =>
      load.chain === 'tcp' && streamModule === undefined
        ? 'its stream module is not installed'
        : plainOnly(load),
    prepare: (setup) => [
      '-c',
      writeConfig(setup.dir, 'nginx.conf', nginxConfig(setup, streamModule ?? '')),
    ],
  };
}

async function findHaproxy({ env }: PeerSearch): Promise<Peer | MissingPeer> {
  const command = findProgram('haproxy', env);
  if (command === undefined) return { name: 'haproxy', reason: 'not installed' };
  return {
    name: 'haproxy',
    version: await versionOf(command, '-v'),
    command,
    refuses: plainOnly,
    prepare: (setup) => ['-f', writeConfig(setup.dir, 'haproxy.cfg', haproxyConfig(setup))],
  };
}

async function findNghttpx({ env }: PeerSearch): Promise<Peer | MissingPeer> {
  const command = findProgram('nghttpx', env);
  if (command === undefined) return { name: 'nghttpx', reason: 'not installed' };
  return {
    name: 'nghttpx',
    version: await versionOf(command, '--version'),
    command,
    // Its frontend takes both versions.
    refuses: (load) =>
      load.streams !== undefined && load.origin === undefined ? undefined : httpOnly(load),
    prepare: (setup) => ['--conf', writeConfig(setup.dir, 'nghttpx.conf', nghttpxConfig(setup))],
  };
}

/** Scripts of ../peers/ on this very Node. */
const nodePeer =
  (name: string, packageName: string) =>
  async ({ root }: PeerSearch): Promise<Peer | MissingPeer> => {
    const manifest = join(root, 'node_modules', packageName, 'package.json');
    if (!existsSync(manifest)) return { name, reason: `npm's ${packageName} is not installed` };
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    const script = join(dirname(import.meta.dirname), 'peers', `${name}.ts`);
    return {
      name,
      version,
      command: process.execPath,
      refuses: httpOnly,
      prepare: ({ listenPort, backendPort }) => [script, String(listenPort), String(backendPort)],
    };
  };

const FINDERS: ReadonlyMap<string, (search: PeerSearch) => Promise<Peer | MissingPeer>> = new Map([
  ['envoy', findEnvoyPeer],
  ['nginx', findNginx],
  ['haproxy', findHaproxy],
  ['nghttpx', findNghttpx],
  ['http-proxy', nodePeer('http-proxy', 'http-proxy')],
  ['http-undici', nodePeer('http-undici', 'undici')],
]);
export const PEER_NAMES: readonly string[] = ['outrigger', ...FINDERS.keys()];

/** What cannot be run is returned with its reason, so that no table is short of a row without a word. */
export async function findPeers(
  search: PeerSearch,
  wanted: readonly string[],
): Promise<{ readonly found: Peer[]; readonly missing: MissingPeer[] }> {
  const found: Peer[] = [];
  const missing: MissingPeer[] = [];
  const look = async (name: string, find: () => Promise<Peer | MissingPeer>): Promise<void> => {
    try {
      const peer = await find();
      if ('reason' in peer) missing.push(peer);
      else found.push(peer);
    } catch (error) {
      missing.push({ name, reason: (error as Error).message });
    }
  };
  if (wanted.includes('outrigger'))
    for (const tree of search.outriggers) await look(tree.name, () => findOutrigger(tree));
  for (const [name, find] of FINDERS)
    if (wanted.includes(name)) await look(name, () => find(search));
  return { found, missing };
}
