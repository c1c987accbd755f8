// Upstream connections that come from their client's address (original_src, as Istio's TPROXY mode has it). Needs the right to it: root.
import { connect } from 'node:net';
import process from 'node:process';
import t from 'tap';

import {
  ProxyProcess,
  bootstrapOf,
  cluster,
  filterOf,
  httpListener,
  tcpListener,
  toCluster,
} from '../support/proxy-process.ts';
import { RawPeer, RawUpstream } from '../support/raw-peers.ts';
import { eventually } from '../support/eventually.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n';

const unprivileged = process.getuid?.() === 0 ? false : 'needs root';

t.test('original source', { skip: unprivileged }, async (t) => {
  const upstream = await RawUpstream.start(t, (peer) => {
    peer.socket.on('data', () => peer.send(OK));
  });
  const listener_filters = [
    filterOf(
      'envoy.filters.listener.original_src',
      'filters.listener.original_src.v3.OriginalSrc',
      {
        mark: 1337,
      },
    ),
  ];
  const config = bootstrapOf(
    [
      { ...tcpListener('tcp', 'up'), listener_filters },
      { ...httpListener('http', [toCluster('up')]), listener_filters, transparent: true },
    ],
    [cluster('up', [upstream.port])],
  );
  const proxy = await ProxyProcess.start(t, config);
  const from = async (listener: string, localAddress: string): Promise<RawPeer> => {
    const socket = connect({ port: proxy.port(listener), host: '127.0.0.1', localAddress });
    const peer = new RawPeer(socket);
    t.teardown(() => peer.close());
    peer.send(GET);
    t.match(await peer.take('ok'), /^HTTP\/1\.1 200/);
    return peer;
  };
  const sources = (): (string | undefined)[] =>
    upstream.connections.map(({ socket }) => socket.remoteAddress);

  await from('tcp', '127.0.0.9');
  t.same(sources(), ['127.0.0.9']);
  await from('http', '127.0.0.8');
  const again = await from('http', '127.0.0.8');
  t.same(sources(), ['127.0.0.9', '127.0.0.8'], 'requests of one client share a connection');
  await from('http', '127.0.0.7');
  t.same(sources(), ['127.0.0.9', '127.0.0.8', '127.0.0.7'], 'those of another do not');
  again.close();
  await eventually('the proxy lives', () => proxy.alive);
});
