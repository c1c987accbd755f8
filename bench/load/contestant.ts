// One peer, started for one case: its process or processes, the port to load, and what it cost.
import { mkdirSync, statSync, truncateSync } from 'node:fs';
import { get } from 'node:http';
import { get as getSecurely } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { GRPC_PATH } from './backend.ts';
import type { LoadCase } from './cases.ts';
import { findLoadGenerator } from './load-generator.ts';
import type { LoadGenerator } from './load-generator.ts';
import { SampleBag } from './metrics.ts';
import type { Peer } from './peers.ts';
import { memoryOf, processTree } from './process-tree.ts';
import type { LoadRequest } from './request-load.ts';
import { clientOptions, tlsMaterial } from './tls-material.ts';
import type { HopTls } from './tls-material.ts';
import { freePorts, RunningProcess } from './running-process.ts';

export interface MeasureOptions {
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly rounds: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly load: LoadGenerator;
  /** The proxy's, and all the others'; undefined: not pinned. */
  readonly proxyCpus: string | undefined;
  readonly otherCpus: string | undefined;
  readonly progress: (text: string) => void;
  /** All that is started goes there, so that an interrupt can end it. */
  readonly running: Set<RunningProcess>;
  /** One more start with GC traces, for what is allocated. */
  readonly heap: boolean;
}

const START_LIMIT_MS = 30_000;
const SETTLE_MS = 1_000;
const READY_POLL_MS = 4;

export interface Contestant {
  readonly name: string;
  readonly version: string;
  /** Without one the load goes straight to the backend. */
  readonly peer: Peer | undefined;
  readonly processes: readonly RunningProcess[];
  readonly port: number;
  readonly accessLogs: readonly string[];
  readonly outputLogs: readonly string[];
  readonly samples: SampleBag;
}

export function directContestant(backendPort: number): Contestant {
  const name = 'direct';
  const version = 'no proxy';
  return {
    name,
    version,
    peer: undefined,
    processes: [],
    port: backendPort,
    accessLogs: [],
    outputLogs: [],
    samples: new SampleBag(),
  };
}

export const processIds = ({ processes }: Contestant): number[] =>
  processes.flatMap((process) => processTree(process.pid));

export function requestOf(load: LoadCase, port: number, durationMs: number): LoadRequest {
  const headers: [string, string][] = [];
  for (let i = 0; i < (load.extraHeaders ?? 0); i++)
    headers.push([`x-bench-header-${i}`, `a value of some length ${i}`]);
  if (load.newConnections === true) headers.push(['Connection', 'close']);
  return {
    url: `${load.tls === undefined || load.tls === 'between' ? 'http' : 'https'}://127.0.0.1:${port}${load.origin === 'grpc' ? GRPC_PATH : '/'}`,
    connections: load.connections,
    durationMs,
    method: load.method,
    headers,
    bodyBytes: load.requestBodyBytes,
    streams: load.streams,
    handshakes:
      load.handshakes === undefined
        ? undefined
        : {
            sessions: load.handshakes,
            group: load.group ?? 'X25519',
            clientKey: load.tls === 'mutual' ? (load.key ?? 'P-256') : undefined,
          },
    grpc: load.origin === 'grpc' ? 'unary' : load.origin === 'grpc-streams' ? 'streams' : undefined,
  };
}

export interface StartOptions {
  readonly backendPort: number;
  /** Tells several starts of one peer apart. */
  readonly label: string;
  readonly heapTrace: boolean;
}

/** Resolves when it has answered and settled; `readyMs` is exec to first answer. */
export async function startContestant(
  peer: Peer,
  load: LoadCase,
  { backendPort, label, heapTrace }: StartOptions,
  options: MeasureOptions,
): Promise<Contestant> {
  const hops = load.hops ?? 1;
  const processes: RunningProcess[] = [];
  const accessLogs: string[] = [];
  const outputLogs: string[] = [];
  const samples = new SampleBag();
  let port = backendPort;
  try {
    for (let hop = 0; hop < hops; hop++) {
      const dir = join(options.dir, `${load.name}-${peer.name}-${label}-${hop}`);
      mkdirSync(dir, { recursive: true });
      const [listenPort = 0, adminPort = 0] = await freePorts(2);
      const tls = hopTls(load, hop, options.dir);
      const args = peer.prepare({ case: load, dir, listenPort, adminPort, backendPort: port, tls });
      const traceEnv = heapTrace ? peer.heapTrace?.(dir) : undefined;
      const logFile = join(dir, 'output.log');
      const startedMs = performance.now();
      const process = new RunningProcess({
        name: peer.name,
        command: peer.command,
        args,
        logFile,
        env: { ...options.env, ...peer.env, ...traceEnv },
        cpus: options.proxyCpus,
      });
      options.running.add(process);
      processes.push(process);
      if (load.origin === 'grpc-streams') await waitForStream(process, listenPort, options.env);
      else await waitForAnswer(process, listenPort, 'bench', tls);
      if (hops === 1 && load.startup === true)
        samples.add('readyMs', performance.now() - startedMs);
      accessLogs.push(join(dir, 'access.log'));
      outputLogs.push(logFile);
      port = listenPort;
    }
  } catch (error) {
    await stopAll(processes, options);
    throw error;
  }
  const { name, version } = peer;
  return { name, version, peer, processes, port, accessLogs, outputLogs, samples };
}

