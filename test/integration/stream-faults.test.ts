// @long @timeout 300 s
// What a control plane, or the way to it, may do to the stream: noise, silence, corrupted and cut bytes, messages that are none, refusals by
// the thousand. Traffic goes on by what was good last, nothing is piled up, and the first good answer is heard.
import { createServer as createHttp2Server } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';

import { SeededRandom } from '../../proxy/base/random.ts';
import { encode } from '../../xds-protos/codec.ts';
import { eventually } from '../support/eventually.ts';
import { bootstrapOf, httpListener, ProxyProcess, toCluster } from '../support/proxy-process.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import type { Json } from '../support/scripted-control-plane.ts';
import { ask, serveHttp } from '../support/test-http.ts';
import { adsConfig, byAds, endpointsOf, xdsCluster } from '../support/xds-bootstrap.ts';

t.setTimeout(290_000);

const random = new SeededRandom(9);
/** Memory that what was received in vain may leave behind: a leak of each answer would be far more. */
const MOST_KB = 60_000;
/** Back-off goes up to 30 s, a silent peer is noticed within 40 s. */
const PATIENCE_MS = 90_000;

type Way = (client: Socket, upstream: () => Socket) => void;

/** Both ways, `change` what comes from the server. */
function relay(client: Socket, upstream: Socket, change: (chunk: Buffer) => Buffer | null): void {
  const end = (): void => {
    client.destroy();
    upstream.destroy();
  };
  client.on('data', (chunk: Buffer) => upstream.write(chunk)).on('close', end);
  upstream
    .on('data', (chunk: Buffer) => {
      const changed = change(chunk);
      if (changed === null) end();
      else client.write(changed);
    })
    .on('close', end)
    .on('error', end);
}

const noise = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => random.nextUint32() & 0xff));

const open: Way = (client, upstream) => relay(client, upstream(), (chunk) => chunk);

/** Each is met by new connections for a while. */
const WAYS: readonly (readonly [what: string, way: Way])[] = [
  ['noise instead of HTTP/2', (client) => void client.write(noise(100_000))],
  [
    'HTTP/1',
    (client) =>
      client.once('data', () =>
        client.end('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n'),
      ),
  ],
  ['an end at once', (client) => void client.end()],
  ['a reset at once', (client) => void client.resetAndDestroy()],
  [
    'noise after a good beginning',
    (client, upstream) => relay(client, upstream(), (chunk) => Buffer.concat([chunk, noise(1000)])),
  ],
  [
    'an end within a message',
    (client, upstream) => {
      let left = 60 + (random.nextUint32() % 200);
      relay(client, upstream(), (chunk) => ((left -= chunk.length) < 0 ? null : chunk));
    },
  ],
];

/** Stands between the proxy and its control plane. */
class Front {
  way: Way = open;
  connections = 0;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();

  constructor(port: () => number) {
    this.#server = createServer((client) => {
      this.connections++;
      this.#clients.add(client);
      client.on('error', () => {}).on('close', () => this.#clients.delete(client));
      this.way(client, () => connect(port(), '127.0.0.1'));
    });
  }

  async listen(t: Test): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => {
      this.cut();
      this.#server.close();
    });
    return (this.#server.address() as AddressInfo).port;
  }

  cut(): void {
    for (const client of this.#clients) client.destroy();
  }

  /** From now on bytes go nowhere, and nobody is told. */
  freeze(): void {
    for (const client of this.#clients) {
      client.removeAllListeners('data').pause();
      client.removeAllListeners('close');
    }
  }
}

const frame = (bytes: Uint8Array, length = bytes.length, flag = 0): Buffer => {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
};

