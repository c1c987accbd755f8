// The bench's readers and judges: responses, latencies, GC traces, noise, budget, chart.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { checkBudget, readBudget } from '../../../bench/load/budget.ts';
import { LOAD_CASES } from '../../../bench/load/cases.ts';
import { chartSvg } from '../../../bench/load/chart.ts';
import { changesText, compareSamples } from '../../../bench/load/compare.ts';
import { gcTotals } from '../../../bench/load/gc-trace.ts';
import { LatencyHistogram } from '../../../bench/load/latency-histogram.ts';
import type { CaseResult } from '../../../bench/load/measure.ts';
import { ResponseReader } from '../../../bench/load/response-reader.ts';
import { difference } from '../../../bench/load/statistics.ts';
import { parseStraceSummary } from '../../../bench/load/syscalls.ts';

t.test('ResponseReader', async (t) => {
  const cases: readonly (readonly [name: string, text: string, responses: number])[] = [
    ['nothing', '', 0],
    ['a cut body', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx', 0],
    ['a body', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxx', 1],
    ['no body', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', 1],
    ['no content', 'HTTP/1.1 204 No Content\r\n\r\n', 1],
    [
      'two answers',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nxxHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx',
      2,
    ],
    [
      'chunks',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n',
      1,
    ],
    [
      'trailers',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nt: 1\r\n\r\n',
      1,
    ],
    ['interim', 'HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx', 1],
  ];
  for (const [name, text, responses] of cases) {
    await t.test(`reads ${name}, cut anywhere`, async (t) => {
      for (let cut = 0; cut <= text.length; cut++) {
        const reader = new ResponseReader();
        reader.push(Buffer.from(text.slice(0, cut)));
        reader.push(Buffer.from(text.slice(cut)));
        t.equal(reader.responses, responses, `cut at ${cut}`);
      }
    });
  }

  await t.test(
    'takes the end of the connection as the end of a body without a length',
    async (t) => {
      const reader = new ResponseReader();
      reader.push(Buffer.from('HTTP/1.0 503 No\r\n\r\nbody'));
      t.equal(reader.responses, 0);
      t.ok(reader.end());
      t.equal(reader.responses, 1);
      t.equal(reader.refused, 1);
    },
  );

  await t.test('refuses what is not HTTP/1', async (t) => {
    t.throws(() => new ResponseReader().push(Buffer.from('SSH-2.0\r\n\r\n')), /not HTTP/);
  });
});

t.test('LatencyHistogram', async (t) => {
  await t.test('keeps values to a thousandth over its whole range', async (t) => {
    for (const us of [0.05, 1, 17.3, 204.75, 204.85, 1_000, 123_456, 60_000_000, 3.6e9]) {
      const histogram = new LatencyHistogram();
      histogram.record(us);
      histogram.record(us * 10);
      const got = histogram.quantileUs(0.5);
      t.ok(Math.abs(got - us) <= Math.max(0.06, us / 1_000), `${us}: ${got}`);
    }
  });

  await t.test('gives quantiles in order', async (t) => {
    const histogram = new LatencyHistogram();
    for (let us = 1; us <= 1_000; us++) histogram.record(us);
    t.ok(Math.abs(histogram.quantileUs(0.5) - 500) < 1);
    t.ok(Math.abs(histogram.quantileUs(0.99) - 990) < 1.5);
    t.equal(histogram.quantileUs(1), 1_000);
    t.equal(histogram.maxUs, 1_000);
  });

  await t.test('is NaN when empty, and takes what a broken clock gives', async (t) => {
    const histogram = new LatencyHistogram();
    t.ok(Number.isNaN(histogram.quantileUs(0.5)));
    histogram.record(-1);
    histogram.record(Number.NaN);
    t.equal(histogram.count, 2);
    t.ok(histogram.quantileUs(1) < 1);
  });
});

const gcLine = (thread: string, fields: object): string =>
  `[7:${thread}:1]      21 ms: GC: ${JSON.stringify(fields)}\n`;

t.test('gcTotals', async (t) => {
  await t.test('adds up what each thread allocated between its collections', async (t) => {
    const before = gcLine('0x1', { start_object_size: 900, end_object_size: 500, pause: 1 });
    const during = [
      gcLine('0x1', { start_object_size: 800, end_object_size: 400, pause: 2 }),
      '[7:0x1:1] 22 ms: Memory pool: Removed pages: 0\n',
      gcLine('0x1', { start_object_size: 1_400, end_object_size: 400, pause: 3 }),
      gcLine('0x2', { start_object_size: 50, end_object_size: 10, pause: 4 }),
    ].join('');
    const after = gcLine('0x1', { start_object_size: 9_000, end_object_size: 1, pause: 9 });
    const log = before + during + after;
    const to = before.length + during.length;
    t.same(gcTotals(log, before.length, to), {
      allocatedBytes: 300 + 1_000 + 50,
      pauseMs: 5,
      collections: 3,
    });
  });
});

t.test('difference', async (t) => {
  for (const [a, b, expected] of [
    [[10, 11, 12], [20, 21, 22], 'more'],
    [[20, 21, 22], [10, 11, 12], 'less'],
    [[10, 11, 20], [19, 21, 22], 'noise'],
    [[100, 100.5, 101], [102, 102.5, 103], 'noise'],
    [[1, 1, 1], [1.2, 1.2, 1.2], 'noise'],
    [[10, 11], [20, 21], 'too few rounds'],
  ] as const) {
    t.equal(difference(a, b, 0.3), expected, `${a.join(' ')} and ${b.join(' ')}`);
  }
});

t.test('compareSamples', async (t) => {
  await t.test('knows which direction is better', async (t) => {
    const changes = compareSamples([
      {
        case: 'c',
        peer: 'p',
        before: { rps: [1_000, 1_010, 1_020], cpuUs: [10, 10.1, 10.2] },
        after: { rps: [2_000, 2_010, 2_020], cpuUs: [20, 20.1, 20.2] },
      },
    ]);
    t.same(
      changes.map(({ metric, verdict }) => [metric, verdict]),
      [
        ['rps', 'better'],
        ['cpuUs', 'worse'],
      ],
    );
    t.match(changesText(changes), /1 better, 1 worse, 0 within noise/);
  });
});

const resultOf = (ours: readonly number[], theirs: readonly number[] | undefined): CaseResult => ({
  name: 'h1-get-100b-router',
  meaning: 'm <&>',
  backend: 'b',
  peers: [
    { peer: 'outrigger', version: '1', samples: { cpuUs: ours } },
    ...(theirs === undefined ? [] : [{ peer: 'envoy', version: '1', samples: { cpuUs: theirs } }]),
  ],
  skipped: [],
  failed: [],
});

t.test('budget', async (t) => {
  const rule = { case: 'h1-get-100b-router', metric: 'cpuUs', limit: 1, slackPercent: 10 };
  const versus = { ...rule, against: 'envoy' };
  for (const [name, one, result, status] of [
    ['takes the best round of either side', versus, resultOf([90, 11], [30, 10]), 'kept'],
    ['takes the best ratio of a round', versus, resultOf([20, 50], [10, 50]), 'kept'],
    ['tells an exceeded ratio', versus, resultOf([12, 12], [10, 10]), 'missed'],
    ['skips a ratio without the other', versus, resultOf([12], undefined), 'skipped'],
    ['takes a limit of its own', { ...rule, limit: 10 }, resultOf([11, 20], undefined), 'kept'],
    ['tells an exceeded limit', { ...rule, limit: 10 }, resultOf([12], undefined), 'missed'],
  ] as const) {
    t.equal(checkBudget({ rules: [one] }, [result])[0]?.status, status, name);
  }
  t.equal(checkBudget({ rules: [versus] }, [])[0]?.status, 'missed', 'what did not run is missed');

  await t.test('has a readable file that names known cases', async (t) => {
    const path = join(import.meta.dirname, '../../../bench/budget.json');
    const { rules } = readBudget(readFileSync(path, 'utf8'));
    t.ok(rules.length > 0);
    for (const one of rules)
      t.ok(
        LOAD_CASES.some(({ name }) => name === one.case),
        one.case,
      );
  });

  await t.test('refuses metrics where more is better', async (t) => {
    const bad = { rules: [{ ...rule, metric: 'rps' }] };
    t.throws(() => readBudget(JSON.stringify(bad)), /rules\[0\]\.metric/);
  });
});

t.test('chartSvg', async (t) => {
  const svg = chartSvg({
    format: 2,
    when: '2026-01-01T00:00:00Z',
    commit: 'abc',
    machine: { cpu: 'c', cpus: 1, kernel: 'k', node: 'n' },
    method: {
      load: 'wrk',
      rounds: 1,
      durationMs: 1,
      warmUpMs: 1,
      proxyCpus: '1',
      busyBefore: 0,
    },
    cases: [resultOf([10, 20], [30])],
    missing: [],
  });
  t.match(svg, 'm &lt;&amp;&gt;', 'escapes');
  t.equal(svg.match(/class="ours"/g)?.length, 1);
  t.equal(svg.match(/class="bar"/g)?.length, 1);
  t.notMatch(svg, /NaN|Infinity/);
});

t.test('parseStraceSummary', async (t) => {
  await t.test('reads counts with and without errors, the most frequent first', async (t) => {
    const text = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ------------------
 60.00    0.010000           5      2000        10 read
 40.00    0.006000           2      3000           epoll_pwait
------ ----------- ----------- --------- --------- ------------------
100.00    0.016000           3      5000        10 total
`;
    t.same(parseStraceSummary(text), [
      { name: 'epoll_pwait', calls: 3_000, errors: 0 },
      { name: 'read', calls: 2_000, errors: 10 },
    ]);
  });
});
