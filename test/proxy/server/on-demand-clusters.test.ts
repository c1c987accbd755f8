// OnDemandClusters: names only grow, all of them are asked for, and no more than the bound.
import t from 'tap';
import { realRandom } from '../../../proxy/base/random.ts';
import { ADS_FOR_EVER } from '../../../proxy/config/config-source.ts';
import { MAX_NAMES, OnDemandClusters } from '../../../proxy/server/on-demand-clusters.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { DiscoveryChannels } from '../../../proxy/xds/discovery-channels.ts';
import { ResourceFeeds } from '../../../proxy/xds/resource-feeds.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';
import { captureLog } from '../../support/captured-log.ts';

t.test('names that requests make up end at a bound', (t) => {
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
  for (let i = 0; i < MAX_NAMES; i++) clusters.want(`c${i}`, ADS_FOR_EVER);
  clusters.want('c0', ADS_FOR_EVER);
  time.advance(1);
  t.equal(asked.length, 1, 'at once');
  t.equal(asked[0]!.size, MAX_NAMES);
  clusters.want('one more', ADS_FOR_EVER);
  t.same(missing, ['one more'], 'who waits hears at once');
  clusters.want('another', ADS_FOR_EVER);
  t.same(missing, ['one more', 'another']);
  t.equal(lines.length, 1, 'names that requests make up do not fill the log');
  time.advance(1);
  t.equal(asked.length, 1);
  t.end();
});
