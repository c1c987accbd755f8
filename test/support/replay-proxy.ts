// [m] Our proxy as a process of its own, configured over ADS by a recording: with the recorded node's id and metadata, in a pod where one is given.
import { isInertNote } from './replay-inert.ts';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';

import type { SecretMaterial } from '../../agent/security/secret-material.ts';
import { boundCommand } from './bound-command.ts';
import { eventually } from './eventually.ts';
import type { Pod } from './netns.ts';
import { privateDir } from './private-dir.ts';
import type { Teardowns } from './private-dir.ts';
import { RECORDINGS, ReplayControlPlane, isSotw } from './replay-control-plane.ts';
import type { ReplayOptions } from './replay-control-plane.ts';
import { serveWorkloadSecrets } from './secret-server.ts';
import type { WorkloadSecrets } from './secret-server.ts';
import type { TestAuthority } from './test-authority.ts';
import { programPath } from './program-path.ts';

const MAIN = programPath('proxy/main');
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const PROXY_UID = 1337;

export interface ReplayProxyOptions extends ReplayOptions {
  /** Signs its identity; default one of its own. */
  readonly authority?: TestAuthority;
  /** Where it runs, as uid 1337; without one it runs on this machine as the user of the test. */
  readonly pod?: Pod;
}

export interface ReplayProxy {
  readonly controlPlane: ReplayControlPlane;
  /** What its agent would give it. */
  readonly secrets: WorkloadSecrets;
  /** The process's own log, as text. */
  readonly log: readonly string[];
  /** Lines of access logs, which recordings write to standard output. */
  readonly accessLog: readonly string[];
  /** Ends it; rejects when it does not go by itself. */
  stop(): Promise<void>;
}

/** Resolves when the first load is acknowledged (or refused: see `nacks`). */
export async function startReplayProxy(
  t: Teardowns,
  recording: string,
  options: ReplayProxyOptions = {},
): Promise<ReplayProxy> {
  const dir = privateDir(t);
  chmodSync(dir, 0o755);
  const controlPlane = new ReplayControlPlane(recording, options);
  await controlPlane.listen(`unix:${dir}/XDS`);
  chmodSync(`${dir}/XDS`, 0o777);
  t.teardown(() => controlPlane.close());
  const node = readNode(recording);
  const { NAMESPACE = 'default', SERVICE_ACCOUNT = 'default' } = node.metadata;
  const secrets = await serveWorkloadSecrets(t, {
    target: `unix:${dir}/SDS`,
    spiffe: `spiffe://cluster.local/ns/${NAMESPACE}/sa/${SERVICE_ACCOUNT}`,
    ...(options.authority === undefined ? {} : { authority: options.authority }),
  });
  secrets.server.make = (name) => secretOfFiles(name, secrets.authority);
  chmodSync(`${dir}/SDS`, 0o777);
  const bootstrap = join(dir, 'bootstrap.json');
  writeFileSync(bootstrap, JSON.stringify(replayBootstrap(recording, dir)));
  const running = startProxyProcess(t, bootstrap, options.pod);
  const isLoaded = (): boolean => {
    if (running.child.exitCode !== null)
      throw new Error(`the proxy ended: ${running.log.join('\n')}`);
    return controlPlane.unanswered.length === 0;
  };
  // Listeners wait for names that have to be resolved, and there may be no name server.
  await eventually(`${recording}: first load answered`, isLoaded, 60_000);
  const { log, accessLog, stop } = running;
  return { controlPlane, secrets, log, accessLog, stop };
}

/** What an agent makes of certificates in files of its pod: every file is there. */
export function secretOfFiles(name: string, authority: TestAuthority): SecretMaterial | undefined {
  if (name.startsWith('file-root:'))
    return { kind: 'roots', rootPem: authority.rootPem, crlFile: undefined };
  if (!name.startsWith('file-cert:')) return undefined;
  const { chainPem, keyPem } = authority.identity('spiffe://cluster.local/ns/default/sa/files');
  return { kind: 'certificate', chainPem, keyPem };
}

export interface ProxyRun {
  readonly child: ChildProcess;
  readonly log: string[];
  readonly accessLog: string[];
  stop(): Promise<void>;
}

/** One worker, access logs flushed soon. */
export const proxyArguments = (bootstrap: string): readonly string[] => {
  const serving = ['--concurrency', '1', '--file-flush-interval-msec', '20'];
  return [MAIN, '-c', bootstrap, ...serving, '--disable-hot-restart'];
};

export function startProxyProcess(t: Teardowns, bootstrap: string, pod: Pod | undefined): ProxyRun {
  const args = proxyArguments(bootstrap);
  const child =
    pod === undefined
      ? spawn(...boundCommand(process.execPath, args), { stdio: ['ignore', 'pipe', 'pipe'] })
      : pod.spawn(process.execPath, args, { uid: PROXY_UID, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  t.teardown(() => void child.kill('SIGKILL'));
  const log: string[] = [];
  const accessLog: string[] = [];
  createInterface(child.stdout!).on('line', (line) => accessLog.push(line));
  createInterface(child.stderr!).on('line', (line) => log.push(textOf(line)));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    let gone = false;
    void ended.then(() => (gone = true));
    await eventually('the proxy ends on SIGTERM', () => gone);
  };
  return { child, log, accessLog, stop };
}

function textOf(line: string): string {
  if (!line.startsWith('{')) return line;
  const { level, msg, ...rest } = JSON.parse(line) as { level: string; msg: string };
  // What is told of things not done stands alone, whatever its level.
  if (level === 'info' || isInertNote(msg)) return msg;
  return `${level}: ${msg} ${JSON.stringify(rest)}`;
}

interface RecordedNode {
  readonly metadata: { readonly NAMESPACE?: string; readonly SERVICE_ACCOUNT?: string };
}

const readNode = (recording: string): RecordedNode =>
  JSON.parse(readFileSync(`${RECORDINGS}${recording}/node.json`, 'utf8')) as RecordedNode;

/** A door to the agent: XDS or SDS. */
function agentCluster(name: string, socket: string): object {
  const endpoint = { endpoint: { address: { pipe: { path: socket } } } };
  const http2 = {
    '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
    explicit_http_config: { http2_protocol_options: {} },
  };
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    typed_extension_protocol_options: { [HTTP_OPTIONS]: http2 },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] },
  };
}

export function replayBootstrap(recording: string, dir: string, sotw = isSotw(recording)): object {
  const source = { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' };
  return {
    node: readNode(recording),
    dynamic_resources: {
      cds_config: source,
      lds_config: source,
      ads_config: {
        api_type: sotw ? 'GRPC' : 'DELTA_GRPC',
        set_node_on_first_message_only: true,
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
    },
    static_resources: {
      clusters: [agentCluster('xds-grpc', `${dir}/XDS`), agentCluster('sds-grpc', `${dir}/SDS`)],
    },
  };
}
