// A tree of Outrigger as the image has it (emitted JavaScript, no sources), made in a folder of its own: for this tree or any commit.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import type { OutriggerTree } from './peers.ts';

/** Commits before the bundle were emitted file by file, by the compiler alone. */
function buildWords(source: string, dist: string): string[] | undefined {
  const bundler = join(source, 'build/emit.ts');
  if (existsSync(bundler)) return [bundler, '--out', dist];
  const compiler = join(source, 'node_modules/typescript/bin/tsc');
  if (!existsSync(compiler) || !existsSync(join(source, 'tsconfig.build.json'))) return undefined;
  return [compiler, '-p', 'tsconfig.build.json', '--outDir', dist];
}

/** Compiles `source` into `target`, which is made. Where that fails, the sources are what is measured, and `say` tells why. */
export function emittedTree(
  name: string,
  { source, target }: { readonly source: string; readonly target: string },
  say: (text: string) => void,
): OutriggerTree {
  const sources: OutriggerTree = { name, root: source, kind: 'sources' };
  const dist = join(target, 'dist');
  const words = buildWords(source, dist);
  if (words === undefined) {
    say(`${name}: cannot be built here (no compiler, or no build file): measured from its sources`);
    return sources;
  }
  mkdirSync(target, { recursive: true });
  let problem = '';
  try {
    execFileSync(process.execPath, words, {
      cwd: source,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    problem = (stdout + stderr).slice(0, 300).trim() || (error as Error).message;
  }
  if (!existsSync(join(dist, 'proxy/main.js'))) {
    say(`${name}: does not build (${problem}): measured from its sources`);
    return sources;
  }
  if (problem !== '') say(`${name}: emitted although its types are not right: ${problem}`);
  for (const part of ['proxy', 'agent'])
    cpSync(join(source, part, 'bin'), join(target, part, 'bin'), { recursive: true });
  cpSync(join(source, 'package.json'), join(target, 'package.json'));
  symlinkSync(join(source, 'node_modules'), join(target, 'node_modules'));
  return { name, root: target, kind: 'emitted JS' };
}

/** The files of a commit in `target`, with this tree's packages. Throws when there is no such commit. */
export function checkOutCommit(root: string, commit: string, target: string): void {
  mkdirSync(target, { recursive: true });
  const archive = execFileSync('git', ['archive', '--format=tar', commit], {
    cwd: root,
    maxBuffer: 1 << 30,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  execFileSync('tar', ['-x', '-C', target], { input: archive });
  symlinkSync(join(root, 'node_modules'), join(target, 'node_modules'));
}
