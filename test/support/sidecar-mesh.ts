// [m] A caller with a sidecar, `reviews` v1 with one and v2 without, all on loopback addresses: pilot-agent, our proxy, and the control plane in this process.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { join } from 'node:path';
import process from 'node:process';

import { openCaFolder } from '../../agent/control-plane/ca/ca-folder.ts';
import type { CaMaterial } from '../../agent/control-plane/ca/ca-folder.ts';
import { signToken } from '../../agent/control-plane/ca/service-account-token.ts';
import { startControlPlane } from '../../agent/control-plane/control-plane.ts';
import type { ControlPlane } from '../../agent/control-plane/control-plane.ts';
import { realTime } from '../../proxy/base/clock.ts';
import { boundCommand } from './bound-command.ts';
import { captureLog } from './captured-log.ts';
import { eventually } from './eventually.ts';
import { putFile } from './local-authority.ts';
import { privateDir } from './private-dir.ts';
import type { Teardowns } from './private-dir.ts';
import { programPath } from './program-path.ts';

const PILOT_AGENT = programPath('agent/main');
const HOST = 'reviews.default.svc.cluster.local';
const PORT = 9080;

const servicesYaml = (policy: string): string => `
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec:
  clusterIP: 10.96.0.13
  selector: {app: reviews}
  ports: [{name: http, port: ${PORT}, targetPort: ${PORT}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
${policy}`;

export const splitYaml = (v1: number, v2: number): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http:
  - route:
    - {destination: {host: reviews, subset: v1}, weight: ${v1}}
    - {destination: {host: reviews, subset: v2}, weight: ${v2}}
`;

const workloadYaml = (app: string, version: string, address: string, account: string): string => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ${app}-${version}, namespace: default, labels: {app: ${app}, version: ${version}}}
spec: {address: ${address}, labels: {app: ${app}, version: ${version}}${account}}
`;

/** STRICT mTLS from an authority of its own. */
export interface StrictSettings {
  /** As SECRET_TTL. */
  readonly certificateLife?: string;
  /** Of the caller's connections, so that handshakes go on. */
  readonly requestsPerConnection?: number;
}

const poolPolicy = (strict: StrictSettings | undefined): string =>
  strict?.requestsPerConnection === undefined
    ? ''
    : `  trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: ${strict.requestsPerConnection}}}}\n`;

export interface Sidecar {
  readonly agent: ChildProcess;
  /** Its working directory. */
  readonly folder: string;
  /** Another agent in the same folder; the one before must be gone. */
  again(): Sidecar;
  /** What agent and proxy wrote so far. */
  output(): string;
  /** Of the proxy that runs now. */
  proxyPid(): number | undefined;
}

export interface SidecarMesh {
  /** Where the sidecar of `reviews` v1 takes what comes from outside. */
  readonly serverAddress: string;
  /** Undefined without mTLS. */
  readonly authority: CaMaterial | undefined;
  /** Where the caller's application finds `reviews`. */
  readonly serviceAddress: string;
  readonly caller: Sidecar;
  readonly server: Sidecar;
  /** What the control plane said. */
  readonly controlPlaneLog: readonly string[];
  /** Nobody listens where it was. */
  stopControlPlane(): void;
  /** Where it was before. */
  startControlPlane(): Promise<void>;
  /** Puts a file into the configuration folder, as an editor saves. */
  write(file: string, yaml: string): void;
}

/** Its addresses are of this process alone, as long as two processes of a machine do not differ by 20 000. */
function addressOf(pod: number): string {
  return `127.${100 + (process.pid % 100)}.${Math.floor(process.pid / 100) % 200}.${pod}`;
}

