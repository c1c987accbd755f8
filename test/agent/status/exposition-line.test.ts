// [m] Lines of metrics: what passes, what is left out, what it becomes in the other format.
import t from 'tap';

import { convertLine } from '../../../agent/status/exposition-line.ts';
import type { MetricsFormat } from '../../../agent/status/exposition-line.ts';

/** The same, letter by letter. */
const SAME_IN_TEXT = [
  'up 1',
  'http_requests_total{code="200",method="post"} 1027 1395066363000',
  'a:b_c1{} 0',
  'x{a="b",} 1',
  'x { a = "b" , c = "d" } 1',
  'x{le="+Inf"} +Inf',
  'x NaN',
  'x -Inf',
  'x 1e-7',
  'x .5',
  'x 5.',
  'x{path="C:\\\\DIR\\\\FILE.TXT",error="say \\"no\\"\\n"} 1.458255915e9',
  'x{a="{}#, \\"="} 1',
  '{"a.b",c="d"} 1',
  'x{"a.b"="c"} 1',
  '# a comment of somebody',
  '#',
];

const NOT_IN_TEXT = [
  'x',
  'x1',
  '1 2',
  'x one',
  'x 0x1p3',
  'x 1 2 3',
  'x 1 1.5',
  'x{a="b"',
  'x{a=b} 1',
  'x{a="b"c="d"} 1',
  'x{a="b} 1',
  'x{a="b",a="c"} 1',
  'x{"a"="b",a="c"} 1',
  'x{="b"} 1',
  'x{,} 1',
  'x{a="\0"} 1',
  '{a="b"} 1',
  '{} 1',
  'x{"y",a="b"} 1',
  'x{a="b"} 1 # {c="d"} 1',
  'x-y 1',
  '<html>',
  '<p>x 1</p>',
  '{"status":"ok"}',
  'Internal Server Error',
  '# TYPE x',
  '# TYPE x y',
  '# HELP',
  '# TYPE 1x counter',
  '# a\0',
];

type Row = readonly [
  from: MetricsFormat,
  to: MetricsFormat,
  line: string,
  became: string | undefined,
];

const CONVERTED: readonly Row[] = [
  ['text', 'text', '', ''],
  ['text', 'text', '# EOF', ''],
  ['text', 'text', '#TYPE  x counter', '# TYPE x counter'],
  ['text', 'text', '# HELP x', '# HELP x '],
  ['text', 'text', '# HELP x Says \\n things', '# HELP x Says \\n things'],
  ['text', 'text', '# TYPE x unknown', '# TYPE x untyped'],
  ['text', 'openmetrics', '# TYPE x untyped', '# TYPE x unknown'],
  ['text', 'openmetrics', '# a comment', ''],
  ['text', 'openmetrics', 'x { a = "b" , c="d", } 1', 'x{a="b",c="d"} 1'],
  ['text', 'openmetrics', 'x\t1 1395066363500', 'x 1 1395066363.5'],
  ['text', 'openmetrics', 'x{} 1', 'x{} 1'],
  ['openmetrics', 'openmetrics', '# EOF', ''],
  ['openmetrics', 'openmetrics', '# UNIT x seconds', '# UNIT x seconds'],
  ['openmetrics', 'openmetrics', '# TYPE x stateset', '# TYPE x stateset'],
  [
    'openmetrics',
    'openmetrics',
    'x_bucket{le="1"} 8 1.5 # {trace_id="a b"} 0.5 1.25',
    'x_bucket{le="1"} 8 1.5 # {trace_id="a b"} 0.5 1.25',
  ],
  ['openmetrics', 'openmetrics', 'x 1 # nothing', undefined],
  ['openmetrics', 'text', 'x_bucket{le="1"} 8 1.5 # {trace_id="a"} 0.5', 'x_bucket{le="1"} 8 1500'],
  ['openmetrics', 'text', '# TYPE x info', '# TYPE x gauge'],
  ['openmetrics', 'text', 'x_total 1', 'x_total 1'],
];

t.test('lines of metrics', async (t) => {
  for (const line of SAME_IN_TEXT) t.equal(convertLine(line, 'text', 'text'), line);
  for (const line of NOT_IN_TEXT) t.equal(convertLine(line, 'text', 'text'), undefined, line);
  for (const [from, to, line, became] of CONVERTED)
    t.equal(convertLine(line, from, to), became, `${line} from ${from} to ${to}`);
});

t.test('no line takes long', async (t) => {
  const long = 'a'.repeat(100_000);
  const lines = [
    long,
    `${long} `,
    `x{${'a="b",'.repeat(20_000)}`,
    `x{${'a="b",'.repeat(20_000)}} y`,
    `x{a="${long}`,
    `x{a="${'\\\\'.repeat(50_000)}`,
    `x 1${'0'.repeat(100_000)}x`,
    `x{a="b"}${' '.repeat(100_000)}y`,
    `# TYPE ${long}`,
    `${'"'.repeat(100_000)}`,
    `{${'"'.repeat(100_001)}} 1`,
    `x{${'"a",'.repeat(20_000)}} 1`,
  ];
  const start = performance.now();
  for (const line of lines) {
    convertLine(line, 'text', 'openmetrics');
    convertLine(line, 'openmetrics', 'text');
  }
  t.ok(performance.now() - start < 5_000);
});
