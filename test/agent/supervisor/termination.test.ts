// [m] Termination with a real child process and a scripted admin.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';

import { ProxyAdmin } from '../../../agent/proxy-admin.ts';
import { PodSockets, sidecarPorts } from '../../../agent/supervisor/pod-sockets.ts';
import type { SocketTables } from '../../../agent/supervisor/pod-sockets.ts';
import { planShutdown } from '../../../agent/supervisor/shutdown-plan.ts';
import { ProxyProcess } from '../../../agent/supervisor/proxy-process.ts';
import { countActiveConnections, Termination } from '../../../agent/supervisor/termination.ts';
import { realTime } from '../../../proxy/base/clock.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { makeOptions } from '../../support/agent-options.ts';
import { captureLog } from '../../support/captured-log.ts';
import { eventually } from '../../support/eventually.ts';
import { isAlive, KERNEL_BOND, writeFakeProxy } from '../../support/fake-proxy.ts';
import { privateDir } from '../../support/private-dir.ts';
import type { Teardowns } from '../../support/private-dir.ts';

interface Setup {
  readonly termination: Termination;
  readonly proxy: ProxyProcess;
  readonly requests: string[];
  readonly lines: string[];
}

interface Inputs {
  readonly variables?: Readonly<Record<string, string>>;
  readonly terminationDrainDuration?: string;
  /** Answers to /stats, one after the other; the last one stays. */
  readonly active?: readonly number[];
  readonly tables?: SocketTables;
}

const NO_TABLES: SocketTables = { lines: () => undefined, inodesOf: () => undefined };

async function setUp(t: Teardowns, inputs: Inputs): Promise<Setup> {
  const fake = writeFakeProxy(privateDir(t), 'exec sleep 60');
  const requests: string[] = [];
  const active = [...(inputs.active ?? [])];
  const admin = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const count = active.length > 1 ? active.shift() : active[0];
    response.end(
      `listener.0.0.0.0_15006.downstream_cx_active: ${count}\nlistener.admin.downstream_cx_active: 1\n`,
    );
  });
  await new Promise<void>((resolve) => admin.listen(0, '127.0.0.1', resolve));
  t.teardown(() => admin.close());
  const { logger, lines } = captureLog();
  const options = await makeOptions({
    variables: inputs.variables ?? {},
    proxyConfig: { terminationDrainDuration: inputs.terminationDrainDuration ?? '50ms' },
  });
  const proxy = new ProxyProcess({
    command: { path: fake.path, arguments: [], bond: KERNEL_BOND },
    policy: { budget: 5, firstDelayMs: 10, mostDelayMs: 10, stableRunMs: 60_000 },
    logger,
    time: realTime,
    random: new SeededRandom(1),
    onRestart: () => {},
    onOutput: () => {},
    onUnaskedExit: () => {},
  });
  proxy.start();
  t.teardown(() => proxy.killNow());
  await eventually('it runs', () => fake.pids().length === 1);
  const termination = new Termination({
    proxy,
    admin: new ProxyAdmin('127.0.0.1', (admin.address() as AddressInfo).port),
    sockets: new PodSockets(sidecarPorts(options), inputs.tables ?? NO_TABLES),
    lifecycle: options.lifecycle,
    inboundOnly: options.identity.role === 'sidecar',
    addresses: options.addresses,
    logger,
    time: realTime,
  });
  return { termination, proxy, requests, lines };
}

const DRAIN = 'POST /drain_listeners?inboundonly&graceful';

