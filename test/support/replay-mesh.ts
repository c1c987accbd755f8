// [m] A recorded node as a pod with the real redirect rules and our proxy, and the services of the recording in a second pod.
import { chmodSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { ChildProcess } from 'node:child_process';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { eventually } from './eventually.ts';
import { PodNetwork } from './netns.ts';
import type { Pod } from './netns.ts';
import { privateDir } from './private-dir.ts';
import type { Teardowns } from './private-dir.ts';
import type { ClientAnswer, ClientWork } from './replay-client.ts';
import { startReplayProxy } from './replay-proxy.ts';
import type { ReplayProxy } from './replay-proxy.ts';
import type { UpstreamTls } from './replay-upstream-tls.ts';
import { TestAuthority } from './test-authority.ts';

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const UPSTREAM = pathOf('./replay-upstream.ts');
const CLIENT = pathOf('./replay-client.ts');
const IPTABLES = pathOf('../../iptables-init/bin/outrigger-iptables');
const RULES = ['-p', '15001', '-z', '15006', '-u', '1337', '-m', 'REDIRECT', '-i', '*', '-x', ''];
const PORTS = ['-b', '*', '-d', '15090,15021,15020'];
const APPLICATION_UID = 1000;

export interface ReplayMeshOptions {
  /** Address of the recorded node. */
  readonly ownAddress: string;
  /** Addresses of endpoints elsewhere. */
  readonly endpoints: readonly string[];
  readonly ports: readonly number[];
  /** Takes the label off that asks for mTLS. Default false. */
  readonly plaintextEndpoints?: boolean;
}

export interface ReplayMesh {
  readonly proxy: ReplayProxy;
  /** Whom all of them trust. */
  readonly authority: TestAuthority;
  /** Address of the pod with the services, which no recording knows. */
  readonly strangerAddress: string;
  /** Lines that the services wrote. */
  readonly upstreamLines: readonly string[];
  /** Asks from the application of the recorded node; one list of answers per work. */
  ask(works: readonly ClientWork[]): Promise<ClientAnswer[][]>;
  /** Asks from outside the pod. */
  askFromOutside(works: readonly ClientWork[]): Promise<ClientAnswer[][]>;
}

export async function startReplayMesh(
  t: Teardowns,
  recording: string,
  options: ReplayMeshOptions,
): Promise<ReplayMesh> {
  const network = new PodNetwork(['node', 'services']);
  t.teardown(() => network.close());
  const node = network.pod('node');
  const services = network.pod('services');
  giveAddresses(node, services, options);
  must(node, IPTABLES, [...RULES, ...PORTS]);
  const upstreamLines: string[] = [];
  const authority = new TestAuthority();
  const ports = options.ports.map(String);
  const tlsFile = join(privateDir(t), 'tls.json');
  writeFileSync(tlsFile, JSON.stringify(upstreamTls(authority)));
  chmodSync(dirname(tlsFile), 0o755);
  await Promise.all([
    startUpstream(services, [...ports, `--tls=${tlsFile}`], upstreamLines),
    // The application behind the proxy: whatever came by mTLS reaches it in plaintext.
    startUpstream(node, ports, upstreamLines),
  ]);
  const plaintextEndpoints = options.plaintextEndpoints ?? false;
  const proxy = await startReplayProxy(t, recording, { pod: node, plaintextEndpoints, authority });
  await isLive(proxy);
  return {
    proxy,
    authority,
    strangerAddress: services.ipv4,
    upstreamLines,
    ask: (works) => ask(node, works),
    askFromOutside: (works) => ask(services, works),
  };
}

/** Service addresses need a route only, so that the kernel gets as far as the rules. */
function giveAddresses(
  node: Pod,
  services: Pod,
  { ownAddress, endpoints }: ReplayMeshOptions,
): void {
  must(node, 'ip', ['addr', 'add', `${ownAddress}/32`, 'dev', 'lo']);
  must(node, 'ip', ['route', 'add', 'default', 'via', services.ipv4]);
  for (const address of endpoints)
    must(services, 'ip', ['addr', 'add', `${address}/32`, 'dev', 'lo']);
  must(services, 'ip', ['route', 'add', `${ownAddress}/32`, 'via', node.ipv4]);
}

function must(pod: Pod, command: string, args: readonly string[]): void {
  const { status, stderr } = pod.run(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

const SERVICES = ['productpage', 'details', 'ratings', 'reviews', 'hours'] as const;

/** Accounts as the recordings name them. */
function upstreamTls(authority: TestAuthority): UpstreamTls {
  const identityOf = (service: string) =>
    authority.identity(`spiffe://cluster.local/ns/default/sa/bookinfo-${service}`);
  const identities = Object.fromEntries(SERVICES.map((name) => [name, identityOf(name)]));
  return { rootPem: authority.rootPem, identities };
}

function startUpstream(pod: Pod, args: readonly string[], lines: string[]): Promise<void> {
  const child = pod.spawn(process.execPath, [UPSTREAM, ...args], {
    uid: APPLICATION_UID,
  });
  return new Promise((resolve, reject) => {
    let errors = '';
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
    child.on('exit', (code) => reject(new Error(`the upstream ended with ${code}: ${errors}`)));
    createInterface(child.stdout!).on('line', (line) => {
      if (line === 'ready') resolve();
      else lines.push(line);
    });
  });
}

async function isLive({ log }: ReplayProxy): Promise<void> {
  await eventually('live', () => log.some((line) => line.includes('the server is live')), 30_000);
}

async function ask(pod: Pod, works: readonly ClientWork[]): Promise<ClientAnswer[][]> {
  const child: ChildProcess = pod.spawn(process.execPath, [CLIENT], { uid: APPLICATION_UID });
  child.stdin?.end(JSON.stringify(works));
  const [out, errors] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
  if (out === '') throw new Error(`the client failed: ${errors}`);
  return JSON.parse(out) as ClientAnswer[][];
}
