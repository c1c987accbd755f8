// [m] Formats of a scrape: what the app is asked for, what its page is taken for, and when the answer is compressed.
import t from 'tap';

import {
  acceptOfApp,
  commonFormat,
  formatOf,
  takesGzip,
} from '../../../agent/status/scrape-formats.ts';

const OPEN_1 = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
const OPEN_0 = 'application/openmetrics-text; version=0.0.1; charset=utf-8';
const TEXT = 'text/plain; version=0.0.4; charset=utf-8';

const ACCEPTS: readonly (readonly [string | undefined, string])[] = [
  [undefined, 'text/plain;version=0.0.4'],
  ['nonsense', 'text/plain;version=0.0.4'],
  ['application/json', 'text/plain;version=0.0.4'],
  ['*/*;q=0.1', 'text/plain;version=0.0.4;q=0.1'],
  [
    'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,' +
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,' +
      'application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,*/*;q=0.1',
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,' +
      'application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,' +
      'text/plain;version=0.0.4;q=0.1',
  ],
  ['application/openmetrics-text;version=2.0.0,text/plain', 'text/plain'],
];

t.test('formats of a scrape', async (t) => {
  for (const [accept, wanted] of ACCEPTS) t.equal(acceptOfApp(accept), wanted, String(accept));
  for (const [given, wanted] of [
    [undefined, TEXT],
    ['text/html', TEXT],
    ['text/plain; version=1.0.0; escaping=underscores', TEXT],
    ['application/openmetrics-text', OPEN_0],
    ['Application/OpenMetrics-Text; Version="1.0.0"', OPEN_1],
    ['application/openmetrics-text; version=0.0.1; charset=utf-8', OPEN_0],
  ] as const)
    t.equal(formatOf(given).contentType, wanted, String(given));
  t.equal(commonFormat([]).contentType, TEXT);
  t.equal(commonFormat([formatOf(OPEN_1), formatOf(OPEN_1)]).contentType, OPEN_1);
  t.equal(commonFormat([formatOf(OPEN_1), formatOf(TEXT)]).contentType, TEXT);
  for (const [encoding, wanted] of [
    [undefined, false],
    ['identity', false],
    ['gzip', true],
    ['br, GZip;q=0.5', true],
    ['gzip;q=0', false],
    ['gzip; q=0.000', false],
    ['x-gzip-not', false],
  ] as const)
    t.equal(takesGzip(encoding), wanted, String(encoding));
});
