// WebSockets with the ws package on both sides, and filter chains chosen by first bytes.
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import t from 'tap';

import { eventually } from '../support/eventually.ts';
import {
  ProxyProcess,
  address,
  bootstrapOf,
  cluster,
  filterOf,
  httpListener,
  tcpProxy,
  toCluster,
} from '../support/proxy-process.ts';
import { RawPeer, RawUpstream } from '../support/raw-peers.ts';

t.test('WebSocket', async (t) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on('connection', (socket) => {
    socket.send('welcome');
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  const { port } = server.address() as AddressInfo;
  const upgrade = { upgrade_configs: [{ upgrade_type: 'websocket' }] };
  const listeners = [
    httpListener('ws', [toCluster('up')], { hcm: upgrade }),
    httpListener('no', [toCluster('up')]),
  ];
  const proxy = await ProxyProcess.start(t, bootstrapOf(listeners, [cluster('up', [port])]));

  await t.test('carries messages both ways and the closing handshake', async (t) => {
    const client = new WebSocket(`ws://127.0.0.1:${proxy.port('ws')}/chat`);
    t.teardown(() => client.terminate());
    const got: Buffer[] = [];
    client.on('message', (data: Buffer) => got.push(data));
    await new Promise((resolve) => client.once('open', resolve));
    const big = Buffer.alloc(5_000_000, 7);
    client.send('hello');
    client.send(big);
    await eventually('echoes', () => got.length === 3);
    t.same(got.slice(0, 2).map(String), ['welcome', 'hello']);
    t.ok(got[2]!.equals(big));
    const closed = new Promise((resolve) => client.once('close', resolve));
    client.close(4000, 'bye');
    t.equal(await closed, 4000);
    t.match((await proxy.log(1))[0], /HTTP\/1\.1 GET 101 /);
  });

  await t.test('is refused where it is not configured', async (t) => {
    const client = new WebSocket(`ws://127.0.0.1:${proxy.port('no')}/`);
    t.teardown(() => client.terminate());
    const status = await new Promise((resolve) => {
      client.once('unexpected-response', (_request, response) => resolve(response.statusCode));
      client.once('error', () => {});
    });
    t.equal(status, 403);
  });
});

t.test('chains by first bytes', async (t) => {
  const named = (name: string) =>
    RawUpstream.start(
      t,
      (connection) => void connection.socket.once('data', () => connection.send(name)),
    );
  const upstreams = await Promise.all(['mtls', 'tls', 'http', 'plain'].map(named));
  const clusters = ['mtls', 'tls', 'http', 'plain'].map((name, i) =>
    cluster(name, [upstreams[i]!.port]),
  );
  const chain = (name: string, match: Record<string, unknown>) => ({
    filter_chain_match: match,
    filters: [tcpProxy(name)],
  });
  const listener = {
    name: 'in',
    address: address(0),
    listener_filters: [
      filterOf(
        'envoy.filters.listener.tls_inspector',
        'filters.listener.tls_inspector.v3.TlsInspector',
      ),
      filterOf(
        'envoy.filters.listener.http_inspector',
        'filters.listener.http_inspector.v3.HttpInspector',
      ),
    ],
    listener_filters_timeout: '0.2s',
    continue_on_listener_filters_timeout: true,
    filter_chains: [
      chain('mtls', { transport_protocol: 'tls', application_protocols: ['istio'] }),
      chain('tls', { transport_protocol: 'tls' }),
      chain('http', {
        transport_protocol: 'raw_buffer',
        application_protocols: ['http/1.1', 'h2c'],
      }),
      chain('plain', { transport_protocol: 'raw_buffer' }),
    ],
  };
  const proxy = await ProxyProcess.start(t, bootstrapOf([listener], clusters));

  /** What node:tls says first. */
  const hello = async (protocols: string[]): Promise<string> => {
    const server = createTlsServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const probe = await RawUpstream.start(t, () => {});
    const client = tlsConnect({ port: probe.port, host: '127.0.0.1', ALPNProtocols: protocols });
    client.on('error', () => {});
    await eventually('hello', () => probe.text !== '');
    client.destroy();
    server.close();
    return probe.text;
  };

  const rows: readonly (readonly [string, string, string])[] = [
    ['mtls', 'mtls', await hello(['istio', 'h2'])],
    ['TLS', 'tls', await hello(['h2'])],
    ['HTTP/1.1', 'http', 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'],
    ['the HTTP/2 preface', 'http', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore'],
    ['anything else', 'plain', '\x01\x02\x03 hello'],
    ['too little, until the time-out', 'plain', 'GE'],
  ];
  for (const [name, wanted, bytes] of rows) {
    for (const size of [bytes.length, 1, 7]) {
      await t.test(`${name}, ${size} bytes at a time`, async (t) => {
        for (const upstream of upstreams) upstream.forget();
        const client = await RawPeer.connect(proxy.port('in'));
        t.teardown(() => client.close());
        const parts: string[] = [];
        for (let at = 0; at < bytes.length; at += size) parts.push(bytes.slice(at, at + size));
        await client.sendInParts(parts);
        await client.take(wanted);
        const upstream = upstreams[['mtls', 'tls', 'http', 'plain'].indexOf(wanted)]!;
        await eventually('every byte arrives', () => upstream.text === bytes);
      });
    }
  }

  await t.test('a client that says nothing and leaves', async (t) => {
    const client = await RawPeer.connect(proxy.port('in'));
    for (const upstream of upstreams) upstream.forget();
    client.socket.end();
    t.equal(await client.ended(), 'fin', 'is closed: it will never be known whom it wanted');
    client.close();
    const other = await RawPeer.connect(proxy.port('in'));
    other.reset();
  });
  t.ok(proxy.alive, proxy.stderr);
});
