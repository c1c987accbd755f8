// Clusters that requests and connections name first: asked for on demand, over the aggregated stream beside CDS and without it, and over a
// stream of their own; ours beside Envoy where there is one.
// @long @timeout 170 s
import { connect } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';

import { eventually } from '../support/eventually.ts';
import {
  bootstrapOf,
  cluster,
  envoyBinary,
  filterOf,
  httpListener,
  ProxyProcess,
  tcpListener,
} from '../support/proxy-process.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import type { Json } from '../support/scripted-control-plane.ts';
import { ask, serveHttp } from '../support/test-http.ts';
import { adsConfig, byAds, ownStream, xdsCluster } from '../support/xds-bootstrap.ts';

t.setTimeout(170_000);

const ON_DEMAND = 'filters.http.on_demand.v3';
const FILTER = 'envoy.filters.http.on_demand';
const perRoute = (config: Json): Json => ({
  typed_per_filter_config: {
    [FILTER]: {
      '@type': `type.googleapis.com/envoy.extensions.${ON_DEMAND}.PerRouteConfig`,
      ...config,
    },
  },
});

interface Setting {
  readonly name: string;
  readonly source: Json;
  readonly dynamic: Json;
  /** Envoy is another one here, for the reason given. */
  readonly alone?: string;
}

const SETTINGS: readonly Setting[] = [
  {
    name: 'beside CDS on the aggregated stream',
    source: byAds(),
    dynamic: { ads_config: adsConfig('DELTA_GRPC'), cds_config: byAds() },
  },
  {
    name: 'on the aggregated stream, without CDS',
    source: byAds(),
    dynamic: { ads_config: adsConfig('DELTA_GRPC') },
  },
  { name: 'on a stream of their own', source: ownStream('DELTA_GRPC'), dynamic: {} },
  {
    name: 'state of the world, beside CDS',
    source: byAds(),
    dynamic: { ads_config: adsConfig('GRPC'), cds_config: byAds() },
    alone: 'Envoy asks for the name instead of all clusters',
  },
];

const byName = (text: string): string =>
  text.replaceAll(/(?<=[+ ])[a-z*,=0-9]+/g, (list) => list.split(',').toSorted().join(','));

const COUNTED = /^tcp\.[^.]+\.(on_demand|downstream_cx_no_route)/;

/** What traffic meets, wherever the clusters come from. */
const SEEN: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['start', ''],
  ['known to the server', '200 body of 0'],
  ['once more', '200 body of 0'],
  ['unknown', '503 '],
  ['comes later', ['200 body of 0', '200 body of 0']],
  ['with a body', 'body of 100000'],
  ['denied', '503 '],
  ['switched off on the route', '503 '],
  ['a shorter wait of the route', '503 '],
  ['taken back', ''],
  ['no cluster for a connection', 'closed'],
  ['a cluster for a connection', 'HTTP/1.1 200'],
  ['a new stream', 'HTTP/1.1 200'],
]);

/** A connection that says one request; what came back, or how it ended. */
function overTcp(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => (answer += data.toString()));
    socket.on('close', () => resolve(answer === '' ? 'closed' : answer.slice(0, 12)));
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n');
  });
}

interface Observed {
  readonly steps: readonly {
    readonly name: string;
    readonly seen: unknown;
    readonly said: readonly string[];
  }[];
  readonly counted: Json;
}

async function observe(t: Test, { source, dynamic }: Setting, binary?: string): Promise<Observed> {
  const plane = new ScriptedControlPlane();
  await plane.listen();
  t.teardown(() => plane.close());
  const upstream = await serveHttp(t, (request, response) => {
    let length = 0;
    request.on('data', (chunk: Buffer) => (length += chunk.length));
    request.on('end', () => response.end(`body of ${length}`));
  });
  const route = (name: string, more: Json = {}): Json => ({
    match: { prefix: `/${name}` },
    route: { cluster: name },
    ...more,
  });
  const odcds = { source, timeout: '0.6s' };
  const listener = httpListener(
    'l',
    [
      route('off', perRoute({})),
      route('brief', perRoute({ odcds: { source, timeout: '0.05s' } })),
      ...['a', 'b', 'c', 'd'].map((name) => route(name)),
    ],
    { httpFilters: [filterOf(FILTER, `${ON_DEMAND}.OnDemand`, { odcds })] },
  );
  const tcp = tcpListener('t', 'tcp', { on_demand: { odcds_config: source, timeout: '0.6s' } });
  const proxy = await ProxyProcess.start(
    t,
    { ...bootstrapOf([listener, tcp], [xdsCluster(plane.port)]), dynamic_resources: dynamic },
    binary,
  );
  const steps: { name: string; seen: unknown; said: readonly string[] }[] = [];
  let port = proxy.port('l');
  const get = async (path: string): Promise<string> => {
    const reply = await ask(port, 'GET', path);
    return `${reply.status} ${reply.body}`;
  };
  const note = async (name: string, seen: unknown): Promise<void> => {
    // What is answered goes out behind what is passed on.
    await new Promise((resolve) => setTimeout(resolve, 150));
    const said = plane.requests.splice(0).map(({ service, type, text }) => {
      const kind = type.slice(type.lastIndexOf('.') + 1);
      return `${service} ${kind}: ${byName(text)}`;
    });
    steps.push({ name, seen, said });
  };
  await note('start', '');
  plane.set('clusters', 'a', cluster('a', [upstream]));
  await note('known to the server', await get('/a'));
  await note('once more', await get('/a'));
  await note('unknown', await get('/b'));
  const late = Promise.all([get('/b'), get('/b')]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  plane.put('clusters', 'b', cluster('b', [upstream]));
  await note('comes later', await late);
  const body = 'x'.repeat(100_000);
  const posted = fetch(`http://127.0.0.1:${port}/d`, { method: 'POST', body });
  await new Promise((resolve) => setTimeout(resolve, 200));
  plane.put('clusters', 'd', cluster('d', [upstream]));
  await note('with a body', await (await posted).text());
  const denied = get('/c');
  await eventually('c is asked for', () => plane.requests.some(({ text }) => text.includes('c')));
  plane.remove('clusters', 'c');
  await note('denied', await denied);
  await note('switched off on the route', await get('/off'));
  await note('a shorter wait of the route', await get('/brief'));
  plane.remove('clusters', 'a');
  await eventually('a is gone', async () => (await get('/a')).startsWith('503'));
  await note('taken back', '');
  port = proxy.port('t');
  await note('no cluster for a connection', await overTcp(port));
  plane.set('clusters', 'tcp', cluster('tcp', [upstream]));
  const waiting = overTcp(port);
  await new Promise((resolve) => setTimeout(resolve, 200));
  plane.push('clusters', ['tcp']);
  await note('a cluster for a connection', await waiting);
  plane.endStreams();
  await eventually('asked again', () => plane.requests.some(({ stream }) => stream > 1));
  await note('a new stream', await overTcp(port));
  const stats = await proxy.stats();
  const counted = [...stats].filter(([name]) => COUNTED.test(name));
  return { steps, counted: Object.fromEntries(counted.toSorted()) };
}

for (const setting of SETTINGS) {
  t.test(setting.name, async (t) => {
    const { steps, counted } = await observe(t, setting);
    t.same(new Map(steps.map(({ name, seen }) => [name, seen])), SEEN);
    if (envoyBinary === undefined) t.comment('ENVOY_BIN is not set: not compared with Envoy');
    else if (setting.alone === undefined)
      t.same({ steps, counted }, await observe(t, setting, envoyBinary));
  });
}
