// `npm run bench -- memory`: private memory of the proxy by region, idle and under load, beside bare Node and with other flags.
//
//   --try "FLAGS"   one more column of V8 flags, added to the launcher's; may be repeated: --try "--maglev" --try "--v8-pool-size=1"
//                   NAME=VALUE words go to the environment: --try "MALLOC_ARENA_MAX=1"
//   and the flags of the measuring commands; default case h1-get-100b-router
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

import { readRunOptions } from './commands/options.ts';
import type { RunOptions } from './commands/options.ts';
import { print, Session } from './commands/session.ts';
import { startBackend } from './load/backend.ts';
import type { LoadCase } from './load/cases.ts';
import { processIds, requestOf, startContestant, stopAll } from './load/contestant.ts';
import type { MeasureOptions } from './load/contestant.ts';
import { envoyBootstrap } from './load/envoy-bootstrap.ts';
import type { OutriggerTree, Peer } from './load/peers.ts';
import { cpuBetween, cpuTimeOf } from './load/process-tree.ts';
import { markdownTable } from './load/report.ts';
import { freePorts, RunningProcess } from './load/running-process.ts';
import { spreadOf } from './load/statistics.ts';

const SETTLE_MS = 1_500;
/** V8's pages are 256 KiB and mapped one by one; glibc's arenas begin at multiples of 64 MiB. */
const V8_PAGE_BYTES = 262_144;
const ARENA_BYTES = 67_108_864;
const REGIONS = ['v8', 'malloc', 'code', 'other'] as const;
type Regions = Record<(typeof REGIONS)[number], number>;

function regionOf(line: RegExpExecArray): keyof Regions {
  const [, from = '', to = '', access = '', name = ''] = line;
  const start = Number.parseInt(from, 16);
  const bytes = Number.parseInt(to, 16) - start;
  if (name === '[heap]') return 'malloc';
  if (name !== '') return 'other';
  if (access.includes('x')) return 'code';
  if (start % ARENA_BYTES === 0 && bytes <= ARENA_BYTES) return 'malloc';
  return bytes <= V8_PAGE_BYTES ? 'v8' : 'other';
}

/** Private dirty memory in MB, told apart by what the mappings look like. */
function regionsOf(pid: number): Regions {
  const sums: Regions = { v8: 0, malloc: 0, code: 0, other: 0 };
  let region: keyof Regions = 'other';
  for (const text of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$/.exec(text);
    if (head !== null) region = regionOf(head);
    const dirty = /^Private_Dirty: +([0-9]+) kB$/.exec(text);
    if (dirty !== null) sums[region] += Number(dirty[1]) / 1_024;
  }
  return sums;
}

const total = (regions: Regions): number => REGIONS.reduce((sum, name) => sum + regions[name], 0);

interface Sample {
  readonly readyMs: number;
  readonly idle: Regions;
  readonly loaded: Regions;
  readonly cpuUs: number;
}

interface Variant {
  readonly name: string;
  readonly peer: Peer;
  readonly samples: Sample[];
}

/** The launcher's own flags, and NAME=VALUE words of what it exports: what is measured is what is shipped. */
function launcherWords(root: string): string[] {
  const text = readFileSync(join(root, 'proxy/bin/outrigger-proxy'), 'utf8');
  const flags = (/^outrigger_node_flags='([^']*)'$/m.exec(text)?.[1] ?? '').split(' ');
  const exported = [...text.matchAll(/\b([A-Z_]+)="\$\{\1:-([^}]*)\}"/g)];
  return [...flags.filter(Boolean), ...exported.map(([, name, value]) => `${name}=${value}`)];
}

function makeVariant({ root, kind }: OutriggerTree, words: string): Variant {
  const all = [...launcherWords(root), ...words.split(' ').filter(Boolean)];
  const settings = all.filter((word) => !word.startsWith('-'));
  const entry = join(root, kind === 'sources' ? 'proxy/main.ts' : 'dist/proxy/main.js');
  const flags = all.filter((word) => word.startsWith('-'));
  const peer: Peer = {
    name: 'outrigger',
    version: kind,
    command: process.execPath,
    env: Object.fromEntries(settings.map((word) => word.split('=', 2))) as NodeJS.ProcessEnv,
    refuses: ({ notBuilt }) => notBuilt,
    prepare: ({ case: load, dir, ...ports }) => {
      const config = join(dir, 'bootstrap.json');
      const accessLogPath = join(dir, 'access.log');
      writeFileSync(config, envoyBootstrap({ chain: load.chain, accessLogPath, ...ports }));
      return [...flags, entry, '-c', config, '--concurrency', '1'];
    },
  };
  return { name: words === '' ? 'as shipped' : words, peer, samples: [] };
}

