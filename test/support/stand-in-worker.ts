// A real worker thread without a data path: speaks server/worker-protocol.ts, notes what it was told, and does mischief
// when a cluster of a telling name is published. For tests of the pool and the server.
import { parentPort } from 'node:worker_threads';
import type { FromWorker, ToWorker } from '../../proxy/server/worker-protocol.ts';
import { StatsStore } from '../../proxy/stats/store.ts';

const port = parentPort;
if (port === null) throw new Error('runs as a worker thread only');
const post = (message: FromWorker): void => port.postMessage(message);
const stats = new StatsStore();
const applied = stats.counter('test.applied');
const index = stats.gauge('test.worker_index_sum');
const sizes = stats.histogram('test.size');

function onConfig(message: Extract<ToWorker, { kind: 'config' }>): void {
  for (const { name } of message.update.clusters) {
    if (name === 'crash-worker') throw new Error('told to crash');
    if (name === 'exit-worker') process.exit(3);
  }
  for (const { name, address } of message.update.listeners) {
    post({
      kind: 'listener_bound',
      name,
      address,
      error: name.startsWith('unbindable') ? 'cannot bind: EADDRINUSE' : undefined,
    });
  }
  stats.inc(applied);
  stats.record(sizes, message.update.clusters.length);
  const problems = message.update.clusters
    .filter(({ name }) => name === 'unappliable')
    .map(({ name }) => ({ resource: 'cluster' as const, name, message: 'told to refuse' }));
  post({ kind: 'applied', version: message.update.version, problems });
}

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'init':
      stats.set(index, message.init.workerIndex);
      post({ kind: 'ready' });
      break;
    case 'config':
      onConfig(message);
      break;
    case 'collect_stats':
      post({ kind: 'stats', requestId: message.requestId, report: stats.report(message.all) });
      break;
    case 'collect_clusters':
      post({ kind: 'clusters', requestId: message.requestId, hosts: [] });
      break;
    case 'shutdown':
      port.close();
      break;
    default:
      // Everything else is told back, so that a test sees it.
      post({
        kind: 'log',
        dropped: 0,
        records: [
          {
            level: 'info',
            component: 'test',
            message: JSON.stringify(message),
            fields: undefined,
            wallMs: 0,
          },
        ],
      });
  }
});
