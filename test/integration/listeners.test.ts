// Listeners over several workers: connections in equal numbers, one socket for all, pipes, limits.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';

import { ProxyProcess, bootstrapOf, cluster, tcpListener } from '../support/proxy-process.ts';
import { RawPeer, RawUpstream } from '../support/raw-peers.ts';
import { eventually } from '../support/eventually.ts';
import { privateDir } from '../support/private-dir.ts';

const WORKERS = 2;
const TYPE = 'type.googleapis.com/envoy.extensions.resource_monitors';

t.test('listeners', async (t) => {
  const upstream = await RawUpstream.start(t, (peer) => {
    peer.socket.on('data', (bytes: Buffer) => peer.socket.write(bytes));
    peer.socket.on('end', () => peer.socket.end());
  });
  const path = join(privateDir(t), 'pipe.sock');
  const listener = (name: string, more: object = {}): object => ({
    ...tcpListener(name, 'up'),
    stat_prefix: name,
    ...more,
  });
  const proxy = await ProxyProcess.start(
    t,
    {
      ...bootstrapOf(
        [
          listener('exact', { connection_balance_config: { exact_balance: {} } }),
          listener('single', { enable_reuse_port: false }),
          listener('limited'),
          listener('exempt', { ignore_global_conn_limit: true }),
          listener('pipe', {
            address: { pipe: { path } },
            connection_balance_config: { exact_balance: {} },
          }),
        ] as never,
        [cluster('up', [upstream.port])],
      ),
      layered_runtime: {
        layers: [
          {
            name: 'static',
            static_layer: { 'envoy.resource_limits.listener.limited.connection_limit': 2 },
          },
        ],
      },
      overload_manager: {
        resource_monitors: [
          {
            name: 'envoy.resource_monitors.global_downstream_max_connections',
            typed_config: {
              '@type': `${TYPE}.downstream_connections.v3.DownstreamConnectionsConfig`,
              max_active_downstream_connections: 12,
            },
          },
        ],
      },
    },
    undefined,
    WORKERS,
  );
  const several = async (name: string, count: number): Promise<RawPeer[]> => {
    const peers: RawPeer[] = [];
    for (let i = 0; i < count; i++) {
      const peer = await RawPeer.connect(proxy.port(name));
      t.teardown(() => peer.close());
      peer.send('x');
      await eventually('an answer, or the end', () => peer.byteCount > 0 || peer.ending !== 'open');
      peers.push(peer);
    }
    return peers;
  };
  const active = (name: string): Promise<number[]> =>
    Promise.all(
      Array.from({ length: WORKERS }, (_, worker) =>
        proxy.stat(`listener.${name}.worker_${worker}.downstream_cx_active`),
      ),
    );
  const allGone = (peers: readonly RawPeer[], name: string): Promise<void> => {
    for (const peer of peers) peer.close();
    return proxy.untilStat(`listener.${name}.downstream_cx_active`, 0);
  };

  for (const name of ['exact', 'single']) {
    await t.test(`${name}: every worker has the same number`, async (t) => {
      const peers = await several(name, 8);
      t.ok(
        peers.every((peer) => peer.text === 'x'),
        'all are served',
      );
      t.same(await active(name), [4, 4]);
      await allGone(peers, name);
      t.same(await active(name), [0, 0]);
      const again = await several(name, 4);
      t.same(await active(name), [2, 2], 'and again, when they are gone');
      await allGone(again, name);
    });
  }

  await t.test('a pipe is served by all workers', async (t) => {
    const sockets: Socket[] = [];
    for (let i = 0; i < 4; i++) {
      const socket = connect({ path });
      t.teardown(() => void socket.destroy());
      const answer = new Promise<string>((resolve) =>
        socket.once('data', (bytes: Buffer) => resolve(bytes.toString())),
      );
      socket.write('hello');
      t.equal(await answer, 'hello');
      sockets.push(socket);
    }
    t.same(await active('pipe'), [2, 2]);
    for (const socket of sockets) socket.destroy();
    await proxy.untilStat('listener.pipe.downstream_cx_active', 0);
  });

  await t.test('a limit of one listener, in all workers', async (t) => {
    const peers = await several('limited', 4);
    t.same(
      peers.map((peer) => peer.text),
      ['x', 'x', '', ''],
    );
    t.equal(await proxy.stat('listener.limited.downstream_cx_overflow'), 2);
    await allGone(peers, 'limited');
    const [one] = await several('limited', 1);
    t.equal(one!.text, 'x', 'there is room again');
    await allGone([one!], 'limited');
  });

  await t.test('a limit of all', async (t) => {
    const peers = await several('exact', 13);
    t.equal(peers.filter((peer) => peer.text === 'x').length, 12);
    t.equal(await proxy.stat('listener.exact.downstream_global_cx_overflow'), 1);
    const [exempt] = await several('exempt', 1);
    t.equal(exempt!.text, 'x', 'a listener that it does not count for');
    await allGone([...peers, exempt!], 'exact');
  });
});
