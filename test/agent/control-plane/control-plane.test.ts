// [m] The control plane over a real gRPC stream: what an edit of the YAML pushes, refusals, reconnects, both forms of ADS.
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';

import { startControlPlane } from '../../../agent/control-plane/control-plane.ts';
import type { ControlPlane } from '../../../agent/control-plane/control-plane.ts';
import { realTime } from '../../../proxy/base/clock.ts';
import { Logger } from '../../../proxy/base/logger.ts';
import { DeltaClient, NODE, SotwClient } from './ads-client.ts';
import { productpage, ratings, reviews, reviewsV2, split, subsets } from './small-mesh.ts';

interface Mesh {
  readonly plane: ControlPlane;
  readonly log: string[];
  write(file: string, text: string): void;
  remove(file: string): void;
}

async function startMesh(t: Test, ratingsYaml = ratings): Promise<Mesh> {
  const folder = mkdtempSync(join(tmpdir(), 'control-plane-'));
  const write = (file: string, text: string): void => writeFileSync(join(folder, file), text);
  write('apps.yaml', [productpage, reviews, reviewsV2].join('---'));
  write('ratings.yaml', ratingsYaml);
  write('subsets.yaml', subsets);
  write('split.yaml', split(80, 20));
  const log: string[] = [];
  const logger = new Logger('ads', 'info', ({ level, message }) =>
    log.push(`${level}: ${message}`),
  );
  const plane = await startControlPlane(
    { configFolder: folder, listen: '127.0.0.1:0', defaultMtls: 'DISABLE' },
    logger,
    realTime,
  );
  t.teardown(() => {
    plane.close();
    rmSync(folder, { recursive: true });
  });
  return { plane, log, write, remove: (file) => unlinkSync(join(folder, file)) };
}

const clusterName = (host: string, subset = ''): string =>
  `outbound|9080|${subset}|${host}.default.svc.cluster.local`;

/** Asks for everything as a proxy does, in its order. */
async function loaded(t: Test, mesh: Mesh): Promise<DeltaClient> {
  const client = new DeltaClient(mesh.plane.target);
  t.teardown(() => client.close());
  client.ask('cluster');
  const clusters = await client.next();
  client.ask(
    'endpoint',
    clusters.names.filter((name) => name.startsWith('outbound|')),
  );
  await client.next();
  client.ask('listener');
  await client.next();
  client.ask('route', ['9080']);
  await client.next();
  return client;
}

