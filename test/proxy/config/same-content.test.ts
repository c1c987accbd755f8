// What of decoded configuration counts as the same.
import t from 'tap';
import { sameCluster, sameContent } from '../../../proxy/config/same-content.ts';
import { sampleCluster } from '../../support/config-samples.ts';

t.test('same content', (t) => {
  const cases: readonly (readonly [name: string, a: unknown, b: unknown, same: boolean])[] = [
    ['numbers', { a: 1 }, { a: 1 }, true],
    ['other numbers', { a: 1 }, { a: 2 }, false],
    ['a number and its text', { a: 1 }, { a: '1' }, false],
    ['undefined and absent', { a: 1, b: undefined }, { a: 1 }, true],
    ['absent and undefined', { a: 1 }, { a: 1, b: undefined }, true],
    ['a field more', { a: 1 }, { a: 1, b: 2 }, false],
    ['a field less', { a: 1, b: 2 }, { a: 1 }, false],
    ['fields in another order', { a: 1, b: 2 }, { b: 2, a: 1 }, true],
    ['null and nothing', { a: null }, {}, false],
    ['lists', [1, [2]], [1, [2]], true],
    ['lists in another order', [1, 2], [2, 1], false],
    ['a longer list', [1], [1, 2], false],
    ['a list and an object', [1], { 0: 1 }, false],
    ['an object and a list', { 0: 1 }, [1], false],
    [
      'maps in another order',
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
      new Map([
        ['b', 2],
        ['a', 1],
      ]),
      true,
    ],
    ['maps of other values', new Map([['a', [1]]]), new Map([['a', [2]]]), false],
    ['maps of other keys', new Map([['a', undefined]]), new Map([['b', undefined]]), false],
    ['a map and an object', new Map(), {}, false],
    ['an object and a map', {}, new Map(), false],
    ['bytes', Buffer.from('ab'), new Uint8Array([97, 98]), true],
    ['other bytes', Buffer.from('ab'), Buffer.from('ac'), false],
    ['bytes and an object', Buffer.from('a'), { 0: 97 }, false],
  ];
  for (const [name, a, b, same] of cases) t.equal(sameContent(a, b), same, name);
  t.end();
});

t.test('clusters of two versions', (t) => {
  t.ok(sameCluster(sampleCluster('a', { version: '1' }), sampleCluster('a', { version: '2' })));
  t.notOk(sameCluster(sampleCluster('a'), sampleCluster('a', { connectTimeoutMs: 1 })));
  t.end();
});
