// Counts that workers share by name.
import { Worker } from 'node:worker_threads';
import t from 'tap';
import {
  SharedCounts,
  clearWorkerCounts,
  sharedCountsBuffer,
} from '../../../proxy/filters/shared-counts.ts';

t.test('SharedCounts', async (t) => {
  t.test('add up what all workers count under a name', async (t) => {
    const buffer = sharedCountsBuffer(2);
    const [first, second] = [new SharedCounts(buffer, 0), new SharedCounts(buffer, 1)];
    first.of('a').add(2);
    second.of('a').add(3);
    second.of('b').add(1);
    t.same([first.of('a').total, second.of('b').total, first.of('c').total], [5, 1, 0]);
    second.of('a').add(-1);
    t.equal(first.of('a').total, 4);
  });

  t.test('lose what a worker counted that died', async (t) => {
    const buffer = sharedCountsBuffer(2);
    const [first, second] = [new SharedCounts(buffer, 0), new SharedCounts(buffer, 1)];
    first.of('a').add(2);
    second.of('a').add(3);
    clearWorkerCounts(buffer, 1);
    t.equal(first.of('a').total, 2);
  });

  t.test('never let two workers take the last place', async (t) => {
    const buffer = sharedCountsBuffer(4);
    const count = new SharedCounts(buffer, 0).of('a');
    t.strictSame([count.addWithin(2), count.addWithin(2), count.addWithin(2)], [true, true, false]);
    t.equal(count.total, 2);
    count.add(-2);
    const source = `
      import { parentPort, workerData } from 'node:worker_threads';
      const { SharedCounts } = await import(workerData.module);
      const count = new SharedCounts(workerData.buffer, workerData.index).of('a');
      for (let i = 0; i < 20000; i++) if (count.addWithin(3)) count.add(-1);
      parentPort.postMessage('done');`;
    const module = new URL('../../../proxy/filters/shared-counts.ts', import.meta.url).href;
    const workers = [1, 2, 3].map(
      (index) =>
        new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
          workerData: { buffer, index, module },
        }),
    );
    await Promise.all(
      workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))),
    );
    t.equal(count.total, 0, 'who came has gone');
  });

  t.test('keep names apart, and count alone when there are too many', async (t) => {
    const counts = new SharedCounts(sharedCountsBuffer(1), 0);
    const all = Array.from({ length: 4100 }, (_, i) => counts.of(`name ${i}`));
    all.forEach((count, i) => count.add(i));
    t.ok(all.every((count, i) => count.total === i));
  });

  t.test('a connection stays where it came when there is no telling who has fewer', async (t) => {
    const counts = new SharedCounts(sharedCountsBuffer(4), 2);
    const all = Array.from({ length: 6000 }, (_, i) => counts.of(`name ${i}`));
    for (const count of all) count.add(1);
    const chosen = all.map((count) => count.smallest(4, 2));
    t.ok(chosen.filter((worker) => worker === 2).length >= 6000 - 4096);
  });
});
