// [m] Which token bucket of the configuration is kept where: words of one SharedArrayBuffer that all workers write
// (filters/token-bucket-memory.ts reads them).
import { inlineTables } from '../config/http-connection-manager-config.ts';
import type { ListenerConfig } from '../config/listener-config.ts';
import type { LocalRateLimitConfig, TokenBucketConfig } from '../config/local-rate-limit-config.ts';
import { perFilterConfigs } from '../config/per-filter-configs.ts';
import { routeKey } from '../config/route-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import { wordsOf } from '../filters/token-bucket-memory.ts';
import type { TokenBucketPlace } from '../filters/token-bucket-memory.ts';

const MAX_WORDS = 65_536;

interface WordRange {
  readonly place: number;
  readonly length: number;
}

/** Buckets that keep their places as long as a resource has a group of that key. */
interface BucketGroup {
  readonly key: string;
  readonly buckets: readonly TokenBucketConfig[];
}

interface Held {
  readonly ranges: ReadonlyMap<string, readonly WordRange[]>;
  readonly places: readonly TokenBucketPlace[];
}

const NONE: Held = { ranges: new Map(), places: [] };

export class TokenBucketPlaces {
  /** Zero pages until touched. */
  readonly words = new SharedArrayBuffer(MAX_WORDS * BigInt64Array.BYTES_PER_ELEMENT);
  readonly #view = new BigInt64Array(this.words);
  readonly #held = new Map<string, Held>();
  /** Given back by resources that all workers have dropped, by length; oldest first. */
  readonly #free = new Map<number, number[]>();
  #next = 0;
  #tables = 0;

  /** What comes to be free of it: reclaim() when no worker has the old configuration any more. */
  putListener(listener: ListenerConfig): readonly WordRange[] {
    return this.#put(`listener ${listener.name}`, chainGroups(listener));
  }

  removeListener(name: string): readonly WordRange[] {
    return this.#put(`listener ${name}`, []);
  }

  /** A new version of a table has full buckets, as in Envoy. */
  putRoute(table: RouteConfig): readonly WordRange[] {
    const buckets = [...tableBuckets(table)];
    const key = `version ${this.#tables++}`;
    return this.#put(`route ${routeKey(table)}`, buckets.length === 0 ? [] : [{ key, buckets }]);
  }

  removeRoute(name: string): readonly WordRange[] {
    return this.#put(`route ${name}`, []);
  }

  placesOfListener(name: string): readonly TokenBucketPlace[] {
    return this.#held.get(`listener ${name}`)?.places ?? [];
  }

  placesOfRoute(name: string): readonly TokenBucketPlace[] {
    return this.#held.get(`route ${name}`)?.places ?? [];
  }

  reclaim({ place, length }: WordRange): void {
    const free = this.#free.get(length);
    if (free === undefined) this.#free.set(length, [place]);
    else free.push(place);
  }

  #put(resource: string, groups: readonly BucketGroup[]): readonly WordRange[] {
    const before = this.#held.get(resource) ?? NONE;
    if (groups.length === 0 && before === NONE) return [];
    const ranges = new Map<string, readonly WordRange[]>();
    const places: TokenBucketPlace[] = [];
    for (const { key, buckets } of groups) {
      const kept = before.ranges.get(key) ?? this.#takeAll(buckets);
      ranges.set(key, kept);
      buckets.forEach((config, i) => {
        const range = kept[i];
        if (range !== undefined) places.push({ config, place: range.place });
      });
    }
    if (groups.length === 0) this.#held.delete(resource);
    else this.#held.set(resource, { ranges, places });
    return [...before.ranges].filter(([key]) => !ranges.has(key)).flatMap(([, free]) => free);
  }

  /** Fewer than asked for when there is no memory left: workers then limit by themselves. */
  #takeAll(buckets: readonly TokenBucketConfig[]): readonly WordRange[] {
    const taken: WordRange[] = [];
    for (const config of buckets) {
      const range = this.#take(wordsOf(config));
      if (range === undefined) break;
      taken.push(range);
    }
    return taken;
  }

  #take(length: number): WordRange | undefined {
    if (this.#next + length <= MAX_WORDS) {
      this.#next += length;
      return { place: this.#next - length, length };
    }
    const place = this.#free.get(length)?.shift();
    if (place === undefined) return undefined;
    this.#view.fill(0n, place, place + length);
    return { place, length };
  }
}

/** Chains that an update leaves as they are keep their buckets, as they keep their connections. */
function chainGroups(listener: ListenerConfig): readonly BucketGroup[] {
  const groups: BucketGroup[] = [];
  const chains = listener.defaultFilterChain
    ? [...listener.filterChains, listener.defaultFilterChain]
    : listener.filterChains;
  const seen = new Map<string, number>();
  for (const chain of chains) {
    const nth = seen.get(chain.hash) ?? 0;
    seen.set(chain.hash, nth + 1);
    const buckets: TokenBucketConfig[] = [];
    for (const filter of chain.networkFilters) {
      if (filter.kind === 'network_rate_limit') buckets.push(filter.settings.tokenBucket);
      if (filter.kind !== 'http_connection_manager') continue;
      for (const { settings } of filter.settings.httpFilters)
        if (settings.kind === 'local_rate_limit') buckets.push(...bucketsOf(settings));
      for (const table of inlineTables(filter.settings)) buckets.push(...tableBuckets(table));
    }
    if (buckets.length > 0) groups.push({ key: `${chain.hash} ${nth}`, buckets });
  }
  return groups;
}

function* tableBuckets(table: RouteConfig): Generator<TokenBucketConfig> {
  for (const { settings } of perFilterConfigs(table))
    if (settings?.kind === 'local_rate_limit') yield* bucketsOf(settings);
}

/** Buckets of a connection are its own. */
function bucketsOf(config: LocalRateLimitConfig): readonly TokenBucketConfig[] {
  if (config.perConnection) return [];
  const ofDescriptors = config.descriptors.map(({ tokenBucket }) => tokenBucket);
  return config.tokenBucket === undefined ? ofDescriptors : [config.tokenBucket, ...ofDescriptors];
}
