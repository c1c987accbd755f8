// Names that are let in; numbers: attack checklist.
import t from 'tap';

import type { StringMatchConfig } from '../../../proxy/config/matcher-config.ts';
import { StringMatcher } from '../../../proxy/router/string-matcher.ts';
import { SanMatcher, dnsNameMatches } from '../../../proxy/tls/san-matcher.ts';
import type { AltNames } from '../../../proxy/tls/certificate.ts';

const NONE: AltNames = { ip: [], dns: [], uri: [], email: [], otherName: [], otherNames: [] };
const exact = (value: string): StringMatchConfig => ({ kind: 'exact', value, ignoreCase: false });
const compile = (config: StringMatchConfig, place: string): StringMatcher =>
  new StringMatcher(config, place);

t.test('64 dnsNameMatches: one label to a wildcard', (t) => {
  const cases: readonly (readonly [name: string, pattern: string, matches: boolean])[] = [
    ['a.example.com', 'a.example.com', true],
    ['A.Example.com', 'a.eXample.COM', true],
    ['a.example.com', '*.example.com', true],
    ['a.b.example.com', '*.example.com', false],
    ['example.com', '*.example.com', false],
    ['.example.com', '*.example.com', true],
    ['a.example.com', 'a*.example.com', true],
    ['abc.example.com', 'a*c.example.com', true],
    ['ac.example.com', 'a*c.example.com', true],
    ['a.example.com', 'a*a.example.com', false],
    ['a.example.com', '**.example.com', false],
    ['a.example.com', '*.*.com', false],
    ['a.example.com', '*', false],
    ['com', '*', false],
    ['a.com', '*.com', true],
    ['xn--a.example.com', 'xn--*.example.com', false],
    ['a.example.com\0.evil.com', 'a.example.com', false],
    ['a.example.com', 'a.example.com\0.evil.com', false],
  ];
  for (const [name, pattern, matches] of cases)
    t.equal(dnsNameMatches(name, pattern), matches, `${JSON.stringify(name)} by ${pattern}`);
  t.end();
});

t.test('61 SanMatcher looks at one type only', (t) => {
  const text = 'spiffe://td/a';
  const holders: readonly (readonly [type: string, names: AltNames])[] = [
    ['URI', { ...NONE, uri: [text] }],
    ['DNS', { ...NONE, dns: [text] }],
    ['EMAIL', { ...NONE, email: [text] }],
    ['IP_ADDRESS', { ...NONE, ip: [text] }],
    ['OTHER_NAME', { ...NONE, otherName: [text], otherNames: [{ oid: '1.2.3', value: text }] }],
  ];
  for (const type of ['URI', 'DNS', 'EMAIL', 'IP_ADDRESS', 'OTHER_NAME'] as const) {
    const matcher = new SanMatcher({ type, match: exact(text), oid: '1.2.3' }, compile);
    for (const [held, names] of holders)
      t.equal(matcher.matches(names), held === type, `${type} in ${held}`);
  }
  const other = new SanMatcher({ type: 'OTHER_NAME', match: exact(text), oid: '1.2.4' }, compile);
  t.notOk(other.matches(holders[4]![1]), 'another object identifier');
  const any = new SanMatcher({ type: 'ANY', match: exact(text) }, compile);
  t.strictSame(
    holders.map(([, names]) => any.matches(names)),
    [true, true, true, true, false],
  );
  t.notOk(any.matches(NONE));
  t.end();
});