t.test('Termination', (t) => {
  t.test('drains inbound, waits, then stops the proxy for good', async (t) => {
    const { termination, proxy, requests } = await setUp(t, {});
    const pid = proxy.pid!;
    const began = performance.now();
    await termination.terminate();
    t.ok(performance.now() - began >= 49, 'it waited');
    t.strictSame(requests, [DRAIN]);
    t.equal(isAlive(pid), false);
    t.equal(proxy.epoch, 1);
  });

  t.test('stops at once after /drain went before', async (t) => {
    const { termination, requests } = await setUp(t, { terminationDrainDuration: '1h' });
    await termination.drainOnly();
    await termination.drainOnly();
    t.equal(termination.leaving, false);
    await termination.terminate();
    t.strictSame(requests, [`${DRAIN}&skip_exit`]);
  });

  t.test('skips draining on quit', async (t) => {
    const { termination, requests } = await setUp(t, { terminationDrainDuration: '1h' });
    await termination.quit();
    t.strictSame(requests, []);
  });

  t.test('does not wait for a proxy that died while draining', async (t) => {
    const { termination, proxy } = await setUp(t, { terminationDrainDuration: '1h' });
    const done = termination.terminate();
    process.kill(proxy.pid!, 'SIGKILL');
    await done;
    t.equal(proxy.epoch, 1);
  });

  t.test('waits for the last connection where told to', async (t) => {
    const { termination, requests } = await setUp(t, {
      variables: { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true', MINIMUM_DRAIN_DURATION: '10ms' },
      active: [1, 1, 0],
    });
    await termination.terminate();
    const polls = requests.filter((request) =>
      request.startsWith('GET /stats?usedonly&filter=downstream_cx_active'),
    );
    t.equal(polls.length, 2);
  });

  t.test('waits for it for as long as it takes, unless the grace period is known', async (t) => {
    for (const [grace, least, most] of [
      // As stock, which ends with the last connection or by the kubelet's hand.
      ['0s', 2, 2],
      ['2.6s', 0, 3],
    ] as const) {
      const { termination, requests, lines } = await setUp(t, {
        variables: {
          EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true',
          MINIMUM_DRAIN_DURATION: '10ms',
          OUTRIGGER_GRACE_PERIOD: grace,
        },
        active: grace === '0s' ? [1, 1, 0] : [1],
      });
      await termination.terminate();
      const polls = requests.filter((request) => request.startsWith('GET /stats')).length;
      t.ok(polls >= least && polls <= most, `${grace}: ${polls} polls`);
      t.match(lines.join('\n'), grace === '0s' ? /however long that takes/ : /all ends 100 ms/);
    }
    const options = await makeOptions({ variables: { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true' } });
    t.match(planShutdown(options.lifecycle), {
      idleMostMs: Infinity,
      mostMs: 27_500,
      text: /until no connection is left, however long that takes, .* that ends 27500 ms after/,
    });
  });

  t.test('tells its plan in one line, and how it ended in another', async (t) => {
    const { termination, lines } = await setUp(t, {});
    await termination.terminate();
    t.strictSame(
      lines
        .filter((line) => /shutting down|proxy .*signal;/.test(line))
        .map((line) => line.replace(/outside \d+ ms/, 'outside N ms')),
      [
        'info shutting down: inbound drains for 50 ms (terminationDrainDuration), outbound goes on until the application is gone, all ends 27500 ms after the signal (grace period 30000 ms)',
        'info proxy killed by SIGTERM (signal 15): asked to end from outside N ms after the signal; what was cut, the kernel does not say',
      ],
    );
  });

  t.test('waits for the application, and tells what it cut of it at the end', async (t) => {
    let polls = 0;
    const socket = (port: number, state: string, inode: string): string =>
      `   0: 0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} 0100007F:0001 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 20 4 30 10 -1`;
    const listeners = [
      socket(15001, '0A', '1'),
      socket(15006, '0A', '2'),
      socket(15021, '0A', '3'),
    ];
    const tables: SocketTables = {
      lines() {
        polls++;
        // The application goes after two looks; a third shows that a connection is still open.
        const application = polls < 3 ? [socket(8080, '0A', '90'), socket(15001, '01', '4')] : [];
        return [
          ...listeners,
          ...application,
          socket(15006, '01', '5'),
          socket(15021, '01', '6'),
          socket(15006, '01', '99'),
        ];
      },
      inodesOf: () => new Set(['1', '2', '3', '4', '5', '6']),
    };
    const { termination, lines } = await setUp(t, {
      tables,
      variables: { ISTIO_META_POD_PORTS: '[{"containerPort":8080}]' },
      terminationDrainDuration: '10ms',
    });
    await termination.terminate();
    t.match(lines.join('\n'), /waiting for the application, which is still there: it listens/);
    t.match(lines.join('\n'), /after the signal; cut: 1 inbound and 0 outbound connections/);
    t.equal(polls, 4);
  });

  t.test('waits for nobody longer than the grace period', async (t) => {
    const tables: SocketTables = {
      lines: () => [
        '   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0',
      ],
      inodesOf: () => new Set(),
    };
    const { termination, lines } = await setUp(t, {
      tables,
      variables: {
        ISTIO_META_POD_PORTS: '[{"containerPort":8080}]',
        OUTRIGGER_GRACE_PERIOD: '2.6s',
      },
      terminationDrainDuration: '10ms',
    });
    await termination.terminate();
    t.match(lines.join('\n'), /all ends 100 ms after the signal/);
    t.match(lines.join('\n'), /no connection was cut/);
  });

  t.test('ends at once on a second signal', async (t) => {
    const { termination, proxy, lines } = await setUp(t, { terminationDrainDuration: '1h' });
    const done = termination.terminate();
    await eventually('it drains', () => lines.some((line) => line.includes('shutting down')));
    await Promise.all([termination.terminate(), done]);
    t.equal(proxy.pid, undefined);
    t.match(lines.join('\n'), /asked again to end: not waiting any longer/);
  });

  t.test('leaves the own listeners out of the count', (t) => {
    const values = new Map([
      ['listener.0.0.0.0_15021.downstream_cx_active', 3],
      ['listener.0.0.0.0_15006.downstream_cx_active', 2],
      ['listener.0.0.0.0_15001.worker_0.downstream_cx_active', 5],
      ['listener.envoy_internal_x.downstream_cx_active', 7],
      ['listener.10.0.0.1_9080.downstream_cx_active', 4],
      ['listener.admin.main_thread.downstream_cx_active', 1],
      ['http.x.downstream_cx_active', 9],
    ]);
    t.equal(countActiveConnections(values, ['0.0.0.0_15021', 'admin', 'admin.main_thread']), 6);
    t.end();
  });

  t.end();
});
