// [w] WildcardBuckets: a bucket for each value that a wildcard descriptor meets, at most so many; the one that was not
// used for the longest time makes room. All workers share them: three words each, value's hash, last use, bucket.
import type { TimeSource } from '../../base/clock.ts';
import { crypto } from '../../base/node-builtins.ts';
import type { TokenBucketConfig } from '../../config/local-rate-limit-config.ts';
import { WORDS_PER_VALUE } from '../token-bucket-memory.ts';
import type { BucketWords } from '../token-bucket-memory.ts';
import { SharedTokenBucket } from './shared-token-bucket.ts';

const LAST_USE = 1;
const BUCKET = 2;

export class WildcardBuckets {
  readonly #config: TokenBucketConfig;
  readonly #memory: BucketWords;
  readonly #time: TimeSource;

  constructor(config: TokenBucketConfig, memory: BucketWords, time: TimeSource) {
    this.#config = config;
    this.#memory = memory;
    this.#time = time;
  }

  /** Values come from callers: the hash is one that they cannot make meet another. */
  of(value: string): SharedTokenBucket {
    const digest = crypto().hash('sha256', value, 'buffer');
    const hash = digest.readBigInt64LE(0) | 1n;
    const { words } = this.#memory;
    let at = this.#find(hash);
    while (at < 0) at = this.#claim(hash);
    Atomics.store(words, at + LAST_USE, this.#now());
    return new SharedTokenBucket(this.#config, { words, place: at + BUCKET }, this.#time);
  }

  /** -1: it has none. */
  #find(hash: bigint): number {
    const { words, place } = this.#memory;
    const end = place + this.#config.wildcardValues * WORDS_PER_VALUE;
    for (let at = place; at < end; at += WORDS_PER_VALUE)
      if (Atomics.load(words, at) === hash) return at;
    return -1;
  }

  /** Takes the place that is free or was not used for the longest time; -1 when another worker was faster. */
  #claim(hash: bigint): number {
    const { words, place } = this.#memory;
    const end = place + this.#config.wildcardValues * WORDS_PER_VALUE;
    let oldest = place;
    for (let at = place; at < end; at += WORDS_PER_VALUE)
      if (Atomics.load(words, at + LAST_USE) < Atomics.load(words, oldest + LAST_USE)) oldest = at;
    const before = Atomics.load(words, oldest);
    if (Atomics.compareExchange(words, oldest, before, hash) !== before) return this.#find(hash);
    Atomics.store(words, oldest + BUCKET, 0n);
    // Another worker may have claimed a place for the same value meanwhile: the first one is everybody's.
    return this.#find(hash);
  }

  #now(): bigint {
    return BigInt(Math.ceil(this.#time.processMs() * 1000));
  }
}
