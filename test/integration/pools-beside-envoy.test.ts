// Pools on real connections, ours beside the real Envoy: what ALPN decides, what breakers show while they are full, what is measured of
// messages. And, ours alone, HTTP/2 connections that die at the wrong moment.
// @long
import { createServer as createHttpsServer } from 'node:https';
import { createSecureServer, createServer as createHttp2Server } from 'node:http2';
import type { Http2Stream, ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import t from 'tap';

import { eventually } from '../support/eventually.ts';
import type { Teardowns } from '../support/private-dir.ts';
import {
  ProxyProcess,
  bootstrapOf,
  cluster,
  envoyBinary,
  httpListener,
  toCluster,
} from '../support/proxy-process.ts';
import { TestCertificate } from '../support/test-certificates.ts';
import { ask, serveHttp } from '../support/test-http.ts';
import { caOf, upstreamTls } from '../support/tls-samples.ts';

type Json = { readonly [key: string]: unknown };

const EXTENSIONS = 'type.googleapis.com/envoy.extensions';
const root = TestCertificate.root();
const server = root.issue({ commonName: 'server', names: [{ dns: 'srv.example.com' }] });
const identity = { key: server.keyPem, cert: server.pem };

const options = (protocol: Json): Json => ({
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions`,
      ...protocol,
    },
  },
});
const AUTO = options({ auto_config: { http2_protocol_options: {} } });
const TLS = { transport_socket: upstreamTls({ validation_context: caOf(root) }) };

async function listen(t: Teardowns, made: Server): Promise<number> {
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void made.close());
  return (made.address() as AddressInfo).port;
}

const binaries: readonly (readonly [string, string | undefined])[] = [
  ['ours', undefined],
  ...(envoyBinary === undefined ? [] : [['Envoy', envoyBinary] as const]),
];

t.test('auto_config speaks what the server speaks', async (t) => {
  const both = createSecureServer({ ...identity, allowHTTP1: true }, (request, response) =>
    response.end(request.httpVersion),
  );
  const old = createHttpsServer(identity, (request, response) => response.end(request.httpVersion));
  const ports = { both: await listen(t, both), old: await listen(t, old) };
  const bootstrap = bootstrapOf(
    [httpListener('both', [toCluster('both')]), httpListener('old', [toCluster('old')])],
    Object.entries(ports).map(([name, port]) => cluster(name, [port], { ...AUTO, ...TLS })),
  );
  for (const [which, binary] of binaries) {
    const proxy = await ProxyProcess.start(t, bootstrap, binary);
    const rows = [
      ['both', '2.0', 'upstream_cx_http2_total', 1],
      ['old', '1.1', 'upstream_cx_http1_total', 1],
    ] as const;
    for (const [name, version, stat, connections] of rows) {
      for (let i = 0; i < 3; i++) {
        const reply = await ask(proxy.port(name), 'GET', '/');
        t.same([reply.status, reply.body], [200, version], `${which}: ${name}`);
      }
      const stats = await proxy.stats();
      const of = (counter: string): number => stats.get(`cluster.${name}.${counter}`) ?? 0;
      t.equal(of(stat), connections, `${which}: ${stat} of ${name}`);
      const names = ['cx_total', 'cx_active', 'rq_total', 'rq_active', 'rq_pending_active'];
      t.same(
        names.map((each) => of(`upstream_${each}`)),
        // Envoy counts each connection of such a pool twice, we do not.
        [binary === undefined ? 1 : 2, 1, 3, 0, 0],
        `${which}: counts of ${name}`,
      );
    }
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => ask(proxy.port('both'), 'GET', '/')),
    );
    t.ok(replies.every(({ body }) => body === '2.0'));
    await proxy.stop();
  }
});

t.test('breakers show that they are full', async (t) => {
  const port = await serveHttp(t, () => {});
  const thresholds = [
    {
      max_connections: 2,
      max_pending_requests: 1,
      max_requests: 2,
      max_retries: 1,
      track_remaining: true,
    },
  ];
  const bootstrap = bootstrapOf(
    [httpListener('in', [toCluster('c')])],
    [cluster('c', [port], { circuit_breakers: { thresholds } })],
  );
  for (const [which, binary] of binaries) {
    const proxy = await ProxyProcess.start(t, bootstrap, binary);
    const waiting = new AbortController();
    const send = (): void =>
      void fetch(`http://127.0.0.1:${proxy.port('in')}/`, { signal: waiting.signal }).catch(
        () => {},
      );
    send();
    await proxy.untilStat('cluster.c.upstream_rq_active', 1);
    send();
    await proxy.untilStat('cluster.c.upstream_rq_active', 2);
    send();
    await proxy.untilStat('cluster.c.upstream_rq_pending_active', 1);
    const stats = await proxy.stats();
    const names = ['cx_open', 'rq_open', 'rq_pending_open', 'rq_retry_open', 'cx_pool_open'];
    const left = ['remaining_cx', 'remaining_rq', 'remaining_pending', 'remaining_retries'];
    t.same(
      [...names, ...left].map((name) => stats.get(`cluster.c.circuit_breakers.default.${name}`)),
      [1, 1, 1, 0, 0, 0, 0, 0, 1],
      which,
    );
    waiting.abort();
    await proxy.untilStat('cluster.c.circuit_breakers.default.remaining_rq', 2);
    await proxy.stop();
  }
});

