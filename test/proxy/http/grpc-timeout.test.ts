// [w] The grpc-timeout header, both ways, and the life of streams (envoy-behaviour §1.9, §3.8).
import t from 'tap';
import {
  formatGrpcTimeout,
  parseGrpcTimeout,
  takeStreamDurationMs,
} from '../../../proxy/http/grpc-timeout.ts';
import { H } from '../../../proxy/http/headers.ts';
import { request } from '../../support/route-samples.ts';

t.test('grpc-timeout', async (t) => {
  t.test('is read', async (t) => {
    const cases: [string | undefined, number | undefined][] = [
      ['2H', 7_200_000],
      ['3M', 180_000],
      ['5S', 5000],
      ['5m', 5],
      ['1u', 1],
      ['1001u', 2],
      ['1n', 1],
      ['0S', 0],
      ['99999999S', 99_999_999_000],
      ['000000000005S', 5000],
      ['+5S', 5000],
      ['100000000n', undefined],
      ['-5S', undefined],
      ['5', undefined],
      ['S', undefined],
      ['5s', undefined],
      ['5 S', undefined],
      ['1e3S', undefined],
      ['', undefined],
      [undefined, undefined],
    ];
    for (const [text, ms] of cases) t.equal(parseGrpcTimeout(text), ms, String(text));
  });

  t.test('is written with at most eight digits', async (t) => {
    const cases: [number, string][] = [
      [0, '0m'],
      [99_999_999, '99999999m'],
      [100_000_000, '100000S'],
      [99_999_999_999, '99999999S'],
      [100_000_000_000, '1666666M'],
      [6_000_000_000_000, '1666666H'],
      [Number.MAX_SAFE_INTEGER, '99999999H'],
    ];
    for (const [ms, text] of cases) t.equal(formatGrpcTimeout(ms), text);
  });

  t.test('sets the life of a stream', async (t) => {
    const duration = (max: number | undefined, header: number | undefined, offset = 0) => ({
      maxStreamDurationMs: max,
      grpcTimeoutHeaderMaxMs: header,
      grpcTimeoutHeaderOffsetMs: offset,
    });
    const cases: [
      what: string,
      duration: ReturnType<typeof duration> | undefined,
      asked: string,
      otherwiseMs: number,
      limit: number | undefined,
      told: string | undefined,
    ][] = [
      ['no limits', undefined, '5S', 0, undefined, '5S'],
      ["the manager's", undefined, '5S', 9000, 9000, '5S'],
      ["the route's", duration(7000, undefined), '5S', 9000, 7000, '7000m'],
      ["the client's", duration(7000, 0), '5S', 9000, 5000, '5000m'],
      ["the client's, capped", duration(7000, 4000), '5S', 0, 4000, '4000m'],
      ["the client's, less an offset", duration(7000, 4000, 100), '5S', 0, 3900, '3900m'],
      ["the client's, below its offset", duration(7000, 4000, 100), '50m', 0, 0, '0m'],
      ["the client's nothing", duration(7000, 4000, 100), '0S', 0, 0, '0m'],
      ["the route's, since the client says none", duration(7000, 4000), '', 0, 7000, '7000m'],
      [
        "the manager's, since the route says none",
        duration(undefined, 4000),
        '',
        9000,
        9000,
        '9000m',
      ],
      ['none at all', duration(0, undefined), '5S', 0, undefined, '5S'],
      ["none in place of the manager's", duration(0, undefined), '5S', 9000, undefined, undefined],
    ];
    for (const [what, config, asked, otherwiseMs, limit, told] of cases) {
      const headers = request([['content-type', 'application/grpc']]);
      if (asked !== '') headers.set(H.grpcTimeout, asked);
      t.equal(takeStreamDurationMs(headers, config, otherwiseMs), limit, what);
      t.equal(headers.get(H.grpcTimeout), told, `${what}: what is told`);
    }
  });
});
