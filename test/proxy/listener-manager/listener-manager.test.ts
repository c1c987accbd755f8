// ListenerManager: warming by routes, the first gate, updates, address conflicts, what RDS is asked for.
import t from 'tap';
import { LoggerRegistry } from '../../../proxy/base/logger.ts';
import { Runtime } from '../../../proxy/base/runtime.ts';
import type { ListenerConfig } from '../../../proxy/config/listener-config.ts';
import { ListenerManager } from '../../../proxy/listener-manager/listener-manager.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import {
  resource,
  sampleFilterChain,
  sampleHcm,
  sampleListener,
  sampleRoute,
  sampleRouteAction,
  sampleRouteEntry,
  sampleVirtualHost,
} from '../../support/config-samples.ts';
import { NO_SECRETS } from '../../support/no-secrets.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

function setUp(options: { readonly gate?: boolean } = {}) {
  const published: string[] = [];
  const asked: string[][] = [];
  const warming = new Set<string>();
  const time = new SimulatedTime();
  const stats = new StatsStore();
  const manager = new ListenerManager({
    sink: {
      publishRoute: (config) => published.push(`route ${config.name} ${config.version}`),
      removeRoute: (name) => published.push(`remove route ${name}`),
      publishListener: (config) => published.push(`listener ${config.name} ${config.hash}`),
      removeListener: (name) => published.push(`remove listener ${name}`),
    },
    events: {
      onRoutesWanted: (wanted) => asked.push([...wanted.keys()].sort()),
      onChange: () => {},
      onPublished: () => {},
    },
    time,
    stats,
    log: new LoggerRegistry('off', () => {}).get('config'),
    runtime: Runtime.EMPTY,
    secrets: NO_SECRETS,
    drainTimeMs: 600_000,
    isClusterWarming: (name) => warming.has(name),
  });
  if (options.gate !== true) manager.openGate();
  const take = (): string[] => published.splice(0);
  const counter = (name: string): number => stats.value(stats.counter(`listener_manager.${name}`));
  return { manager, take, asked, time, counter, warming };
}

function rds(
  name: string,
  port: number,
  routes: readonly string[],
  changes: Partial<ListenerConfig> = {},
) {
  const filterChains = routes.map((route) =>
    sampleFilterChain([sampleHcm({ kind: 'rds', name: route })]),
  );
  return resource(name, sampleListener(name, port, { filterChains, ...changes }));
}
const plain = (name: string, port: number, changes: Partial<ListenerConfig> = {}) =>
  rds(name, port, [], changes);
const route = (name: string, version = 'v1') => resource(name, sampleRoute(name, version), version);

const routeTo = (name: string, version: string, cluster: string) => {
  const action = { ...sampleRouteAction, cluster: { kind: 'cluster', name: cluster } } as const;
  const config = sampleRoute(name, version);
  return resource(
    name,
    { ...config, virtualHosts: [sampleVirtualHost([sampleRouteEntry(action)])] },
    version,
  );
};

