// EndpointBook and ClusterHosts together: what workers are told, put together, is what is in force, whatever came in between; and
// no message is large.
import t from 'tap';
import type {
  ClusterEndpointsConfig,
  EndpointConfig,
  LocalityEndpointsConfig,
} from '../../../proxy/config/endpoint-config.ts';
import { EndpointBook, HOSTS_PER_PART } from '../../../proxy/server/endpoint-book.ts';
import type { EndpointNews } from '../../../proxy/server/endpoint-book.ts';
import { ClusterHosts } from '../../../proxy/upstream/cluster-hosts.ts';
import type { Host } from '../../../proxy/upstream/host.ts';
import { sampleEndpoint, sampleEndpoints, sampleLocality } from '../../support/config-samples.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';

const host = (n: number, changes: Partial<EndpointConfig> = {}): EndpointConfig =>
  sampleEndpoint(`10.0.${n >> 8}.${n & 255}`, 80, changes);
const numbers = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);
const all = (
  name: string,
  endpoints: readonly EndpointConfig[],
  more: readonly LocalityEndpointsConfig[] = [],
): ClusterEndpointsConfig => ({
  ...sampleEndpoints(name, []),
  localities: [sampleLocality(endpoints), ...more],
});
const NEVER = (): boolean => false;

/** As a worker takes the news. */
class Listener {
  readonly left: string[] = [];
  readonly #clusters = new Map<string, ClusterHosts>();
  most = 0;

  take({ whole, changes }: EndpointNews): void {
    for (const endpoints of whole) {
      this.#note(endpoints.localities);
      const present = this.#clusters.get(endpoints.clusterName);
      if (present !== undefined) present.assign(endpoints);
      else this.#clusters.set(endpoints.clusterName, new ClusterHosts(endpoints, this.#owner()));
    }
    for (const change of changes) {
      this.#note(change.put);
      this.most = Math.max(this.most, change.removed.length);
      this.#clusters.get(change.clusterName)!.change(change);
    }
  }

  hosts(name: string): readonly string[] {
    return (this.#clusters.get(name)?.all ?? [])
      .map(
        (each: Host) => `${each.addressText} ${each.weight} ${each.priority} ${each.locality.key}`,
      )
      .sort();
  }

  #note(localities: readonly LocalityEndpointsConfig[]): void {
    const count = localities.reduce((sum, { endpoints }) => sum + endpoints.length, 0);
    this.most = Math.max(this.most, count);
  }

  #owner() {
    return {
      nowMs: 0,
      createBalancing: () => {
        throw new Error('nobody chooses here');
      },
      onHostLeft: (gone: Host) => this.left.push(gone.addressText),
      onHostLabelsChanged: () => {},
    };
  }
}

const expected = (endpoints: ClusterEndpointsConfig): readonly string[] => {
  const listener = new Listener();
  const book = new EndpointBook();
  book.put(endpoints);
  listener.take(book.take(NEVER, false));
  while (book.partsLeft) listener.take(book.take(NEVER, true));
  return listener.hosts(endpoints.clusterName);
};

