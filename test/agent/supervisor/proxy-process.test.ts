// [m] ProxyProcess with a real child process: starts, deaths, restarts, ends.
import { join } from 'node:path';
import t from 'tap';

import { proxyCommand } from '../../../agent/supervisor/proxy-command.ts';
import { ProxyProcess } from '../../../agent/supervisor/proxy-process.ts';
import type { RestartPolicy } from '../../../agent/supervisor/proxy-process.ts';
import { realTime } from '../../../proxy/base/clock.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { makeOptions } from '../../support/agent-options.ts';
import { captureLog } from '../../support/captured-log.ts';
import { eventually } from '../../support/eventually.ts';
import { isAlive, KERNEL_BOND, writeFakeProxy } from '../../support/fake-proxy.ts';
import type { FakeProxy } from '../../support/fake-proxy.ts';
import { privateDir } from '../../support/private-dir.ts';
import type { Teardowns } from '../../support/private-dir.ts';

interface Setup {
  readonly proxy: ProxyProcess;
  readonly fake: FakeProxy;
  readonly lines: string[];
  restarts: number;
}

const QUICK: RestartPolicy = { budget: 3, firstDelayMs: 20, mostDelayMs: 100, stableRunMs: 60_000 };

function setUp(
  t: Teardowns,
  body: string,
  policy: Partial<RestartPolicy> = {},
  path?: string,
): Setup {
  const dir = privateDir(t);
  const fake = writeFakeProxy(dir, body);
  const { logger, lines } = captureLog();
  const setup = { restarts: 0 };
  const proxy = new ProxyProcess({
    command: { path: path ?? fake.path, arguments: ['-c', 'bootstrap.json'], bond: KERNEL_BOND },
    policy: { ...QUICK, ...policy },
    logger,
    time: realTime,
    random: new SeededRandom(1),
    onRestart: () => setup.restarts++,
    onOutput: () => {},
    onUnaskedExit: () => {},
  });
  t.teardown(() => proxy.killNow());
  // The agent's servers keep its process alive between two starts; here nothing else would.
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  return Object.assign(setup, { proxy, fake, lines });
}

const waitForPids = (fake: FakeProxy, count: number): Promise<void> =>
  eventually(`${count} starts`, () => fake.pids().length >= count);

t.test('ProxyProcess', (t) => {
  t.test('starts the proxy with its arguments and stops it by SIGTERM', async (t) => {
    const { proxy, fake } = setUp(t, 'exec sleep 60');
    proxy.start();
    await waitForPids(fake, 1);
    t.equal(fake.pids()[0], proxy.pid);
    t.equal(fake.lastArguments(), '-c bootstrap.json');
    t.match(await proxy.stop(5000), { signal: 'SIGTERM' });
    t.equal(isAlive(fake.pids()[0]!), false);
  });

  t.test('starts it again after kill -9, with a reason in plain words', async (t) => {
    const setup = setUp(t, 'exec sleep 60');
    const { proxy, fake, lines } = setup;
    proxy.start();
    await waitForPids(fake, 1);
    process.kill(fake.pids()[0]!, 'SIGKILL');
    await waitForPids(fake, 2);
    t.equal(proxy.epoch, 2);
    t.equal(setup.restarts, 1);
    t.not(fake.pids()[1], fake.pids()[0]);
    t.match(
      lines.find((line) => line.startsWith('warning')),
      /^warning proxy killed by SIGKILL \(signal 9\): by hand, or by the kernel.*; restart 1 of 3 in \d+ ms$/,
    );
    await proxy.stop(5000);
  });

  t.test('gives up after its budget and tells how the proxy ended', async (t) => {
    const { proxy, fake, lines } = setUp(t, 'exit 3');
    proxy.start();
    t.match(await proxy.ended, { code: 3 });
    t.equal(fake.pids().length, 4);
    t.match(lines.at(-1), /^error proxy ended with exit code 3; 3 restarts in a row did not help/);
  });

  t.test('forgets failures after a stable run', async (t) => {
    const { proxy, fake } = setUp(t, 'exit 3', { stableRunMs: 0, budget: 1, mostDelayMs: 20 });
    proxy.start();
    await waitForPids(fake, 4);
    await proxy.stop(5000);
    t.pass();
  });

  t.test('leaves with the proxy at once where the budget is 0, as stock does', async (t) => {
    const { proxy, fake } = setUp(t, 'kill -SEGV $$', { budget: 0 });
    proxy.start();
    t.match(await proxy.ended, { signal: 'SIGSEGV' });
    t.equal(fake.pids().length, 1);
  });

  t.test('does not restart a proxy that ended without an error', async (t) => {
    const { proxy, fake } = setUp(t, 'exit 0');
    proxy.start();
    t.match(await proxy.ended, { code: 0 });
    t.equal(fake.pids().length, 1);
  });

  t.test('does not try again where there is no such program', async (t) => {
    const missing = join(privateDir(t), 'absent');
    const { proxy, lines } = setUp(t, '', {}, missing);
    proxy.start();
    t.match(await proxy.ended, { spawnError: { code: 'ENOENT' } });
    t.match(lines.at(-1), /could not be started: no such file; check ProxyConfig.binaryPath/);
  });

  t.test('kills a proxy that ignores SIGTERM, and what it started', async (t) => {
    const { proxy, fake } = setUp(
      t,
      `trap '' TERM\nsleep 60 &\necho $! >> "$(dirname "$0")/pids"\nwait\nwait`,
    );
    proxy.start();
    await waitForPids(fake, 2);
    t.match(await proxy.stop(50), { signal: 'SIGKILL' });
    await eventually('its child is gone', () => !isAlive(fake.pids()[1]!));
  });

  t.test('ends at once when told to stay down between two starts', async (t) => {
    const { proxy } = setUp(t, 'exit 3', { firstDelayMs: 600_000, mostDelayMs: 600_000 });
    proxy.start();
    await eventually('it waits', () => proxy.pid === undefined);
    t.match(await proxy.stop(5000), { code: 3 });
  });

  t.test('has the command line of stock', async (t) => {
    const options = await makeOptions({
      flags: ['--proxyLogLevel=info,upstream:debug', '--concurrency', '2'],
      proxyConfig: { binaryPath: '/bin/envoy' },
    });
    t.strictSame(proxyCommand(options), {
      path: '/bin/envoy',
      bond: { kind: 'kernel', boundExec: '/install/agent/bound-exec.ts' },
      arguments: [
        ...[
          '-c',
          'etc/istio/proxy/envoy-rev.json',
          '--drain-time-s',
          '45',
          '--drain-strategy',
          'immediate',
        ],
        ...[
          '--local-address-ip-version',
          'v4',
          '--file-flush-interval-msec',
          '1000',
          '--disable-hot-restart',
        ],
        ...[
          '--allow-unknown-static-fields',
          '-l',
          'info',
          '--component-log-level',
          'upstream:debug',
        ],
        ...['--skip-deprecated-logs', '--concurrency', '2'],
      ],
    });
  });

  t.end();
});
