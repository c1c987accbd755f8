// Emits JavaScript into dist/ before the mesh starts: from sources each sidecar is started at twice the time and with twice the
// memory (type stripping runs in every thread). docs/performance.md.
import {
  mkdtempSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { emit as emitChecked } from '../../build/emit.ts';

/** What is emitted or checked before, and what it depends on itself. */
const SOURCES = ['proxy', 'agent', 'iptables-init', 'xds-protos', 'samples', 'build'];
const SETTINGS = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];
/** Its time tells which sources dist/ was emitted from. */
const STAMP = join('proxy', 'main.js');

/** Writes the programs of the tree at `root` into `out`. */
type Emit = (root: string, out: string) => Promise<void>;

const timeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function newestSource(root: string): number {
  let newest = Math.max(...SETTINGS.map((name) => timeOf(join(root, name))));
  for (const folder of SOURCES) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }))
      if (name.endsWith('.ts')) newest = Math.max(newest, timeOf(join(root, folder, name)));
  }
  return newest;
}

/** dist/ is replaced as a whole, so that a mesh which runs from it, or starts now, sees one build or the other. */
async function emit(root: string, newestMs: number, emitInto: Emit): Promise<void> {
  const cache = join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'outrigger-'));
  try {
    const fresh = join(work, 'fresh');
    await emitInto(root, fresh);
    utimesSync(join(fresh, STAMP), newestMs / 1000, newestMs / 1000);
    const dist = join(root, 'dist');
    if (timeOf(dist) !== 0) renameSync(dist, join(work, 'old'));
    renameSync(fresh, dist);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * After it, dist/ holds what the sources say. Rejects, with a reason for people, where that cannot be: no compiler, a source with a
 * type error (unless `emitInto` does not check types), a tree that cannot be written.
 */
export async function emitWhereStale(
  root: string,
  onStart: () => void,
  emitInto: Emit = emitChecked,
): Promise<void> {
  const newestMs = newestSource(root);
  // The stamp carries milliseconds; sources may be finer.
  if (Math.abs(timeOf(join(root, 'dist', STAMP)) - newestMs) < 2) return;
  onStart();
  await emit(root, newestMs, emitInto);
}