t.test('track_cluster_stats measures messages', async (t) => {
  const port = await serveHttp(t, (request, response) => {
    request.resume();
    response.end('four');
  });
  const track = { track_cluster_stats: { request_response_sizes: true, timeout_budgets: true } };
  const bootstrap = bootstrapOf(
    [httpListener('in', [toCluster('c')])],
    [cluster('c', [port], track)],
  );
  const seen: string[][] = [];
  for (const [, binary] of binaries) {
    const proxy = await ProxyProcess.start(t, bootstrap, binary);
    await fetch(`http://127.0.0.1:${proxy.port('in')}/`, { method: 'POST', body: 'seven77' });
    let lines: string[] = [];
    await eventually('histograms are merged', async () => {
      const filter = 'upstream_r[qs]_(headers|body|timeout)';
      const stats = await ask(
        proxy.adminPort,
        'GET',
        `/stats?filter=${encodeURIComponent(filter)}`,
      );
      lines = stats.body.split('\n').filter((line) => line.includes('P100('));
      return lines.length === 8;
    });
    seen.push(lines.map((line) => line.replace(/: P0.*P100\([^,]*,/, ' ').replace(')', '')));
    await proxy.stop();
  }
  const [ours, envoys = ours!] = seen;
  t.same(ours, envoys);
  t.match(ours!.join(' '), /rq_body_size 7\.\d* .*rs_body_size 4\.\d*/);
});

t.test('an HTTP/2 connection that dies as it is used again costs nothing', async (t) => {
  const sessions: ServerHttp2Session[] = [];
  let closeNext = false;
  let goAway = false;
  const origin = createHttp2Server();
  origin.on('session', (session) => sessions.push(session));
  origin.on('stream', (stream: Http2Stream) => {
    const { session } = stream;
    stream.on('error', () => {});
    if (closeNext) {
      closeNext = false;
      session?.socket.destroy();
      return;
    }
    if (goAway) {
      goAway = false;
      // It says that it has looked at none.
      (session as ServerHttp2Session).goaway(0, 0);
      stream.close(7);
      return;
    }
    (stream as unknown as { respond(headers: object): void }).respond({ ':status': 200 });
    stream.end('ok');
  });
  origin.on('error', () => {});
  const port = await listen(t, origin as unknown as Server);
  const proxy = await ProxyProcess.start(
    t,
    bootstrapOf(
      [
        httpListener('on', [toCluster('c')]),
        httpListener('off', [
          {
            ...toCluster('c'),
            metadata: { filter_metadata: { outrigger: { replay_stale: false } } },
          },
        ]),
      ],
      [cluster('c', [port], options({ explicit_http_config: { http2_protocol_options: {} } }))],
    ),
  );
  const replayed = (): Promise<number> => proxy.stat('cluster.c.upstream_rq_stale_replayed');
  t.equal((await ask(proxy.port('on'), 'GET', '/')).status, 200);
  closeNext = true;
  t.equal((await ask(proxy.port('on'), 'GET', '/')).status, 200, 'the connection closed');
  t.equal(await replayed(), 1);
  goAway = true;
  t.equal((await ask(proxy.port('on'), 'POST', '/')).status, 200, 'GOAWAY, a POST');
  t.equal(await replayed(), 2);
  await eventually(
    'the old connection is gone',
    async () => (await proxy.stat('cluster.c.upstream_cx_active')) === 1,
  );
  closeNext = true;
  const lost = await ask(proxy.port('on'), 'POST', '/');
  t.equal(lost.status, 503, 'a POST that may have been done is not sent again');
  t.equal((await ask(proxy.port('off'), 'GET', '/')).status, 200);
  closeNext = true;
  t.equal((await ask(proxy.port('off'), 'GET', '/')).status, 503, 'switched off');
  t.equal(await replayed(), 2);
});
