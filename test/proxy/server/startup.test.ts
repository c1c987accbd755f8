// Startup: the phases, their order, and what each waits for.
import t from 'tap';
import { Startup } from '../../../proxy/server/startup.ts';

function setUp(hasAds: boolean) {
  const warming = { clusters: 0, listeners: 0 };
  const seen: string[] = [];
  const startup = new Startup(
    {
      hasCds: hasAds,
      hasLds: hasAds,
      missingLayers: () => 0,
      warmingClusters: () => warming.clusters,
      warmingListeners: () => warming.listeners,
    },
    {
      onClustersReady: () => seen.push('clusters'),
      onConfigured: () => seen.push('configured'),
      onLive: () => seen.push('live'),
    },
  );
  return { startup, warming, seen };
}

t.test('Startup', (t) => {
  t.test('passes through all phases in order', (t) => {
    const { startup, warming, seen } = setUp(true);
    warming.clusters = 1;
    startup.advance();
    t.equal(startup.state(false), 'PRE_INITIALIZING');
    warming.clusters = 0;
    startup.advance();
    t.equal(startup.state(false), 'INITIALIZING');
    warming.clusters = 2;
    startup.onAnswered('clusters');
    t.same(seen, []);
    warming.clusters = 0;
    warming.listeners = 1;
    startup.advance();
    t.same(seen, ['clusters']);
    startup.onAnswered('listeners');
    t.same(seen, ['clusters']);
    warming.listeners = 0;
    startup.advance();
    t.same(seen, ['clusters', 'configured']);
    t.equal(startup.state(true), 'INITIALIZING');
    startup.onWorkersReady();
    t.same(seen, ['clusters', 'configured', 'live']);
    t.equal(startup.state(false), 'LIVE');
    t.equal(startup.state(true), 'DRAINING');
    t.end();
  });

  t.test('needs no answer without ADS', (t) => {
    const { startup, seen } = setUp(false);
    startup.advance();
    t.same(seen, ['clusters', 'configured']);
    t.end();
  });

  t.test('does not go back when something warms later', (t) => {
    const { startup, warming, seen } = setUp(false);
    startup.advance();
    startup.onWorkersReady();
    warming.clusters = 1;
    startup.advance();
    startup.onWorkersReady();
    t.equal(startup.state(false), 'LIVE');
    t.equal(seen.filter((event) => event === 'live').length, 1);
    t.end();
  });

  t.test('takes listeners that answered before clusters', (t) => {
    const { startup, seen } = setUp(true);
    startup.onAnswered('listeners');
    t.same(seen, []);
    startup.onAnswered('clusters');
    t.same(seen, ['clusters', 'configured']);
    t.end();
  });
  t.end();
});
