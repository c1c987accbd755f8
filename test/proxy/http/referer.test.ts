// Which Referer values go on; each row as Envoy 1.40 had it.
import t from 'tap';

import { isValidReferer } from '../../../proxy/http/referer.ts';

const kept = [
  '',
  '/',
  'foo/bar',
  './x',
  '*',
  '%',
  '/@',
  'http://a',
  'http://a/b?c',
  'http://a:80/',
  'http://[::1]/',
  'HTTP://a/',
  'http://-/',
  'http://a?@b',
  'http://a/,http://b/',
  'ftp://a/#',
  'http://a/?#',
];

const dropped = [
  '#',
  'foo#',
  '/a#b',
  '../x#',
  'foo bar',
  'http://',
  'http:///a',
  'http:a',
  'http:/a',
  '://a',
  'a:b',
  'about:blank',
  'mailto:x',
  '1http://a',
  'h@ttp://a',
  'http://u@a/b',
  'http://u:p@a',
  'http://a/b#c',
  'http://a b/',
  'http://a/ b',
  'http://a:x/',
  'http://a:/',
  'http://a:99999/',
  'http://a%zz/',
  'http://a\\b',
  'http://[::1',
  'http://a,http://b',
  'http://\u00e9/',
];

t.test('isValidReferer', (t) => {
  for (const value of kept) t.ok(isValidReferer(value), JSON.stringify(value));
  for (const value of dropped) t.notOk(isValidReferer(value), JSON.stringify(value));
  t.end();
});