export async function startSidecarMesh(
  t: Teardowns,
  strict?: StrictSettings,
): Promise<SidecarMesh> {
  const [caller, callerApp, service, v1, v1App, v2] = [1, 2, 3, 11, 12, 21].map(addressOf) as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const dir = privateDir(t);
  const config = join(dir, 'config');
  mkdirSync(config);
  const write = (file: string, yaml: string): void => {
    writeFileSync(join(config, `.${file}`), yaml);
    renameSync(join(config, `.${file}`), join(config, file));
  };
  write(
    'mesh.yaml',
    readFileSync(new URL('../fixtures/istiod/mesh.yaml', import.meta.url), 'utf8'),
  );
  write('services.yaml', servicesYaml(poolPolicy(strict)));
  const workloads = [
    ['caller', 'v1', caller],
    ['reviews', 'v1', v1],
    ['reviews', 'v2', v2],
  ] as const;
  write(
    'workloads.yaml',
    workloads
      .map(([app, version, address]) =>
        // v2 has no sidecar, and so no identity.
        workloadYaml(
          app,
          version,
          address,
          strict === undefined || version === 'v2' ? '' : `, serviceAccount: ${app}`,
        ),
      )
      .join('---'),
  );
  write('routing.yaml', splitYaml(80, 20));
  const log = captureLog();
  const caFolder = join(dir, 'ca');
  let controlPlane: ControlPlane | undefined;
  let target = '127.0.0.1:0';
  const openControlPlane = async (): Promise<void> => {
    controlPlane = await startControlPlane(
      {
        configFolder: config,
        listen: strict === undefined ? target : undefined,
        secure: strict === undefined ? undefined : { listen: target, caFolder },
        defaultMtls: strict === undefined ? 'DISABLE' : 'STRICT',
      },
      log.logger,
      realTime,
    );
    target = controlPlane.secureTarget ?? controlPlane.target;
  };
  const stopControlPlane = (): void => {
    controlPlane?.close();
    controlPlane = undefined;
  };
  await openControlPlane();
  const authority =
    strict === undefined ? undefined : openCaFolder(caFolder, 'cluster.local', Date.now());
  t.teardown(stopControlPlane);
  await Promise.all([serveApplication(t, v1App, 'v1'), serveApplication(t, v2, 'v2')]);
  const start = (name: string, address: string, appAddress: string): Sidecar => {
    const account = name.split('-')[0]!;
    if (authority !== undefined) giveIdentity(join(dir, name), account, authority);
    return startSidecar(t, join(dir, name), {
      POD_NAME: name,
      POD_NAMESPACE: 'default',
      INSTANCE_IP: address,
      ISTIO_METAJSON_LABELS: JSON.stringify({ app: name.split('-')[0], version: 'v1' }),
      PROXY_CONFIG: JSON.stringify({
        discoveryAddress: target,
        controlPlaneAuthPolicy: strict === undefined ? 'NONE' : 'MUTUAL_TLS',
        concurrency: 1,
        drainDuration: '1s',
        terminationDrainDuration: '1s',
        ...(strict === undefined
          ? {}
          : { proxyStatsMatcher: { inclusionRegexps: ['.*ssl.*', '^sds\\..*'] } }),
      }),
      MINIMUM_DRAIN_DURATION: '0s',
      // The load that stands for an application goes on.
      OUTRIGGER_GRACE_PERIOD: '1s',
      OUTRIGGER_BIND_ADDRESS: address,
      OUTRIGGER_ADMIN_ADDRESS: address,
      ISTIO_META_OUTRIGGER_NO_REDIRECT: 'true',
      ISTIO_META_OUTRIGGER_SERVICE_ADDRESSES: JSON.stringify(
        name === 'caller' ? { [HOST]: service } : {},
      ),
      ISTIO_META_OUTRIGGER_OUTBOUND_ADDRESS: address,
      ISTIO_META_OUTRIGGER_OUTBOUND_PORT: '15001',
      ISTIO_META_OUTRIGGER_INBOUND_ADDRESS: address,
      ISTIO_META_OUTRIGGER_INBOUND_PORT: '15006',
      ISTIO_META_OUTRIGGER_APP_ADDRESS: appAddress,
      SERVICE_ACCOUNT: account,
      ECC_SIGNATURE_ALGORITHM: 'ECDSA',
      SECRET_TTL: strict?.certificateLife ?? '24h',
    });
  };
  const mesh = {
    serviceAddress: service,
    serverAddress: v1,
    authority,
    server: start('reviews-v1', v1, v1App),
    caller: start('caller', caller, callerApp),
    controlPlaneLog: log.lines,
    stopControlPlane,
    startControlPlane: openControlPlane,
    write,
  };
  const answersOf = async (): Promise<boolean> => (await loadOnce(service)).status === 200;
  await eventually('the mesh serves', answersOf, 30_000).catch((error: Error) => {
    throw new Error(`${error.message}\n${mesh.caller.output()}\n${mesh.server.output()}`);
  });
  return mesh;
}

