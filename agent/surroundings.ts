// [m] Surroundings: what the machine says; the only reader of process.env in agent/.
import { basename, dirname, extname, join } from 'node:path';

import { fs, os } from '../proxy/base/node-builtins.ts';

/** What the machine says; tests bring their own. */
export interface Surroundings {
  readonly variables: ReadonlyMap<string, string>;
  readonly interfaceAddresses: readonly string[];
  readonly hostName: string;
  /** Undefined: no such file. */
  readonly readText: (path: string) => string | undefined;
  /** The folder that holds proxy/ and iptables-init/. */
  readonly installDir: string;
  /** Entry file of bound-exec, which runs with our Node. */
  readonly boundExec: string;
}

/** There is such a file, and it cannot be read; the message is for the operator. */
export class UnreadableFile extends Error {
  override readonly name = 'UnreadableFile';
}

function readTextFile(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    const what = code === 'EISDIR' ? 'is a folder; a file is wanted' : `cannot be read (${code})`;
    throw new UnreadableFile(`${path}: ${what}`);
  }
}

function findInstallDir(): string {
  const parent = dirname(import.meta.dirname);
  // Emitted files lie one folder deeper than the launchers.
  return basename(parent) === 'dist' ? dirname(parent) : parent;
}

function ownAddresses(): string[] {
  return Object.values(os().networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
    .map(({ address }) => address);
}

export function readSurroundings(): Surroundings {
  const variables = new Map<string, string>();
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined) variables.set(name, value);
  }
  return {
    variables,
    interfaceAddresses: ownAddresses(),
    hostName: os().hostname(),
    readText: readTextFile,
    installDir: findInstallDir(),
    boundExec: join(dirname(import.meta.dirname), 'agent', `bound-exec${extname(import.meta.url)}`),
  };
}
