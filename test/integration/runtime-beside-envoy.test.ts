// Layers of the runtime that come by RTDS, and the one that the operator writes: what requests see, also those of a connection that
// was there before; what is refused, taken back, counted and shown; ours beside Envoy where there is one.
// @long
import t from 'tap';
import type { Test } from 'tap';

import { KeptConnection } from '../support/kept-connection.ts';
import { eventually } from '../support/eventually.ts';
import {
  bootstrapOf,
  cluster,
  envoyBinary,
  filterOf,
  httpListener,
  ProxyProcess,
} from '../support/proxy-process.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import type { Json } from '../support/scripted-control-plane.ts';
import { ask, serveHttp } from '../support/test-http.ts';
import { adsConfig, byAds, ownStream, xdsCluster } from '../support/xds-bootstrap.ts';

t.setTimeout(120_000);

const says = (text: string): Json => ({
  direct_response: { status: 200, body: { inline_string: text } },
});

/** Compiled with the table, with the chain, and asked at each request. */
const listener = httpListener(
  'l',
  [
    {
      match: {
        path: '/route',
        runtime_fraction: { default_value: { numerator: 100 }, runtime_key: 'route' },
      },
      ...says('first'),
    },
    {
      match: { path: '/weights' },
      route: {
        weighted_clusters: {
          runtime_key_prefix: 'weights',
          total_weight: 100,
          clusters: [
            { name: 'a', weight: 100 },
            { name: 'b', weight: 0 },
          ],
        },
      },
    },
    { match: { prefix: '/' }, ...says('second') },
  ],
  {
    hcm: { access_log: [] },
    httpFilters: [
      filterOf('envoy.filters.http.fault', 'filters.http.fault.v3.HTTPFault', {
        abort: { http_status: 418, percentage: { numerator: 0 } },
      }),
    ],
  },
);

async function observe(t: Test, own: boolean, binary?: string): Promise<Json> {
  const plane = new ScriptedControlPlane();
  await plane.listen();
  t.teardown(() => plane.close());
  const [a, b] = [
    await serveHttp(t, (_request, response) => response.end('a')),
    await serveHttp(t, (_request, response) => response.end('b')),
  ];
  plane.set('runtime', 'layer', { name: 'layer', layer: { route: 0 } });
  const source = own ? ownStream('DELTA_GRPC') : byAds();
  const layer = { name: 'rtds', rtds_layer: { name: 'layer', rtds_config: source } };
  const proxy = await ProxyProcess.start(
    t,
    {
      ...bootstrapOf([listener], [xdsCluster(plane.port), cluster('a', [a]), cluster('b', [b])]),
      ...(own ? {} : { dynamic_resources: { ads_config: adsConfig('DELTA_GRPC') } }),
      layered_runtime: {
        layers: [
          { name: 'static', static_layer: { route: 50, other: { key: 1 } } },
          layer,
          { name: 'admin', admin_layer: {} },
        ],
      },
    },
    binary,
  );
  const client = new KeptConnection(t, proxy.port('l'));
  const see = async (path: string): Promise<string> => (await client.get(path)).text;
  const all = async (): Promise<readonly string[]> => [
    await see('/route'),
    await see('/weights'),
    await see('/'),
  ];
  const steps: Record<string, readonly string[]> = { start: await all() };
  const values = { route: 100, weights: { a: 0, b: 100 } };
  plane.put('runtime', 'layer', { name: 'layer', layer: values });
  await eventually('new values', async () => (await see('/weights')) === '200 b');
  steps['changed'] = await all();
  const post = (query: string): Promise<number> =>
    ask(proxy.adminPort, 'POST', `/runtime_modify?${query}`).then(({ status }) => status);
  const modified = [await post('fault.http.abort.abort_percent=100&route=0')];
  await eventually('the operator’s', async () => (await see('/')).startsWith('418'));
  modified.push(await post('fault.http.abort.abort_percent='));
  await eventually('the operator’s', async () => (await see('/')).startsWith('200'));
  steps['modified'] = await all();
  const [nonce = ''] = plane.put('runtime', 'layer', { name: 'layer', layer: { list: [1] } });
  await eventually('an answer', () => plane.answers.has(nonce));
  const refused = plane.answers.get(nonce)!.includes('Invalid runtime entry value for list');
  steps['refused'] = await all();
  const shown = (await ask(proxy.adminPort, 'GET', '/runtime')).body;
  plane.remove('runtime', 'layer');
  await eventually('taken back', async () => (await see('/weights')) === '200 a');
  const { stats } = await statsOf(proxy);
  return {
    steps,
    modified,
    refused,
    shown: JSON.parse(shown),
    stats,
    connections: client.connections,
  };
}

const COUNTED =
  /^runtime\.(num_layers|num_keys|admin_overrides_active|update_(success|rejected|failure)|load_error)$/;

async function statsOf(proxy: ProxyProcess): Promise<{ readonly stats: Json }> {
  const found = [...(await proxy.stats())].filter(([name]) => COUNTED.test(name)).toSorted();
  return { stats: Object.fromEntries(found) };
}

for (const own of [false, true]) {
  t.test(own ? 'by a stream of its own' : 'by ADS', async (t) => {
    const ours = await observe(t, own);
    t.match(ours, {
      steps: {
        start: ['200 second', '200 a', '200 second'],
        changed: ['200 first', '200 b', '200 second'],
        modified: ['200 second', '200 b', '200 second'],
        refused: ['200 second', '200 b', '200 second'],
      },
      modified: [200, 200],
      refused: true,
      connections: 1,
    });
    if (envoyBinary === undefined) {
      t.comment('SKIPPED: no Envoy to compare with');
      return;
    }
    t.same(ours, await observe(t, own, envoyBinary), 'as Envoy');
  });
}
