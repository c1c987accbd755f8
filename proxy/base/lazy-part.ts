// [b] Code that only some configurations need: loaded in place, without a promise, by the first that asks. What a sidecar does not do
// costs it nothing then: each KB of source that a thread loads is three or four of private memory (docs/performance.md).
//
//   const compressor = lazyPart<typeof import('./http/compressor.ts')>('filters/http/compressor');
//   … new (compressor().CompressorFilterFactory)(…)
//
// The type's path and the text must name the same file; test/proxy/base/lazy-part.test.ts sees to that, and build/emit.ts finds the parts of
// the bundle by these words. To be called where configuration is read or a connection begins, not for each request.
import { createRequire, fs } from './node-builtins.ts';

type Load = (path: string) => unknown;

/** Where the parts are: `proxy/` as a URL that ends with a slash, and `.ts` or `.js`. */
interface PartsHome {
  readonly folder: string;
  readonly extension: string;
}

/** True where this file is what runs. A bundle's files lie elsewhere, and its entries say where (`loadPartsFrom`). */
let home: PartsHome = { folder: new URL('../', import.meta.url).href, extension: '.ts' };
let load: Load | undefined;

/**
 * Descriptors kept back: the first connection of a kind may need code at the very moment when clients have used up all there are,
 * and that must not end the thread. Files are read one after the other, so one would do; two, because other threads take what is let go.
 */
const KEPT_BACK = 2;
const keptBack: number[] = [];

function keepBack(): void {
  try {
    while (keptBack.length < KEPT_BACK) keptBack.push(fs.openSync('/dev/null', 'r'));
  } catch {
    // As many as there are; the next load tries again.
  }
}

function isOutOfDescriptors(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'EMFILE' || code === 'ENFILE';
}

/** An entry file tells where the parts lie beside it. */
export function loadPartsFrom(folder: URL, extension: string): void {
  home = { folder: folder.href, extension };
  load = undefined;
  keepBack();
}

function loadPart(path: string): unknown {
  // `require` of an ES module is the same module that `import` gives, at once. In a bundle `require` is the loader's own.
  load ??= typeof require === 'undefined' ? createRequire(home.folder) : require;
  const { fileURLToPath } = process.getBuiltinModule('node:url');
  const file = fileURLToPath(`${home.folder}${path}${home.extension}`);
  try {
    return load(file);
  } catch (error) {
    if (!isOutOfDescriptors(error)) throw error;
    for (const descriptor of keptBack.splice(0)) fs.closeSync(descriptor);
    try {
      return load(file);
    } finally {
      keepBack();
    }
  }
}

/** `path`: the file from `proxy/`, without its extension. */
export function lazyPart<Part>(path: string): () => Part {
  let part: Part | undefined;
  return () => (part ??= loadPart(path) as Part);
}
