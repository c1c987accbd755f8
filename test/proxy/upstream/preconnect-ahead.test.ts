// Hosts chosen and dialled before their requests come.
import t from 'tap';

import { Host } from '../../../proxy/upstream/host.ts';
import { PreconnectAhead } from '../../../proxy/upstream/preconnect-ahead.ts';
import { sampleEndpoint } from '../../support/config-samples.ts';

function setUp(hostCount = 4) {
  const hosts = Array.from(
    { length: hostCount },
    (_, i) => new Host(sampleEndpoint('10.0.0.1', i), 0),
  );
  let next = 0;
  const dialled: Host[] = [];
  const load = { pending: 0, active: 0, free: 0 };
  const cluster = {
    load: () => load,
    usableHosts: hostCount,
    nextHost: () => hosts[next++ % hosts.length]!,
    preconnect: (host: Host) => {
      dialled.push(host);
      load.free++;
      return true;
    },
  };
  return { hosts, dialled, load, cluster, ahead: new PreconnectAhead() };
}

t.test('PreconnectAhead', (t) => {
  const rows: readonly (readonly [ratio: number, load: object, hosts: number, dialled: number])[] =
    [
      [2, {}, 4, 2],
      [1.5, {}, 4, 2],
      [5, {}, 4, 3],
      [5, {}, 2, 2],
      [2, { free: 2 }, 4, 0],
      [2, { active: 3, free: 4 }, 4, 1],
      [2, { pending: 1 }, 4, 3],
    ];
  for (const [ratio, load, hosts, dialled] of rows) {
    const it = setUp(hosts);
    Object.assign(it.load, load);
    it.ahead.dial(ratio, it.cluster);
    t.equal(it.dialled.length, dialled, `${ratio} ${JSON.stringify(load)} ${hosts}`);
  }

  t.test('gives them to the next requests, in order, those that are well', (t) => {
    const { ahead, cluster, hosts } = setUp();
    ahead.dial(3, cluster);
    hosts[1]!.removed = true;
    t.same([ahead.take(), ahead.take(), ahead.take()], [hosts[0], hosts[2], null]);
    t.end();
  });

  t.test('stops where a host wants no connection', (t) => {
    const { ahead, cluster, hosts } = setUp();
    ahead.dial(3, { ...cluster, preconnect: () => false });
    t.same([ahead.take(), ahead.take()], [hosts[0], null]);
    t.end();
  });
  t.end();
});
