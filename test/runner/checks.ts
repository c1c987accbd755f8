// The checks that need no run of the product: types, lint, format, layering. Run side by side; each is one process.
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  readonly durationMs: number;
  readonly output: string;
}

interface Check {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** Folder of the programs that `npm ci` installs. */
const PROGRAMS = join(import.meta.dirname, '../../node_modules/.bin');
const ROOT = join(import.meta.dirname, '../..');

const CHECKS: readonly Check[] = [
  { name: 'types', command: 'tsc', args: ['--noEmit', '-p', 'tsconfig.json'] },
  { name: 'lint', command: 'oxlint', args: ['--quiet', '--format=unix'] },
  { name: 'format', command: 'oxfmt', args: ['--list-different'] },
  { name: 'layering', command: process.execPath, args: ['test/architecture.test.ts'] },
];

const HINTS: Readonly<Record<string, string>> = {
  format: 'these files are not formatted; run `npm run format`:\n',
};

/** Calls `report` as each check ends. */
export async function runChecks(report: (result: CheckResult) => void): Promise<CheckResult[]> {
  return Promise.all(
    CHECKS.map(async (check) => {
      const result = await runCheck(check);
      report(result);
      return result;
    }),
  );
}

export function printCheck(result: CheckResult): void {
  const seconds = `${(result.durationMs / 1000).toFixed(1)} s`.padStart(7);
  console.log(`${result.ok ? 'ok    ' : 'FAILED'} ${seconds}  ${result.name}`);
  if (!result.ok) console.log(indent(`${HINTS[result.name] ?? ''}${result.output.trim()}`));
}

async function runCheck(check: Check): Promise<CheckResult> {
  const startedAt = performance.now();
  const command = check.command.includes('/') ? check.command : join(PROGRAMS, check.command);
  const child = spawn(command, check.args, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    // The programs are scripts that look for `node`: they must find the one we run on.
    env: { ...process.env, PATH: `${PROGRAMS}${delimiter}${process.env['PATH'] ?? ''}` },
  });
  let output = '';
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  child.on('close', (code) => resolve(code === 0));
  child.on('error', (error) => {
    output += `${error.message}; run \`npm ci\` first\n`;
  });
  const ok = await promise;
  return { name: check.name, ok, durationMs: performance.now() - startedAt, output };
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}
