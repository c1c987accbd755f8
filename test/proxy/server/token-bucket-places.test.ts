// [m] Places of token buckets: kept, given back, never given twice.
import t from 'tap';
import type { HttpConnectionManagerConfig } from '../../../proxy/config/http-connection-manager-config.ts';
import type { ListenerConfig } from '../../../proxy/config/listener-config.ts';
import type { TokenBucketConfig } from '../../../proxy/config/local-rate-limit-config.ts';
import { TokenBucketPlaces } from '../../../proxy/server/token-bucket-places.ts';
import { sampleListener } from '../../support/config-samples.ts';
import { localRateLimitConfig, tokenBucket } from '../../support/filter-samples.ts';
import { routeConfig, routeEntry, virtualHost } from '../../support/route-samples.ts';

/** A listener whose chains, by hash, have these buckets. */
function listenerWith(...chains: [hash: string, bucket: TokenBucketConfig][]): ListenerConfig {
  const listener = sampleListener('l', 1);
  const template = listener.filterChains[0]!;
  return {
    ...listener,
    filterChains: chains.map(([hash, bucket]) => {
      const settings = {
        httpFilters: [
          { name: 'f', disabled: false, settings: localRateLimitConfig({ tokenBucket: bucket }) },
        ],
        routes: { kind: 'rds', name: 'r' },
      } as unknown as HttpConnectionManagerConfig;
      return {
        ...template,
        hash,
        networkFilters: [{ kind: 'http_connection_manager', name: 'm', settings }],
      };
    }),
  };
}

const table = (...buckets: TokenBucketConfig[]) =>
  routeConfig([
    virtualHost({
      routes: buckets.map((bucket) =>
        routeEntry({
          perFilter: [
            {
              name: 'f',
              disabled: false,
              settings: localRateLimitConfig({ tokenBucket: bucket }),
            },
          ],
        }),
      ),
    }),
  ]);

t.test('TokenBucketPlaces', async (t) => {
  t.test('keeps those of chains that an update leaves as they are', async (t) => {
    const places = new TokenBucketPlaces();
    const [a, b, again, c] = [tokenBucket(1), tokenBucket(2), tokenBucket(2), tokenBucket(3)];
    places.putListener(listenerWith(['a', a], ['b', b]));
    t.same(places.placesOfListener('l'), [
      { config: a, place: 0 },
      { config: b, place: 1 },
    ]);
    const free = places.putListener(listenerWith(['c', c], ['b', again]));
    t.same(free, [{ place: 0, length: 1 }]);
    const now = places.placesOfListener('l');
    t.same(
      now.map(({ place }) => place),
      [2, 1],
    );
    t.equal(now[1]!.config, again, 'by the object of the new configuration');
    t.same(places.removeListener('l').length, 2);
    t.same(places.placesOfListener('l'), []);
  });

  t.test('gives a new version of a table new ones', async (t) => {
    const places = new TokenBucketPlaces();
    const bucket = tokenBucket(1);
    t.same(places.putRoute(table(bucket)), []);
    t.same(places.putRoute(table(bucket, tokenBucket(1, 1, 1000, 4))), [{ place: 0, length: 1 }]);
    t.same(
      places.placesOfRoute('routes').map(({ place }) => place),
      [1, 2],
    );
    t.same(places.removeRoute('routes'), [
      { place: 1, length: 1 },
      { place: 2, length: 12 },
    ]);
  });

  t.test('uses places again only when nothing else is left, full', async (t) => {
    const places = new TokenBucketPlaces();
    const words = new BigInt64Array(places.words);
    const large = tokenBucket(1, 1, 1000, 20_000);
    const [first] = [places.putRoute(table(large)), places.placesOfRoute('routes')[0]!];
    t.same(first, []);
    words[0] = 5n;
    const free = places.putRoute(table());
    t.equal(free.length, 1);
    places.putRoute(table(tokenBucket(1, 1, 1000, 20_000)));
    t.same(places.placesOfRoute('routes'), [], 'until then workers limit by themselves');
    places.reclaim(free[0]!);
    const again = tokenBucket(1, 1, 1000, 20_000);
    places.putRoute(table(again));
    t.same(places.placesOfRoute('routes'), [{ config: again, place: 0 }]);
    t.equal(words[0], 0n);
  });
});
