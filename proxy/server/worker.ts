// [w] Thread entry of a worker: first message builds it, later ones drive it. Nothing is caught here: a broken
// invariant ends the thread, and the pool starts another.
import { assert, reportBugsTo } from '../base/assert.ts';
import { realTime } from '../base/clock.ts';
import { workerThreads } from '../base/node-builtins.ts';
import { loadPartsFrom } from '../base/lazy-part.ts';
import { readablePlaces } from '../base/readable-stack.ts';
import { assertBinding } from '../network/socket-binding.ts';
import { WorkerRuntime } from './worker-runtime.ts';
import type { FromWorker, ToWorker } from './worker-protocol.ts';

loadPartsFrom(new URL('../', import.meta.url), import.meta.url.slice(-3));
const { parentPort } = workerThreads();
assert(parentPort !== null, 'worker.ts runs in a worker thread only');
const port = parentPort;
const post = (message: FromWorker): void => port.postMessage(message);
let runtime: WorkerRuntime | null = null;

reportBugsTo((message) =>
  post({
    kind: 'log',
    records: [
      {
        level: 'critical',
        component: 'assert',
        message: readablePlaces(message),
        fields: undefined,
        wallMs: realTime.wallMs(),
      },
    ],
    dropped: 0,
  }),
);

port.on('message', (message: ToWorker) => {
  if (message.kind === 'init') {
    assertBinding();
    runtime = new WorkerRuntime(message.init, realTime, post);
    post({ kind: 'ready' });
    return;
  }
  assert(runtime !== null, 'init comes first');
  runtime.handle(message);
  if (message.kind === 'shutdown') port.close();
});
