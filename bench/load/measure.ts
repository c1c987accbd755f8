// One case: all peers up, then rounds in which each gets the same load in turn, so that what disturbs the machine disturbs all.
import { mkdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { startBackend } from './backend.ts';
import type { LoadCase } from './cases.ts';
import type { LoadGenerator } from './load-generator.ts';
import type { Peer } from './peers.ts';
import { cpuTimeOf, memoryOf, processTree } from './process-tree.ts';
import type { Memory } from './process-tree.ts';
import { freePorts, RunningProcess } from './running-process.ts';

export interface Sample {
  readonly requestsPerSecond: number;
  readonly userUsPerRequest: number;
  readonly systemUsPerRequest: number;
  readonly latencyP50Us: number;
  readonly latencyP99Us: number;
  readonly memory: Memory;
}

export interface PeerResult {
  readonly peer: string;
  readonly version: string;
  readonly idleMemory: Memory;
  readonly samples: readonly Sample[];
}

export interface CaseResult {
  readonly name: string;
  readonly meaning: string;
  readonly backend: string;
  readonly peers: readonly PeerResult[];
  /** Peers that could not be measured, with the reason. */
  readonly failed: readonly { readonly peer: string; readonly reason: string }[];
}

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
}

const START_LIMIT_MS = 30_000;
const SETTLE_MS = 1_000;
/** Where in a run memory is read: late enough to have grown. */
const MEMORY_AT = 0.7;

interface Contestant {
  readonly peer: Peer;
  readonly process: RunningProcess;
  readonly port: number;
  readonly accessLog: string;
  readonly idleMemory: Memory;
  readonly samples: Sample[];
}

async function startPeer(
  peer: Peer,
  load: LoadCase,
  backendPort: number,
  options: MeasureOptions,
): Promise<Contestant> {
  const dir = join(options.dir, `${load.name}-${peer.name}`);
  mkdirSync(dir, { recursive: true });
  const [listenPort = 0, adminPort = 0] = await freePorts(2);
  const args = peer.prepare({ case: load, dir, listenPort, adminPort, backendPort });
  const logFile = join(dir, 'output.log');
  const process = new RunningProcess({
    name: peer.name,
    command: peer.command,
    args,
    logFile,
    cpus: options.proxyCpus,
  });
  options.running.add(process);
  await process.waitForPort(listenPort, START_LIMIT_MS);
  await sleep(SETTLE_MS);
  const idleMemory = memoryOf(processTree(process.pid));
  return {
    peer,
    process,
    port: listenPort,
    accessLog: join(dir, 'access.log'),
    idleMemory,
    samples: [],
  };
}

async function measureOnce(
  contestant: Contestant,
  load: LoadCase,
  options: MeasureOptions,
): Promise<Sample> {
  const request = {
    url: `http://127.0.0.1:${contestant.port}${load.path}`,
    connections: load.connections,
  };
  await options.load.run({ ...request, durationMs: options.warmUpMs });
  const pids = processTree(contestant.process.pid);
  const before = cpuTimeOf(pids);
  const running = options.load.run({ ...request, durationMs: options.durationMs });
  const [result, memory] = await Promise.all([
    running,
    sleep(options.durationMs * MEMORY_AT).then(() => memoryOf(processTree(contestant.process.pid))),
  ]);
  const after = cpuTimeOf(pids);
  if (result.failures > 0) {
    const example = await oneAnswer(request.url);
    throw new Error(`${result.failures} of ${result.requests} requests failed; ${example}`);
  }
  if (result.requests === 0) throw new Error('no request was answered');
  checkAccessLog(contestant.accessLog, load, result.requests);
  return {
    requestsPerSecond: (result.requests * 1_000) / result.elapsedMs,
    userUsPerRequest: (after.userUs - before.userUs) / result.requests,
    systemUsPerRequest: (after.systemUs - before.systemUs) / result.requests,
    latencyP50Us: result.latencyP50Us,
    latencyP99Us: result.latencyP99Us,
    memory,
  };
}

/** What a person would look at first. */
async function oneAnswer(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    return `one more is answered ${response.status} ${(await response.text()).slice(0, 200)}`;
  } catch (error) {
    return `one more is not answered: ${(error as Error).message}`;
  }
}

/** Istio's line is about 250 bytes; loggers keep some of them back for a while. */
const LEAST_LOG_BYTES_PER_REQUEST = 100;

/** A proxy that skips a part of the work has not won anything. */
function checkAccessLog(path: string, load: LoadCase, requests: number): void {
  if (load.chain !== 'sidecar') return;
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes < requests * LEAST_LOG_BYTES_PER_REQUEST) {
    throw new Error(`its access log has ${bytes} bytes after ${requests} requests`);
  }
}

/** Every request writes a line; a day of runs must not fill a disk. */
function emptyAccessLog(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) truncateSync(path);
}

export async function measureCase(
  load: LoadCase,
  peers: readonly Peer[],
  options: MeasureOptions,
): Promise<CaseResult> {
  const failed: { peer: string; reason: string }[] = [];
  const contestants: Contestant[] = [];
  const [backendPort = 0] = await freePorts(1);
  const { dir, env, otherCpus: cpus } = options;
  const backend = await startBackend({
    dir,
    env,
    port: backendPort,
    responseBytes: load.responseBytes,
    cpus,
  });
  options.running.add(backend.process);
  const fail = (peer: string, error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error);
    failed.push({ peer, reason });
    options.progress(`${load.name}: ${peer} FAILED: ${reason}`);
  };
  for (const peer of peers.filter((candidate) => candidate.canRun(load))) {
    await startPeer(peer, load, backendPort, options).then(
      (contestant) => contestants.push(contestant),
      (error: unknown) => fail(peer.name, error),
    );
  }
  for (let round = 1; round <= options.rounds; round++) {
    for (const contestant of contestants) {
      const { name } = contestant.peer;
      if (failed.some(({ peer }) => peer === name)) continue;
      try {
        const sample = await measureOnce(contestant, load, options);
        contestant.samples.push(sample);
        options.progress(
          `${load.name}: round ${round} of ${options.rounds}: ${name} ${describeSample(sample)}`,
        );
      } catch (error) {
        fail(name, contestant.process.problem ?? error);
      }
      emptyAccessLog(contestant.accessLog);
    }
  }
  for (const process of [...contestants.map((contestant) => contestant.process), backend.process]) {
    await process.stop();
    options.running.delete(process);
  }
  const results = contestants.filter(({ samples }) => samples.length > 0);
  return {
    name: load.name,
    meaning: load.meaning,
    backend: backend.kind,
    peers: results.map(({ peer, idleMemory, samples }) => ({
      peer: peer.name,
      version: peer.version,
      idleMemory,
      samples,
    })),
    failed,
  };
}

function describeSample({
  requestsPerSecond,
  userUsPerRequest,
  systemUsPerRequest,
}: Sample): string {
  const cpu = userUsPerRequest + systemUsPerRequest;
  return `${Math.round(requestsPerSecond)} requests/s, ${cpu.toFixed(1)} µs of CPU each`;
}
