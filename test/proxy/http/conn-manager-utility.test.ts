// Host rules of the connection manager; rows as Envoy 1.40 had them (envoy-behaviour §1.6).
import t from 'tap';

import { stripPort, stripTrailingDot } from '../../../proxy/http/conn-manager-utility.ts';

t.test('stripPort', (t) => {
  const rows: readonly (readonly [authority: string, stripped: string])[] = [
    ['a', 'a'],
    ['a:80', 'a'],
    ['a:00080', 'a'],
    ['a:+1', 'a'],
    ['a:123456', 'a'],
    ['a:99999999999', 'a:99999999999'],
    ['a:', 'a:'],
    ['a:+', 'a:+'],
    ['a:-1', 'a:-1'],
    ['a:b', 'a:b'],
    ['a::1', 'a:'],
    ['::1', ':'],
    ['[::1]', '[::1]'],
    ['[::1]:8', '[::1]'],
    ['[::1]:', '[::1]:'],
    ['[::1', '[:'],
  ];
  for (const [authority, stripped] of rows)
    t.equal(stripPort(authority, null), stripped, authority);
  t.equal(stripPort('a:80', 80), 'a', 'the listener’s port');
  t.equal(stripPort('a:81', 80), 'a:81', 'another port');
  t.end();
});

t.test('stripTrailingDot', (t) => {
  const rows: readonly (readonly [authority: string, stripped: string])[] = [
    ['a.', 'a'],
    ['a..', 'a.'],
    ['a.:8080', 'a:8080'],
    ['a:8080', 'a:8080'],
    ['.', ''],
  ];
  for (const [authority, stripped] of rows)
    t.equal(stripTrailingDot(authority), stripped, authority);
  t.end();
});