export async function settle(contestant: Contestant): Promise<void> {
  await sleep(SETTLE_MS);
  const memory = memoryOf(processIds(contestant));
  if (contestant.peer !== undefined)
    contestant.samples.add('idleMb', memory.privateDirtyKb / 1_024);
}

export async function stopAll(
  processes: readonly RunningProcess[],
  { running }: Pick<MeasureOptions, 'running'>,
): Promise<void> {
  for (const process of processes) {
    await process.stop();
    running.delete(process);
  }
}

/** The hop next to the backend comes first. */
function hopTls({ tls, key = 'P-256' }: LoadCase, hop: number, dir: string): HopTls | undefined {
  if (tls === undefined) return undefined;
  const material = tlsMaterial(dir, key);
  if (tls === 'downstream') return { accepts: 'tls', dials: false, material };
  if (tls === 'mutual') return { accepts: 'mtls', dials: false, material };
  return hop === 0
    ? { accepts: 'mtls', dials: false, material }
    : { accepts: undefined, dials: true, material };
}

/** The port may be open before the proxy can do its work: only an answer counts. */
export async function waitForAnswer(
  process: RunningProcess,
  port: number,
  host = 'bench',
  tls?: HopTls,
): Promise<void> {
  const deadlineMs = performance.now() + START_LIMIT_MS;
  let last = '';
  for (;;) {
    const status = await answerStatus(port, host, tls).catch((error: Error) => error.message);
    if (status === 200) return;
    last = String(status);
    if (process.problem !== undefined) throw new Error(process.problem);
    if (performance.now() > deadlineMs)
      throw new Error(`no good answer within ${START_LIMIT_MS} ms; the last was: ${last}`);
    await sleep(READY_POLL_MS);
  }
}

/** The backend has streams only: the first message that comes back. */
async function waitForStream(
  process: RunningProcess,
  port: number,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const load = findLoadGenerator({ env, cpus: undefined, dir: '' });
  const request = { url: `http://127.0.0.1:${port}/`, connections: 1, streams: 1 };
  const deadlineMs = performance.now() + START_LIMIT_MS;
  await process.waitForPort(port, START_LIMIT_MS);
  for (;;) {
    const tried = await load.run({ ...request, durationMs: 300, grpc: 'streams' });
    if (tried.requests > 0) return;
    if (performance.now() > deadlineMs) throw new Error('no message came back in time');
  }
}

function answerStatus(
  port: number,
  host: string,
  tls: HopTls | undefined,
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const where = { host: '127.0.0.1', port, path: '/', headers: { host } };
    const options = { ...where, agent: false, timeout: 2_000 } as const;
    const request =
      tls?.accepts === undefined
        ? get(options)
        : getSecurely({ ...options, ...clientOptions(tls.material) });
    request.once('response', (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode));
    });
    request.once('timeout', () => request.destroy(new Error('timed out')));
    request.once('error', reject);
  });
}

/** What a person would look at first. */
export async function oneAnswer(port: number): Promise<string> {
  try {
    const url = `http://127.0.0.1:${port}/`;
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    return `one more is answered ${response.status} ${(await response.text()).slice(0, 200)}`;
  } catch (error) {
    return `one more is not answered: ${(error as Error).message}`;
  }
}

/** Istio's line is about 250 bytes; loggers keep some of them back for a while. */
const LEAST_LOG_BYTES_PER_REQUEST = 100;

/** A proxy that skips a part of the work has not won anything. */
export function checkAccessLogs(contestant: Contestant, load: LoadCase, requests: number): void {
  // A stream is one line, however many messages it carries.
  if (load.chain !== 'sidecar' || load.origin === 'grpc-streams') return;
  for (const path of contestant.accessLogs) {
    const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (bytes < requests * LEAST_LOG_BYTES_PER_REQUEST)
      throw new Error(`its access log has ${bytes} bytes after ${requests} requests`);
  }
}

/** Every request writes a line; a day of runs must not fill a disk. */
export function emptyAccessLogs({ accessLogs }: Contestant): void {
  for (const path of accessLogs)
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) truncateSync(path);
}
