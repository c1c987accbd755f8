// `npm test [-- words]`: checks, then every test file as a process of its own. Words choose files whose path holds one of them.
//
// Flags: --no-check leaves the checks out; --long runs the files marked `@long` instead of the others;
//        A file that failed is run once more at the end, alone: what passes then is listed as UNSTEADY, what fails again has failed.
//        --jobs=N files at a time (default 3, or 2 on one CPU: most wait for timers and peers half of their time); --timeout=SECONDS for a file without a mark of its own (60).
// Programs under test run as they ship, bundled in dist/ (made anew where a source is newer); OUTRIGGER_EMITTED=0 runs them from sources,
// as a test file does that is started by hand.
// Counts assertions (plus one for each check and each file that failed as a whole). The last line is `N passed, N failed`.
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from '../build/emit.ts';
import { emitWhereStale } from '../samples/local-mesh/emitted.ts';
import { printCheck, runChecks } from './runner/checks.ts';
import { readMarks, runTestFile } from './runner/test-file.ts';
import type { FileResult, TestFile } from './runner/test-file.ts';

process.chdir(join(import.meta.dirname, '..'));
const OPTIONS = {
  help: { type: 'boolean', default: false },
  'no-check': { type: 'boolean', default: false },
  long: { type: 'boolean', default: false },
  jobs: { type: 'string', default: String(Math.min(3, availableParallelism() + 1)) },
  timeout: { type: 'string', default: '60' },
} as const;

const USAGE = `usage: npm test -- [flags] [words]
  words       only test files whose path has one of them
  --no-check  leave out types, lint, format and layering (left out with words anyway)
  --long      the suites marked @long instead
  --jobs N    files at the same time; default 3
  --timeout S seconds a file may take; default 60`;

const { values, positionals } = readFlags();
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

function readFlags() {
  try {
    return parseArgs({ allowPositionals: true, options: OPTIONS });
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return process.exit(1);
  }
}

const files = findFiles();
if (files.length === 0) {
  console.log(`no test file matches ${positionals.join(' ') || '(no words)'}`);
  console.log('0 passed, 1 failed');
  process.exit(1);
}

let checksPassed = 0;
let checksFailed = 0;
if (!values['no-check'] && positionals.length === 0 && !values.long) {
  for (const result of await runChecks(printCheck)) {
    if (result.ok) checksPassed++;
    else checksFailed++;
  }
}
await bundlePrograms();
const results = await runAll(files);
const unsteady = await runFailedAgain(results);
summarise(results);

function findFiles(): TestFile[] {
  const timeoutMs = Number(values.timeout) * 1000;
  const words = positionals.map((word) => word.replace(/^\.\//, ''));
  return globSync('test/**/*.test.ts')
    .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
    .toSorted()
    .map((path) => readMarks(path, timeoutMs))
    .filter((file) => file.long === values.long);
}

/** A bundled proxy starts with half the CPU time, and some two hundred are started. Types are another check's matter. */
async function bundlePrograms(): Promise<void> {
  if (process.env['OUTRIGGER_EMITTED'] !== undefined) return;
  await emitWhereStale(process.cwd(), () => console.log('bundling the programs'), bundle);
  process.env['OUTRIGGER_EMITTED'] = '1';
}

/** Serial files come last, one at a time, with nothing beside them. */
async function runAll(all: readonly TestFile[]): Promise<FileResult[]> {
  const done: FileResult[] = [];
  const runQueue = async (queue: TestFile[]): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runTestFile(file);
      done.push(result);
      printFile(result, `${done.length}/${all.length}`);
    }
  };
  const shared = all.filter((file) => !file.serial);
  await Promise.all(Array.from({ length: Number(values.jobs) }, async () => runQueue(shared)));
  await runQueue(all.filter((file) => file.serial));
  return done;
}

/** Other files beside it can starve a test of time. Replaces the results that are better when alone, and returns those files. */
async function runFailedAgain(done: FileResult[]): Promise<TestFile[]> {
  const saved: TestFile[] = [];
  const failed = done.filter(hasFailed);
  // More than a few at once is no matter of luck.
  if (failed.length > 5) return saved;
  for (const first of failed) {
    const second = await runTestFile(first.file);
    printFile(second, 'again, alone');
    if (hasFailed(second)) continue;
    done[done.indexOf(first)] = second;
    saved.push(first.file);
  }
  return saved;
}

function hasFailed(result: FileResult): boolean {
  return result.failed.length + result.faults.length > 0;
}

function printFile(result: FileResult, progress: string): void {
  const failed = hasFailed(result);
  const seconds = `${(result.durationMs / 1000).toFixed(1)} s`.padStart(7);
  const count = `${result.passed}`.padStart(6);
  const skipped = result.skipped.length > 0 ? `, ${result.skipped.length} skipped` : '';
  const word = failed ? 'FAILED' : 'ok    ';
  console.log(`${word} ${seconds} ${count}  ${result.file.path}${skipped}  (${progress})`);
  if (result.leftRunning) console.log('       left processes running; they were ended');
  if (!failed) return;
  for (const { path, diagnostic } of result.failed) {
    console.log(`\n  ✗ ${path.join(' › ')}`);
    for (const line of diagnostic) console.log(`      ${line}`);
  }
  for (const fault of result.faults) console.log(`\n  ✗ ${result.file.path}: ${fault}`);
  if (result.errorTail.length > 0) {
    console.log('\n    standard error, last lines:');
    for (const line of result.errorTail) console.log(`      ${line}`);
  }
  console.log('');
}

function summarise(all: readonly FileResult[]): void {
  const skipped = all.flatMap(({ file, skipped: tests }) =>
    tests.map(
      ({ path, reason }) => `  ${file.path}: ${path.join(' › ')}\n      because: ${reason}`,
    ),
  );
  if (skipped.length > 0) console.log(`\n${skipped.length} SKIPPED, not tested here:`);
  for (const line of skipped) console.log(line);

  if (unsteady.length > 0)
    console.log(`\n${unsteady.length} UNSTEADY, failed among others and passed alone:`);
  for (const { path } of unsteady) console.log(`  ${path}`);

  const failedFiles = all.filter(hasFailed);
  if (failedFiles.length > 0) console.log(`\n${failedFiles.length} files failed:`);
  for (const { file, failed: tests, faults } of failedFiles) {
    console.log(`  ${file.path}`);
    for (const { path } of tests.slice(0, 10)) console.log(`      ${path.join(' › ')}`);
    for (const fault of faults) console.log(`      ${fault}`);
  }
  if (checksFailed > 0)
    console.log(`\n${checksFailed} checks failed; \`npm run check\` shows them`);

  let passed = checksPassed;
  let failed = checksFailed;
  for (const result of all) {
    passed += result.passed;
    failed += result.failed.length + result.faults.length;
  }
  console.log(`\n${all.length} files; assertions and checks:`);
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}
