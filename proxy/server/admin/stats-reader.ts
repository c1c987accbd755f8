// [m] How this bootstrap wants its stats shown: inclusion list, tags, buckets. Kept from scrape to scrape.
import { lazyPart } from '../../base/lazy-part.ts';
import type { StatsConfig } from '../../config/bootstrap-config.ts';
import { compileBuckets, prometheusText } from '../../stats/prometheus-text.ts';
import type { BucketsOf } from '../../stats/prometheus-text.ts';
import { compileStatsMatcher } from '../../stats/stats-matcher.ts';
import type { NamePredicate } from '../../stats/stats-matcher.ts';
import { fullStatName, isUsed } from '../../stats/stat-value.ts';
import type { StatValue } from '../../stats/stat-value.ts';
import type { TagExtractor } from '../../stats/tag-extractor.ts';
import type { AdminContext } from '../admin-context.ts';
import { textResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';
import type { AdminQuery } from './admin-query.ts';
import { compileAdminRegex } from './admin-regex.ts';

const extractor = lazyPart<typeof import('../../stats/tag-extractor.ts')>('stats/tag-extractor');

export class StatsReader {
  readonly bucketsOf: BucketsOf;
  readonly #shown: NamePredicate;
  readonly #tags: ConstructorParameters<typeof TagExtractor>[0];
  /** Made for the first scrape: agents read names alone, and tags are found by the engine of base/re2.ts. */
  #extractor: TagExtractor | undefined;

  /** `fixedTags`: of the command line. */
  constructor(
    config: StatsConfig,
    fixedTags: readonly { readonly name: string; readonly value: string }[],
  ) {
    const fixed = fixedTags.map(
      ({ name, value }) => ({ kind: 'fixed', tagName: name, value }) as const,
    );
    this.#shown = compileStatsMatcher(config.matcher);
    this.#tags = {
      tags: [...fixed, ...config.tags],
      useAllDefaultTags: config.useAllDefaultTags,
    };
    this.bucketsOf = compileBuckets(config.histogramBuckets);
  }

  /** Stats that the bootstrap's list lets through. */
  shown(stats: readonly StatValue[]): StatValue[] {
    return stats.filter((stat) => this.#shown(fullStatName(stat)));
  }

  prometheus(stats: readonly StatValue[]): string {
    this.#extractor ??= new (extractor().TagExtractor)(this.#tags);
    return prometheusText(stats, this.#extractor, this.bucketsOf);
  }
}

const readers = new WeakMap<AdminContext, StatsReader>();

export function statsReader(context: AdminContext): StatsReader {
  let reader = readers.get(context);
  if (reader === undefined) {
    reader = new StatsReader(context.bootstrap.stats, context.options.statsTags);
    readers.set(context, reader);
  }
  return reader;
}

/** Stats that the query asks for (`usedonly`, `filter`, `invert_filter`, `hidden`), or why it cannot be answered. */
export async function selectStats(
  context: AdminContext,
  query: AdminQuery,
): Promise<StatValue[] | AdminResponse> {
  const hidden = query.get('hidden') ?? 'exclude';
  if (hidden !== 'include' && hidden !== 'only' && hidden !== 'exclude') {
    return textResponse('usage: /stats?hidden=(include|only|exclude)\n\n', 400);
  }
  const pattern = query.get('filter');
  const filter = pattern === undefined ? undefined : compileAdminRegex(pattern);
  if (filter?.ok === false) return textResponse(`Invalid re2 regex: ${filter.error}`, 400);
  // No stat of ours is a hidden one.
  if (hidden === 'only') return [];
  const wanted = !query.has('invert_filter');
  const usedOnly = query.has('usedonly');
  return statsReader(context)
    .shown(await context.collectStats())
    .filter((stat) => !usedOnly || isUsed(stat))
    .filter((stat) => filter === undefined || filter.regex.test(fullStatName(stat)) === wanted);
}
