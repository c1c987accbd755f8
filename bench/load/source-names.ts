// The bundle shortens the names of private methods; its source maps know them. For profiles that people read.
import { existsSync, readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import type { SourceMapPayload } from 'node:module';
import { fileURLToPath } from 'node:url';

import type { CpuProfile } from './flame-graph.ts';

/** V8 tells where a method begins; a function that a field holds begins behind the field's name and an equals sign. */
const MOST_COLUMNS_BACK = 4;

function readMap(url: string): SourceMap | undefined {
  const path = `${url.startsWith('file:') ? fileURLToPath(url) : url}.map`;
  if (!existsSync(path)) return undefined;
  return new SourceMap(JSON.parse(readFileSync(path, 'utf8')) as SourceMapPayload);
}

function nameAt(map: SourceMap, line: number, column: number): string | undefined {
  for (let back = 0; back <= MOST_COLUMNS_BACK; back++) {
    // @types/node does not know of the name.
    const { name } = map.findEntry(line, column - back) as { readonly name?: unknown };
    if (typeof name === 'string' && name.startsWith('#')) return name;
  }
  return undefined;
}

/** The profile with `#onData` for `#d`, where the file has a map beside it. */
export function withSourceNames(profile: CpuProfile): CpuProfile {
  const maps = new Map<string, SourceMap | undefined>();
  const nodes = profile.nodes.map((node) => {
    const { functionName, url, lineNumber, columnNumber } = node.callFrame;
    if (!functionName.startsWith('#')) return node;
    if (!maps.has(url)) maps.set(url, readMap(url));
    const map = maps.get(url);
    const name = map && nameAt(map, lineNumber, columnNumber);
    return name === undefined
      ? node
      : { ...node, callFrame: { ...node.callFrame, functionName: name } };
  });
  return { ...profile, nodes };
}
