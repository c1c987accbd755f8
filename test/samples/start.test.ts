// `npm start` as a person uses it, without sidecars so that it is quick: it serves the page, and leaves nothing behind.
// @timeout 120 s
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';

import { findNamespaceSupport } from '../../samples/local-mesh/netns.ts';
import { processesOfRun } from '../../samples/local-mesh/processes.ts';
import { ROOT, runStart, startMesh } from '../support/local-mesh.ts';

/** The guardian needs a few seconds. */
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
      const { child, url, runDir, ended } = await startMesh(['--no-sidecars', '--mode', mode]);
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
      const { child, url, runDir, ended } = await startMesh(['--no-sidecars', '--mode', mode]);
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
    const { output, ended } = runStart(args);
    t.equal(await ended, code);
    t.match(output(), message);
  }
});

t.test('processesOfRun finds nothing for a run that never was', loopback, async (t) => {
  t.same(processesOfRun('never'), []);
});
