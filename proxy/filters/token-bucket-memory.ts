// [w] TokenBucketMemory: where token buckets are kept. Main gives buckets of the configuration a place that all workers
// share, so that a limit holds for the whole proxy; others (of one connection, of tests) are private.
import type { TokenBucketConfig } from '../config/local-rate-limit-config.ts';

/** A bucket is one word; a wildcard's are three each: hash of the value, last use, bucket. */
export const WORDS_PER_VALUE = 3;

export const wordsOf = (config: TokenBucketConfig): number =>
  config.wildcardValues === 0 ? 1 : config.wildcardValues * WORDS_PER_VALUE;

/** Word at which a bucket of the configuration begins. `config` is the very object that is in the configuration. */
export interface TokenBucketPlace {
  readonly config: TokenBucketConfig;
  readonly place: number;
}

export interface BucketWords {
  readonly words: BigInt64Array;
  readonly place: number;
}

export class TokenBucketMemory {
  readonly #words: BigInt64Array;
  readonly #places = new WeakMap<TokenBucketConfig, number>();

  constructor(shared: SharedArrayBuffer) {
    this.#words = new BigInt64Array(shared);
  }

  note(places: readonly TokenBucketPlace[]): void {
    for (const { config, place } of places)
      if (place + wordsOf(config) <= this.#words.length) this.#places.set(config, place);
  }

  /** Private where main had no place left. */
  wordsFor(config: TokenBucketConfig): BucketWords {
    const place = this.#places.get(config);
    return place === undefined ? privateWords(config) : { words: this.#words, place };
  }
}

export const privateWords = (config: TokenBucketConfig): BucketWords => ({
  words: new BigInt64Array(wordsOf(config)),
  place: 0,
});
