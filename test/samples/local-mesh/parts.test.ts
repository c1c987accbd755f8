// The parts under `npm start`: processes that end with their children, the folder of rules, the forwarder, the waits.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';

import { ConfigFolder } from '../../../samples/local-mesh/config-folder.ts';
import { Forwarder } from '../../../samples/local-mesh/forwarder.ts';
import { startGuardian } from '../../../samples/local-mesh/guardian.ts';
import { cableCommands, podCommands, redirectFlags } from '../../../samples/local-mesh/network.ts';
import { logTail, MeshProcesses, processesOfRun } from '../../../samples/local-mesh/processes.ts';
import type { ProcessEnd } from '../../../samples/local-mesh/processes.ts';
import { waitForHttp, waitForPort } from '../../../samples/local-mesh/readiness.ts';

const onLinux = { skip: process.platform !== 'linux' };

function folder(t: { teardown: (end: () => void) => void }): string {
  const dir = mkdtempSync(join(tmpdir(), 'outrigger-test-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function until(done: () => boolean): Promise<boolean> {
  for (let i = 0; i < 400 && !done(); i++) await sleep(25);
  return done();
}

t.test('MeshProcesses', onLinux, async (t) => {
  await t.test('ends a process, and what it started in a session of its own', async (t) => {
    const runId = `test-${process.pid}-a`;
    const processes = new MeshProcesses(runId, () => t.fail('nobody ended by itself'));
    const logFile = join(folder(t), 'log');
    processes.start({
      name: 'parent',
      logFile,
      command: ['sh', '-c', 'setsid sleep 600 & exec sleep 600'],
    });
    t.ok(await until(() => processesOfRun(runId).length >= 2));
    await processes.stop(1_000);
    t.same(processesOfRun(runId), []);
  });

  await t.test('kills what does not heed SIGTERM', async (t) => {
    const runId = `test-${process.pid}-b`;
    const processes = new MeshProcesses(runId, () => t.fail('nobody ended by itself'));
    const logFile = join(folder(t), 'log');
    processes.start({
      name: 'deaf',
      logFile,
      command: ['sh', '-c', 'trap "" TERM; echo up; while :; do sleep 0.1; done'],
    });
    t.ok(await until(() => logTail(logFile) === 'up'));
    await processes.stop(100);
    t.same(processesOfRun(runId), []);
  });

  await t.test('tells who ended by itself, and why', async (t) => {
    const ends: ProcessEnd[] = [];
    const processes = new MeshProcesses(`test-${process.pid}-c`, (end) => ends.push(end));
    const dir = folder(t);
    processes.start({
      name: 'a',
      logFile: join(dir, 'a'),
      command: ['sh', '-c', 'echo words; exit 3'],
    });
    processes.start({ name: 'b', logFile: join(dir, 'b'), command: ['no-such-program-here'] });
    t.ok(await until(() => ends.length === 2));
    t.match(ends.find(({ name }) => name === 'a')?.reason, 'ended with code 3');
    t.match(ends.find(({ name }) => name === 'b')?.reason, 'cannot be started');
    t.equal(logTail(join(dir, 'a')), 'words');
  });
});

t.test('startGuardian', onLinux, async (t) => {
  await t.test('does nothing when it is dismissed', async (t) => {
    const dir = folder(t);
    startGuardian(`test-${process.pid}-d`, dir).dismiss();
    await sleep(300);
    t.ok(existsSync(dir));
  });
});

t.test('ConfigFolder', async (t) => {
  const make = (
    dir: string,
  ): { config: ConfigFolder; rules: string; read: (name: string) => string } => {
    const [mesh, rules, out] = ['mesh', 'rules', 'out'].map((name) => join(dir, name)) as [
      string,
      string,
      string,
    ];
    for (const path of [mesh, rules, out]) mkdirSync(path);
    writeFileSync(join(mesh, 'services.yaml'), 'services');
    writeFileSync(join(rules, 'routing.yaml'), 'one');
    writeFileSync(join(rules, '.routing.yaml.swp'), 'editor');
    writeFileSync(join(rules, 'notes.txt'), 'notes');
    const config = new ConfigFolder({
      dir: out,
      meshDir: mesh,
      rulesDir: rules,
      workloadsYaml: 'workloads',
    });
    return { config, rules, read: (name) => readFileSync(join(out, name), 'utf8') };
  };

  await t.test('shows the fixed part, the pods and the rules', async (t) => {
    const { config, read } = make(folder(t));
    t.teardown(() => config.close());
    t.equal(read('mesh/services.yaml'), 'services');
    t.equal(read('mesh/workloads.yaml'), 'workloads');
    t.equal(read('routing.yaml'), 'one');
    t.throws(() => read('notes.txt'));
    t.throws(() => read('.routing.yaml.swp'));
  });

  await t.test('follows a file that an editor replaces, adds or removes', async (t) => {
    const { config, rules, read } = make(folder(t));
    t.teardown(() => config.close());
    writeFileSync(join(rules, 'fresh'), 'two');
    renameSync(join(rules, 'fresh'), join(rules, 'routing.yaml'));
    t.equal(read('routing.yaml'), 'two');
    writeFileSync(join(rules, 'more.yaml'), 'more');
    const has = (name: string, text: string | undefined): boolean => {
      try {
        return read(name) === text;
      } catch {
        return text === undefined;
      }
    };
    t.ok(await until(() => has('more.yaml', 'more')));
    rmSync(join(rules, 'routing.yaml'));
    t.ok(await until(() => has('routing.yaml', undefined)));
  });
});

t.test('Forwarder', async (t) => {
  await t.test('carries a request by way of a unix socket', async (t) => {
    const server = createServer((request, response) => void response.end(`at ${request.url}`));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const path = join(folder(t), 's');
    const { port } = server.address() as AddressInfo;
    const inner = await Forwarder.listen({ path }, { host: '127.0.0.1', port });
    const outer = await Forwarder.listen({ host: '127.0.0.1', port: 0 }, { path });
    t.teardown(() => {
      outer.close();
      inner.close();
      server.close();
      server.closeAllConnections();
    });
    const response = await fetch(`http://127.0.0.1:${outer.port}/x`);
    t.equal(await response.text(), 'at /x');
  });

  await t.test('closes a connection that leads nowhere', async (t) => {
    const forwarder = await Forwarder.listen(
      { host: '127.0.0.1', port: 0 },
      { path: join(folder(t), 'none') },
    );
    t.teardown(() => forwarder.close());
    const socket = connect({ host: '127.0.0.1', port: forwarder.port });
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('close', resolve));
    t.pass('closed');
  });

  await t.test('refuses a port that is taken', async (t) => {
    const first = await Forwarder.listen({ host: '127.0.0.1', port: 0 }, { path: 'none' });
    t.teardown(() => first.close());
    await t.rejects(Forwarder.listen({ host: '127.0.0.1', port: first.port }, { path: 'none' }), {
      code: 'EADDRINUSE',
    });
  });
});

t.test('readiness', async (t) => {
  await t.test('waits for a 200, and says what came instead', async (t) => {
    let status = 503;
    const server = createServer((_, response) => void response.writeHead(status).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    const place = { address: '127.0.0.1', port: (server.address() as AddressInfo).port };
    await t.rejects(waitForHttp(place, '/ready', AbortSignal.timeout(150)), /\/ready answers 503/);
    status = 200;
    await waitForHttp(place, '/ready', AbortSignal.timeout(10_000));
    await waitForPort(place, AbortSignal.timeout(10_000));
  });

  await t.test('gives the reason why a port does not accept', async (t) => {
    await t.rejects(
      waitForPort({ address: '127.0.0.1', port: 1 }, AbortSignal.timeout(50)),
      /ECONNREFUSED/,
    );
  });
});

t.test('network commands', async (t) => {
  await t.test('give a pod its cable, its address and its way out', async (t) => {
    const pod = {
      name: 'a',
      app: 'a',
      version: 'v1',
      address: '10.244.0.11',
      appListen: { address: '0.0.0.0', port: 1 },
      account: { namespace: 'default', name: 'bookinfo-app' },
      appFlags: [],
      agentEnv: {},
    };
    t.match(cableCommands(3, 42), [
      'link add pod3 type veth peer name eth0 netns 42',
      /master/,
      /up/,
    ]);
    t.match(podCommands(pod), [
      /lo up/,
      'address add 10.244.0.11/24 dev eth0',
      /eth0 up/,
      'route add default via 10.244.0.1',
    ]);
  });

  await t.test('redirect as the injector does, but leave the admin port alone', async (t) => {
    t.match(redirectFlags().join(' '), '-p 15001 -z 15006 -u 1337 -m REDIRECT');
    t.match(redirectFlags().join(' '), '-d 15090,15021,15020,15000');
  });
});