t.test('EndpointBook', (t) => {
  t.test('tells a cluster whole once, then what changed', (t) => {
    const book = new EndpointBook();
    book.put(all('a', [host(1), host(2)]));
    t.match(book.take(NEVER, false), { whole: [{ clusterName: 'a' }], changes: [] });
    book.put(all('a', [host(1), host(2), host(3)]));
    book.put(all('a', [host(1), host(3, { weight: 2 })]));
    const news = book.take(NEVER, false);
    t.same(news.whole, []);
    t.same(news.changes[0]?.removed, ['10.0.0.2:80']);
    t.same(
      news.changes[0]?.put.flatMap(({ endpoints }) => endpoints.map(({ weight }) => weight)),
      [2],
    );
    t.same(book.take(NEVER, false), { whole: [], changes: [] });
    t.end();
  });

  t.test('tells a small cluster whole when asked to', (t) => {
    const book = new EndpointBook();
    book.put(all('a', [host(1)]));
    book.take(NEVER, false);
    book.put(all('a', [host(2)]));
    t.match(
      book.take(() => true, false),
      { whole: [{ clusterName: 'a' }], changes: [] },
    );
    t.end();
  });

  t.test(
    'tells of many hosts in parts, as fast as they are taken, and keeps those that stay',
    (t) => {
      const book = new EndpointBook();
      const listener = new Listener();
      const many = all(
        'a',
        numbers(0, 5500).map((n) => host(n)),
      );
      book.put(many);
      listener.take(book.take(NEVER, false));
      t.equal(listener.hosts('a').length, HOSTS_PER_PART);
      listener.take(book.take(NEVER, false));
      t.equal(listener.hosts('a').length, HOSTS_PER_PART, 'the next part waits for its turn');
      while (book.partsLeft) listener.take(book.take(NEVER, true));
      t.strictSame(listener.hosts('a'), expected(many));
      const other = all(
        'a',
        numbers(2000, 8000).map((n) => host(n)),
      );
      book.put(other);
      let least = Infinity;
      do {
        listener.take(book.take(() => true, true));
        least = Math.min(least, listener.hosts('a').length);
      } while (book.partsLeft);
      t.ok(least >= 5500, 'those that go leave last');
      t.strictSame(listener.hosts('a'), expected(other));
      t.equal(listener.left.length, 2000, 'only those that are gone have left');
      t.equal(listener.most, HOSTS_PER_PART);
      t.end();
    },
  );

  t.test('tells of many that go in parts, too', (t) => {
    const book = new EndpointBook();
    const listener = new Listener();
    book.put(
      all(
        'a',
        numbers(0, 5500).map((n) => host(n)),
      ),
    );
    do listener.take(book.take(NEVER, true));
    while (book.partsLeft);
    book.put(all('a', [host(1)]));
    let takes = 0;
    do listener.take(book.take(NEVER, takes++ > 0));
    while (book.partsLeft);
    t.same(listener.hosts('a').length, 1);
    t.equal(listener.most, HOSTS_PER_PART);
    t.equal(takes, 1 + Math.ceil(5500 / HOSTS_PER_PART));
    t.end();
  });

  t.test('forgets parts of a cluster that went', (t) => {
    const book = new EndpointBook();
    book.put(
      all(
        'a',
        numbers(0, 5000).map((n) => host(n)),
      ),
    );
    book.take(NEVER, false);
    t.ok(book.partsLeft);
    book.remove('a');
    t.notOk(book.partsLeft);
    t.same(book.all(), []);
    t.end();
  });

  t.test('says in sum what is in force, whatever came in between', (t) => {
    const random = new SeededRandom(7);
    const below = (bound: number): number => random.nextUint32() % bound;
    for (let round = 0; round < 12; round++) {
      const book = new EndpointBook();
      const listener = new Listener();
      const newest = new Map<string, ClusterEndpointsConfig>();
      for (let step = 0; step < 30; step++) {
        const name = `c${below(2)}`;
        const from = below(3000);
        const picked = numbers(from, from + below(4) * below(1200)).filter(() => below(9) > 0);
        const endpoints = picked.map((n) => host(n, { weight: 1 + below(2) }));
        const cut = below(endpoints.length + 1);
        const second = { ...sampleLocality(endpoints.slice(cut)), zone: 'z', priority: below(3) };
        newest.set(name, all(name, endpoints.slice(0, cut), [second]));
        book.put(newest.get(name)!);
        if (below(3) > 0) listener.take(book.take(() => below(4) === 0, below(2) > 0));
      }
      do listener.take(book.take(NEVER, true));
      while (book.partsLeft);
      for (const [name, endpoints] of newest)
        t.strictSame(listener.hosts(name), expected(endpoints), `round ${round}: ${name}`);
    }
    t.end();
  });
  t.end();
});
