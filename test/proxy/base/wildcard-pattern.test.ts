// WildcardPattern against the engine it stands in for.
import t from 'tap';
import { re2 } from '../../../proxy/base/re2.ts';
import { WildcardPattern } from '../../../proxy/base/wildcard-pattern.ts';

const PATTERNS = [
  '',
  'abc',
  '.*',
  '/api/.*',
  '.*/api',
  '.*a.*',
  'a.*a',
  'a.*a.*a',
  '.*.*',
  'vhost\\..*\\.route\\..*',
  'a\\-b\\/.*',
];
const TEXTS = [
  '',
  'a',
  'aa',
  'aaa',
  'abc',
  'abcd',
  '/api/',
  '/api/v1',
  '/api',
  'x/api',
  'a-b/c',
  'a\nb',
  'a\na',
  'vhost.x.route.y',
  'vhost..route.',
  'vhost.route.',
  'vhostxx.route.y',
  'aéa',
];

t.test('WildcardPattern', async (t) => {
  t.test('says what the engine says', async (t) => {
    for (const pattern of PATTERNS) {
      const wildcards = WildcardPattern.parse(pattern);
      const regex = re2().RE2JS.compile(pattern);
      for (const text of TEXTS) {
        const label = `${JSON.stringify(pattern)} on ${JSON.stringify(text)}`;
        t.equal(wildcards?.matches(text), regex.testExact(text), label);
      }
    }
  });

  t.test('leaves everything else to the engine', async (t) => {
    const others = ['a+', 'a.b', 'a|b', '(a)', '[a]', '^a', 'a$', 'a?', 'a{2}', '\\d', '\\', '.'];
    for (const pattern of [...others, '.*?', '.**', '.*+', '.*{2}', 'a\n.*', 'a'.repeat(257)])
      t.equal(WildcardPattern.parse(pattern), null, JSON.stringify(pattern));
  });
});