t.test('ControlPlane', async (t) => {
  t.test('answers each first request with everything that is asked for', async (t) => {
    const mesh = await startMesh(t);
    const client = new DeltaClient(mesh.plane.target);
    t.teardown(() => client.close());
    client.ask('cluster');
    const clusters = await client.next();
    t.same(clusters.names, [
      clusterName('productpage'),
      clusterName('ratings'),
      clusterName('reviews'),
      clusterName('reviews', 'v1'),
      clusterName('reviews', 'v2'),
      'BlackHoleCluster',
      'PassthroughCluster',
      'inbound|9080||',
      'InboundPassthroughCluster',
    ]);
    client.ask('listener');
    t.same([...(await client.next()).names].sort(), [
      '0.0.0.0_9080',
      'virtualInbound',
      'virtualOutbound',
    ]);
    client.ask('endpoint', [clusterName('reviews'), 'outbound|1||nobody']);
    t.same(
      (await client.next()).names,
      [clusterName('reviews'), 'outbound|1||nobody'],
      'an unknown name gets an empty resource',
    );
    client.ask('route', ['9080']);
    t.same((await client.next()).names, ['9080']);
  });

  t.test('pushes one route and nothing else when a weight is edited', async (t) => {
    const mesh = await startMesh(t);
    const client = await loaded(t, mesh);
    mesh.write('split.yaml', split(50, 50));
    const pushed = await client.next();
    t.match(pushed, { type: 'route', names: ['9080'], removed: [] });
    t.same(await client.until('route', '15'), [], 'nothing follows');
  });

  t.test('pushes nothing when a file is saved without a change', async (t) => {
    const mesh = await startMesh(t);
    const client = await loaded(t, mesh);
    mesh.write('split.yaml', `# a comment\n${split(80, 20)}`);
    mesh.write('subsets.yaml', subsets.replace('version: v2', 'version: v3'));
    t.match(
      await client.next(),
      { type: 'endpoint', names: [clusterName('reviews', 'v2')] },
      'the first push is of the later, real edit',
    );
    t.same(await client.until('route', '15'), []);
  });

  t.test('removes the resources of a service that goes, its clusters last', async (t) => {
    const mesh = await startMesh(t);
    const client = await loaded(t, mesh);
    mesh.remove('ratings.yaml');
    t.match(await client.next(), { type: 'route', names: ['9080'], removed: [] });
    t.match(await client.next(), { type: 'cluster', names: [], removed: [clusterName('ratings')] });
    t.same(await client.until('route', '15'), []);
    mesh.write('ratings.yaml', ratings);
    t.match(await client.next(), { type: 'cluster', names: [clusterName('ratings')] });
    t.match(
      await client.next(),
      { type: 'endpoint', names: [clusterName('ratings')] },
      'its endpoints come again',
    );
    t.match(await client.next(), { type: 'route', names: ['9080'] });
  });

  t.test('removes the listener of a port that no service has any more', async (t) => {
    const mesh = await startMesh(
      t,
      ratings.replace('port: 9080, name: http', 'port: 7000, name: tcp'),
    );
    const client = await loaded(t, mesh);
    mesh.remove('ratings.yaml');
    const pushed = [
      await client.next(),
      await client.next(),
      ...(await client.until('route', '15')),
    ];
    const removed = pushed.filter((push) => push.removed.length > 0);
    t.same(
      removed.map((push) => [push.type, push.removed]),
      [
        ['listener', ['10.96.0.3_7000']],
        ['cluster', ['outbound|7000||ratings.default.svc.cluster.local']],
      ],
    );
  });

  t.test('sends the endpoints of a changed cluster again', async (t) => {
    const mesh = await startMesh(t);
    const client = await loaded(t, mesh);
    mesh.write(
      'subsets.yaml',
      subsets.replace(
        'host: reviews',
        'host: reviews\n  trafficPolicy: {loadBalancer: {simple: RANDOM}}',
      ),
    );
    const names = [
      clusterName('reviews'),
      clusterName('reviews', 'v1'),
      clusterName('reviews', 'v2'),
    ];
    t.match(await client.next(), { type: 'cluster', names });
    t.match(await client.next(), { type: 'endpoint', names });
  });

  t.test('keeps the last good content of a bad file, and says where it is bad', async (t) => {
    const mesh = await startMesh(t);
    const client = await loaded(t, mesh);
    mesh.write('split.yaml', split(80, 20).replace('weight: 20', 'weight: many'));
    mesh.write('ratings.yaml', ratings.replace('10.0.0.3', '10.0.0.9'));
    t.match(
      await client.next(),
      { type: 'endpoint', names: [clusterName('ratings')] },
      'the other file is put in force',
    );
    t.same(await client.until('route', '15'), [], 'the routes stay');
    const told = mesh.log.filter((line) => line.startsWith('error'));
    t.match(told, [
      /split\.yaml: document 1, line 10: spec\.http\[0\]\.route\[1\]\.weight: must be a whole number .* not "many"/,
    ]);
    mesh.write('split.yaml', split(10, 90));
    t.match(await client.next(), { type: 'route', names: ['9080'] });
    t.ok(mesh.log.some((line) => line.includes('1 earlier problem is gone')));
  });

  t.test('logs a refusal with the reason and goes on with the next push', async (t) => {
    const mesh = await startMesh(t);
    const client = await loaded(t, mesh);
    client.refuseNext('route');
    mesh.write('split.yaml', split(60, 40));
    const refused = await client.next();
    t.same(await client.until('listener', 'virtualInbound'), [], 'a refusal is not answered');
    t.ok(
      mesh.log.some(
        (line) =>
          line.startsWith('warning') &&
          line.includes('route NACK') &&
          line.includes('virtual_hosts[0]: this test refuses it'),
      ),
    );
    const status = (): unknown =>
      mesh.plane.status()[0]?.types.find(({ type }) => type === 'route');
    t.match(status(), {
      lastError: 'virtual_hosts[0]: this test refuses it',
      nonceSent: refused.nonce,
    });
    mesh.write('split.yaml', split(61, 39));
    const next = await client.next();
    t.match(next, { type: 'route', names: ['9080'] });
    await client.until('listener', 'virtualInbound');
    t.match(status(), { lastError: '', nonceAcked: next.nonce });
  });

  t.test('tells a client that comes back what is gone', async (t) => {
    const mesh = await startMesh(t);
    const client = new DeltaClient(mesh.plane.target);
    t.teardown(() => client.close());
    client.ask('cluster', [], ['BlackHoleCluster', clusterName('gone')]);
    const clusters = await client.next();
    t.equal(clusters.names.length, 9);
    t.same(clusters.removed, [clusterName('gone')]);
    client.ask('endpoint', [], [clusterName('reviews')]);
    t.same((await client.next()).names, [clusterName('reviews')], 'held names are subscribed');
  });

  t.test('ends the stream of a proxy that does not say who it is', async (t) => {
    const mesh = await startMesh(t);
    for (const [node, reason] of [
      [undefined, /must carry the node/],
      [{ id: 'nonsense' }, /must be type~address~name\.namespace~domain/],
      [
        { id: 'router~10.0.0.1~a.default~default.svc.cluster.local' },
        /node type "router" is not supported/,
      ],
      [
        { ...NODE, metadata: { OUTRIGGER_INBOUND_PORT: '70000' } },
        /OUTRIGGER_INBOUND_PORT must be a port/,
      ],
    ] as const) {
      const client = new DeltaClient(mesh.plane.target);
      t.teardown(() => client.close());
      client.send({ node, type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' });
      t.match(await client.ended, { code: 3, reason });
    }
  });

  t.test('serves the state of the world', async (t) => {
    const mesh = await startMesh(t);
    const client = new SotwClient(mesh.plane.target);
    t.teardown(() => client.close());
    client.ask('cluster', []);
    const clusters = await client.next();
    t.equal(clusters.count, 9);
    client.ask('cluster', [], clusters.nonce);
    client.ask('endpoint', [clusterName('reviews')]);
    const endpoints = await client.next();
    t.match(endpoints, { type: 'endpoint', count: 1 });
    client.ask('endpoint', [clusterName('reviews'), clusterName('ratings')], endpoints.nonce);
    t.match(await client.next(), { type: 'endpoint', count: 1 }, 'an added name is answered alone');
    client.ask('route', ['9080']);
    const routes = await client.next();
    client.ask('route', ['9080'], 'an old nonce');
    client.ask('route', ['9080'], routes.nonce);
    mesh.write('split.yaml', split(50, 50));
    t.match(
      await client.next(),
      { type: 'route', count: 1 },
      'acknowledgements are not answered, the edit is',
    );
    mesh.remove('ratings.yaml');
    t.match(await client.next(), { type: 'cluster', count: 8 }, 'clusters come all together');
  });
});
