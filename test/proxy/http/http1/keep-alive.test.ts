// Keep-Alive: timeout=… as servers write it.
import t from 'tap';

import { keepAliveTimeout } from '../../../../proxy/http/http1/keep-alive.ts';

const rows: readonly (readonly [value: string, seconds: number | undefined])[] = [
  ['timeout=5', 5],
  ['timeout=5, max=100', 5],
  ['max=100,Timeout = 75', 75],
  ['timeout=0', 0],
  ['timeout=999999', 999_999],
  ['timeout=1000000', undefined],
  ['timeout=-5', undefined],
  ['timeout=5s', undefined],
  ['timeout=', undefined],
  ['idle-timeout=5', undefined],
  ['', undefined],
];

t.test('keepAliveTimeout', (t) => {
  for (const [value, seconds] of rows) t.equal(keepAliveTimeout(value), seconds, value);
  t.end();
});
