// `npm run bench -- quick`: Outrigger beside nginx, haproxy and Envoy on this machine, in one run. See bench/README.md.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';

import { LOAD_CASES } from './load/cases.ts';
import type { LoadCase } from './load/cases.ts';
import { findProgram } from './load/find-program.ts';
import { findLoadGenerator } from './load/load-generator.ts';
import { measureCase } from './load/measure.ts';
import type { CaseResult, MeasureOptions } from './load/measure.ts';
import { findPeers, PEER_NAMES } from './load/peers.ts';
import type { RunningProcess } from './load/running-process.ts';
import { reportText } from './load/report.ts';
import type { RunReport } from './load/report.ts';

const ROOT = dirname(import.meta.dirname);

const USAGE = `usage: npm run bench -- quick [flags]
  quick               the cases that answer "is it faster or slower", about three minutes
  --case NAME         only this case; may be repeated: ${LOAD_CASES.map(({ name }) => name).join(', ')}
  --peer NAME         only this proxy; may be repeated: ${PEER_NAMES.join(', ')}
  --envoy PATH        Envoy's binary; also ENVOY_BIN
  --rounds N          default 3
  --seconds N         of one measurement, at least 3; default 4
  --warm-up SECONDS   of load before each measurement; default 1
  --no-pin            let the kernel choose CPUs; default: the last CPU is the proxy's alone
  --no-result         write no file to bench/results
`;

interface BenchOptions {
  readonly cases: readonly LoadCase[];
  readonly peers: readonly string[];
  readonly envoy: string | undefined;
  readonly rounds: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly pin: boolean;
  readonly writeResult: boolean;
}

function readCount(text: string, flag: string, least: number): number {
  const value = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least) return value;
  throw new Error(`${flag}: "${text}" is no whole number of at least ${least}`);
}

function chooseCases(names: readonly string[]): LoadCase[] {
  if (names.length === 0) return LOAD_CASES.filter(({ quick }) => quick);
  return names.map((name) => {
    const found = LOAD_CASES.find((candidate) => candidate.name === name);
    if (found === undefined) throw new Error(`--case: no case is called "${name}"`);
    return found;
  });
}

function readOptions(argv: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    allowNegative: true,
    options: {
      case: { type: 'string', multiple: true, default: [] },
      peer: { type: 'string', multiple: true, default: [...PEER_NAMES] },
      envoy: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      'warm-up': { type: 'string', default: '1' },
      pin: { type: 'boolean', default: true },
      result: { type: 'boolean', default: true },
    },
  });
  if (positionals.length !== 1 || positionals[0] !== 'quick')
    throw new Error('say which suite: quick');
  const unknown = values.peer.find((name) => !PEER_NAMES.includes(name));
  if (unknown !== undefined) throw new Error(`--peer: no proxy is called "${unknown}"`);
  return {
    cases: chooseCases(values.case),
    peers: values.peer,
    envoy: values.envoy,
    rounds: readCount(values.rounds, '--rounds', 1),
    durationMs: readCount(values.seconds, '--seconds', 3) * 1_000,
    warmUpMs: readCount(values['warm-up'], '--warm-up', 1) * 1_000,
    pin: values.pin,
    writeResult: values.result,
  };
}

function git(...args: string[]): string {
  try {
    return execFileSync('git', args, {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return '';
  }
}

/** With `+` where the proxy's sources differ from the commit. */
function commitName(): string {
  const commit = git('rev-parse', '--short=10', 'HEAD');
  if (commit === '') return 'unknown';
  return git('status', '--porcelain', '--', 'proxy', 'xds-protos', 'package.json') === ''
    ? commit
    : `${commit}+`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function writeResultFile(report: RunReport): void {
  const dir = join(import.meta.dirname, 'results');
  mkdirSync(dir, { recursive: true });
  const stamp = report.when.slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  const path = join(dir, `${stamp}-${report.commit.replace('+', '-edited')}.json`);
  writeFileSync(path, `${JSON.stringify(report, null, 1)}\n`);
  print(`written to ${relative(process.cwd(), path)}`);
}

async function bench(
  options: BenchOptions,
  dir: string,
  running: Set<RunningProcess>,
): Promise<number> {
  const env = process.env;
  const { found, missing } = await findPeers(
    { root: ROOT, env, envoy: options.envoy },
    options.peers,
  );
  for (const { name, reason } of missing) print(`SKIPPED: ${name}: ${reason}`);
  const cpuList = cpus();
  const last = cpuList.length - 1;
  const pin = options.pin && last > 0 && findProgram('taskset', env) !== undefined;
  const proxyCpus = pin ? String(last) : undefined;
  const otherCpus = pin ? `0-${last - 1}` : undefined;
  const load = findLoadGenerator(env, otherCpus);
  const { rounds, durationMs, warmUpMs } = options;
  const measure: MeasureOptions = {
    dir,
    env,
    rounds,
    durationMs,
    warmUpMs,
    load,
    proxyCpus,
    otherCpus,
    progress: print,
    running,
  };
  const cases: CaseResult[] = [];
  for (const load of options.cases) cases.push(await measureCase(load, found, measure));
  const report: RunReport = {
    format: 1,
    when: new Date().toISOString(),
    commit: commitName(),
    machine: {
      cpu: cpuList[0]?.model ?? 'unknown',
      cpus: cpuList.length,
      kernel: release(),
      node: process.versions.node,
    },
    method: { load: load.name, rounds, durationMs, warmUpMs, proxyCpus: proxyCpus ?? 'any' },
    cases,
    missing,
  };
  print(`\n${reportText(report)}`);
  if (options.writeResult) writeResultFile(report);
  return cases.some(({ failed }) => failed.length > 0) ? 1 : 0;
}

async function main(): Promise<number> {
  let options: BenchOptions;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${USAGE}bench: ${(error as Error).message}\n`);
    return 2;
  }
  if (process.platform !== 'linux') {
    process.stderr.write('bench: reads CPU time and memory from /proc, so it needs Linux\n');
    return 1;
  }
  const dir = mkdtempSync(join(tmpdir(), 'outrigger-bench-'));
  const running = new Set<RunningProcess>();
  const cleanUp = (): void => {
    for (const started of running) started.kill();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => {
      cleanUp();
      process.exit(code);
    });
  }
  try {
    return await bench(options, dir, running);
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n`);
    return 1;
  } finally {
    cleanUp();
  }
}

process.exitCode = await main();
