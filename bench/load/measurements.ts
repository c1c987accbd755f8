// The kinds of measurement that a case can ask of a contestant; each adds one value per metric.
import { readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import type { LoadCase } from './cases.ts';
import { checkAccessLogs, oneAnswer, processIds, requestOf } from './contestant.ts';
import type { Contestant, MeasureOptions } from './contestant.ts';
import { gcTotals } from './gc-trace.ts';
import { runOwnLoad } from './load-generator.ts';
import type { SampleBag } from './metrics.ts';
import { cpuBetween, cpuTimeOf, memoryOf, processTree } from './process-tree.ts';
import { ResponseReader } from './response-reader.ts';

/** Where in a run memory is read: late enough to have grown. */
const MEMORY_AT = 0.7;
const BYTES_PER_MB = 1_000_000;

async function refuseFailures(
  port: number,
  { requests, failures }: { readonly requests: number; readonly failures: number },
): Promise<void> {
  if (failures > 0) {
    const example = await oneAnswer(port);
    throw new Error(`${failures} of ${requests} requests failed; ${example}`);
  }
  if (requests === 0) throw new Error('no request was answered');
}

/** As many requests as it can take. */
export async function measureSaturated(
  contestant: Contestant,
  load: LoadCase,
  options: MeasureOptions,
): Promise<string> {
  const { samples, port } = contestant;
  await options.load.run(requestOf(load, port, options.warmUpMs));
  const pids = processIds(contestant);
  const before = cpuTimeOf(pids);
  const [result, memory] = await Promise.all([
    options.load.run(requestOf(load, port, options.durationMs)),
    sleep(options.durationMs * MEMORY_AT).then(() => memoryOf(processIds(contestant))),
  ]);
  const cpu = cpuBetween(before, cpuTimeOf(pids));
  await refuseFailures(port, result);
  checkAccessLogs(contestant, load, result.requests);
  const rps = (result.requests * 1_000) / result.elapsedMs;
  samples.add('rps', rps);
  samples.add('p50Us', result.p50Us);
  samples.add('p99Us', result.p99Us);
  if (contestant.peer === undefined) return `${rps.toFixed(0)} requests/s`;
  const cpuUs = cpu.totalUs / result.requests;
  samples.add('cpuUs', cpuUs);
  samples.add('userUs', cpu.userUs / result.requests);
  samples.add('systemUs', cpu.systemUs / result.requests);
  if (load.responseBytes >= BYTES_PER_MB / 100)
    samples.add('cpuUsPerMb', (cpuUs * BYTES_PER_MB) / load.responseBytes);
  samples.add('loadMb', memory.privateDirtyKb / 1_024);
  samples.add('residentMb', memory.residentKb / 1_024);
  return `${rps.toFixed(0)} requests/s, ${cpuUs.toFixed(1)} µs of CPU each`;
}

export interface FixedRate {
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly vcpu: number;
}

/** The same number of requests for all, evenly spaced. Undefined: it cannot hold the rate. */
export async function measureFixedRate(
  contestant: Contestant,
  load: LoadCase,
  rps: number,
  options: MeasureOptions,
): Promise<FixedRate | undefined> {
  const request = { ...requestOf(load, contestant.port, options.durationMs), rps };
  await runOwnLoad({ ...request, durationMs: 500 }, options.otherCpus);
  const pids = processIds(contestant);
  const before = cpuTimeOf(pids);
  const startedMs = performance.now();
  const result = await runOwnLoad(request, options.otherCpus);
  const cpu = cpuBetween(before, cpuTimeOf(pids));
  const failures = result.failures + result.connectFailures;
  await refuseFailures(contestant.port, { requests: result.requests, failures });
  // The generator's own process starts and ends in it, too.
  const elapsedMs = Math.min(performance.now() - startedMs, result.elapsedMs);
  if ((result.requests * 1_000) / elapsedMs < rps * 0.95) return undefined;
  const { p50Us, p90Us, p99Us, p999Us } = result;
  return { p50Us, p90Us, p99Us, p999Us, vcpu: cpu.totalUs / (elapsedMs * 1_000) };
}

export function addFixedRate(
  { samples }: Contestant,
  rps: number,
  rate: FixedRate,
  direct: FixedRate,
): void {
  samples.add(`addedP50Us@${rps}`, rate.p50Us - direct.p50Us);
  samples.add(`addedP90Us@${rps}`, rate.p90Us - direct.p90Us);
  samples.add(`addedP99Us@${rps}`, rate.p99Us - direct.p99Us);
  samples.add(`addedP999Us@${rps}`, rate.p999Us - direct.p999Us);
  samples.add(`vcpu@${rps}`, rate.vcpu);
}

/** Saturating load on a process whose log has GC traces. */
export async function measureHeap(
  traced: Contestant,
  load: LoadCase,
  options: MeasureOptions,
): Promise<{ readonly allocatedBytes: number; readonly gcPercent: number }> {
  await options.load.run(requestOf(load, traced.port, Math.max(1_000, options.warmUpMs)));
  const sizes = (): number[] => traced.outputLogs.map((path) => statSync(path).size);
  const from = sizes();
  const result = await options.load.run(requestOf(load, traced.port, options.durationMs));
  const to = sizes();
  await refuseFailures(traced.port, result);
  let allocatedBytes = 0;
  let pauseMs = 0;
  traced.outputLogs.forEach((path, i) => {
    const totals = gcTotals(readFileSync(path, 'latin1'), from[i] ?? 0, to[i] ?? 0);
    if (totals.collections === 0) throw new Error('its log has no GC traces');
    allocatedBytes += totals.allocatedBytes;
    pauseMs += totals.pauseMs;
  });
  return {
    allocatedBytes: allocatedBytes / result.requests,
    gcPercent: (pauseMs * 100) / result.elapsedMs,
  };
}

/**
 * Memory that a connection keeps after one request: the growth from N to 2 N connections, because the first N fill what the process
 * had in reserve. Needs a fresh process: what was freed before would be used again. Upstream connections are few: requests come one
 * after the other.
 */
export async function measureIdleConnections(
  { processes, port }: Contestant,
  samples: SampleBag,
  load: LoadCase,
  options: MeasureOptions,
): Promise<string> {
  const count = load.idleConnections ?? 0;
  const ids = (): number[] => processes.flatMap((process) => processTree(process.pid));
  await options.load.run(requestOf(load, port, options.warmUpMs));
  const sockets: Socket[] = [];
  const open = async (): Promise<number> => {
    for (let i = 0; i < count; i++) sockets.push(await openAndAsk(port, load.tls !== undefined));
    await sleep(1_500);
    return memoryOf(ids()).privateDirtyKb;
  };
  try {
    const first = await open();
    const second = await open();
    const kb = (second - first) / count;
    samples.add('loadMb', first / 1_024);
    samples.add('connectionKb', kb);
    return `${kb.toFixed(1)} KB for each idle connection, ${(first / 1_024).toFixed(1)} MB private with ${count}`;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

function openAndAsk(port: number, secure: boolean): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const where = { host: '127.0.0.1', port };
    const socket = secure
      ? connectSecurely({ ...where, rejectUnauthorized: false })
      : connect(where);
    const reader = new ResponseReader();
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('an idle connection was closed')));
    socket.write('GET / HTTP/1.1\r\nHost: bench\r\n\r\n');
    socket.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      if (reader.responses > 0) resolve(socket);
    });
  });
}
