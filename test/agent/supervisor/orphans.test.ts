// @long
// [m] An agent that is killed outright takes its proxy along, ours or another, whenever that happens.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { startSidecar } from '../../support/agent-process.ts';
import type { Sidecar } from '../../support/agent-process.ts';
import { eventually } from '../../support/eventually.ts';
import { isAlive, writeFakeProxy } from '../../support/fake-proxy.ts';
import { privateDir } from '../../support/private-dir.ts';
import type { Teardowns } from '../../support/private-dir.ts';
import { ask } from '../../support/test-http.ts';

const startedPid = (sidecar: Sidecar): number | undefined => {
  const pid = /proxy started: epoch 1, pid (\d+)/.exec(sidecar.output())?.[1];
  return pid === undefined ? undefined : Number(pid);
};

/** The proxy's pid, as soon as the agent has told it. */
async function untilStarted(t: Teardowns, sidecar: Sidecar): Promise<number> {
  await eventually('the proxy is started', () => startedPid(sidecar) !== undefined);
  const pid = startedPid(sidecar)!;
  t.teardown(() => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  });
  return pid;
}

async function killAgent(sidecar: Sidecar): Promise<void> {
  sidecar.child.kill('SIGKILL');
  await eventually('the agent is gone', () => sidecar.child.signalCode === 'SIGKILL');
}

t.test('An agent that is killed', { skip: process.platform !== 'linux' }, (t) => {
  t.test('takes our proxy along while it serves', async (t) => {
    const sidecar = await startSidecar(t, { binaryPath: undefined });
    const pid = await untilStarted(t, sidecar);
    const { proxyAdminPort } = JSON.parse(sidecar.variables['PROXY_CONFIG']!) as {
      proxyAdminPort: number;
    };
    await eventually('the admin answers', async () =>
      ask(proxyAdminPort, 'GET', '/server_info').then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    await killAgent(sidecar);
    // Nobody reads its log any more.
    await eventually('the proxy is gone', () => !isAlive(pid));
    t.pass();
  });

  t.test('takes our proxy along while it starts', async (t) => {
    const sidecar = await startSidecar(t, { binaryPath: undefined });
    const pid = await untilStarted(t, sidecar);
    await killAgent(sidecar);
    await eventually('the proxy is gone', () => !isAlive(pid));
    t.pass();
  });

  t.test('takes another program along, which knows nothing of it', async (t) => {
    const fake = writeFakeProxy(privateDir(t), 'exec sleep 600');
    const sidecar = await startSidecar(t, { binaryPath: fake.path });
    const pid = await untilStarted(t, sidecar);
    await eventually('it runs', () => fake.pids().length === 1);
    t.equal(fake.pids()[0], pid, 'there is no process in between');
    t.match(readFileSync(`/proc/${pid}/cmdline`, 'latin1'), /^sleep\0/);
    await killAgent(sidecar);
    await eventually('it is gone', () => !isAlive(pid));
    t.pass();
  });

  t.test('takes another program along before that even runs', async (t) => {
    const fake = writeFakeProxy(privateDir(t), 'exec sleep 600');
    const sidecar = await startSidecar(t, { binaryPath: fake.path });
    const pid = await untilStarted(t, sidecar);
    await killAgent(sidecar);
    await eventually('it is gone', () => !isAlive(pid));
    t.pass();
  });

  t.end();
});

t.test('A proxy that the agent cannot start', async (t) => {
  const dir = privateDir(t);
  const text = join(dir, 'text');
  writeFileSync(text, 'neither a program nor a script\0\u0001');
  const rows: readonly (readonly [string, number, number, RegExp])[] = [
    [
      join(dir, 'absent'),
      0,
      127,
      /could not be started: no such file; check ProxyConfig.binaryPath/,
    ],
    [text, 0o644, 126, /could not be started: not executable for this user; check/],
    [text, 0o755, 126, /could not be executed, exit code 126; check/],
  ];
  for (const [path, mode, status, words] of rows) {
    if (mode !== 0) chmodSync(path, mode);
    const sidecar = await startSidecar(t, { binaryPath: path });
    t.equal(await sidecar.exitCode, status, sidecar.output());
    t.match(sidecar.output(), words);
  }
});
