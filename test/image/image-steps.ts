// Performs the Dockerfile's steps without Docker: `node test/image/image-steps.ts FOLDER [--copy-packages]`.
//
// Each stage becomes a folder. COPY is done for real everywhere; RUN is done for real in the build stage, in its WORKDIR,
// and only listed in the last stage, whose commands change the base image's system. With --copy-packages the two npm
// steps that need a network take the packages of this tree instead, run-time ones only after the prune.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

export interface ImageOptions {
  /** Holds a folder for each stage; made where it is not there. */
  readonly folder: string;
  readonly copyPackages: boolean;
}

export interface ImageResult {
  /** The root folder of the image. */
  readonly root: string;
  readonly user: string;
  readonly entrypoint: readonly string[];
  /** RUN lines of the last stage, which were not run. */
  readonly notRun: readonly string[];
}

export interface Instruction {
  readonly name: string;
  readonly rest: string;
}

interface Stage {
  readonly name: string;
  readonly root: string;
  readonly last: boolean;
  workdir: string;
}

const ROOT = join(import.meta.dirname, '../..');

/** One entry a step, comments dropped and continued lines joined. */
export function parseDockerfile(text: string): Instruction[] {
  return text
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name, rest] = /^\s*([A-Z]+)\s+(.*)$/.exec(line) ?? [];
      if (name === undefined) throw new Error(`Dockerfile: cannot read the line "${line}"`);
      return { name, rest: rest!.trim() };
    });
}

export function performImageSteps(options: ImageOptions): ImageResult {
  const steps = parseDockerfile(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'));
  const stageCount = steps.filter(({ name }) => name === 'FROM').length;
  const stages: Stage[] = [];
  const notRun: string[] = [];
  let user = '';
  let entrypoint: string[] = [];
  for (const { name, rest } of steps) {
    if (name === 'FROM') {
      stages.push(openStage(rest, stages.length + 1 === stageCount, options.folder));
      continue;
    }
    const stage = stages.at(-1);
    if (stage === undefined) throw new Error(`Dockerfile: ${name} before FROM`);
    if (name === 'WORKDIR') {
      stage.workdir = rest;
      mkdirSync(join(stage.root, rest), { recursive: true });
    } else if (name === 'COPY') copy(rest, stage, stages);
    else if (name === 'RUN' && stage.last) notRun.push(rest);
    else if (name === 'RUN') run(rest, stage, options.copyPackages);
    else if (name === 'USER') user = rest;
    else if (name === 'ENTRYPOINT') entrypoint = JSON.parse(rest) as string[];
    else throw new Error(`Dockerfile: ${name} is not known here; teach test/image/image-steps.ts`);
  }
  return { root: stages.at(-1)!.root, user, entrypoint, notRun };
}

function openStage(rest: string, last: boolean, folder: string): Stage {
  const name = / AS (\S+)$/i.exec(rest)?.[1] ?? 'image';
  const root = join(folder, name);
  mkdirSync(root, { recursive: true });
  return { name, root, last, workdir: '/' };
}

/** As Docker does: a folder's contents go into the target, a file goes by its name where the target ends in a slash. */
function copy(rest: string, stage: Stage, stages: readonly Stage[]): void {
  const words = rest.split(/\s+/);
  const from = words[0]!.startsWith('--from=') ? words.shift()!.slice('--from='.length) : undefined;
  const source = from === undefined ? ROOT : stages.find(({ name }) => name === from)!.root;
  const target = words.pop()!;
  const folder = target.startsWith('/')
    ? join(stage.root, target)
    : join(stage.root, stage.workdir, target);
  for (const word of words) {
    const path = join(source, word);
    const intoFolder = target.endsWith('/');
    cpSync(path, intoFolder ? join(folder, basename(path)) : folder, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (file) => basename(file) !== '.git',
    });
  }
}

function run(command: string, stage: Stage, copyPackages: boolean): void {
  const cwd = join(stage.root, stage.workdir);
  if (copyPackages && command === 'npm ci') {
    symlinkSync(join(ROOT, 'node_modules'), join(cwd, 'node_modules'));
    return;
  }
  if (copyPackages && command.startsWith('npm prune')) {
    copyRuntimePackages(join(cwd, 'node_modules'));
    return;
  }
  const result = spawnSync('sh', ['-eu', '-c', command], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}` },
  });
  if (result.status !== 0) {
    throw new Error(`RUN ${command}\nfailed:\n${result.stdout}${result.stderr}`);
  }
}

interface Lock {
  readonly packages: Readonly<Record<string, { dev?: boolean; devOptional?: boolean }>>;
}

/** The packages `npm prune --omit=dev` would leave, by the lock file's word. */
function copyRuntimePackages(target: string): void {
  rmSync(target);
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lock;
  for (const [path, entry] of Object.entries(lock.packages)) {
    const inner = path.slice('node_modules/'.length);
    // A nested package comes with the one that holds it.
    if (path === '' || entry.dev || entry.devOptional || inner.includes('/node_modules/')) continue;
    if (!existsSync(join(ROOT, path))) continue;
    mkdirSync(dirname(join(target, inner)), { recursive: true });
    cpSync(join(ROOT, path), join(target, inner), { recursive: true, verbatimSymlinks: true });
  }
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'copy-packages': { type: 'boolean', default: false } },
  });
  const folder = positionals[0];
  if (folder === undefined) {
    console.error('usage: node test/image/image-steps.ts FOLDER [--copy-packages]');
    process.exit(1);
  }
  const result = performImageSteps({ folder, copyPackages: values['copy-packages'] });
  console.log(JSON.stringify(result, null, 2));
}
