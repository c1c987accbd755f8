// ClusterDiscovery: main is asked once for each name, whoever waits hears once, and nothing is kept of who gave up.
import t from 'tap';
import { TimerWheel } from '../../../proxy/base/timer-wheel.ts';
import { ADS_FOR_EVER } from '../../../proxy/config/config-source.ts';
import { ClusterDiscovery } from '../../../proxy/upstream/cluster-discovery.ts';
import type { DiscoveryOutcome } from '../../../proxy/upstream/cluster-discovery.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

function setUp() {
  const time = new SimulatedTime();
  const asked: string[] = [];
  const heard: string[] = [];
  const discovery = new ClusterDiscovery(new TimerWheel(time), (name) => void asked.push(name));
  const ask = (who: string, cluster: string, timeoutMs: number, then?: () => void) =>
    discovery.ask({ ref: ADS_FOR_EVER, timeoutMs }, cluster, {
      onClusterDiscovery: (outcome: DiscoveryOutcome) => {
        heard.push(`${who} ${outcome}`);
        then?.();
      },
    });
  return { time, asked, heard, discovery, ask };
}

t.test('all who wait hear of one answer', (t) => {
  const { asked, heard, discovery, ask } = setUp();
  ask('one', 'a', 1000);
  ask('two', 'a', 1000);
  ask('other', 'b', 1000);
  discovery.onOutcome('a', 'available');
  discovery.onOutcome('b', 'missing');
  discovery.onOutcome('a', 'missing');
  t.same(asked, ['a', 'b']);
  t.same(heard, ['one available', 'two available', 'other missing']);
  ask('three', 'a', 1000);
  t.same(asked, ['a', 'b', 'a'], 'the answer is over');
  t.end();
});

t.test('each waits as long as its filter says', (t) => {
  const { time, asked, heard, ask } = setUp();
  ask('patient', 'a', 1000);
  ask('hasty', 'a', 100);
  time.advance(500);
  t.same(heard, ['hasty timeout']);
  time.advance(600);
  t.same(heard, ['hasty timeout', 'patient timeout']);
  ask('again', 'a', 100);
  t.same(asked, ['a', 'a']);
  t.end();
});

t.test('who gave up hears nothing, also when somebody who is told makes it give up', (t) => {
  const { time, heard, discovery, ask } = setUp();
  const two: { cancel(): void }[] = [];
  ask('one', 'a', 1000, () => two[0]!.cancel());
  two.push(ask('two', 'a', 1000));
  ask('gone', 'b', 1000).cancel();
  discovery.onOutcome('a', 'available');
  discovery.onOutcome('b', 'available');
  time.advance(2000);
  t.same(heard, ['one available']);
  t.end();
});

t.test('who asks again from within the answer to many waits for another', (t) => {
  const { time, heard, discovery, ask } = setUp();
  const insist = (who: string): void =>
    void ask(who, 'a', 1000, () => heard.length < 10 && insist(`${who} again`));
  insist('one');
  insist('two');
  discovery.onOutcome('a', 'missing');
  t.same(heard, ['one missing', 'two missing']);
  time.advance(2000);
  t.same(heard.slice(2, 4), ['one again timeout', 'two again timeout']);
  t.end();
});

t.test('who asks again from within its answer waits for another', (t) => {
  const { asked, heard, discovery, ask } = setUp();
  ask('one', 'a', 1000, () => ask('again', 'a', 1000));
  discovery.onOutcome('a', 'missing');
  t.same(asked, ['a', 'a']);
  t.same(heard, ['one missing']);
  discovery.onOutcome('a', 'available');
  t.same(heard, ['one missing', 'again available']);
  t.end();
});
