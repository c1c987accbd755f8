// `npm run build`, or `node build/emit.ts [--out FOLDER]`: what the image runs. Types are checked first; then each program is one
// file, with what several of them share in dist/chunks. A program of two hundred small modules starts 90 ms later and holds 4 MB more
// per process: each module has a record, a scope and its source with comments in every thread (docs/performance.md).
//
// Names stay as they are, so that a stack trace can be read; only white space and comments go. Packages stay outside.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { buildSync } from 'esbuild';

/** Programs and thread entries; each keeps its place, so that what finds files relative to itself finds them in both trees. */
const ENTRIES = [
  'proxy/main.ts',
  'proxy/server/worker.ts',
  'agent/main.ts',
  'agent/bound-exec.ts',
  'agent/control-plane/main.ts',
  'iptables-init/main.ts',
];
const CHECK_LIMIT_MS = 60_000;

/** Throws an error whose message is the compiler's first complaint; `out` is untouched then. */
function checkTypes(root: string): void {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const words = [compiler, '-p', join(root, 'tsconfig.build.json'), '--noEmit'];
  const { status, error, stdout } = spawnSync(process.execPath, words, {
    cwd: root,
    encoding: 'utf8',
    timeout: CHECK_LIMIT_MS,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(stdout.split('\n', 1)[0]);
}

/** Writes the programs of the tree at `root` into `out`, which is made. */
export function bundle(root: string, out: string): void {
  buildSync({
    absWorkingDir: root,
    entryPoints: ENTRIES.filter((path) => existsSync(join(root, path))),
    outdir: out,
    outbase: root,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node26',
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: 'silent',
  });
}

/** `out` is replaced as a whole. */
export function emit(root: string, out: string): void {
  checkTypes(root);
  rmSync(out, { recursive: true, force: true });
  bundle(root, out);
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  const { values } = parseArgs({
    options: { out: { type: 'string', default: join(root, 'dist') } },
  });
  try {
    emit(root, values.out);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
