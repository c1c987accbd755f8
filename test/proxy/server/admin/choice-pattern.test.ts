// ChoicePattern against the engine it stands in for.
import t from 'tap';
import { re2 } from '../../../../proxy/base/re2.ts';
import { ChoicePattern } from '../../../../proxy/server/admin/choice-pattern.ts';

const SIMPLE = [
  '',
  '^',
  '$',
  '^$',
  'abc',
  '^abc',
  'abc$',
  '^abc$',
  'a\\.b',
  '(a|b)',
  '^(a|bc)$',
  '(a|)b',
  '()',
  'x(a|b)y(c|d)z',
  '(a|b)(c|d)',
  '^(cluster_manager\\.cds|listener_manager\\.lds)\\.(update_success|update_rejected)$',
  '^(server\\.state|listener_manager\\.workers_started)',
  'downstream_cx_active$',
];
const TEXTS = [
  '',
  'a',
  'b',
  'bc',
  'abc',
  'xabc',
  'abcx',
  'a.b',
  'axb',
  'ac',
  'bd',
  'xaycz',
  'xbydzz',
  'abc\n',
  'cluster_manager.cds.update_success',
  'listener_manager.lds.update_rejected',
  'cluster_manager.cds.update_success.more',
  'cluster_managerxcds.update_success',
  'server.state',
  'listener.0.0.0.0_15006.downstream_cx_active',
];

t.test('ChoicePattern', (t) => {
  for (const pattern of SIMPLE) {
    const choice = ChoicePattern.parse(pattern);
    const engine = re2().RE2JS.compile(pattern);
    for (const text of TEXTS) {
      const name = JSON.stringify([pattern, text]);
      t.equal(choice?.test(text), engine.test(text), `test ${name}`);
      t.equal(choice?.testExact(text), engine.testExact(text), `testExact ${name}`);
    }
  }

  for (const other of [
    'a.b',
    'a|b',
    '(a',
    'a)',
    '((a|b)|c)',
    '(?:a|b)',
    '(a|b)*',
    '(a|b)+c',
    '[ab]',
    'a{2}',
    'a\\d',
    'a\\$',
    'a\\',
    '^^a',
    'a$$',
    'a^b',
    '(^a|b)',
    'a\nb',
    '(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)',
  ])
    t.equal(ChoicePattern.parse(other), null, `leaves ${JSON.stringify(other)} to the engine`);
  t.end();
});
