// Detection: what was tried counts only while the chain it was tried on does; a filter that no connection may go without is not
// left out.
import t from 'tap';

import { TimerWheel } from '../../../proxy/base/timer-wheel.ts';
import type { Inspector } from '../../../proxy/filters/listener/inspector.ts';
import type { SpeculationListener } from '../../../proxy/filters/network/network-filter.ts';
import type { ActiveChain } from '../../../proxy/listener-manager/active-chain.ts';
import { Detection } from '../../../proxy/listener-manager/detection.ts';
import type { DetectionOwner } from '../../../proxy/listener-manager/detection.ts';
import { ListenerStats } from '../../../proxy/listener-manager/listener-stats.ts';
import { ServerFirstMemory } from '../../../proxy/listener-manager/server-first.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

function setUp(inspector: Inspector) {
  const time = new SimulatedTime();
  const heard: string[] = [];
  let server: SpeculationListener | undefined;
  const factoryOf = (name: string): unknown => ({
    speculate(_connection: unknown, _info: unknown, listener: SpeculationListener) {
      server = listener;
      return { commit: () => null, abandon: () => void heard.push(`${name} given up`) };
    },
  });
  const chainOf = (name: string): ActiveChain => {
    const chain = {
      config: { name, transportSocket: { kind: 'raw_buffer' } },
      filters: factoryOf(name),
      factory: () => chain.filters,
    };
    return chain as unknown as ActiveChain;
  };
  const owner = {
    chain: chainOf('old') as ActiveChain | null,
    listener: {
      stats: new ListenerStats(new StatsStore(), 'l', 0),
      config: { listenerFiltersTimeoutMs: 0, continueOnListenerFiltersTimeout: true },
      environment: {
        io: { timers: new TimerWheel(time) },
        serverFirst: new ServerFirstMemory(time),
      },
    },
    connection: {},
    destination: '10.0.0.1|80',
    findChain: () => owner.chain,
    infoOn: () => ({}),
    onDetected: (chain: ActiveChain | null) =>
      void heard.push(chain === null ? 'chosen anew' : chain.config.name),
    onDetectionFailed: (reason: string) => void heard.push(reason),
  };
  const detection = new Detection(owner as unknown as DetectionOwner, [inspector]);
  detection.start();
  return { time, heard, owner, detection, spoken: () => server!.onServerSpoke() };
}

const patient: Inspector = { waitsForClient: true, inspect: () => 'wait' };

t.test('Detection', (t) => {
  t.test('a server that speaks first on the chain of today', (t) => {
    const { time, heard, spoken } = setUp(patient);
    time.advance(200);
    spoken();
    t.same(heard, ['old']);
    t.end();
  });

  t.test('the chain is another one by the time it speaks, or there is none', (t) => {
    const { time, heard, owner, spoken } = setUp(patient);
    time.advance(200);
    owner.chain = null;
    spoken();
    t.same(heard, ['old given up', 'chosen anew']);
    t.end();
  });

  t.test('64 KiB that nobody understands go on as they are', (t) => {
    const { heard, detection } = setUp(patient);
    detection.onData(Buffer.alloc(65_552), false);
    t.same(heard, ['chosen anew']);
    t.end();
  });

  t.test('but not past a filter that takes away what it wants', (t) => {
    const { heard, detection } = setUp({ waitsForClient: false, inspect: () => 'wait' });
    detection.onData(Buffer.alloc(65_552), false);
    t.same(heard, ['error']);
    t.end();
  });
  t.end();
});
