// [m] Ports that are open before the first configuration (--early-listeners): connections wait for it, bounded and with a deadline.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';

import { boundCommand } from '../support/bound-command.ts';
import { eventually } from '../support/eventually.ts';
import { privateDir } from '../support/private-dir.ts';
import type { Teardowns } from '../support/private-dir.ts';
import { programPath } from '../support/program-path.ts';
import { address } from '../support/proxy-process.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import { freePort } from '../support/free-port.ts';
import { ask } from '../support/test-http.ts';
import { adsConfig, byAds, xdsCluster } from '../support/xds-bootstrap.ts';

interface Scene {
  readonly xds: ScriptedControlPlane;
  readonly adminPort: number;
  /** Open early. */
  readonly ports: readonly [number, number];
  stderr(): string;
  /** A listener that passes everything to a server that greets. */
  giveListener(port: number): void;
}

/** The process runs, its configuration has not come. */
async function start(t: Teardowns, more: readonly string[] = []): Promise<Scene> {
  const xds = new ScriptedControlPlane();
  const xdsPort = await xds.listen();
  t.teardown(() => xds.close());
  const upstream = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => socket.end(`heard ${chunk.toString()}`));
  });
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  t.teardown(() => upstream.close());
  const ports = [await freePort(), await freePort()] as const;
  const adminPort = await freePort();
  const path = join(privateDir(t), 'bootstrap.json');
  writeFileSync(
    path,
    JSON.stringify({
      node: { id: 'n', cluster: 'c' },
      admin: { address: address(adminPort) },
      dynamic_resources: {
        cds_config: byAds('0s'),
        lds_config: byAds('0s'),
        ads_config: adsConfig('DELTA_GRPC'),
      },
      static_resources: {
        clusters: [
          xdsCluster(xdsPort),
          {
            name: 'up',
            type: 'STATIC',
            load_assignment: {
              cluster_name: 'up',
              endpoints: [
                {
                  lb_endpoints: [
                    { endpoint: { address: address((upstream.address() as AddressInfo).port) } },
                  ],
                },
              ],
            },
          },
        ],
      },
    }),
  );
  const list = ports.map((port) => `127.0.0.1:${port}`).join(',');
  const words = ['-c', path, '--concurrency', '2', '--early-listeners', list, ...more];
  const child = spawn(...boundCommand(process.execPath, [programPath('proxy/main'), ...words]), {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await eventually('it runs', () => text.includes('all workers started'));
  const giveListener = (port: number): void => {
    const filter = {
      name: 'tcp',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
        stat_prefix: 'tcp',
        cluster: 'up',
      },
    };
    xds.put('listeners', `l${port}`, {
      name: `l${port}`,
      address: address(port),
      filter_chains: [{ filters: [filter] }],
    });
  };
  return { xds, adminPort, ports, stderr: () => text, giveListener };
}

interface Client {
  readonly socket: Socket;
  /** `text`, and `closed` at the end. */
  readonly seen: string[];
}

/** A client that says `hello` at once. */
async function open(t: Teardowns, port: number): Promise<Client> {
  const socket = connect(port, '127.0.0.1');
  const seen: string[] = [];
  socket.setEncoding('utf8').on('data', (text: string) => seen.push(text));
  socket.on('error', () => {});
  socket.on('close', () => seen.push('closed'));
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  socket.write('hello');
  return { socket, seen };
}

t.test('A port that is open before its listener', (t) => {
  t.test('holds connections, and serves them once all of the configuration is there', async (t) => {
    const { xds, ports, giveListener, stderr, adminPort } = await start(t);
    const clients = await Promise.all(Array.from({ length: 20 }, () => open(t, ports[0])));
    const other = await open(t, ports[1]);
    await eventually('it asks', () => xds.said('clusters').length > 0);
    t.notOk(
      clients.some(({ seen }) => seen.length > 0),
      'nobody is served or cut',
    );
    t.notMatch((await ask(adminPort, 'GET', '/ready')).body, 'LIVE');
    // A cluster, so that listeners are asked for.
    xds.put('clusters', 'some', {
      name: 'some',
      type: 'STATIC',
      load_assignment: { cluster_name: 'some' },
    });
    await eventually('listeners are asked for', () => xds.said('listeners').length > 0);
    giveListener(ports[0]);
    await eventually('all are served', () => clients.every(({ seen }) => seen.includes('closed')));
    t.strictSame(new Set(clients.map(({ seen }) => seen.join())), new Set(['heard hello,closed']));
    await eventually('a port without a listener is shut', () => other.seen.includes('closed'));
    t.strictSame(other.seen, ['closed']);
    await t.rejects(open(t, ports[1]), { code: 'ECONNREFUSED' }, 'for good');
    const later = await open(t, ports[0]);
    await eventually('those who come later are served', () => later.seen.includes('closed'));
    t.strictSame(later.seen, ['heard hello', 'closed']);
    await eventually('it is told', () => /connections that came before the first/.test(stderr()));
    t.equal((await ask(adminPort, 'GET', '/ready')).body, 'LIVE\n');
  });

  t.test('cuts those that wait too long, and holds the next', async (t) => {
    const { xds, ports, giveListener } = await start(t, ['--early-hold-msec', '300']);
    const first = await open(t, ports[0]);
    await eventually('it is cut', () => first.seen.includes('closed'));
    t.strictSame(first.seen, ['closed']);
    xds.put('clusters', 'some', {
      name: 'some',
      type: 'STATIC',
      load_assignment: { cluster_name: 'some' },
    });
    await eventually('listeners are asked for', () => xds.said('listeners').length > 0);
    giveListener(ports[0]);
    const next = await open(t, ports[0]);
    await eventually('it is served', () => next.seen.includes('closed'));
    t.strictSame(next.seen, ['heard hello', 'closed']);
  });

  t.end();
});