interface Place {
  readonly load: LoadCase;
  readonly backendPort: number;
  readonly label: string;
}

async function measureOnce(
  { peer }: Variant,
  { load, backendPort, label }: Place,
  options: MeasureOptions,
): Promise<Sample> {
  const start = { backendPort, label, heapTrace: false };
  const startedMs = performance.now();
  const contestant = await startContestant(peer, load, start, options);
  const readyMs = performance.now() - startedMs;
  try {
    await sleep(SETTLE_MS);
    const [pid = 0] = processIds(contestant);
    const idle = regionsOf(pid);
    const before = cpuTimeOf([pid]);
    const request = requestOf(load, contestant.port, options.durationMs);
    const { requests } = await options.load.run(request);
    const cpuUs = cpuBetween(before, cpuTimeOf([pid])).totalUs / requests;
    return { readyMs, idle, loaded: regionsOf(pid), cpuUs };
  } finally {
    await stopAll(contestant.processes, options);
  }
}

/** What no program on Node gets below: an idle process, and one with an idle worker thread. */
async function bareNode(options: MeasureOptions): Promise<string[][]> {
  const programs = {
    'bare node': 'setInterval(() => {}, 1e9)',
    'bare node, 1 worker':
      'new (require("node:worker_threads").Worker)("setInterval(() => {}, 1e9)", { eval: true })',
  };
  const rows: string[][] = [];
  for (const [name, text] of Object.entries(programs)) {
    const bare = new RunningProcess({
      name,
      command: process.execPath,
      args: ['--max-semi-space-size=1', '-e', text],
      logFile: join(options.dir, 'bare.log'),
    });
    options.running.add(bare);
    await sleep(SETTLE_MS);
    const regions = regionsOf(bare.pid);
    await stopAll([bare], options);
    rows.push([name, '', megabytes([regions]), '', ...parts([regions]), '']);
  }
  return rows;
}

const median = (values: readonly number[]): number => spreadOf(values).median;
const megabytes = (samples: readonly Regions[]): string => median(samples.map(total)).toFixed(1);
const parts = (samples: readonly Regions[]): string[] =>
  REGIONS.map((name) => median(samples.map((regions) => regions[name])).toFixed(1));

const row = ({ name, samples }: Variant): string[] => [
  name,
  median(samples.map(({ readyMs }) => readyMs)).toFixed(0),
  megabytes(samples.map(({ idle }) => idle)),
  megabytes(samples.map(({ loaded }) => loaded)),
  ...parts(samples.map(({ loaded }) => loaded)),
  median(samples.map(({ cpuUs }) => cpuUs)).toFixed(1),
];

async function measure(
  session: Session,
  options: RunOptions,
  tries: readonly string[],
): Promise<void> {
  const measureOptions = session.measureOptions(options);
  const { dir, env, otherCpus: cpus } = measureOptions;
  const tree = session.tree(options);
  const [load] = options.cases;
  if (load === undefined) return;
  const variants = ['', ...tries].map((words) => makeVariant(tree, words));
  const [port = 0] = await freePorts(1);
  mkdirSync(dir, { recursive: true });
  const backend = await startBackend({ dir, env, port, responseBytes: load.responseBytes, cpus });
  session.running.add(backend.process);
  const bare = await bareNode(measureOptions);
  for (let round = 0; round < options.rounds; round++) {
    for (const [index, variant] of variants.entries()) {
      measureOptions.progress(`round ${round + 1}: ${variant.name}`);
      const place = { load, backendPort: port, label: `memory-${round}-${index}` };
      variant.samples.push(await measureOnce(variant, place, measureOptions));
    }
  }
  await stopAll([backend.process], measureOptions);
  print(`\n${load.name}, ${tree.kind}, private MB, medians of ${options.rounds} rounds\n`);
  const head = ['', 'ready ms', 'idle', 'under load'];
  print(
    markdownTable([
      [...head, 'of it V8 heap', 'malloc', 'code', 'other', 'CPU µs/rq'],
      ...bare,
      ...variants.map(row),
    ]),
  );
}

function takeTries(argv: readonly string[]): { tries: string[]; rest: string[] } {
  const tries: string[] = [];
  const rest: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    if (argv[at] === '--try') tries.push(argv[++at] ?? '');
    else rest.push(argv[at]!);
  }
  return { tries, rest };
}

const { tries, rest } = takeTries(process.argv.slice(2));
const options = readRunOptions(['--only', 'h1-get-100b-router', ...rest], true);
const session = new Session();
try {
  await measure(session, options, tries);
} finally {
  session.close();
}
