// `npm run bench -- flame`: where a worker's time goes, as flame graphs in docs/flame: one SVG a case, from V8's own CPU profile.
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import process from 'node:process';

import { startBackend } from '../load/backend.ts';
import type { LoadCase } from '../load/cases.ts';
import { requestOf, startContestant, stopAll } from '../load/contestant.ts';
import type { MeasureOptions } from '../load/contestant.ts';
import { flameGraphSvg, frameTree } from '../load/flame-graph.ts';
import type { CpuProfile } from '../load/flame-graph.ts';
import { commitName } from '../load/machine.ts';
import type { Peer } from '../load/peers.ts';
import { freePorts } from '../load/running-process.ts';
import { withSourceNames } from '../load/source-names.ts';
import { readRunOptions } from './options.ts';
import { print, ROOT, Session } from './session.ts';

const TARGET = join(ROOT, 'docs/flame');
const SAMPLE_US = 250;

/** The launcher takes its node from OUTRIGGER_NODE: a script there adds the flags. */
function profiledNode(dir: string): string {
  const node = join(dir, 'node-with-profile');
  const flags = `--cpu-prof --cpu-prof-interval=${SAMPLE_US} --cpu-prof-dir='${dir}'`;
  writeFileSync(node, `#!/bin/sh\nexec '${process.execPath}' ${flags} "$@"\n`);
  chmodSync(node, 0o755);
  return node;
}

/** A process writes one for each thread; the worker's has nearly all of the time. */
function busiestProfile(dir: string): CpuProfile {
  const busyUs = (profile: CpuProfile): number => frameTree(profile).totalUs;
  const profiles = readdirSync(dir)
    .filter((name) => name.endsWith('.cpuprofile') && statSync(join(dir, name)).size > 0)
    .map((name) => JSON.parse(readFileSync(join(dir, name), 'utf8')) as CpuProfile)
    .toSorted((a, b) => busyUs(b) - busyUs(a));
  if (profiles[0] === undefined) throw new Error('the proxy wrote no CPU profile');
  return profiles[0];
}

async function profileCase(load: LoadCase, peer: Peer, options: MeasureOptions): Promise<void> {
  const [port = 0] = await freePorts(1);
  const { dir: runDir, env, otherCpus: cpus, running } = options;
  const dir = join(runDir, `profile-${load.name}`);
  mkdirSync(dir, { recursive: true });
  const backend = await startBackend({ dir, env, port, responseBytes: load.responseBytes, cpus });
  running.add(backend.process);
  let requests = 0;
  try {
    const profiled = { ...peer, env: { ...peer.env, OUTRIGGER_NODE: profiledNode(dir) } };
    const start = { backendPort: port, label: 'flame', heapTrace: false };
    const contestant = await startContestant(profiled, load, start, options);
    try {
      await options.load.run(requestOf(load, contestant.port, options.warmUpMs));
      const result = await options.load.run(requestOf(load, contestant.port, options.durationMs));
      requests = result.requests;
    } finally {
      // It writes its profiles when it is told to end.
      await stopAll(contestant.processes, options);
    }
  } finally {
    await stopAll([backend.process], options);
  }
  const title = `${load.name}, ${commitName(ROOT)}, Node ${process.versions.node}: ${load.meaning}`;
  const path = join(TARGET, `${load.name}.svg`);
  mkdirSync(TARGET, { recursive: true });
  const profile = withSourceNames(busiestProfile(dir));
  writeFileSync(path, flameGraphSvg(frameTree(profile, options.durationMs), title, requests));
  print(`${requests} requests; written to ${relative(process.cwd(), path)}`);
}

/** Flags of the measuring commands; without --only the cases of `quick`. */
export async function flameCommand(argv: readonly string[]): Promise<number> {
  const options = readRunOptions(['--duration', '8', '--warm-up', '3', ...argv], true);
  const session = new Session();
  try {
    const measure = session.measureOptions(options);
    const { found } = await session.findPeers({ ...options, peers: ['outrigger'] }, [
      session.tree(options),
    ]);
    const [peer] = found;
    if (peer === undefined) return 1;
    for (const load of options.cases.filter((one) => peer.refuses(one) === undefined))
      await profileCase(load, peer, measure);
    return 0;
  } finally {
    session.close();
  }
}
