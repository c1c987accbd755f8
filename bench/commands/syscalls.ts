// `npm run bench -- syscalls`: system calls per request, counted by strace, with one connection and with many.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

import { startBackend } from '../load/backend.ts';
import type { LoadCase } from '../load/cases.ts';
import { processIds, requestOf, startContestant, stopAll } from '../load/contestant.ts';
import type { Contestant, MeasureOptions } from '../load/contestant.ts';
import { findProgram } from '../load/find-program.ts';
import { runOwnLoad } from '../load/load-generator.ts';
import type { Peer } from '../load/peers.ts';
import { markdownTable } from '../load/report.ts';
import { freePorts } from '../load/running-process.ts';
import { parseStraceSummary } from '../load/syscalls.ts';
import { readRunOptions, UsageError } from './options.ts';
import { Session, print } from './session.ts';

/** Calls that come less often than once in so many requests are left out. */
const RARE = 500;
const ATTACH_MS = 1_500;

async function traced(
  contestant: Contestant,
  load: LoadCase,
  { options, strace }: { readonly options: MeasureOptions; readonly strace: string },
): Promise<ReadonlyMap<string, number>> {
  const output = join(options.dir, 'strace.txt');
  const pids = processIds(contestant).flatMap((pid) => ['-p', String(pid)]);
  const tracer = spawn(
    strace,
    ['-c', '-f', '-U', 'time,total-time,avg-time,calls,errors,name', '-o', output, ...pids],
    {
      stdio: 'ignore',
    },
  );
  const ended = new Promise((resolve) => {
    tracer.once('close', resolve);
    tracer.once('error', resolve);
  });
  await sleep(ATTACH_MS);
  const request = requestOf(load, contestant.port, options.durationMs);
  const { requests } = await runOwnLoad(request, options.otherCpus);
  tracer.kill('SIGINT');
  await ended;
  const counts = parseStraceSummary(readFileSync(output, 'utf8'));
  return new Map(counts.map(({ name, calls }) => [name, calls / requests]));
}

async function measurePeer(
  peer: Peer,
  load: LoadCase,
  run: { readonly options: MeasureOptions; readonly strace: string; readonly backendPort: number },
): Promise<void> {
  const { options, backendPort } = run;
  const start = { backendPort, label: 'strace', heapTrace: false };
  const contestant = await startContestant(peer, load, start, options);
  try {
    await options.load.run(requestOf(load, contestant.port, 2_000));
    const one = await traced(contestant, { ...load, connections: 1 }, run);
    const many = await traced(contestant, load, run);
    const names = [...new Set([...one.keys(), ...many.keys()])].filter(
      (name) => Math.max(one.get(name) ?? 0, many.get(name) ?? 0) >= 1 / RARE,
    );
    const rows = names.map((name) => [
      name,
      (one.get(name) ?? 0).toFixed(3),
      (many.get(name) ?? 0).toFixed(3),
    ]);
    print(`\n${load.name}: ${peer.name} ${peer.version}, calls per request\n`);
    print(
      markdownTable([['system call', '1 connection', `${load.connections} connections`], ...rows]),
    );
  } finally {
    await stopAll(contestant.processes, options);
  }
}

/** Flags of the measuring commands. strace slows everything down: only counts are told, never times. */
export async function syscallsCommand(argv: readonly string[]): Promise<number> {
  const options = readRunOptions(['--duration', '2', ...argv], true);
  const session = new Session();
  try {
    const measure = session.measureOptions(options);
    const strace = findProgram('strace', measure.env);
    if (strace === undefined) throw new UsageError('syscalls needs strace, which is not installed');
    const { found } = await session.findPeers(options, [session.tree(options)]);
    for (const load of options.cases.filter((one) => one.notBuilt === undefined)) {
      const [port = 0] = await freePorts(1);
      const { dir, env, otherCpus: cpus } = measure;
      const backend = await startBackend({
        dir,
        env,
        port,
        responseBytes: load.responseBytes,
        cpus,
      });
      session.running.add(backend.process);
      try {
        for (const peer of found.filter((one) => one.refuses(load) === undefined))
          await measurePeer(peer, load, { options: measure, strace, backendPort: port });
      } finally {
        await stopAll([backend.process], measure);
      }
    }
    return process.exitCode === undefined ? 0 : Number(process.exitCode);
  } finally {
    session.close();
  }
}
