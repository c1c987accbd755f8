// [b] What a program of the bundle begins with: build/emit.ts puts this file in the place of each entry that has compiled code. It loads the
// program's files with what V8 made of them at build time (build/compiled-code.ts), which lies beside them, so that not every start
// of every thread parses and compiles the same again. Code of another Node, or made with other flags, V8 refuses by itself and compiles as ever.
//
// A loader of our own, because Node's keeps the compiled code as long as the process lives (NODE_COMPILE_CACHE: 1.9 MB).
import type { Script } from 'node:vm';

/** What build/code-recorder.ts is told of each file. */
export interface LoadedScript {
  readonly script: Script;
  /** Where its compiled code belongs. */
  readonly codePath: string;
}

type Require = (name: string) => unknown;
interface Module {
  readonly exports: object;
}
type Body = (exports: object, require: Require, module: Module, filename: string) => void;

const RECORDER = Symbol.for('outrigger.scripts');
const HEAD = '(function(exports,require,module,__filename){\n';
const TAIL = '\n})';

const fs = process.getBuiltinModule('node:fs');
const { basename, dirname, extname, resolve } = process.getBuiltinModule('node:path');
const { Script: CompiledScript } = process.getBuiltinModule('node:vm');
const nodeModule = process.getBuiltinModule('node:module');

const recorder = (globalThis as { [RECORDER]?: LoadedScript[] })[RECORDER];
const modules = new Map<string, Module>();
/** Of two threads that share a file each runs other functions of it. */
const codeEnd = `.${basename(dirname(__filename))}-${basename(__filename, extname(__filename))}.code`;

function requireFrom(file: string): Require {
  return (name) => {
    if (name.startsWith('.') || name.startsWith('/')) return load(resolve(dirname(file), name));
    return process.getBuiltinModule(name) ?? (nodeModule.createRequire(file)(name) as unknown);
  };
}

function load(file: string): object {
  const known = modules.get(file);
  if (known !== undefined) return known.exports;
  const module: Module = { exports: {} };
  modules.set(file, module);
  try {
    run(file, module);
  } catch (error) {
    // Who was out of descriptors may try again.
    modules.delete(file);
    throw error;
  }
  return module.exports;
}

function run(file: string, module: Module): void {
  const codePath = file + codeEnd;
  const cachedData = fs.existsSync(codePath) ? fs.readFileSync(codePath) : undefined;
  // The bundle is ASCII. A line more in front: places in a stack trace stay what the source maps say.
  const script = new CompiledScript(HEAD + fs.readFileSync(file, 'latin1') + TAIL, {
    filename: file,
    lineOffset: -1,
    cachedData,
  });
  recorder?.push({ script, codePath });
  (script.runInThisContext() as Body)(module.exports, requireFrom(file), module, file);
}

load(__filename.replace(/\.js$/, '-program.js'));
