// [m] Why the proxy ended, in plain words, and the status with which the agent leaves in its place.
import { os } from '../../proxy/base/node-builtins.ts';

/** Exactly one of `code`, `signal` and `spawnError` says how it ended. */
export interface ProxyExit {
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly spawnError: NodeJS.ErrnoException | undefined;
  readonly ranMs: number;
}

const SIGNAL_WORDS: ReadonlyMap<string, string> = new Map([
  ['SIGKILL', 'by hand, or by the kernel because memory ran out'],
  ['SIGTERM', 'asked to end from outside'],
  ['SIGINT', 'interrupted from outside'],
  ['SIGABRT', 'gave up on a broken invariant, or ran out of its heap'],
  ['SIGSEGV', 'touched memory that is not its own'],
  ['SIGBUS', 'touched memory that is not there'],
  ['SIGILL', 'met an instruction that this CPU does not know'],
  ['SIGTRAP', 'gave up on a broken invariant of its runtime'],
  ['SIGSYS', 'made a system call that a seccomp profile forbids'],
  ['SIGXCPU', 'used up its CPU time limit'],
]);

const CODE_WORDS: ReadonlyMap<number, string> = new Map([
  [0, 'ended by itself, without an error'],
  [1, 'ended with an error, exit code 1; its last log lines say which'],
  [126, 'its launcher could not be executed, exit code 126'],
  [127, 'its launcher needs a program that is not there, exit code 127'],
]);

const SPAWN_WORDS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'no such file'],
  ['EACCES', 'not executable for this user'],
  ['EAGAIN', 'the limit of processes is reached'],
  ['ENOMEM', 'no memory left'],
  ['ENOEXEC', 'not a program for this machine'],
]);

const signalNumber = (signal: NodeJS.Signals): number => os().constants.signals[signal];

export function describeExit(exit: ProxyExit): string {
  if (exit.spawnError !== undefined) {
    const { code = '', message } = exit.spawnError;
    return `could not be started: ${SPAWN_WORDS.get(code) ?? message}`;
  }
  if (exit.signal !== undefined) {
    const words = SIGNAL_WORDS.get(exit.signal);
    const killed = `killed by ${exit.signal} (signal ${signalNumber(exit.signal)})`;
    return words === undefined ? killed : `${killed}: ${words}`;
  }
  const code = exit.code ?? 0;
  // A shell in between reports its child's signal as 128 + number.
  if (code > 128) {
    const name = Object.entries(os().constants.signals).find(
      ([, number]) => number === code - 128,
    )?.[0];
    if (name !== undefined) return `ended with exit code ${code}, as after ${name}`;
  }
  return CODE_WORDS.get(code) ?? `ended with exit code ${code}`;
}

/** As a shell would report it. */
export function exitStatus(exit: ProxyExit): number {
  if (exit.spawnError !== undefined) return exit.spawnError.code === 'ENOENT' ? 127 : 126;
  if (exit.signal !== undefined) return 128 + signalNumber(exit.signal);
  return exit.code ?? 0;
}

/** Starting the same file again cannot help. */
export const isHopeless = (exit: ProxyExit): boolean =>
  exit.spawnError?.code === 'ENOENT' ||
  exit.spawnError?.code === 'EACCES' ||
  exit.spawnError?.code === 'ENOEXEC' ||
  exit.code === 126 ||
  exit.code === 127;