/** What Kubernetes would mount. */
function giveIdentity(sidecarDir: string, account: string, authority: CaMaterial): void {
  const now = Date.now();
  const validity = { fromMs: now, untilMs: now + 3_600_000 };
  const token = signToken({ namespace: 'default', name: account }, authority.tokenKey, validity);
  putFile(join(sidecarDir, 'var/run/secrets/tokens/istio-token'), token);
  putFile(join(sidecarDir, 'var/run/secrets/istio/root-cert.pem'), authority.rootPem);
}

function startSidecar(t: Teardowns, cwd: string, env: Readonly<Record<string, string>>): Sidecar {
  mkdirSync(cwd, { recursive: true });
  const agent = spawn(...boundCommand(process.execPath, [PILOT_AGENT, 'proxy', 'sidecar']), {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [agent.stdout, agent.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  }
  const proxyPid = (): number | undefined => childrenOf(agent.pid!)[0];
  t.teardown(() => {
    if (agent.exitCode !== null || agent.signalCode !== null) return;
    agent.kill('SIGKILL');
  });
  const again = (): Sidecar => startSidecar(t, cwd, env);
  return { agent, folder: cwd, output: () => text, proxyPid, again };
}

export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text
      .split(' ')
      .filter((word) => word !== '')
      .map(Number);
  } catch {
    return [];
  }
}

async function serveApplication(t: Teardowns, address: string, version: string): Promise<void> {
  const server = createServer((_, response) => void response.end(version));
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(PORT, address, resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
}

export interface LoadAnswer {
  /** 0: none came; `body` says why. */
  readonly status: number;
  readonly body: string;
  /** performance.now() at the end. */
  readonly atMs: number;
}

export function loadOnce(address: string, agent?: Agent): Promise<LoadAnswer> {
  return new Promise((resolve) => {
    const done = (status: number, body: string): void =>
      resolve({ status, body, atMs: performance.now() });
    const headers = { host: 'reviews:9080' };
    const options = { host: address, port: PORT, path: '/', headers, agent: agent ?? false };
    const sent = request(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => done(response.statusCode ?? 0, body));
      response.on('error', (error) => done(0, error.message));
    });
    sent.on('error', (error) => done(0, error.message));
    sent.end();
  });
}

/** Asks over and over on a few connections that are kept alive, a failed request after a short rest. */
export class Load {
  readonly answers: LoadAnswer[] = [];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });
  readonly #loops: Promise<void[]>;
  #running = true;

  constructor(address: string) {
    this.#loops = Promise.all(Array.from({ length: 4 }, () => this.#loop(address)));
  }

  /** Answers that came from now on until there are `count`. */
  async next(count: number): Promise<readonly LoadAnswer[]> {
    const from = this.answers.length;
    await eventually(`${count} more answers`, () => this.answers.length >= from + count, 30_000);
    return this.answers.slice(from, from + count);
  }

  async stop(): Promise<readonly LoadAnswer[]> {
    this.#running = false;
    await this.#loops;
    this.#agent.destroy();
    return this.answers;
  }

  async #loop(address: string): Promise<void> {
    while (this.#running) {
      const answer = await loadOnce(address, this.#agent);
      this.answers.push(answer);
      // Two cores for everyone: leave some to the proxies.
      await new Promise((resolve) => setTimeout(resolve, answer.status === 0 ? 5 : 1));
    }
  }
}
