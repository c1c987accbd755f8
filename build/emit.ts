// `npm run build`, or `node build/emit.ts [--out FOLDER]`: what the image runs. Types are checked first; then each program is joined
// into as few files as can be, in dist/chunks what several of them share. A program of two hundred small modules starts 90 ms later and holds
// 4 MB more per process: each module has a record, a scope and its source with comments in every thread (docs/performance.md).
//
// What a program loads only when configuration names it (proxy/base/lazy-part.ts) is a file of its own each; the parts never tear apart
// what the programs load anyway, or that would fall into a hundred shared files.
//
// Functions and classes keep their names, all others are shortened; the source maps beside the files tell where a stack trace points
// (proxy/base/readable-stack.ts). Packages stay outside.
//
// The proxy's two programs begin with a loader of our own, which brings V8's code along (build/compiled-code.ts).
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { rolldown } from 'rolldown';
import type { GetModuleInfo, OutputOptions } from 'rolldown';
import { writeCompiledCode } from './compiled-code.ts';
import { groupModules } from './module-groups.ts';

/** Programs and thread entries; each keeps its place, so that what finds files relative to itself finds them in both trees. */
const PROGRAMS = [
  'proxy/main.ts',
  'proxy/server/worker.ts',
  'agent/main.ts',
  'agent/bound-exec.ts',
  'agent/control-plane/main.ts',
  'iptables-init/main.ts',
];
/** What a program loads later, and yet as a whole: what they share with programs is told apart in the same way. */
const LATER = ['agent/commands/proxy.ts', 'agent/commands/request.ts', 'agent/commands/wait.ts'];
/** Those of them that have compiled code; the loader takes their place, and they are called `…-program.js`. */
const COMPILED: readonly string[] = ['proxy/main.ts', 'proxy/server/worker.ts'];
const LOADER = 'proxy/base/compiled-program.ts';
/** Read by xds-protos/descriptor-table.ts, beside the file that holds it. */
const TEXTS = ['xds-protos/gen/descriptors.txt', 'chunks/gen/descriptors.txt'] as const;
const PART = /\blazyPart<typeof import\('([^']+)'\)>\(/g;
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

/** The parts that each file of the proxy names, all from the root of the tree. */
function partsByFile(root: string): Map<string, string[]> {
  const parts = new Map<string, string[]>();
  for (const path of globSync('proxy/**/*.ts', { cwd: root })) {
    const named = [...readFileSync(join(root, path), 'utf8').matchAll(PART)]
      .map(([, part = '']) => posix.join(posix.dirname(path), part))
      // The example in lazy-part.ts itself names none.
      .filter((part) => globSync(part, { cwd: root }).length > 0);
    if (named.length > 0) parts.set(path, named);
  }
  return parts;
}

/** The files that some file of the proxy names as a lazy part, from the root of the tree. */
export function lazyParts(root: string): string[] {
  return [...new Set([...partsByFile(root).values()].flat())].toSorted();
}

/** What the same programs need goes into one file, whichever parts need it too. */
function groupByPrograms(root: string, entries: readonly string[]): OutputOptions {
  const idOf = (path: string): string => join(root, path);
  const programs = entries.map(idOf);
  const parts = new Map(
    [...partsByFile(root)].map(([file, named]) => [idOf(file), named.map(idOf)]),
  );
  let groups: Map<string, string> | undefined;
  const names = new Map<string, string>();
  const name = (id: string, bundle: { getModuleInfo: GetModuleInfo }): string | null => {
    groups ??= groupModules(programs, parts, {
      imports: (of) => bundle.getModuleInfo(of)?.importedIds ?? [],
      size: (of) => bundle.getModuleInfo(of)?.code?.length ?? 0,
    });
    const key = groups.get(id);
    if (key === undefined || programs.includes(id)) return null;
    if (!names.has(key)) names.set(key, `common-${names.size}`);
    return names.get(key) ?? null;
  };
  const group = { name, debugName: 'by programs' };
  return { codeSplitting: { includeDependenciesRecursively: false, groups: [group] } };
}

const FORM = {
  // Modules of this kind load faster than those that `import`, and can come with compiled code.
  format: 'cjs',
  entryFileNames: '[name].js',
  // What is not Latin-1 would make V8 keep two bytes for each character of a file.
  charset: 'ascii',
  comments: false,
  minify: {
    compress: true,
    mangle: { toplevel: true, keepNames: { function: true, class: true } },
    codegen: { removeWhitespace: true },
  },
} as const satisfies OutputOptions;

const nameOf = (path: string): string => path.replace(/\.ts$/, '');

/** Writes the programs of the tree at `root` into `out`, which is made. */
export async function bundle(root: string, out: string): Promise<void> {
  const exists = (path: string): boolean => globSync(path, { cwd: root }).length > 0;
  const entries = PROGRAMS.filter(exists);
  const compiled = exists(LOADER) ? COMPILED.filter(exists) : [];
  const outputName = (path: string): string =>
    compiled.includes(path) ? `${nameOf(path)}-program` : nameOf(path);
  const input = new Map(
    [...entries, ...lazyParts(root)].map((path) => [outputName(path), join(root, path)]),
  );
  const options = {
    cwd: root,
    external: /^[^./]/,
    platform: 'node',
    transform: { target: 'esnext' },
    logLevel: 'warn',
  } as const;
  const programs = await rolldown({
    ...options,
    input: Object.fromEntries<string>(input),
    preserveEntrySignatures: 'allow-extension',
  });
  await programs.write({
    ...FORM,
    dir: out,
    chunkFileNames: 'chunks/[name]-[hash].js',
    sourcemap: true,
    sourcemapExcludeSources: true,
    ...groupByPrograms(root, [...entries, ...LATER.filter((path) => existsSync(join(root, path)))]),
  });
  await programs.close();
  for (const path of compiled) {
    const loader = await rolldown({ ...options, input: { [nameOf(path)]: join(root, LOADER) } });
    await loader.write({ ...FORM, dir: out });
    await loader.close();
  }
  writeFileSync(join(out, 'package.json'), '{ "type": "commonjs" }\n');
  const [text, place] = TEXTS;
  if (existsSync(join(root, text))) cpSync(join(root, text), join(out, place));
}

/** `out` is replaced as a whole. */
export async function emit(root: string, out: string): Promise<void> {
  checkTypes(root);
  rmSync(out, { recursive: true, force: true });
  await bundle(root, out);
  if (existsSync(join(root, LOADER))) await writeCompiledCode(root, out);
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  const { values } = parseArgs({
    options: { out: { type: 'string', default: join(root, 'dist') } },
  });
  try {
    await emit(root, values.out);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
