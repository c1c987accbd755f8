// [b] Stack traces of bundled programs, told by the places in the sources. The bundle is a few long lines with short names; the source maps
// beside it (build/emit.ts) are read only when something has gone wrong. Functions and classes keep their names in the bundle.
import type { SourceMap, SourceMapPayload } from 'node:module';
import { fs } from './node-builtins.ts';

const PLACE = /((?:file:\/\/)?\/[^\s():]+\.js):(\d+):(\d+)/g;
/** A map is up to 500 KB; no trace of ours needs more than a handful. */
const MOST_MAPS = 16;

function readMap(file: string): SourceMap | null {
  const { SourceMap: Reader } = process.getBuiltinModule('node:module');
  try {
    const map = `${file}.map`;
    const text = fs.readFileSync(map.startsWith('file:') ? new URL(map) : map, 'utf8');
    return new Reader(JSON.parse(text) as SourceMapPayload);
  } catch {
    // Not ours, or shipped without its maps: the place stays as it is.
    return null;
  }
}

/** `/usr/lib/…/common-4.js:1:20394` → `proxy/http/filter-manager.ts:87:12`; what has no map stays. */
export function readablePlaces(text: string): string {
  const maps = new Map<string, SourceMap | null>();
  return text.replaceAll(PLACE, (place, file: string, line: string, column: string) => {
    let map = maps.get(file);
    if (map === undefined) {
      map = maps.size < MOST_MAPS ? readMap(file) : null;
      maps.set(file, map);
    }
    const entry = map?.findEntry(Number(line) - 1, Number(column) - 1);
    if (entry === undefined || !('originalSource' in entry)) return place;
    const source = entry.originalSource.replace(/^(?:\.\.?\/)+/, '');
    return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
}

/** The trace of what was thrown, for a log. */
export function readableStack(error: unknown): string {
  return readablePlaces((error instanceof Error ? error.stack : undefined) ?? String(error));
}

/** For programs without a log of their own at that moment: what nobody catches is told by its places, and the exit code is 1. */
export function endReadably(): void {
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${readableStack(error)}\n`, () => process.exit(1));
    process.exitCode = 1;
  });
}
