// Connections per host of several workers, in one table that nobody hands out.
import t from 'tap';

import {
  SharedHostCounts,
  clearWorkerHostCounts,
  sharedHostCountsBuffer,
} from '../../../proxy/upstream/shared-host-counts.ts';

t.test('SharedHostCounts', (t) => {
  const buffer = sharedHostCountsBuffer(2);
  const workers = [new SharedHostCounts(buffer, 0), new SharedHostCounts(buffer, 1)] as const;

  t.test('counts what all workers have', (t) => {
    const hosts = workers.map((worker) => worker.of('c', '10.0.0.1:80'));
    hosts[0]!.add(2);
    hosts[1]!.add(1);
    t.same(
      hosts.map(({ count }) => count),
      [3, 3],
    );
    t.equal(workers[0].of('d', '10.0.0.1:80').count, 0, 'another cluster');
    t.equal(workers[0].of('c', '10.0.0.2:80').count, 0, 'another host');
    clearWorkerHostCounts(buffer, 0);
    t.equal(hosts[0]!.count, 1, 'a worker died');
    hosts[1]!.add(-1);
    t.end();
  });

  t.test('keeps ten thousand hosts apart', (t) => {
    const hosts = Array.from({ length: 10_000 }, (_, i) =>
      workers[i % 2]!.of('c', `10.1.0.0:${i}`),
    );
    for (const host of hosts) host.add(1);
    t.ok(hosts.every(({ count }) => count === 1));
    t.end();
  });

  t.test('counts for the worker alone where there is no place', (t) => {
    for (let i = 0; i < 20_000; i++) workers[0].of('e', `h${i}`);
    const [here, there] = workers.map((worker) => worker.of('f', 'late'));
    here!.add(1);
    t.same([here!.count, there!.count], [1, 0]);
    t.end();
  });
  t.end();
});
