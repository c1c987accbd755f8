// [w] LocalRateLimiter: the buckets of one LocalRateLimit message, and which of them a request has to pay.
import type { TimeSource } from '../../base/clock.ts';
import type {
  LimitedDescriptorConfig,
  LocalRateLimitConfig,
  TokenBucketConfig,
} from '../../config/local-rate-limit-config.ts';
import type { RateLimitEntry } from '../../router/rate-limit-actions.ts';
import type { RateLimitDescriptor } from '../../router/rate-limit-policy.ts';
import { wireText } from '../../router/wire-text.ts';
import type { BucketWords } from '../token-bucket-memory.ts';
import { SharedTokenBucket } from './shared-token-bucket.ts';
import { WildcardBuckets } from './wildcard-buckets.ts';

export interface LimiterVerdict {
  readonly allowed: boolean;
  /** Over a limit that is not enforced. */
  readonly shadow: boolean;
  /** The one that decided; null when there is none at all. */
  readonly bucket: SharedTokenBucket | null;
  /** What the descriptor that decided says of x-ratelimit headers; undefined: nothing. */
  readonly headers: boolean | undefined;
}

interface Match {
  readonly bucket: SharedTokenBucket;
  readonly hits: number;
  readonly shadow: boolean;
  readonly headers: boolean | undefined;
}

interface ExactDescriptor {
  readonly bucket: SharedTokenBucket;
  readonly shadow: boolean;
}

interface WildcardDescriptor {
  readonly entries: LimitedDescriptorConfig['entries'];
  readonly buckets: WildcardBuckets;
  readonly shadow: boolean;
}

export class LocalRateLimiter {
  readonly #default: SharedTokenBucket | null;
  readonly #alwaysConsumeDefault: boolean;
  readonly #exact = new Map<string, ExactDescriptor>();
  readonly #wildcards: WildcardDescriptor[] = [];

  constructor(
    config: LocalRateLimitConfig,
    wordsFor: (bucket: TokenBucketConfig) => BucketWords,
    time: TimeSource,
  ) {
    const { tokenBucket } = config;
    this.#default =
      tokenBucket === undefined
        ? null
        : new SharedTokenBucket(tokenBucket, wordsFor(tokenBucket), time);
    this.#alwaysConsumeDefault = config.alwaysConsumeDefault;
    for (const { entries, tokenBucket: bucket, shadow } of config.descriptors) {
      const words = wordsFor(bucket);
      if (entries.every(({ value }) => value !== undefined)) {
        const limited = { bucket: new SharedTokenBucket(bucket, words, time), shadow };
        this.#exact.set(textOf(entries.map(wireEntry)), limited);
      } else {
        const buckets = new WildcardBuckets(bucket, words, time);
        this.#wildcards.push({ entries: entries.map(wireEntry), buckets, shadow });
      }
    }
  }

  /** The slowest bucket pays first, and the first that cannot decides. */
  check(descriptors: readonly RateLimitDescriptor[]): LimiterVerdict {
    const matches = this.#matches(descriptors);
    let shadowed: Match | undefined;
    for (const match of matches) {
      if (match.bucket.take(match.hits)) continue;
      if (!match.shadow) return { ...match, allowed: false, shadow: false };
      shadowed ??= match;
    }
    const ownBucket = { bucket: this.#default, headers: undefined };
    const ownCounts = matches.length === 0 || this.#alwaysConsumeDefault;
    if (ownCounts && this.#default !== null && !this.#default.take(1))
      return { ...ownBucket, allowed: false, shadow: false };
    const { bucket, headers } = shadowed ?? matches[0] ?? ownBucket;
    return { allowed: true, shadow: shadowed !== undefined, bucket, headers };
  }

  #matches(descriptors: readonly RateLimitDescriptor[]): readonly Match[] {
    const matches: Match[] = [];
    for (const { entries, hitsAddend, rateLimitHeaders: headers } of descriptors) {
      const hits = hitsAddend ?? 1;
      const exact = this.#exact.get(textOf(entries));
      if (exact !== undefined) matches.push({ ...exact, hits, headers });
      else {
        const wildcard = this.#wildcards.find((limited) => covers(limited.entries, entries));
        if (wildcard !== undefined) {
          const bucket = wildcard.buckets.of(textOf(entries));
          matches.push({ bucket, hits, shadow: wildcard.shadow, headers });
        }
      }
    }
    if (matches.length > 1) matches.sort((a, b) => a.bucket.fillRate - b.bucket.fillRate);
    return matches;
  }
}

const wireEntry = (entry: LimitedDescriptorConfig['entries'][number]): RateLimitEntry => ({
  key: wireText(entry.key),
  value: wireText(entry.value ?? ''),
});

/** The same text for the same entries only. */
const textOf = (entries: readonly RateLimitEntry[]): string =>
  entries.map(({ key, value }) => `${key.length}:${key}${value.length}:${value}`).join('');

/** Configured values that are empty take any. */
const covers = (
  limited: LimitedDescriptorConfig['entries'],
  entries: readonly RateLimitEntry[],
): boolean =>
  limited.length === entries.length &&
  limited.every(
    ({ key, value }, i) => entries[i]!.key === key && (value === '' || value === entries[i]!.value),
  );
