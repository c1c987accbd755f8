// The arithmetic of priorities: what must hold of any health of any number of priorities (envoy-behaviour §7.4).
import t from 'tap';

import { SeededRandom } from '../../../../proxy/base/random.ts';
import { priorityLoads } from '../../../../proxy/upstream/load-balancing/priority-load.ts';
import type { PriorityHealth } from '../../../../proxy/upstream/load-balancing/priority-load.ts';

const sum = (list: readonly number[]): number => list.reduce((total, each) => total + each, 0);

function anyPriority(random: SeededRandom): PriorityHealth {
  const below = (count: number): number => random.nextUint32() % count;
  const all = below(12);
  const excluded = below(3) === 0 ? below(all + 1) : 0;
  const counted = all - excluded;
  const healthy = below(counted + 1);
  const degraded = below(counted - healthy + 1);
  const hosts = { all, counted, usable: healthy + degraded };
  return { total: counted, healthy, degraded, hosts };
}

const part = (count: number, total: number, factor: number): number =>
  total === 0 ? 0 : Math.min(100, Math.floor((factor * count) / total));

t.test('priority loads', (t) => {
  const random = new SeededRandom(1);
  for (let round = 0; round < 20_000; round++) {
    const priorities = Array.from({ length: 1 + (random.nextUint32() % 4) }, () =>
      anyPriority(random),
    );
    const factor = [100, 140, 200][round % 3]!;
    const threshold = [0, 20, 50, 100][round % 4]!;
    const { healthy, degraded, panic, availability } = priorityLoads(priorities, factor, threshold);
    const say = JSON.stringify({ priorities, factor, threshold, healthy, degraded, panic });
    const shares = priorities.map((p) => part(p.healthy, p.total, factor));
    const lesser = priorities.map((p) => part(p.degraded, p.total, factor));
    const total = Math.min(100, sum(shares) + sum(lesser));

    // All requests go somewhere, and none twice.
    if (sum(healthy) + sum(degraded) !== 100) t.fail(`not 100 in all: ${say}`);
    if (Math.min(...healthy, ...degraded) < 0) t.fail(`less than nothing: ${say}`);
    availability.forEach((percent, i) => {
      if (percent !== Math.min(100, shares[i]! + lesser[i]!)) t.fail(`availability: ${say}`);
    });

    // Panic only where too little is left of everything, and never where the threshold is 0.
    if (panic.some(Boolean) && (total === 100 || threshold === 0)) t.fail(`needless panic: ${say}`);
    if (panic.every(Boolean)) {
      const hosts = sum(priorities.map((p) => p.hosts.all));
      priorities.forEach((p, i) => {
        if (hosts > 0 && Math.abs(healthy[i]! - (100 * p.hosts.all) / hosts) > priorities.length)
          t.fail(`not by the number of hosts: ${say}`);
      });
      continue;
    }
    if (total === 0) continue;

    // A priority carries no more than its share, but for what rounding leaves.
    healthy.forEach((load, i) => {
      if (load > (shares[i]! * 100) / total + 2 * priorities.length) t.fail(`too much: ${say}`);
    });
    // Lower priorities get something only when those before carry all they can.
    const firstShort = shares.findIndex(
      (share, i) => healthy[i]! < Math.floor((share * 100) / total),
    );
    if (firstShort >= 0 && sum(healthy.slice(firstShort + 1)) > 0) t.fail(`skipped one: ${say}`);
    // Degraded hosts only when the healthy of all priorities cannot do it.
    if (sum(degraded) > 0 && sum(shares) >= 100) t.fail(`degraded for nothing: ${say}`);
  }
  t.pass('20 000 healths');
  t.end();
});
