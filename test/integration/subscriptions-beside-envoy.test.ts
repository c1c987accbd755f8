// CDS, LDS, EDS and RDS by streams of their own (state of the world, delta) and from files: what the proxy asks and answers, what
// traffic sees, what is counted; ours beside Envoy where there is one.
// @long
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';

import { eventually } from '../support/eventually.ts';
import {
  address,
  bootstrapOf,
  envoyBinary,
  httpListener,
  ProxyProcess,
} from '../support/proxy-process.ts';
import { ScriptedControlPlane, TYPES } from '../support/scripted-control-plane.ts';
import type { Json, Kind } from '../support/scripted-control-plane.ts';
import { freePort } from '../support/free-port.ts';
import { ask, serveHttp } from '../support/test-http.ts';
import { endpointsOf, ownStream, xdsCluster } from '../support/xds-bootstrap.ts';

t.setTimeout(170_000);

type Mode = 'GRPC' | 'DELTA_GRPC' | 'file';

/** Where the resources of a test lie, and what the proxy says of them. */
interface Source {
  of(kind: Kind, name: string): Json;
  put(kind: Kind, name: string, ...all: readonly Json[]): void;
}

function streams(plane: ScriptedControlPlane, mode: 'GRPC' | 'DELTA_GRPC'): Source {
  return {
    of: () => ownStream(mode),
    put: (kind, name, ...all) => {
      const [json] = all;
      if (json === undefined) plane.remove(kind, name);
      else plane.put(kind, name, json);
    },
  };
}

function files(t: Test, ending: 'json' | 'yaml'): Source {
  const dir = mkdtempSync(join(tmpdir(), 'xds-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const wildcard = (kind: Kind): boolean => kind === 'clusters' || kind === 'listeners';
  const path = (kind: Kind, name: string): string =>
    join(dir, `${kind}${wildcard(kind) ? '' : name}.${ending}`);
  let version = 0;
  return {
    of: (kind, name) => ({ path_config_source: { path: path(kind, name) } }),
    put: (kind, name, ...all) => {
      const resources = all.map((json) => ({
        '@type': `type.googleapis.com/${TYPES[kind]}`,
        ...json,
      }));
      const text = JSON.stringify({ version_info: `v${++version}`, resources });
      writeFileSync(`${path(kind, name)}.new`, text);
      renameSync(`${path(kind, name)}.new`, path(kind, name));
    },
  };
}

const tableOf = (body: string): Json => ({
  name: 'r',
  virtual_hosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: [
        {
          match: { path: '/body' },
          direct_response: { status: 200, body: { inline_string: body } },
        },
        { match: { prefix: '/' }, route: { cluster: 'a' } },
      ],
    },
  ],
});

const COUNTED =
  /^(cluster_manager\.cds|listener_manager\.lds)\.(update_(attempt|success|failure|rejected)|init_fetch_timeout)$|^cluster\.a\.(update_(success|rejected)|control_plane\.connected_state)$/;

async function observe(t: Test, mode: Mode, binary: string | undefined): Promise<Json> {
  const plane = new ScriptedControlPlane();
  await plane.listen();
  t.teardown(() => plane.close());
  const [one, two] = [
    await serveHttp(t, (_request, response) => response.end('one')),
    await serveHttp(t, (_request, response) => response.end('two')),
  ];
  const source = mode === 'file' ? files(t, 'json') : streams(plane, mode);
  const port = await freePort();
  const cluster = (more: Json = {}): Json => ({
    name: 'a',
    type: 'EDS',
    connect_timeout: '1s',
    eds_cluster_config: { eds_config: source.of('endpoints', 'a') },
    ...more,
  });
  const listener = httpListener('l', [], {
    hcm: {
      route_config: undefined,
      rds: { route_config_name: 'r', config_source: source.of('routes', 'r') },
    },
    listener: { address: address(port) },
  });
  source.put('endpoints', 'a', endpointsOf('a', one));
  source.put('routes', 'r', tableOf('first'));
  source.put('clusters', 'a', cluster());
  source.put('listeners', 'l', listener);
  const proxy = await ProxyProcess.start(
    t,
    {
      ...bootstrapOf([], [xdsCluster(plane.port)]),
      dynamic_resources: {
        cds_config: source.of('clusters', 'a'),
        lds_config: source.of('listeners', 'l'),
      },
    },
    binary,
  );
  const body = (path: string): Promise<string> =>
    ask(port, 'GET', path).then(
      (reply) => `${reply.status} ${reply.body}`,
      () => 'refused',
    );
  const said: Record<string, readonly string[]> = {};
  const note = (step: string): void => {
    const seen = plane.requests.splice(0);
    said[step] = seen.map(({ service, text }) => `${service}: ${text}`).toSorted();
  };
  await eventually('traffic', async () => (await body('/')) === '200 one');
  const start = [await body('/'), await body('/body')];
  await eventually('all is answered', () => mode === 'file' || plane.requests.length >= 8);
  note('start');

  source.put('endpoints', 'a', endpointsOf('a', two));
  await eventually('other endpoints', async () => (await body('/')) === '200 two');
  source.put('routes', 'r', tableOf('second'));
  await eventually('other routes', async () => (await body('/body')) === '200 second');
  await eventually('both are answered', () => mode === 'file' || plane.requests.length >= 2);
  note('changes');

  const bad = { name: 'bad', connect_timeout: '0s' };
  source.put('clusters', 'bad', ...(mode === 'file' ? [cluster(), bad] : [bad]));
  await proxy.untilStat('cluster_manager.cds.update_rejected', 1);
  const afterBad = [await body('/'), await body('/body')];
  await eventually('the refusal is told', () => mode === 'file' || plane.requests.length >= 1);
  note('refusal');

  source.put('listeners', 'l');
  await eventually('the listener is gone', async () => (await body('/body')) === 'refused');
  const stats = [...(await proxy.stats())].filter(([name]) => COUNTED.test(name)).toSorted();
  return { start, afterBad, said, stats: Object.fromEntries(stats) };
}

for (const mode of ['GRPC', 'DELTA_GRPC', 'file'] as const) {
  t.test(`by ${mode}`, async (t) => {
    const ours = await observe(t, mode, undefined);
    t.match(ours, { start: ['200 one', '200 first'], afterBad: ['200 two', '200 second'] });
    if (envoyBinary === undefined) {
      t.comment('SKIPPED: no Envoy to compare with');
      return;
    }
    t.same(ours, await observe(t, mode, envoyBinary), 'as Envoy');
  });
}
