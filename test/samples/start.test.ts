// `npm start` as a person uses it, without sidecars so that it is quick: it serves the page, and leaves nothing behind.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';

import { findNamespaceSupport } from '../../samples/local-mesh/netns.ts';
import { processesOfRun } from '../../samples/local-mesh/processes.ts';

const ROOT = join(import.meta.dirname, '../..');
const START_LIMIT_MS = 60_000;

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  readonly runDir: string;
}

function run(args: readonly string[]): {
  child: ChildProcess;
  output: () => string;
  ended: Promise<number | null>;
} {
  const child = spawn(process.execPath, ['samples/start.ts', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const ended = new Promise<number | null>((resolve) =>
    child.once('exit', (code) => resolve(code)),
  );
  return { child, output: () => text, ended };
}

async function start(mode: string): Promise<Started & { ended: Promise<number | null> }> {
  const { child, output, ended } = run(['--no-sidecars', '--mode', mode]);
  const deadlineMs = Date.now() + START_LIMIT_MS;
  for (;;) {
    const url = /Bookinfo runs: +(http:\S+)/.exec(output())?.[1];
    const logs = /logs +(\S+),/.exec(output())?.[1];
    if (url !== undefined && logs !== undefined)
      return { child, url, runDir: dirname(logs), ended };
    if (child.exitCode !== null || Date.now() > deadlineMs) {
      child.kill('SIGINT');
      throw new Error(output());
    }
    await sleep(50);
  }
}

/** Commands of processes that still speak of this run's folder or serve its pods. */
async function isGone(runDir: string): Promise<boolean> {
  for (let i = 0; i < 200 && existsSync(runDir); i++) await sleep(50);
  return !existsSync(runDir);
}

const support = await findNamespaceSupport(ROOT);
const namespaces = support.ok ? {} : { skip: support.reason };
const loopback = { skip: process.platform !== 'linux' };

t.jobs = 4;

for (const [mode, options] of [
  ['loopback', loopback],
  ['netns', namespaces],
] as const) {
  t.test(
    `npm start, mode ${mode}, serves the page and ends with SIGINT, leaving nothing`,
    options,
    async (t) => {
      const { child, url, runDir, ended } = await start(mode);
      const response = await fetch(url);
      t.equal(response.status, 200);
      t.equal(response.headers.get('x-bookinfo-reviews-version'), 'v1');
      t.match(await response.text(), 'William Shakespeare');
      child.kill('SIGINT');
      t.equal(await ended, 0);
      t.notOk(existsSync(runDir));
      await t.rejects(fetch(url));
    },
  );

  t.test(
    `npm start, mode ${mode}, leaves nothing when it is killed outright`,
    options,
    async (t) => {
      const { child, url, runDir, ended } = await start(mode);
      child.kill('SIGKILL');
      await ended;
      t.ok(await isGone(runDir));
      await t.rejects(fetch(url));
    },
  );
}

t.test('npm start says in words what is wrong with its flags', async (t) => {
  for (const [args, code, message] of [
    [['--mode', 'x'], 2, '--mode: "x" is none of'],
    [['--config', 'no/such/folder'], 1, '--config: '],
  ] as const) {
    const { output, ended } = run(args);
    t.equal(await ended, code);
    t.match(output(), message);
  }
});

t.test('processesOfRun finds nothing for a run that never was', loopback, async (t) => {
  t.same(processesOfRun('never'), []);
});
