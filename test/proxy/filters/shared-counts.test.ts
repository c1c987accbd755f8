// Counts that workers share by name.
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

  t.test('keep names apart, and count alone when there are too many', async (t) => {
    const counts = new SharedCounts(sharedCountsBuffer(1), 0);
    const all = Array.from({ length: 4100 }, (_, i) => counts.of(`name ${i}`));
    all.forEach((count, i) => count.add(i));
    t.ok(all.every((count, i) => count.total === i));
  });
});
