// WorkerPool: real threads running test/support/stand-in-worker.ts.
import t from 'tap';
import { realTime } from '../../../proxy/base/clock.ts';
import { LoggerRegistry } from '../../../proxy/base/logger.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { ConfigPublisher } from '../../../proxy/server/config-publisher.ts';
import { StatsCollector } from '../../../proxy/server/stats-collector.ts';
import { WorkerPool } from '../../../proxy/server/worker-pool.ts';
import type { FromWorker, ToWorker } from '../../../proxy/server/worker-protocol.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { sampleCluster, sampleListener } from '../../support/config-samples.ts';

/** Resolves when `condition` holds; a test that waits in vain is ended by tap. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function setUp(concurrency: number) {
  const seen: { readonly index: number; readonly message: FromWorker }[] = [];
  const logged: string[] = [];
  const catchUp: ToWorker[] = [];
  const stats = new StatsStore();
  const collector = new StatsCollector();
  const state = { started: 0, appliedVersion: -1 };
  const publisher: ConfigPublisher = new ConfigPublisher(
    realTime,
    (config) => pool.publish(config),
    2,
  );
  const pool: WorkerPool = new WorkerPool({
    entry: new URL('../../support/stand-in-worker.ts', import.meta.url),
    concurrency,
    init: {
      logLevel: 'info',
      componentLogLevels: [],
      node: { id: 'n', cluster: 'c', metadataJson: '{}', locality: undefined },
      localAddress: '127.0.0.1',
      runtime: new Map(),
      fileFlushIntervalMs: 1000,
      fileFlushMinSizeKb: 64,
      guardReplays: false,
      replayStale: true,
      localClusterName: '',
      maxDownstreamConnections: undefined,
      hostname: 'pod',
      environment: new Map(),
      drainStrategy: 'gradual',
      drainTimeMs: 600_000,
      early: undefined,
      ...publisher.sharedBuffers,
      ticketSecret: new Uint8Array(32),
    },
    sum: () => publisher.sum(),
    catchUp: () => catchUp,
    time: realTime,
    random: new SeededRandom(7),
    stats,
    log: new LoggerRegistry('info', ({ message }) => logged.push(message)).get('main'),
    events: {
      onStarted: () => state.started++,
      onAllApplied: (version) => (state.appliedVersion = version),
      onStatNames: (id, names) => void collector.define(id, names),
      onStats: (id, report) => collector.add(id, report),
      onMessage: (index, message) => seen.push({ index, message }),
      onGone: (id) => collector.retire(id),
    },
  });
  const collect = async (): Promise<Map<string, number>> => {
    await pool.collectStats((id) => collector.knows(id));
    return new Map(
      collector.merged().map((stat) => [stat.name, stat.histogram?.count ?? stat.value]),
    );
  };
  return { pool, publisher, seen, logged, stats, state, catchUp, collect };
}

t.test('WorkerPool', (t) => {
  t.test('starts workers with the configuration in force and updates all of them', async (t) => {
    const { pool, publisher, state, stats, collect } = setUp(2);
    publisher.publishCluster(sampleCluster('a'));
    pool.start();
    await until(() => state.started === 1 && state.appliedVersion === 1);
    t.equal(stats.value(stats.gauge('listener_manager.workers_started')), 1);
    publisher.publishCluster(sampleCluster('b'));
    publisher.publishCluster(sampleCluster('c'));
    await until(() => state.appliedVersion === 2);
    const merged = await collect();
    t.equal(merged.get('test.applied'), 4);
    t.equal(merged.get('test.worker_index_sum'), 1);
    t.equal(merged.get('test.size'), 4);
    await pool.stop();
  });

  t.test('passes on what workers report', async (t) => {
    const { pool, publisher, seen, logged, state } = setUp(1);
    pool.start();
    publisher.publishListener(sampleListener('unbindable', 1));
    publisher.publishCluster(sampleCluster('unappliable'));
    await until(() => state.appliedVersion === 1);
    t.match(seen, [
      {
        index: 0,
        message: { kind: 'listener_bound', name: 'unbindable', error: 'cannot bind: EADDRINUSE' },
      },
    ]);
    t.same(logged, ["worker 0 could not apply cluster 'unappliable': told to refuse"]);
    await pool.stop();
  });

  for (const [cluster, reason] of [
    ['crash-worker', /worker \d died, .*: Error: told to crash/],
    ['exit-worker', /worker \d died, .*: the thread ended by itself with code 3/],
  ] as const) {
    t.test(`replaces workers after ${cluster} and keeps their counters`, async (t) => {
      const { pool, publisher, logged, stats, state, catchUp, seen, collect } = setUp(2);
      pool.start();
      publisher.publishCluster(sampleCluster('good'));
      await until(() => state.appliedVersion === 1);
      const before = (await collect()).get('test.applied')!;
      catchUp.push({ kind: 'health_check_failed', failed: true });
      publisher.publishCluster(sampleCluster(cluster));
      publisher.flush();
      publisher.removeCluster(cluster);
      const restarts = stats.counter('server.worker_restarts');
      await until(() => state.appliedVersion === 3);
      t.equal(stats.value(restarts), 2);
      t.match(logged, [reason, reason]);
      await until(() => seen.length === 2);
      t.match(seen[0], { message: { kind: 'log', records: [{ message: /health_check_failed/ }] } });
      t.equal((await collect()).get('test.applied'), before + 2);
      await pool.stop();
    });
  }

  t.test('stops while a restart is pending', async (t) => {
    const { pool, publisher, stats } = setUp(1);
    publisher.publishCluster(sampleCluster('crash-worker'));
    pool.start();
    await until(() => stats.value(stats.counter('server.worker_restarts')) > 0);
    await pool.stop();
    t.pass('stopped');
  });

  t.test('answers without workers', async (t) => {
    const { pool } = setUp(1);
    await pool.collectStats(() => false);
    t.same(await pool.collectClusters(), []);
    await pool.stop();
  });
  t.end();
});
