// [m] Readiness against a scripted admin that answers as the proxy's /stats does.
import t from 'tap';

import { ProxyAdmin } from '../../../agent/proxy-admin.ts';
import { Readiness } from '../../../agent/status/readiness.ts';
import type { Teardowns } from '../../support/private-dir.ts';
import { freePort } from '../../support/free-port.ts';
import { serveHttp } from '../../support/test-http.ts';

interface Scene {
  cds?: readonly [success: number, rejected: number];
  lds?: readonly [success: number, rejected: number];
  state?: number;
  workers?: number;
  leaving?: boolean;
  dnsMissing?: boolean;
}

const READY: Scene = { cds: [1, 0], lds: [1, 0], state: 0, workers: 1 };

/** As `?usedonly`: what is zero is not there. */
function statsText(scene: Scene): string {
  const [cds, cdsRejected] = scene.cds ?? [0, 0];
  const [lds, ldsRejected] = scene.lds ?? [0, 0];
  const used = (name: string, value: number): string => (value === 0 ? '' : `${name}: ${value}\n`);
  return (
    used('cluster_manager.cds.update_success', cds) +
    used('cluster_manager.cds.update_rejected', cdsRejected) +
    used('listener_manager.lds.update_success', lds) +
    used('listener_manager.lds.update_rejected', ldsRejected) +
    (scene.state === undefined ? '' : `server.state: ${scene.state}\n`) +
    used('listener_manager.workers_started', scene.workers ?? 0)
  );
}

interface Setup {
  readonly readiness: Readiness;
  readonly filters: string[];
  readonly firstReady: number[];
  scene: Scene;
}

async function setUp(t: Teardowns, scene: Scene): Promise<Setup> {
  const filters: string[] = [];
  const firstReady: number[] = [];
  const setup = { scene, filters, firstReady };
  const port = await serveHttp(t, (request, response) => {
    const url = new URL(request.url ?? '', 'http://admin');
    filters.push(url.searchParams.get('filter') ?? '');
    response.end(statsText(setup.scene));
  });
  const readiness = new Readiness({
    admin: new ProxyAdmin('127.0.0.1', port),
    leaving: () => setup.scene.leaving === true,
    dnsMissing: () => setup.scene.dnsMissing === true,
    onFirstReady: () => firstReady.push(1),
  });
  return Object.assign(setup, { readiness });
}

const COUNTS = (cds: string, lds: string): string => `cds updates: ${cds}; lds updates: ${lds}`;
const CASES: readonly (readonly [string, Scene, string | undefined])[] = [
  ['all there', READY, undefined],
  [
    'nothing received',
    { state: 0, workers: 1 },
    `config not received from XDS server (is Istiod running?): ${COUNTS('0 successful, 0 rejected', '0 successful, 0 rejected')}`,
  ],
  [
    'rejected',
    { ...READY, lds: [0, 2] },
    `config received from XDS server, but was rejected: ${COUNTS('1 successful, 0 rejected', '0 successful, 2 rejected')}`,
  ],
  [
    'half of it',
    { ...READY, lds: [0, 0] },
    `config not fully received from XDS server: ${COUNTS('1 successful, 0 rejected', '0 successful, 0 rejected')}`,
  ],
  ['rejected later, after a good one', { ...READY, cds: [1, 5] }, undefined],
  ['initializing', { ...READY, state: 3 }, 'server is not live, current state is: INITIALIZING'],
  ['draining', { ...READY, state: 1 }, 'server is not live, current state is: DRAINING'],
  ['no workers', { ...READY, workers: 0 }, 'workers have not yet started'],
  ['leaving', { ...READY, leaving: true }, 'server is terminated'],
  [
    'no name table',
    { ...READY, dnsMissing: true },
    'DNS lookup table not received from XDS server',
  ],
];

t.test('Readiness', (t) => {
  t.test('says why the pod is not ready, in the order of stock', async (t) => {
    for (const [name, scene, reason] of CASES) {
      const { readiness } = await setUp(t, scene);
      t.equal(await readiness.check(), reason, name);
    }
  });

  t.test('asks with the filters of stock, and for less once it was ready', async (t) => {
    const setup = await setUp(t, READY);
    await setup.readiness.check();
    setup.scene = { state: 0 };
    t.equal(await setup.readiness.check(), undefined);
    t.strictSame(setup.filters, [
      '^(cluster_manager\\.cds|listener_manager\\.lds)\\.(update_success|update_rejected)$',
      '^(server\\.state|listener_manager\\.workers_started)',
      '^(server\\.state|listener_manager\\.workers_started)',
    ]);
    t.equal(setup.firstReady.length, 1);
  });

  t.test('starts over with a new proxy process', async (t) => {
    const setup = await setUp(t, READY);
    await setup.readiness.check();
    setup.readiness.proxyRestarted();
    setup.scene = { state: 0, workers: 1 };
    t.match(await setup.readiness.check(), /^config not received/);
  });

  t.test('is not ready while the admin does not answer', async (t) => {
    const readiness = new Readiness({
      admin: new ProxyAdmin('127.0.0.1', await freePort()),
      leaving: () => false,
      dnsMissing: () => false,
      onFirstReady: () => {},
    });
    t.match(await readiness.check(), /^failed to get stats of the proxy: ECONNREFUSED/);
  });

  t.end();
});
