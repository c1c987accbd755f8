// Servers that speak first behind listeners that detect protocols: greetings go through, slow clients are still understood, and the
// listener is one that a real istiod sent (test/fixtures/istiod), opened on a port of its own.
import { readFileSync } from 'node:fs';
import t from 'tap';

import { ProxyProcess, bootstrapOf, cluster } from '../support/proxy-process.ts';
import { RawPeer, RawUpstream, answerEach } from '../support/raw-peers.ts';
import { eventually } from '../support/eventually.ts';

type Json = { readonly [key: string]: unknown };

const RECORDED = new URL('../fixtures/istiod/01-bookinfo/productpage/03-lds.json', import.meta.url);
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n';
const GREETING = 'J\0\0\0\n8.0.36\0mysql_native_password\0';

/** Every listener of the recording, by name. */
function recorded(name: string): Json {
  let found: Json | undefined;
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if (!Array.isArray(value) && 'filter_chains' in value && (value as Json)['name'] === name)
      found ??= value as Json;
    for (const inner of Object.values(value)) look(inner);
  };
  look(JSON.parse(readFileSync(RECORDED, 'utf8')));
  if (found === undefined) throw new Error(`the recording has no listener '${name}'`);
  return found;
}

/** As recorded, but on a free port; routes that would come by RDS are one route to `http`. */
function opened(listener: Json): Json {
  const text = JSON.stringify(listener, (key, value: unknown) => {
    if (key === 'access_log' || key === 'bind_to_port' || key === 'use_original_dst')
      return undefined;
    return value;
  });
  const copy = JSON.parse(text) as {
    address: unknown;
    filter_chains: { filters: Json[] }[];
  } & Json;
  delete (copy as { '@type'?: unknown })['@type'];
  copy.address = { socket_address: { address: '127.0.0.1', port_value: 0 } };
  for (const chain of copy.filter_chains)
    for (const filter of chain.filters) {
      const config = filter['typed_config'] as { rds?: unknown; route_config?: unknown };
      if (config.rds === undefined) continue;
      delete config.rds;
      config.route_config = {
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, route: { cluster: 'http' } }],
          },
        ],
      };
    }
  return copy;
}

t.test('server first', async (t) => {
  const mysql = await RawUpstream.start(t, (peer) => {
    peer.send(GREETING);
    peer.socket.on('data', (bytes: Buffer) => peer.socket.write(bytes));
    peer.socket.on('end', () => peer.socket.end());
  });
  const http = await RawUpstream.start(t, answerEach(OK));
  const silent = await RawUpstream.start(t, (peer) => {
    peer.socket.on('data', (bytes: Buffer) => peer.socket.write(bytes));
    peer.socket.on('end', () => peer.socket.end());
  });
  const listener = opened(recorded('0.0.0.0_9080'));
  const text = JSON.stringify(listener);
  const named = (name: string, passthrough: string): Json => ({
    ...(JSON.parse(text.replaceAll('"PassthroughCluster"', JSON.stringify(passthrough))) as Json),
    name,
    stat_prefix: name,
  });
  const proxy = await ProxyProcess.start(
    t,
    bootstrapOf(
      [
        named('mysql', 'mysql'),
        named('web', 'web'),
        named('eager', 'silent'),
        named('gone', 'gone'),
      ],
      [
        cluster('mysql', [mysql.port]),
        cluster('http', [http.port]),
        cluster('web', [http.port]),
        cluster('silent', [silent.port]),
        cluster('gone', [1]),
      ],
    ),
  );
  const connect = async (name: string): Promise<RawPeer> => {
    const peer = await RawPeer.connect(proxy.port(name));
    t.teardown(() => peer.close());
    return peer;
  };

  await t.test('a greeting goes through, and then the client speaks', async (t) => {
    const client = await connect('mysql');
    t.equal(await client.take('password\0'), GREETING);
    client.send('hello');
    t.equal(await client.take('hello'), 'hello');
    t.equal(mysql.connections.length, 1, 'over the one connection that was dialled');
    client.socket.end();
    t.equal(await client.ended(), 'fin');
  });

  await t.test('the next client waits for nothing', async (t) => {
    const startMs = performance.now();
    const clients = await Promise.all(Array.from({ length: 8 }, () => connect('mysql')));
    for (const client of clients) t.equal(await client.take('password\0'), GREETING);
    t.comment(`${Math.round(performance.now() - startMs)} ms`);
    for (const client of clients) client.close();
  });

  await t.test('a slow HTTP client is understood, whatever was dialled meanwhile', async (t) => {
    const client = await connect('web');
    await eventually('the server was asked', () => http.connections.length > 0);
    for (const part of ['GE', 'T / HT', 'TP/1.1\r\n', 'host: h\r\n', '\r\n']) {
      client.send(part);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    t.match(await client.take('ok'), /^HTTP\/1\.1 200/);
    client.close();
  });

  await t.test(
    'a client that speaks something else first keeps the upstream that was dialled',
    async (t) => {
      const client = await connect('eager');
      await eventually('the server was asked', () => silent.connections.length === 1);
      client.send('\x01\x02binary\n');
      t.equal(await client.take('\n'), '\x01\x02binary\n');
      t.equal(silent.connections.length, 1, 'no second connection');
      client.close();
    },
  );

  await t.test('a server that cannot be reached changes nothing', async (t) => {
    const client = await connect('gone');
    await proxy.untilStat('cluster.gone.upstream_cx_connect_fail', 1);
    client.send(GET);
    t.match(await client.take('ok'), /^HTTP\/1\.1 200/);
    client.close();
  });

  await t.test('a client that goes takes the upstream along', async () => {
    const client = await connect('eager');
    await eventually('the server was asked', () => silent.connections.length === 2);
    client.close();
    await eventually('its connection is closed', () => silent.connections[1]!.ending !== 'open');
    await proxy.untilStat('cluster.silent.upstream_cx_active', 0);
  });
});