const response = (more: Json): Buffer =>
  frame(encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', more));

/** Servers that speak HTTP/2 and gRPC well enough to be listened to. */
const ANSWERS: readonly (readonly [what: string, answer: (stream: ServerHttp2Stream) => void])[] = [
  ['a message of random bytes', (stream) => void stream.write(frame(noise(5000)))],
  ['a message of 4 GB', (stream) => void stream.write(frame(noise(100), 0xffff_ffff))],
  ['a compressed message', (stream) => void stream.write(frame(noise(100), 100, 1))],
  ['half a message, and an end', (stream) => void stream.end(frame(noise(10), 1000))],
  ['an empty message', (stream) => void stream.write(frame(new Uint8Array()))],
  [
    'types nobody asked for',
    (stream) => {
      for (let i = 0; i < 1000; i++)
        stream.write(response({ type_url: `type.googleapis.com/no.such.Type${i}`, nonce: `${i}` }));
    },
  ],
  [
    'resources that are none',
    (stream) => {
      for (let i = 0; i < 200; i++)
        stream.write(
          response({
            type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
            nonce: `${i}`,
            resources: [
              {
                name: 'a',
                version: `${i}`,
                resource: {
                  type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
                  value: noise(300),
                },
              },
            ],
          }),
        );
    },
  ],
];

/** Requests, one after the other, all the while. */
class Traffic {
  asked = 0;
  readonly failures: string[] = [];
  #over = false;
  readonly #done: Promise<void>;

  constructor(port: number) {
    this.#done = this.#run(port);
  }

  async #run(port: number): Promise<void> {
    while (!this.#over) {
      await ask(port, 'GET', '/').then(
        ({ status }) => status === 200 || this.failures.push(String(status)),
        (error: unknown) => this.failures.push(String(error)),
      );
      this.asked++;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async end(): Promise<void> {
    this.#over = true;
    await this.#done;
  }
}

const clusterJson = (timeout: string): Json => ({
  name: 'a',
  type: 'EDS',
  connect_timeout: timeout,
  eds_cluster_config: { eds_config: byAds('0s') },
});

t.test('A stream of discovery', async (t) => {
  const plane = new ScriptedControlPlane();
  await plane.listen();
  t.teardown(() => plane.close());
  let serving = plane.port;
  const front = new Front(() => serving);
  const port = await front.listen(t);
  const origin = await serveHttp(t, (_request, response) => response.end('ok'));
  plane.set('clusters', 'a', clusterJson('1s'));
  plane.set('endpoints', 'a', endpointsOf('a', origin));
  const proxy = await ProxyProcess.start(t, {
    ...bootstrapOf([httpListener('web', [toCluster('a')])], [xdsCluster(port)]),
    dynamic_resources: { ads_config: adsConfig('DELTA_GRPC'), cds_config: byAds() },
  });
  const web = proxy.port('web');
  await eventually('traffic', async () => (await ask(web, 'GET', '/')).status === 200);
  const traffic = new Traffic(web);
  const startKb = proxy.privateKb();
  let version = 1;

  /** Heard after all that, by a change of a cluster. */
  const recovers = async (t: Test): Promise<void> => {
    serving = plane.port;
    front.way = open;
    front.cut();
    const timeout = `${++version}s`;
    plane.set('clusters', 'a', clusterJson(timeout));
    plane.push('clusters', ['a']);
    await eventually(
      'a change is heard',
      async () =>
        (await ask(proxy.adminPort, 'GET', '/config_dump')).body.includes(
          `"connect_timeout": "${timeout}"`,
        ),
      PATIENCE_MS,
    );
    t.ok(proxy.alive);
    t.strictSame(traffic.failures, [], `none of ${traffic.asked} requests failed`);
  };

  for (const [what, way] of WAYS) {
    await t.test(what, async (t) => {
      front.way = way;
      front.cut();
      const before = front.connections;
      await eventually('tried again', () => front.connections >= before + 2, PATIENCE_MS);
      await recovers(t);
    });
  }

  for (const [what, answer] of ANSWERS) {
    await t.test(what, async (t) => {
      let streams = 0;
      const server = createHttp2Server();
      server.on('session', (session) => session.on('error', () => {}));
      server.on('stream', (stream: ServerHttp2Stream) => {
        streams++;
        stream.on('error', () => {}).resume();
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
        answer(stream);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      t.teardown(() => server.close());
      serving = (server.address() as AddressInfo).port;
      front.cut();
      await eventually('it was listened to', () => streams > 0, PATIENCE_MS);
      await recovers(t);
    });
  }

  await t.test('a thousand refusals', async (t) => {
    await recovers(t);
    plane.requests.length = 0;
    const nonces: string[] = [];
    for (let i = 0; i < 1000; i++)
      nonces.push(
        ...plane.put('clusters', `bad${i % 7}`, { name: `bad${i % 7}`, connect_timeout: '0s' }),
      );
    t.equal(nonces.length, 1000);
    await eventually('each is refused', () => nonces.every((nonce) => plane.answers.has(nonce)));
    t.notOk(nonces.some((nonce) => plane.answers.get(nonce) === 'ACK'));
    for (let i = 0; i < 7; i++) plane.remove('clusters', `bad${i}`);
    await recovers(t);
  });

  await t.test('a connection that is half open', async (t) => {
    const before = front.connections;
    front.freeze();
    // The proxy finds out by itself; nobody cuts.
    await eventually('another is made', () => front.connections > before, PATIENCE_MS);
    await recovers(t);
  });

  await t.test('nothing was piled up', async (t) => {
    await traffic.end();
    const grownKb = proxy.privateKb() - startKb;
    t.ok(grownKb < MOST_KB, `${grownKb} KB more than at first`);
    t.comment(`${traffic.asked} requests, ${front.connections} connections, ${grownKb} KB`);
  });
});
