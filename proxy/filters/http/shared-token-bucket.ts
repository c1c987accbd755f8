// [w] SharedTokenBucket: one word that any worker may change: the time at which the bucket was, or would have been,
// empty. Tokens come evenly with time (Envoy's AtomicTokenBucketImpl). 0: never used, full.
import type { TimeSource } from '../../base/clock.ts';
import type { TokenBucketConfig } from '../../config/local-rate-limit-config.ts';
import type { BucketWords } from '../token-bucket-memory.ts';

const US_PER_MS = 1000;

export class SharedTokenBucket {
  readonly maxTokens: number;
  /** Tokens a millisecond. */
  readonly fillRate: number;
  readonly #time: TimeSource;
  readonly #words: BigInt64Array;
  readonly #place: number;
  readonly #tokensPerFill: number;
  readonly #fillIntervalUs: number;

  constructor(config: TokenBucketConfig, { words, place }: BucketWords, time: TimeSource) {
    this.maxTokens = config.maxTokens;
    this.fillRate = config.tokensPerFill / config.fillIntervalMs;
    this.#time = time;
    this.#words = words;
    this.#place = place;
    this.#tokensPerFill = config.tokensPerFill;
    this.#fillIntervalUs = config.fillIntervalMs * US_PER_MS;
  }

  /** False, and nothing is taken, where there are not as many; nor where none are wanted, as in Envoy. */
  take(count: number): boolean {
    for (;;) {
      const emptyAt = Atomics.load(this.#words, this.#place);
      const nowUs = this.#nowUs();
      const tokens = this.#tokensAt(nowUs, emptyAt);
      if (count === 0 || tokens < count) return false;
      const spentUs = ((tokens - count) * this.#fillIntervalUs) / this.#tokensPerFill;
      // Before the clock began, too: a bucket that takes an hour to fill is full on a machine that just started.
      const next = BigInt(Math.floor(nowUs - spentUs)) || 1n;
      if (Atomics.compareExchange(this.#words, this.#place, emptyAt, next) === emptyAt) return true;
    }
  }

  /** Whole tokens. */
  get remaining(): number {
    return Math.floor(this.#tokens());
  }

  /** Until there is a token; 0 when there is one. */
  get secondsToNextToken(): number {
    const missing = 1 - this.#tokens();
    if (missing <= 0) return 0;
    const ms = Math.ceil((missing * this.#fillIntervalUs) / this.#tokensPerFill / US_PER_MS);
    return Math.ceil(ms / 1000);
  }

  #tokens(): number {
    return this.#tokensAt(this.#nowUs(), Atomics.load(this.#words, this.#place));
  }

  #tokensAt(nowUs: number, emptyAt: bigint): number {
    if (emptyAt === 0n) return this.maxTokens;
    const elapsedUs = Math.max(0, nowUs - Number(emptyAt));
    return Math.min(this.maxTokens, (elapsedUs * this.#tokensPerFill) / this.#fillIntervalUs);
  }

  #nowUs(): number {
    return Math.floor(this.#time.processMs() * US_PER_MS);
  }
}
