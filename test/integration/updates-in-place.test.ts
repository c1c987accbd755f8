// @long @timeout 180 s
// [m] What an update of a listener does to connections that live: new filters, routes, policies, logs come under them; only a change of
// who may be a peer drains (docs/adr/0015-updates-in-place.md). The drain time is three seconds, so that whatever drained is gone.
import { createServer as createHttp1Server } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';

import { ADS, DeltaControlPlane, adsBootstrap } from '../support/delta-control-plane.ts';
import { eventually } from '../support/eventually.ts';
import {
  ProxyProcess,
  address,
  cluster,
  filterOf,
  httpListener,
  tcpListener,
} from '../support/proxy-process.ts';
import { RawPeer, RawUpstream } from '../support/raw-peers.ts';
import { freePort } from '../support/free-port.ts';
import { TestCertificate } from '../support/test-certificates.ts';
import { caOf, certificateOf, downstreamTls } from '../support/tls-samples.ts';

type Json = { readonly [key: string]: unknown };

const DRAIN_MS = 3000;
const STREAMS = 300;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Listening {
  listen(port: number, host: string, ready: () => void): unknown;
  address(): unknown;
  close(): unknown;
}

async function listen(t: Test, server: Listening): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Answers what it was asked for; an upgraded connection is echoed. */
function http1Origin(t: Test): Promise<number> {
  const server = createHttp1Server((request, response) =>
    response.end(request.headers['x-seen'] ?? 'no'),
  );
  server.on('upgrade', (_request, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    );
    socket.on('error', () => {}).pipe(socket);
  });
  t.teardown(() => server.closeAllConnections());
  return listen(t, server);
}

/** Echoes every stream. */
function http2Origin(t: Test): Promise<number> {
  const server = createHttp2Server({ settings: { maxConcurrentStreams: 2000 } });
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  return listen(t, server);
}

/** A connection that is upgraded, or a tunnel: bytes go round. */
class Echo {
  readonly peer: RawPeer;

  constructor(peer: RawPeer) {
    this.peer = peer;
  }

  static async tunnel(t: Test, port: number): Promise<Echo> {
    const peer = await RawPeer.connect(port);
    t.teardown(() => peer.close());
    return new Echo(peer);
  }

  static async webSocket(t: Test, port: number): Promise<Echo> {
    const echo = await Echo.tunnel(t, port);
    echo.peer.send(
      'GET /ws HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    );
    await echo.peer.take('\r\n\r\n');
    return echo;
  }

  async works(text: string): Promise<boolean> {
    if (this.peer.ending !== 'open') return false;
    this.peer.send(`<${text}>`);
    await this.peer.take(`<${text}>`);
    return true;
  }
}

/** One connection that is kept, request after request. */
class Kept {
  readonly peer: RawPeer;

  constructor(peer: RawPeer) {
    this.peer = peer;
  }

  async ask(): Promise<string> {
    this.peer.send('GET / HTTP/1.1\r\nhost: h\r\n\r\n');
    return this.peer.take(/\r\n\r\n(?:no|[a-z]+)$/);
  }
}

class Streams {
  readonly session: ClientHttp2Session;
  readonly streams: ClientHttp2Stream[] = [];
  readonly errors: string[] = [];
  goneAway = false;

  constructor(t: Test, port: number) {
    this.session = connectHttp2(`http://127.0.0.1:${port}`);
    this.session.on('error', (error) => this.errors.push(String(error)));
    this.session.on('goaway', () => (this.goneAway = true));
    t.teardown(() => this.session.destroy());
  }

  open(count: number): void {
    for (let i = 0; i < count; i++) {
      const stream = this.session.request({ ':method': 'POST', ':path': '/h2' });
      stream.on('error', (error) => this.errors.push(String(error)));
      this.streams.push(stream);
    }
  }

  /** How many of them echo. */
  async echoing(text: string): Promise<number> {
    let echoed = 0;
    for (const stream of this.streams) {
      if (stream.destroyed) continue;
      stream.once('data', (bytes: Buffer) => {
        if (bytes.toString() === text) echoed++;
      });
      stream.write(text);
    }
    await eventually('all echo', () => echoed === this.streams.length, 5000).catch(() => {});
    return echoed;
  }
}

interface Version {
  /** What the filters tell the origin: shows which of them a request went through. */
  readonly seen: string;
  readonly format?: string;
  readonly hcm?: Json;
  readonly listener?: Json;
  readonly chain?: Json;
  readonly filters?: readonly Json[];
}

const log = (format: string): Json => ({
  name: 'envoy.access_loggers.file',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
    path: '/dev/stderr',
    log_format: { text_format_source: { inline_string: format } },
  },
});

