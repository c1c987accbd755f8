// OnDemandClusters: names that have a cluster are asked for as long as the process lives; names that requests make up take no room from others.
import t from 'tap';
import type { Test } from 'tap';
import { realRandom } from '../../../proxy/base/random.ts';
import { ADS_FOR_EVER } from '../../../proxy/config/config-source.ts';
import { MAX_NAMES, OnDemandClusters } from '../../../proxy/server/on-demand-clusters.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { DiscoveryChannels } from '../../../proxy/xds/discovery-channels.ts';
import { ResourceFeeds } from '../../../proxy/xds/resource-feeds.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';
import { captureLog } from '../../support/captured-log.ts';

interface Started {
  readonly clusters: OnDemandClusters;
  readonly time: SimulatedTime;
  /** Each request's names. */
  readonly asked: ReadonlySet<string>[];
  readonly missing: string[];
  readonly lines: readonly string[];
}

function start(t: Test): Started {
  const { logger, lines } = captureLog();
  const time = new SimulatedTime();
  const asked: ReadonlySet<string>[] = [];
  const missing: string[] = [];
  const node = {
    id: 'n',
    cluster: 'c',
    metadata: new Map(),
    metadataJson: '{}',
    locality: undefined,
  };
  const channels = new DiscoveryChannels({
    connect: () => 'nobody is to be called',
    node,
    userAgentVersion: '0',
    time,
  });
  const clusters = new OnDemandClusters({
    feeds: new ResourceFeeds({
      channels,
      time,
      random: realRandom,
      stats: new StatsStore(),
      log: logger,
    }),
    watcher: { onUpdate: () => [] },
    onAdsNames: (names) => void asked.push(names),
    onMissing: (name) => void missing.push(name),
    time,
    log: logger,
  });
  t.teardown(() => clusters.close());
  return { clusters, time, asked, missing, lines };
}

const named = (names: readonly string[]): readonly { readonly name: string }[] =>
  names.map((name) => ({ name }));

t.test('names that have clusters end at a bound', (t) => {
  const { clusters, time, asked, missing, lines } = start(t);
  const names = Array.from({ length: MAX_NAMES }, (_, i) => `c${i}`);
  for (const name of names) clusters.want(name, ADS_FOR_EVER);
  clusters.want('c0', ADS_FOR_EVER);
  time.advance(1);
  t.equal(asked.length, 1, 'at once');
  t.equal(asked[0]!.size, MAX_NAMES);
  clusters.onAvailable(named(names));
  clusters.want('one more', ADS_FOR_EVER);
  t.same(missing, ['one more'], 'who waits hears at once');
  clusters.want('another', ADS_FOR_EVER);
  t.same(missing, ['one more', 'another']);
  t.equal(lines.length, 1, 'names that requests make up do not fill the log');
  time.advance(1);
  t.equal(asked.length, 1);
  t.end();
});

t.test('names without clusters make room for others, the oldest first', (t) => {
  const { clusters, time, asked, missing, lines } = start(t);
  clusters.want('known', ADS_FOR_EVER);
  clusters.onAvailable(named(['known']));
  for (let i = 1; i < MAX_NAMES; i++) clusters.want(`made up ${i}`, ADS_FOR_EVER);
  time.advance(1);
  clusters.onRemoved(['made up 1']);
  t.same(missing, ['made up 1']);
  clusters.want('wanted', ADS_FOR_EVER);
  t.same(missing, ['made up 1', 'made up 1'], 'who should wait for that one hears of it');
  time.advance(1);
  const now = asked.at(-1)!;
  t.equal(now.size, MAX_NAMES);
  t.ok(now.has('known'), 'what has a cluster stays');
  t.ok(now.has('wanted'));
  t.notOk(now.has('made up 1'));
  t.ok(now.has('made up 2'));
  t.same(lines, []);
  t.end();
});

t.test('a cluster that the server took back may be forgotten, and asked for again', (t) => {
  const { clusters, time, asked, missing } = start(t);
  clusters.want('gone', ADS_FOR_EVER);
  clusters.onAvailable(named(['gone']));
  const others = Array.from({ length: MAX_NAMES - 1 }, (_, i) => `c${i}`);
  for (const name of others) clusters.want(name, ADS_FOR_EVER);
  clusters.onAvailable(named(others));
  clusters.onRemoved(['gone', 'of CDS, and never asked for here']);
  t.same(missing, ['gone'], 'nobody waits for the others');
  clusters.want('new', ADS_FOR_EVER);
  clusters.onAvailable(named(['new']));
  clusters.want('gone', ADS_FOR_EVER);
  t.same(missing, ['gone', 'gone', 'gone'], 'forgotten; then there is no room');
  time.advance(1);
  t.notOk(asked.at(-1)!.has('gone'));
  clusters.onRemoved(['new']);
  clusters.want('gone', ADS_FOR_EVER);
  time.advance(1);
  t.ok(asked.at(-1)!.has('gone'));
  t.end();
});
