// Resources that hold for a time only (Resource.ttl): what heartbeats keep, and what is left when they stay out; ours beside Envoy.
// @long
import t from 'tap';
import type { Test } from 'tap';

import { eventually } from '../support/eventually.ts';
import {
  address,
  bootstrapOf,
  envoyBinary,
  httpListener,
  ProxyProcess,
  toCluster,
} from '../support/proxy-process.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import type { Json } from '../support/scripted-control-plane.ts';
import { freePort } from '../support/free-port.ts';
import { ask, serveHttp } from '../support/test-http.ts';
import { adsConfig, byAds, endpointsOf, xdsCluster } from '../support/xds-bootstrap.ts';
import type { GrpcMode } from '../support/xds-bootstrap.ts';

t.setTimeout(120_000);

async function observe(t: Test, mode: GrpcMode, binary?: string): Promise<Json> {
  const plane = new ScriptedControlPlane();
  await plane.listen();
  t.teardown(() => plane.close());
  const upstream = await serveHttp(t, (_request, response) => response.end('up'));
  const [port, other] = [await freePort(), await freePort()];
  const listener = (name: string, at: number): Json =>
    httpListener(name, [toCluster('c')], {
      hcm: { access_log: [] },
      listener: { address: address(at) },
    });
  const cluster = {
    name: 'c',
    type: 'EDS',
    connect_timeout: '1s',
    eds_cluster_config: { eds_config: byAds() },
  };
  plane.set('endpoints', 'c', endpointsOf('c', upstream), { ttlSeconds: 1 });
  plane.set('clusters', 'c', cluster, { ttlSeconds: 3 });
  plane.set('listeners', 'l', listener('l', port));
  plane.set('listeners', 'short', listener('short', other), { ttlSeconds: 3 });
  await ProxyProcess.start(
    t,
    {
      ...bootstrapOf([], [xdsCluster(plane.port)]),
      dynamic_resources: {
        ads_config: adsConfig(mode),
        cds_config: byAds(),
        lds_config: byAds(),
      },
    },
    binary,
  );
  const seen = (at: number): Promise<string> =>
    ask(at, 'GET', '/').then(
      ({ status, body }) => `${status} ${body}`,
      () => 'refused',
    );
  await eventually('both serve', async () =>
    [await seen(port), await seen(other)].every((text) => text === '200 up'),
  );
  const beats = setInterval(() => plane.heartbeat('clusters', 'c'), 500);
  t.teardown(() => clearInterval(beats));
  await eventually('a listener has gone', async () => (await seen(other)) === 'refused');
  const beating = await seen(port);
  if (mode === 'GRPC') return { beating };
  clearInterval(beats);
  await eventually('the cluster has gone', async () => (await seen(port)).startsWith('503'));
  return { beating, after: await seen(port) };
}

for (const mode of ['DELTA_GRPC', 'GRPC'] as const) {
  t.test(`by ${mode}`, async (t) => {
    const ours = await observe(t, mode);
    t.match(ours, { beating: '200 up' });
    // By state of the world Envoy takes all listeners away when the time of one is over.
    if (mode === 'GRPC') return;
    if (envoyBinary === undefined) {
      t.comment('SKIPPED: no Envoy to compare with');
      return;
    }
    t.same(ours, await observe(t, mode, envoyBinary), 'as Envoy');
  });
}
