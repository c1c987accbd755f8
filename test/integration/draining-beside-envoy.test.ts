// @long @timeout 100 s
// What connections of a listener meet that is replaced or removed: until the drain time ends they are served as before, by the routes it
// had; ours beside Envoy where there is one.
import { request } from 'node:http';
import type { RequestOptions } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';

import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { packAny } from '../../xds-protos/any.ts';
import { fromJson } from '../../xds-protos/proto-json.ts';
import { privateDir } from '../support/private-dir.ts';
import { KeptConnection } from '../support/kept-connection.ts';
import {
  address,
  bootstrapOf,
  cluster,
  envoyBinary,
  httpListener,
  ProxyProcess,
} from '../support/proxy-process.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import type { Json } from '../support/scripted-control-plane.ts';
import { serveHttp } from '../support/test-http.ts';
import { adsConfig, byAds, xdsCluster } from '../support/xds-bootstrap.ts';

t.setTimeout(100_000);

const table = (name: string, body: string): Json => ({
  name,
  virtual_hosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: [
        {
          match: { path: '/table' },
          direct_response: { status: 200, body: { inline_string: body } },
        },
        { match: { prefix: '/' }, route: { cluster: 'c' } },
      ],
    },
  ],
});

/** Another direction is another listener. */
const listenerWith = (routes: string, port: number, direction: string): Json => ({
  ...httpListener('l', [], {
    hcm: {
      route_config: undefined,
      rds: { route_config_name: routes, config_source: byAds() },
    },
  }),
  address: address(port),
  traffic_direction: direction,
});

async function observe(t: Test, binary?: string): Promise<readonly string[]> {
  const plane = new ScriptedControlPlane();
  await plane.listen();
  t.teardown(() => plane.close());
  const upstream = await serveHttp(t, (_request, response) => response.end('served'));
  const port = await freePort();
  plane.set('listeners', 'l', listenerWith('first', port, 'OUTBOUND'));
  plane.set('routes', 'first', table('first', 'first'));
  plane.set('routes', 'second', table('second', 'second'));
  const bootstrap = bootstrapOf([], [xdsCluster(plane.port), cluster('c', [upstream])]);
  const dynamic = { ads_config: adsConfig('DELTA_GRPC'), lds_config: byAds() };
  const proxy = await ProxyProcess.start(t, { ...bootstrap, dynamic_resources: dynamic }, binary);
  await proxy.untilStat('listener_manager.listener_create_success', 1);
  const seen: string[] = [];
  const note = async (what: string, kept: KeptConnection): Promise<void> => {
    const own = (await kept.get('/table')).text;
    const { text, headers } = await kept.get('/');
    seen.push(`${what}: ${own}, ${text}, ${headers.connection} of ${kept.connections}`);
  };
  const first = new KeptConnection(t, port);
  await note('before', first);

  plane.put('listeners', 'l', listenerWith('second', port, 'INBOUND'));
  const second = new KeptConnection(t, port);
  await eventually(
    'another listener serves',
    async () => (await new KeptConnection(t, port).get('/table')).text === '200 second',
  );
  await note('replaced, old', first);
  await note('replaced, new', second);

  plane.remove('listeners', 'l');
  await eventually('it is gone', async () => {
    return new KeptConnection(t, port).get('/').then(
      () => false,
      () => true,
    );
  });
  await eventually('nobody asks for its routes', () =>
    // Envoy asks as long as it drains.
    binary === undefined ? plane.said('routes').some(({ text }) => text.includes('-second')) : true,
  );
  await note('removed, first', first);
  await note('removed, second', second);

  plane.put('listeners', 'l', listenerWith('first', port, 'OUTBOUND'));
  await eventually('it is back', () =>
    new KeptConnection(t, port).get('/table').then(
      ({ text }) => text === '200 first',
      () => false,
    ),
  );
  await note('back, old', first);
  await note('back, new', new KeptConnection(t, port));
  return seen;
}