t.test('ListenerManager', (t) => {
  t.test('publishes a listener without RDS at once', (t) => {
    const { manager, take } = setUp();
    t.same(manager.onListeners([plain('a', 1)], []), []);
    t.same(take(), ['listener a h1']);
    t.end();
  });

  t.test('waits for every table, then publishes tables first', (t) => {
    const { manager, take, asked } = setUp();
    manager.onListeners([rds('a', 1, ['x', 'y', 'x'])], []);
    t.same(asked, [['x', 'y']]);
    manager.onRoutes([route('x')]);
    t.same(take(), ['route x v1']);
    t.equal(manager.warmingCount, 1);
    manager.onRoutes([route('y'), route('unasked')]);
    t.same(take(), ['route y v1', 'listener a h1']);
    t.equal(manager.warmingCount, 0);
    t.end();
  });

  t.test('publishes a new version of a table alone', (t) => {
    const { manager, take } = setUp();
    manager.onListeners([rds('a', 1, ['x'])], []);
    manager.onRoutes([route('x')]);
    take();
    manager.onRoutes([route('x', 'v2')]);
    t.same(take(), ['route x v2']);
    t.end();
  });

  t.test('holds everything back until clusters are ready', (t) => {
    const { manager, take } = setUp({ gate: true });
    manager.addStatic([plain('s', 1)]);
    manager.onListeners([rds('a', 2, ['x'])], []);
    manager.onRoutes([route('x')]);
    t.same(take(), ['route x v1']);
    t.equal(manager.warmingCount, 2);
    manager.openGate();
    t.same(take(), ['listener s h1', 'listener a h1']);
    t.end();
  });

  t.test('serves the old version until the tables of the new one came', (t) => {
    const { manager, take, asked } = setUp();
    manager.onListeners([rds('a', 1, ['x'])], []);
    manager.onRoutes([route('x')]);
    take();
    manager.onListeners([rds('a', 1, ['y'], { hash: 'h2' })], []);
    t.same(take(), []);
    t.same(asked.at(-1), ['x', 'y']);
    manager.onRoutes([route('y')]);
    t.same(take(), ['route y v1', 'listener a h2', 'remove route x']);
    t.same(asked.at(-1), ['y']);
    t.end();
  });

  t.test('ignores equal hashes', (t) => {
    const { manager, take, counter } = setUp();
    manager.onListeners([plain('a', 1)], []);
    take();
    manager.onListeners([plain('a', 1)], []);
    t.same(take(), []);
    t.equal(counter('listener_modified'), 0);
    t.end();
  });

  t.test('keeps a table that a successor takes over in the same response', (t) => {
    const { manager, take, asked } = setUp();
    manager.onListeners([rds('a', 1, ['x'])], []);
    manager.onRoutes([route('x')]);
    take();
    manager.onListeners([rds('b', 1, ['x'])], ['a']);
    t.same(take(), ['remove listener a', 'listener b h1']);
    t.equal(asked.length, 1, 'nothing is asked again');
    t.end();
  });

  t.test('removes listeners and the tables nobody needs', (t) => {
    const { manager, take, asked, counter } = setUp();
    manager.onListeners([rds('a', 1, ['x']), rds('b', 2, ['never'])], []);
    manager.onRoutes([route('x')]);
    take();
    manager.onListeners([], ['a', 'b', 'unknown']);
    t.same(take(), ['remove listener a', 'remove route x']);
    t.same(asked.at(-1), []);
    t.equal(counter('listener_removed'), 1);
    t.equal(manager.warmingCount, 0);
    t.end();
  });

  const conflicts: readonly (readonly [
    string,
    Partial<ListenerConfig>,
    Partial<ListenerConfig>,
    boolean,
  ])[] = [
    ['the same address', {}, {}, true],
    ['the same unbound address', { bindToPort: false }, { bindToPort: false }, true],
    ['a bound and an unbound one', {}, { bindToPort: false }, false],
    [
      'port 0 twice',
      { address: { kind: 'ip', address: '::1', port: 0 } },
      { address: { kind: 'ip', address: '::1', port: 0 } },
      false,
    ],
    [
      'an additional address',
      { additionalAddresses: [{ kind: 'ip', address: '127.0.0.2', port: 9 }] },
      { address: { kind: 'ip', address: '127.0.0.2', port: 9 } },
      true,
    ],
    [
      'another address of the port',
      {},
      { address: { kind: 'ip', address: '127.0.0.2', port: 1 } },
      false,
    ],
  ];
  for (const [name, first, second, refused] of conflicts) {
    t.test(`${refused ? 'refuses' : 'takes'} ${name}`, (t) => {
      const { manager } = setUp();
      manager.onListeners([plain('a', 1, first)], []);
      const problems = manager.onListeners([plain('b', 1, second)], []);
      if (refused)
        t.match(problems, [
          {
            name: 'b',
            message:
              /^error adding listener: 'b' has duplicate address '.*' as existing listener 'a'$/,
          },
        ]);
      else t.same(problems, []);
      t.equal(manager.dumpListeners('').failures.length, refused ? 1 : 0);
      t.end();
    });
  }

  t.test('leaves static listeners alone', (t) => {
    const { manager, take } = setUp();
    manager.addStatic([plain('s', 1)]);
    take();
    t.same(manager.onListeners([plain('s', 1, { hash: 'h2' })], []), []);
    manager.onListeners([], ['s']);
    t.same(take(), []);
    t.end();
  });

  t.test('goes on without routes after the fetch time-out, if one is set', (t) => {
    const { manager, take, time } = setUp();
    const from = { source: { kind: 'ads' }, initialFetchTimeoutMs: 15_000 } as const;
    const filterChains = [sampleFilterChain([sampleHcm({ kind: 'rds', name: 'x', from })])];
    manager.onListeners([resource('a', sampleListener('a', 1, { filterChains }))], []);
    time.advance(14_999);
    t.same(take(), []);
    time.advance(1);
    t.same(take(), ['listener a h1']);
    manager.onRoutes([route('x')]);
    t.same(take(), ['route x v1']);
    t.end();
  });

  t.test('reports binds and failures', (t) => {
    const { manager, counter } = setUp();
    manager.onListeners([plain('a', 0), plain('b', 2)], []);
    manager.onBound('a', { kind: 'ip', address: '127.0.0.1', port: 4711 }, undefined);
    manager.onBound('a', { kind: 'ip', address: '127.0.0.1', port: 4711 }, undefined);
    manager.onBound(
      'b',
      { kind: 'ip', address: '127.0.0.1', port: 2 },
      "cannot bind '127.0.0.1:2': EADDRINUSE",
    );
    manager.onBound('gone', { kind: 'ip', address: '127.0.0.1', port: 3 }, undefined);
    t.match(manager.listeners(), [
      { config: { name: 'a' }, boundAddresses: [{ port: 4711 }] },
      { boundAddresses: [] },
    ]);
    t.match(manager.dumpListeners('').entries[1], {
      errorState: { details: "cannot bind '127.0.0.1:2': EADDRINUSE" },
    });
    t.equal(counter('listener_create_failure'), 1);
    t.end();
  });

  t.test('counts an update of filter chains only as one in place', (t) => {
    const { manager, counter } = setUp();
    manager.onListeners([plain('a', 1)], []);
    manager.onListeners(
      [plain('a', 1, { hash: 'h2', filterChains: [sampleFilterChain([], 'c9')] })],
      [],
    );
    t.equal(counter('listener_in_place_updated'), 1);
    manager.onListeners([plain('a', 1, { hash: 'h3', perConnectionBufferLimitBytes: 1 })], []);
    t.equal(counter('listener_in_place_updated'), 1);
    t.equal(counter('listener_modified'), 2);
    t.end();
  });

  t.test('holds routes back until the clusters they name are warm', (t) => {
    const { manager, take, warming } = setUp();
    manager.onListeners([rds('a', 1, ['x'])], []);
    warming.add('new').add('other');
    manager.onRoutes([routeTo('x', 'v1', 'new')]);
    t.same(take(), []);
    t.equal(manager.warmingCount, 1, 'the listener waits with its first table');
    warming.delete('other');
    manager.onClustersChanged();
    t.same(take(), []);
    warming.delete('new');
    manager.onClustersChanged();
    t.same(take(), ['route x v1', 'listener a h1']);
    t.end();
  });

  t.test('publishes a held table after five seconds all the same', (t) => {
    const { manager, take, warming, time } = setUp();
    manager.onListeners([rds('a', 1, ['x'])], []);
    manager.onRoutes([route('x')]);
    take();
    warming.add('never');
    manager.onRoutes([routeTo('x', 'v2', 'never')]);
    time.advance(4999);
    t.same(take(), []);
    time.advance(1);
    t.same(take(), ['route x v2']);
    t.equal(time.pending, 0);
    t.end();
  });

  t.test('publishes only the newest of held versions', (t) => {
    const { manager, take, warming } = setUp();
    manager.onListeners([rds('a', 1, ['x'])], []);
    warming.add('never');
    manager.onRoutes([routeTo('x', 'v1', 'never')]);
    manager.onRoutes([route('x', 'v2')]);
    t.same(take(), ['route x v2', 'listener a h1']);
    t.end();
  });

  t.test('publishes nothing for a stopped direction', (t) => {
    const { manager, take } = setUp();
    manager.onListeners([plain('in', 1, { trafficDirection: 'INBOUND' })], []);
    manager.stopListeners('inbound');
    take();
    manager.onListeners(
      [
        plain('in', 1, { trafficDirection: 'INBOUND', hash: 'h2' }),
        plain('out', 2, { trafficDirection: 'OUTBOUND' }),
      ],
      [],
    );
    t.same(take(), ['listener out h1']);
    t.equal(manager.listeners().find((l) => l.config.name === 'in')?.config.hash, 'h1');
    t.end();
  });
  t.end();
});

t.test('ListenerManager, what workers could not compile', async (t) => {
  t.test('refuses a route table and names the place, and keeps the last good one', async (t) => {
    const { manager, take } = setUp();
    manager.onListeners([rds('a', 80, ['x'])], []);
    manager.onRoutes([route('x')]);
    take();
    const bad = resource('x', {
      ...sampleRoute('x'),
      virtualHosts: [
        { ...sampleVirtualHost([]), name: 'one' },
        { ...sampleVirtualHost([]), name: 'two' },
      ],
    });
    const problems = manager.onRoutes([bad]);
    t.equal(problems.length, 1);
    t.match(problems[0]?.message, /\*|domain/);
    t.same(take(), []);
  });
  t.test('refuses a listener whose access log format has an unknown command', async (t) => {
    const { manager, take } = setUp();
    const format = { kind: 'text', text: '%NO_SUCH_COMMAND%', omitEmptyValues: false } as const;
    const accessLogs = [
      { name: 'x', sink: { kind: 'stdout', format }, filter: undefined },
    ] as const;
    const problems = manager.onListeners([plain('a', 80, { accessLogs })], []);
    t.match(problems[0]?.message, /access_log\[0\].*NO_SUCH_COMMAND/);
    t.same(take(), []);
  });
});