/** Tells the origin what it is told to. */
const marking = (seen: string): Json =>
  filterOf('envoy.filters.http.header_mutation', 'filters.http.header_mutation.v3.HeaderMutation', {
    mutations: { request_mutations: [{ append: { header: { key: 'x-seen', value: seen } } }] },
  });

function httpVersion(port: number, version: Version): Json {
  const {
    seen,
    format = '%RESPONSE_CODE%',
    hcm = {},
    listener = {},
    chain = {},
    filters = [],
  } = version;
  const made = httpListener(
    'web',
    [
      { match: { prefix: '/h2' }, route: { cluster: 'h2', timeout: '0s' } },
      { match: { prefix: '/' }, route: { cluster: 'h1', timeout: '0s' } },
    ],
    {
      httpFilters: [marking(seen), ...filters],
      hcm: {
        access_log: [log(`${format} LINE\n`)],
        upgrade_configs: [{ upgrade_type: 'websocket' }],
        stream_idle_timeout: '0s',
        drain_timeout: '0.2s',
        ...hcm,
      },
    },
  ) as { filter_chains: Json[] };
  return {
    ...made,
    address: address(port),
    filter_chains: [{ ...made.filter_chains[0]!, ...chain }],
    ...listener,
  };
}

interface Bench {
  readonly controlPlane: DeltaControlPlane;
  readonly proxy: ProxyProcess;
  readonly webPort: number;
  readonly tcpPort: number;
  put(name: string, json: Json): Promise<void>;
  web(version: Version): Promise<void>;
}

async function start(t: Test): Promise<Bench> {
  const controlPlane = new DeltaControlPlane();
  t.teardown(() => controlPlane.close());
  const adsPort = await controlPlane.listen();
  const [webPort, tcpPort] = [await freePort(), await freePort()];
  const h1 = await http1Origin(t);
  const h2 = await http2Origin(t);
  const echoOf = (greeting: string): Promise<RawUpstream> =>
    RawUpstream.start(t, (peer) => {
      peer.send(greeting);
      peer.socket.pipe(peer.socket);
    });
  const bootstrap = adsBootstrap(
    adsPort,
    [],
    [
      cluster('h1', [h1]),
      cluster('h2', [h2], { http2_protocol_options: {} }),
      cluster('one', [(await echoOf('one')).port]),
      cluster('two', [(await echoOf('two')).port]),
    ],
  ) as { dynamic_resources: Json };
  const listener = (name: string, json: Json): { name: string; json: Json } => ({ name, json });
  controlPlane.put(
    'listeners',
    listener('web', httpVersion(webPort, { seen: 'first' })),
    listener('tcp', {
      ...tcpListener('tcp', 'one', { access_log: [] }),
      address: address(tcpPort),
    }),
  );
  const proxy = await ProxyProcess.start(
    t,
    { ...bootstrap, dynamic_resources: { ...bootstrap.dynamic_resources, lds_config: ADS } },
    undefined,
    { flags: ['--drain-time-s', String(DRAIN_MS / 1000), '--drain-strategy', 'immediate'] },
  );
  const put = async (name: string, json: Json): Promise<void> => {
    const updated = await proxy.stat('listener_manager.listener_create_success');
    const nonce = controlPlane.put('listeners', listener(name, json));
    await eventually('it is acknowledged', () => controlPlane.answers.has(nonce));
    t.equal(controlPlane.answers.get(nonce), 'ACK');
    await eventually(
      'the worker has it',
      async () => (await proxy.stat('listener_manager.listener_create_success')) > updated,
    );
  };
  const web = (version: Version): Promise<void> => put('web', httpVersion(webPort, version));
  return { controlPlane, proxy, webPort, tcpPort, put, web };
}