t.test('connections of a listener that drains keep its routes', async (t) => {
  const seen = await observe(t);
  t.strictSame(seen, [
    'before: 200 first, 200 served, undefined of 1',
    'replaced, old: 200 first, 200 served, undefined of 1',
    'replaced, new: 200 second, 200 served, undefined of 1',
    'removed, first: 200 first, 200 served, undefined of 1',
    'removed, second: 200 second, 200 served, undefined of 1',
    'back, old: 200 first, 200 served, undefined of 1',
    'back, new: 200 first, 200 served, undefined of 1',
  ]);
  if (envoyBinary === undefined) t.comment('ENVOY_BIN is not set: not compared with Envoy');
  else t.strictSame(seen, await observe(t, envoyBinary));
});

const LISTENER = 'envoy.config.listener.v3.Listener';

/** One request on a connection of its own: the body, or how it failed. */
function answer(where: RequestOptions): Promise<string> {
  return new Promise((resolve) => {
    const sent = request({ ...where, path: '/', agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => resolve(body));
    });
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    sent.end();
  });
}

/** Each listener of these is replaced by one of another name at its address, in one response. */
async function observeNames(t: Test, binary?: string): Promise<readonly string[]> {
  const plane = new ScriptedControlPlane();
  await plane.listen();
  t.teardown(() => plane.close());
  const path = join(privateDir(t), 'socket');
  const [port, alone] = [await freePort(), await freePort()];
  const sorts: readonly (readonly [string, RequestOptions, Json])[] = [
    ['plain', { host: '127.0.0.1', port }, { address: address(port) }],
    [
      'alone on its port',
      { host: '127.0.0.1', port: alone },
      { address: address(alone), enable_reuse_port: false },
    ],
    ['pipe', { socketPath: path }, { address: { pipe: { path } } }],
  ];
  const listeners = (version: string): ReadonlyMap<string, Json> =>
    new Map(
      sorts.map(([sort, , more]) => {
        const body = { inline_string: `${sort} ${version}` };
        const route = { match: { prefix: '/' }, direct_response: { status: 200, body } };
        const name = `${sort} ${version}`;
        return [name, { ...httpListener(name, [route], { hcm: { access_log: [] } }), ...more }];
      }),
    );
  const first = listeners('first');
  for (const [name, json] of first) plane.set('listeners', name, json);
  const bootstrap = bootstrapOf([], [xdsCluster(plane.port)]);
  const dynamic = { ads_config: adsConfig('DELTA_GRPC'), lds_config: byAds() };
  const run = { concurrency: 2 };
  await ProxyProcess.start(t, { ...bootstrap, dynamic_resources: dynamic }, binary, run);
  const seen = (): Promise<string[]> => Promise.all(sorts.map(([, where]) => answer(where)));
  await eventually('all listen', async () =>
    (await seen()).every((body) => body.endsWith('first')),
  );
  const packed = [...listeners('second')].map(
    ([name, json]) =>
      [name, packAny(LISTENER, fromJson(LISTENER, JSON.parse(JSON.stringify(json))))] as const,
  );
  plane.update('listeners', new Map(packed), [...first.keys()]);
  // Whichever worker is asked.
  let bodies: readonly string[] = [];
  const often = async (): Promise<boolean> => {
    bodies = (await Promise.all(Array.from({ length: 10 }, seen))).flat();
    return bodies.every((body) => body.endsWith('second'));
  };
  await eventually('the second ones serve', often).catch(() => {});
  return [...new Set(bodies)].toSorted();
}

t.test('a listener that comes as another of its address goes has that address', async (t) => {
  const expected = ['alone on its port second', 'pipe second', 'plain second'];
  t.strictSame(await observeNames(t), expected);
  if (envoyBinary === undefined) t.comment('ENVOY_BIN is not set: not compared with Envoy');
  else t.strictSame(await observeNames(t, envoyBinary), expected);
});
