// The proxies that are compared: how each is found, configured as a plain HTTP/1 proxy on one core, and asked for its version.
import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { LoadCase } from './cases.ts';
import { envoyBootstrap } from './envoy-bootstrap.ts';
import { findEnvoy, findProgram } from './find-program.ts';

export interface PeerSearch {
  /** The folder that holds proxy/. */
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
}

export interface Peer {
  readonly name: string;
  readonly version: string;
  readonly command: string;
  /** False: this peer has nothing of the kind that the case wants. */
  readonly canRun: (load: LoadCase) => boolean;
  /** Writes its files and returns its arguments. */
  readonly prepare: (setup: PeerSetup) => string[];
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

const prepareEnvoy = ({ case: load, dir, ...ports }: PeerSetup): string[] => {
  const accessLogPath = join(dir, 'access.log');
  const text = envoyBootstrap({ chain: load.chain, accessLogPath, ...ports });
  return ['-c', writeConfig(dir, 'bootstrap.yaml', text), '--concurrency', '1'];
};

const plainOnly = (load: LoadCase): boolean => load.chain === 'router';

function nginxConfig({ listenPort, backendPort, dir }: PeerSetup): string {
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `  ${kind}_temp_path ${dir}/${kind};`,
  );
  return `${user}
daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/error.log error;
events { worker_connections 4096; }
http {
${temporary.join('\n')}
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s;
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${listenPort};
    location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`;
}

const haproxyConfig = ({ listenPort, backendPort }: PeerSetup): string => `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  http-reuse always
listen bench
  bind 127.0.0.1:${listenPort}
  server backend 127.0.0.1:${backendPort}
`;

async function findOutrigger({ root }: PeerSearch): Promise<Peer | MissingPeer> {
  const command = join(root, 'proxy/bin/outrigger-proxy');
  if (!existsSync(command))
    return { name: 'outrigger', reason: 'there is no proxy/bin/outrigger-proxy yet' };
  const version = await versionOf(command, '--version');
  return { name: 'outrigger', version, command, canRun: () => true, prepare: prepareEnvoy };
}

async function findEnvoyPeer({ root, env, envoy }: PeerSearch): Promise<Peer | MissingPeer> {
  const command = findEnvoy(envoy, root, env);
  if (command === undefined) {
    return { name: 'envoy', reason: 'not found; give its path with --envoy or ENVOY_BIN' };
  }
  const version = (await versionOf(command, '--version')).replace(/^.*\//, '');
  const prepare = (setup: PeerSetup): string[] => [
    ...prepareEnvoy(setup),
    '--disable-hot-restart',
    '-l',
    'error',
  ];
  return { name: 'envoy', version, command, canRun: () => true, prepare };
}

async function findNginx({ env }: PeerSearch): Promise<Peer | MissingPeer> {
  const command = findProgram('nginx', env);
  if (command === undefined) return { name: 'nginx', reason: 'not installed' };
  const version = await versionOf(command, '-v');
  const prepare = (setup: PeerSetup): string[] => [
    '-c',
    writeConfig(setup.dir, 'nginx.conf', nginxConfig(setup)),
  ];
  return { name: 'nginx', version, command, canRun: plainOnly, prepare };
}

async function findHaproxy({ env }: PeerSearch): Promise<Peer | MissingPeer> {
  const command = findProgram('haproxy', env);
  if (command === undefined) return { name: 'haproxy', reason: 'not installed' };
  const version = await versionOf(command, '-v');
  const prepare = (setup: PeerSetup): string[] => [
    '-f',
    writeConfig(setup.dir, 'haproxy.cfg', haproxyConfig(setup)),
  ];
  return { name: 'haproxy', version, command, canRun: plainOnly, prepare };
}

const FINDERS = {
  outrigger: findOutrigger,
  envoy: findEnvoyPeer,
  nginx: findNginx,
  haproxy: findHaproxy,
} as const;
export const PEER_NAMES: readonly string[] = Object.keys(FINDERS);

/** What cannot be run is returned with its reason, so that no table is short of a row without a word. */
export async function findPeers(
  search: PeerSearch,
  wanted: readonly string[],
): Promise<{ readonly found: Peer[]; readonly missing: MissingPeer[] }> {
  const found: Peer[] = [];
  const missing: MissingPeer[] = [];
  for (const [name, find] of Object.entries(FINDERS)) {
    if (!wanted.includes(name)) continue;
    try {
      const peer = await find(search);
      if ('reason' in peer) missing.push(peer);
      else found.push(peer);
    } catch (error) {
      missing.push({ name, reason: (error as Error).message });
    }
  }
  return { found, missing };
}
