// [m] Becomes another program that the kernel ends with its starter: `bound-exec <starter's pid> <program> <arguments>...` (Linux).
//
// For a proxy that knows nothing of us. The pid stays; nothing of this program is left once the other one runs.
import { createRequire } from 'node:module';

const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
/** As a shell says that it cannot start what it was told to. */
const CANNOT_START = 126;

type Prctl = (option: number, value: number) => number;

/** Undefined: done; else why not. */
function bindToStarter(): string | undefined {
  if (process.platform !== 'linux') return `there is no such thing on ${process.platform}`;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const prctl = koffi.load(null).func('int prctl(int, unsigned long)') as Prctl;
    return prctl(PR_SET_PDEATHSIG, SIGKILL) === 0 ? undefined : 'prctl failed';
  } catch (error) {
    return (error as Error).message;
  }
}

const [starter, path, ...words] = process.argv.slice(2);
if (starter === undefined || path === undefined) {
  process.stderr.write('usage: bound-exec <pid> <program> [<argument>...]\n');
  process.exit(CANNOT_START);
}
const problem = bindToStarter();
if (problem !== undefined)
  process.stderr.write(`pilot-agent: ${path} will outlive an agent that is killed: ${problem}\n`);
// Gone before the kernel knew of the bond.
if (String(process.ppid) !== starter) process.exit(1);
try {
  // oxlint-disable-next-line node/no-process-env -- passed on as it is
  process.execve!(path, [path, ...words], process.env as Record<string, string>);
} catch (error) {
  process.stderr.write(`pilot-agent: ${path}: ${(error as Error).message}\n`);
  process.exit(CANNOT_START);
}
