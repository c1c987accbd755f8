// The layers of docs/architecture.md as data, and the check of sources against them. Knows nothing of the file system.
import { posix } from 'node:path';

/** Lowest rung first. An import may point to its own rung or a lower one. */
const LADDER: readonly (readonly string[])[] = [
  ['proxy/base'],
  ['proxy/config', 'proxy/stats', 'proxy/stream-info'],
  ['proxy/network', 'proxy/tls'],
  ['proxy/http', 'proxy/access-log', 'proxy/tracing'],
  ['proxy/upstream'],
  ['proxy/router'],
  ['proxy/filters'],
  ['proxy/listener-manager'],
  ['proxy/server', 'proxy/main.ts'],
];

/** Beside the ladder, each with all it may reach besides itself. */
const ISLANDS: ReadonlyMap<string, readonly string[]> = new Map([
  ['proxy/xds', ['proxy/base', 'proxy/config', 'proxy/stats', 'xds-protos']],
  [
    'proxy/grpc',
    [
      'proxy/base',
      'proxy/config',
      'proxy/stats',
      'proxy/stream-info',
      'proxy/network',
      'proxy/tls',
      'proxy/http',
      'xds-protos',
    ],
  ],
  ['agent', ['proxy/base', 'proxy/grpc', 'xds-protos']],
  ['iptables-init', []],
  ['xds-protos', []],
]);

/** What the top rung, and it alone, may import besides the ladder. */
const REACHED_FROM_TOP: readonly string[] = [
  'proxy/xds',
  'proxy/grpc',
  'xds-protos',
  'iptables-init',
];
const TOP = LADDER.length - 1;

// Type-only imports count like the others: `import type`, `typeof import('…')`.
const FROM = /^[ \t]*(?:import|export)\b[^;'"`]*?\bfrom\s*['"]([^'"\n]+)['"]/gm;
const BARE = /^[ \t]*import\s*['"]([^'"\n]+)['"]/gm;
const DYNAMIC = /\bimport\s*\(\s*['"]([^'"\n]+)['"]/g;

/** The relative imports of one source text, as written. */
export function relativeImports(source: string): string[] {
  return [FROM, BARE, DYNAMIC]
    .flatMap((pattern) => [...source.matchAll(pattern)].map((match) => match[1]!))
    .filter((target) => target.startsWith('.'));
}

/** Each forbidden import as `from -> to`, sorted. `sources` maps a path from the root of the tree to its text. */
export function layeringViolations(sources: ReadonlyMap<string, string>): string[] {
  const violations: string[] = [];
  for (const [from, text] of sources) {
    if (homeOf(from) === undefined) violations.push(`${from} belongs to no layer`);
    for (const target of relativeImports(text)) {
      const to = posix.join(posix.dirname(from), target);
      if (!mayImport(from, to)) violations.push(`${from} -> ${to}`);
    }
  }
  return violations.toSorted();
}

function mayImport(from: string, to: string): boolean {
  const home = homeOf(from);
  const target = homeOf(to);
  if (home === undefined || target === undefined) return false;
  if (home === target) return true;
  const allowed = ISLANDS.get(home);
  if (allowed !== undefined) return allowed.includes(target);
  const rung = rungOf(home);
  if (ISLANDS.has(target)) return rung === TOP && REACHED_FROM_TOP.includes(target);
  return rungOf(target) <= rung;
}

/** The folder of the ladder or the island that holds the path. */
function homeOf(path: string): string | undefined {
  return [...LADDER.flat(), ...ISLANDS.keys()].find(
    (folder) => path === folder || path.startsWith(`${folder}/`),
  );
}

function rungOf(home: string): number {
  return LADDER.findIndex((rung) => rung.includes(home));
}
