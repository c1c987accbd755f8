// [w] Token buckets that workers share, and the limiter over them. What the filter answers is in
// test/differential/cases/filters-local-rate-limit.test.ts.
import t from 'tap';
import type { LocalRateLimitConfig } from '../../../../proxy/config/local-rate-limit-config.ts';
import { LocalRateLimitFilterFactory } from '../../../../proxy/filters/http/local-rate-limit.ts';
import { LocalRateLimiter } from '../../../../proxy/filters/http/local-rate-limiter.ts';
import { SharedTokenBucket } from '../../../../proxy/filters/http/shared-token-bucket.ts';
import { TokenBucketMemory, privateWords } from '../../../../proxy/filters/token-bucket-memory.ts';
import { FilterStatus } from '../../../../proxy/http/http-filter.ts';
import { localRateLimitConfig, tokenBucket } from '../../../support/filter-samples.ts';
import { RouterHarness, ScriptedClient } from '../../../support/router-harness.ts';
import { request, streamInfo } from '../../../support/route-samples.ts';
import { SimulatedTime } from '../../../support/simulated-time.ts';

t.test('SharedTokenBucket', async (t) => {
  t.test('is full at first and fills evenly', async (t) => {
    const time = new SimulatedTime();
    const config = tokenBucket(10, 10, 1000);
    const bucket = new SharedTokenBucket(config, privateWords(config), time);
    for (let i = 0; i < 10; i++) t.ok(bucket.take(1), `token ${i}`);
    t.notOk(bucket.take(1));
    time.advance(99);
    t.notOk(bucket.take(1));
    t.equal(bucket.secondsToNextToken, 1);
    time.advance(1);
    t.ok(bucket.take(1));
    time.advance(100_000);
    t.equal(bucket.remaining, 10, 'never more than its size');
    t.equal(bucket.secondsToNextToken, 0);
    t.notOk(bucket.take(11));
    t.notOk(bucket.take(0), 'none wanted, none given, as in Envoy');
  });

  t.test('loses no token to rounding', async (t) => {
    for (const [max, perFill, intervalMs] of [
      [3, 1, 60_000],
      [7, 3, 70],
      [1000, 7, 100],
    ] as const) {
      const time = new SimulatedTime();
      const config = tokenBucket(max, perFill, intervalMs);
      const bucket = new SharedTokenBucket(config, privateWords(config), time);
      let taken = 0;
      while (bucket.take(1)) taken++;
      t.equal(taken, max);
    }
  });

  t.test('is one for all that look at the same word', async (t) => {
    const time = new SimulatedTime();
    const shared = new SharedArrayBuffer(8);
    const of = (): SharedTokenBucket => {
      const config = tokenBucket(3);
      const memory = new TokenBucketMemory(shared);
      memory.note([{ config, place: 0 }]);
      return new SharedTokenBucket(config, memory.wordsFor(config), time);
    };
    const [a, b] = [of(), of()];
    t.same(
      [a.take(1), b.take(1), a.take(1), b.take(1), a.take(1)],
      [true, true, true, false, false],
    );
  });

  t.test('stays within its memory', async (t) => {
    const config = tokenBucket(1);
    const memory = new TokenBucketMemory(new SharedArrayBuffer(8));
    memory.note([{ config, place: 1 }]);
    t.equal(memory.wordsFor(config).words.length, 1, 'a place that is none is not used');
    t.equal(memory.wordsFor(config).place, 0);
  });
});

t.test('LocalRateLimiter', async (t) => {
  const limiter = (changes: Partial<LocalRateLimitConfig>) =>
    new LocalRateLimiter(localRateLimitConfig(changes), privateWords, new SimulatedTime());
  const descriptor = (key: string, value: string, hitsAddend?: number) => ({
    entries: [{ key, value }],
    hitsAddend,
  });

  t.test('keeps a bucket for each value of a wildcard, the last used ones', async (t) => {
    const time = new SimulatedTime();
    const config = localRateLimitConfig({
      tokenBucket: undefined,
      descriptors: [
        {
          entries: [{ key: 'ip', value: undefined }],
          tokenBucket: tokenBucket(1, 1, 60_000, 2),
          shadow: false,
        },
      ],
    });
    const limits = new LocalRateLimiter(config, privateWords, time);
    const allows = (value: string): boolean => {
      time.advance(1);
      return limits.check([descriptor('ip', value)]).allowed;
    };
    t.same(['a', 'b', 'a', 'b'].map(allows), [true, true, false, false]);
    t.equal(allows('c'), true, 'takes the place of a');
    t.equal(allows('b'), false);
    t.equal(allows('a'), true, 'is new again');
  });

  t.test('tells entries apart however their texts are cut', async (t) => {
    const entry = (key: string, value: string) => ({
      entries: [{ key, value }],
      tokenBucket: tokenBucket(0),
      shadow: false,
    });
    const limits = limiter({ tokenBucket: undefined, descriptors: [entry('a', 'bc')] });
    t.equal(limits.check([descriptor('a', 'bc')]).allowed, false);
    t.equal(limits.check([descriptor('ab', 'c')]).allowed, true);
    t.equal(limits.check([descriptor('a', 'b')]).allowed, true);
  });
});

t.test('LocalRateLimitFilter', async (t) => {
  t.test('is not there where it is not switched on', async (t) => {
    const harness = new RouterHarness();
    const client = (): ScriptedClient => {
      const headers = request();
      return new ScriptedClient(headers, harness.table.route(headers, streamInfo()), streamInfo());
    };
    const never = { numerator: 0, denominator: 100 } as const;
    const factory = (changes: Partial<LocalRateLimitConfig>) =>
      new LocalRateLimitFilterFactory('l', localRateLimitConfig(changes), harness.context);
    t.equal(factory({ enabled: undefined }).createFilter(client()), null);
    t.equal(factory({ enabled: never }).createFilter(client()), null);
    const limited = factory({ tokenBucket: tokenBucket(0) });
    const stream = client();
    const filter = limited.createFilter(stream)!;
    t.equal(filter.decodeHeaders(stream.requestHeaders, true), FilterStatus.StopIteration);
    t.same(
      [stream.reply?.status, stream.reply?.grpcStatus, stream.streamInfo.flags],
      [429, undefined, 'RL'],
    );
  });
});
