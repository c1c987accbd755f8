// `npm run bench`: Outrigger beside what one would run instead, on this machine, in one run. See bench/README.md.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { budgetCommand } from './commands/budget.ts';
import { compareCommand } from './commands/compare.ts';
import { flameCommand } from './commands/flame.ts';
import { loadCommand } from './commands/load.ts';
import { microCommand } from './commands/micro.ts';
import { UsageError } from './commands/options.ts';
import { pairCommand } from './commands/pair.ts';
import { runCommand } from './commands/run.ts';
import { staleCommand } from './commands/stale.ts';
import { smokeCommand } from './commands/smoke.ts';
import { syscallsCommand } from './commands/syscalls.ts';
import { LOAD_CASES } from './load/cases.ts';
import { PEER_NAMES } from './load/peers.ts';
import { SCALES } from './scale/scales.ts';

const USAGE = `usage: npm run bench -- [command] [flags]
  (none)              all cases and scales beside all proxies that are found; about half an hour
  quick               the cases that answer "is it faster or slower"; about three minutes
  compare A B         two result files; or two commits, run side by side (quick's cases, or --only)
  load URL            an open loop against something that runs: --rps 1000 --duration 10 --connections 32
                      --method --header "name: value" --body-bytes N --saturate --json FILE
  micro [words]       nanoseconds and bytes per call of the parts; --smoke runs each once
  budget              what CI checks against bench/budget.json
  smoke               micro --smoke, then the shortest load with the budget; under a minute
  syscalls            system calls per request, counted by strace (quick's cases, or --only)
  flame               flame graphs of the worker into docs/flame (quick's cases, or --only)
  pair                private memory of agent and proxy with two workers, idle, as a control plane drives them
  stale               requests that fail because an origin closes idle connections: --duration 600 --rps 200
                      --least-idle 1000 --most-idle 5000 --distance 5 (milliseconds, one way) --json FILE
  memory              bench/memory.ts, where it is there

flags of the measuring commands
  --only WORD         only cases whose name has the word; may be repeated
  --peer NAME         only this proxy; may be repeated: ${PEER_NAMES.join(', ')}
  --envoy PATH        Envoy's binary; also ENVOY_BIN
  --repeat N          rounds, default 3
  --duration SECONDS  of one measurement, at least 1; default 4
  --warm-up SECONDS   of load before each measurement; default 1
  --json FILE         instead of bench/results/TIME-COMMIT.json; the chart goes beside it as SVG
  --no-result         write no file
  --no-pin            let the kernel choose CPUs; default: the last CPU is the proxy's alone
  --no-heap           no extra start with GC traces (quick: --heap for one)
  --source            measure Outrigger's sources; default: emitted JavaScript, as the image has it

cases: ${[...LOAD_CASES, ...SCALES].map(({ name }) => name).join(', ')}
`;

async function memoryCommand(argv: readonly string[]): Promise<number> {
  const path = join(import.meta.dirname, 'memory.ts');
  if (!existsSync(path)) throw new UsageError('there is no bench/memory.ts');
  // It reads its own flags.
  process.argv = [process.execPath, path, ...argv];
  await import(path);
  return Number(process.exitCode ?? 0);
}

function dispatch(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  switch (command) {
    case 'quick':
      return runCommand(rest, true);
    case 'compare':
      return compareCommand(rest);
    case 'load':
      return loadCommand(rest);
    case 'micro':
      return microCommand(rest);
    case 'budget':
      return budgetCommand(rest);
    case 'syscalls':
      return syscallsCommand(rest);
    case 'flame':
      return flameCommand(rest);
    case 'pair':
      return pairCommand(rest);
    case 'smoke':
      return smokeCommand();
    case 'stale':
      return staleCommand(rest);
    case 'memory':
      return memoryCommand(rest);
    default:
      return runCommand(argv, false);
  }
}

async function main(): Promise<number> {
  const argv = process.argv.slice(2);
  if (argv.some((word) => ['help', '--help', '-h'].includes(word))) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (process.platform !== 'linux' && argv[0] !== 'load') {
    process.stderr.write('bench: reads CPU time and memory from /proc, so it needs Linux\n');
    return 1;
  }
  try {
    return await dispatch(argv);
  } catch (error) {
    const message = (error as Error).message;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const usage = error instanceof UsageError || code.startsWith('ERR_PARSE_ARGS');
    process.stderr.write(`${usage ? USAGE : ''}bench: ${message}\n`);
    return usage ? 2 : 1;
  }
}

process.exitCode = await main();