t.test('Updates of a listener', { timeout: 150_000 }, async (t) => {
  const bench = await start(t);
  const { proxy, webPort, tcpPort } = bench;
  const kept = new Kept(await RawPeer.connect(webPort));
  t.teardown(() => kept.peer.close());
  t.match(await kept.ask(), /first$/);
  const socket = await Echo.webSocket(t, webPort);
  const tunnel = await Echo.tunnel(t, tcpPort);
  await tunnel.peer.take('one');
  const streams = new Streams(t, webPort);
  streams.open(STREAMS);
  t.equal(await streams.echoing('before'), STREAMS);

  const versions: readonly [what: string, version: Version][] = [
    [
      'filters',
      {
        seen: 'filters',
        filters: [filterOf('envoy.filters.http.cors', 'filters.http.cors.v3.Cors')],
      },
    ],
    [
      'policies',
      {
        seen: 'policies',
        filters: [
          filterOf(
            'envoy.filters.http.local_ratelimit',
            'filters.http.local_ratelimit.v3.LocalRateLimit',
            {
              stat_prefix: 'limit',
              token_bucket: { max_tokens: 100, tokens_per_fill: 100, fill_interval: '1s' },
            },
          ),
        ],
      },
    ],
    ['log format', { seen: 'format', format: '%PROTOCOL%' }],
    [
      'time-outs',
      {
        seen: 'timeouts',
        hcm: { request_timeout: '20s', common_http_protocol_options: { idle_timeout: '60s' } },
      },
    ],
    ['stat prefix', { seen: 'prefix', hcm: { stat_prefix: 'other' } }],
    ['name of the chain', { seen: 'name', chain: { name: 'chain' } }],
    ['log of the listener', { seen: 'listener', listener: { access_log: [log('connection')] } }],
    ['buffer limit', { seen: 'buffer', listener: { per_connection_buffer_limit_bytes: 65_536 } }],
    [
      'inspectors',
      {
        seen: 'inspectors',
        listener: {
          listener_filters: [
            filterOf(
              'envoy.filters.listener.tls_inspector',
              'filters.listener.tls_inspector.v3.TlsInspector',
            ),
          ],
        },
      },
    ],
  ];
  for (const [what, version] of versions) {
    await t.test(`${what} change under connections that live`, async (t) => {
      await bench.web(version);
      const answer = await kept.ask();
      t.match(answer, new RegExp(`${version.seen}$`), 'a kept connection: the next request');
      t.notMatch(answer, /connection: close/i);
      t.equal(await proxy.stat('listener_manager.total_filter_chains_draining'), 0);
      t.equal(await proxy.stat('listener_manager.total_listeners_draining'), 0);
    });
  }

  await t.test('nobody was cut, long after', async (t) => {
    await pause(DRAIN_MS + 500);
    t.ok(await socket.works('after'), 'the WebSocket');
    t.equal(await streams.echoing('after'), STREAMS, 'the streams');
    t.strictSame(streams.errors, []);
    t.notOk(streams.goneAway);
    streams.open(1);
    t.equal(await streams.echoing('new'), STREAMS + 1, 'and a new one on the same connection');
    t.equal(kept.peer.ending, 'open');
    t.equal(
      await proxy.stat('listener_manager.listener_in_place_updated'),
      6,
      'where only chains differed',
    );
  });

  await t.test('a tunnel stays on its upstream when tcp_proxy names another', async (t) => {
    const tcp = (name: string, more: Json = {}): Json => ({
      ...tcpListener('tcp', name, { access_log: [], ...more }),
      address: address(tcpPort),
    });
    await bench.put('tcp', tcp('two'));
    const next = await Echo.tunnel(t, tcpPort);
    await next.peer.take('two');
    await bench.put('tcp', tcp('two', { access_log: [log('%BYTES_SENT%')], stat_prefix: 'tcp2' }));
    await pause(DRAIN_MS + 300);
    t.ok(await tunnel.works('still'));
    t.ok(await next.works('too'));
    t.equal(tunnel.peer.ending, 'open');
    next.peer.close();
    tunnel.peer.close();
    await proxy.untilStat('tcp.tcp.downstream_cx_total', 2);
  });

  await t.test(
    'what was agreed with the client ends kept connections, not what is under way',
    async (t) => {
      await bench.web({ seen: 'agreed', hcm: { max_request_headers_kb: 40 } });
      const answer = await kept.ask();
      t.match(answer, /agreed$/, 'by the new filters all the same');
      t.match(answer, /connection: close/i);
      streams.open(1);
      await eventually('GOAWAY', () => streams.goneAway);
      await pause(DRAIN_MS + 300);
      t.ok(await socket.works('agreed'));
      t.equal(await streams.echoing('agreed'), STREAMS + 2);
      t.strictSame(streams.errors, []);
      for (const stream of streams.streams) stream.end();
      await eventually('the connection ends with its last stream', () => streams.session.destroyed);
      socket.peer.close();
    },
  );

  await t.test('nothing is left counted', async (t) => {
    for (const prefix of ['web', 'other']) {
      for (const name of [
        'downstream_cx_active',
        'downstream_rq_active',
        'downstream_cx_http2_active',
        'downstream_cx_http1_active',
      ])
        await proxy.untilStat(`http.${prefix}.${name}`, 0);
    }
    t.pass('gauges are at 0');
  });

  await t.test('another protocol drains: there is no next request', async (t) => {
    const made = tcpListener('web', 'one', { access_log: [] }) as { filter_chains: Json[] };
    const live = await Echo.webSocket(t, webPort);
    await bench.put('web', {
      ...httpVersion(webPort, { seen: 'x' }),
      filter_chains: made.filter_chains,
    });
    t.equal(await proxy.stat('listener_manager.total_filter_chains_draining'), 1);
    t.ok(await live.works('while it drains'));
    await eventually('it is cut', () => live.peer.ending !== 'open');
    await proxy.untilStat('listener_manager.total_filter_chains_draining', 0);
    const tcp = await Echo.tunnel(t, webPort);
    await tcp.peer.take('one');
    tcp.peer.close();
  });

  await t.test('who its peers are: drains, and turns nobody away meanwhile', async (t) => {
    await bench.web({ seen: 'plain' });
    const live = await Echo.webSocket(t, webPort);
    const old = new Kept(await RawPeer.connect(webPort));
    t.teardown(() => old.peer.close());
    t.match(await old.ask(), /plain$/);
    let refused = 0;
    let over = false;
    const knocking = (async (): Promise<void> => {
      while (!over) {
        await RawPeer.connect(webPort).then(
          (peer) => peer.close(),
          () => refused++,
        );
        await pause(2);
      }
    })();
    await bench.web({
      seen: 'proxied',
      listener: {
        listener_filters: [
          filterOf(
            'envoy.filters.listener.proxy_protocol',
            'filters.listener.proxy_protocol.v3.ProxyProtocol',
          ),
        ],
      },
    });
    await pause(50);
    over = true;
    await knocking;
    t.equal(refused, 0, 'the socket is the same');
    t.equal(await proxy.stat('listener_manager.total_listeners_draining'), 1);
    t.match(await old.ask(), /connection: close/i);
    t.ok(await live.works('while it drains'));
    await eventually('it is cut', () => live.peer.ending !== 'open');
    const proxied = await RawPeer.connect(webPort);
    t.teardown(() => proxied.close());
    proxied.send('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n');
    t.match(await proxied.take(/proxied$/), /200 OK/);
  });

  await t.test('TLS requirements drain', async (t) => {
    const root = TestCertificate.root();
    const leaf = root.issue({ commonName: 'server', names: [{ dns: 'h' }] });
    const tls = (required: boolean): Json => ({
      transport_socket: downstreamTls(
        { tls_certificates: [certificateOf(leaf)], validation_context: caOf(root) },
        { require_client_certificate: required },
      ),
    });
    await bench.web({ seen: 'tls', chain: tls(false) });
    const session = connectHttp2(`https://127.0.0.1:${webPort}`, { rejectUnauthorized: false });
    session.on('error', () => {});
    t.teardown(() => session.destroy());
    const stream = session.request({ ':method': 'POST', ':path': '/h2' });
    stream.on('error', () => {});
    const echoed = new Promise((resolve) => stream.once('data', resolve));
    stream.write('x');
    await echoed;
    await bench.web({ seen: 'tls2', chain: tls(false) });
    t.equal(
      await proxy.stat('listener_manager.total_filter_chains_draining'),
      0,
      'filters alone do not',
    );
    await bench.web({ seen: 'tls2', chain: tls(true) });
    t.equal(await proxy.stat('listener_manager.total_filter_chains_draining'), 1);
    await eventually('the connection is cut', () => session.destroyed);
  });
});
