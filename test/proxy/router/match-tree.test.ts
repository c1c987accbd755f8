// [w] Trees of header tests that lead to routes.
import t from 'tap';
import type { MatchTreeConfig, OnMatchConfig } from '../../../proxy/config/match-tree-config.ts';
import { MatchTree } from '../../../proxy/router/match-tree.ts';
import { request } from '../../support/route-samples.ts';

const leaf = (from: number): OnMatchConfig => ({ kind: 'routes', from, count: 1 });
const nested = (tree: MatchTreeConfig): OnMatchConfig => ({ kind: 'tree', tree });

type Lines = readonly (readonly [string, string])[];

const map = (
  kind: 'exact' | 'prefix',
  header: string,
  entries: readonly (readonly [string, OnMatchConfig])[],
  onNoMatch?: OnMatchConfig,
): MatchTreeConfig => ({ test: { kind, header, map: new Map(entries) }, onNoMatch });

const found = (config: MatchTreeConfig, lines: Lines): number | undefined =>
  new MatchTree(config, 'matcher').find(request(lines))?.from;

t.test('MatchTree', async (t) => {
  const inner = nested(map('exact', 'x-b', [['b', leaf(2)]]));

  t.test('looks values up, joined where there are several', async (t) => {
    const tree = map(
      'exact',
      'x-a',
      [
        ['one', leaf(1)],
        ['one,two', leaf(3)],
        ['b', inner],
      ],
      leaf(9),
    );
    const cases: [Lines, number][] = [
      [[['x-a', 'one']], 1],
      [
        [
          ['x-a', 'one'],
          ['x-a', 'two'],
        ],
        3,
      ],
      [
        [
          ['x-a', 'b'],
          ['x-b', 'b'],
        ],
        2,
      ],
      [[['x-a', 'b']], 9],
      [[], 9],
      [[['x-a', 'constructor']], 9],
    ];
    for (const [lines, expected] of cases) t.equal(found(tree, lines), expected, String(lines));
  });

  t.test('takes the longest prefix that leads somewhere', async (t) => {
    const tree = map('prefix', 'x-a', [
      ['a', leaf(1)],
      ['abc', inner],
      ['', leaf(4)],
    ]);
    t.equal(
      found(tree, [
        ['x-a', 'abcd'],
        ['x-b', 'b'],
      ]),
      2,
    );
    t.equal(found(tree, [['x-a', 'abcd']]), 1);
    t.equal(found(tree, [['x-a', 'z']]), 4);
    t.equal(found(tree, []), undefined);
  });

  t.test('goes through lists until an entry leads somewhere', async (t) => {
    const header = (value: string, name = 'x-a') =>
      ({
        kind: 'header',
        header: name,
        match: { kind: 'prefix', value, ignoreCase: false },
      }) as const;
    const tree: MatchTreeConfig = {
      test: {
        kind: 'list',
        entries: [
          { predicate: header('a'), onMatch: inner },
          {
            predicate: { kind: 'and', predicates: [header('ab'), header('c', 'x-c')] },
            onMatch: leaf(5),
          },
          { predicate: { kind: 'or', predicates: [header('ab'), header('o')] }, onMatch: leaf(6) },
          { predicate: { kind: 'not', predicate: header('q') }, onMatch: leaf(7) },
        ],
      },
      onNoMatch: leaf(9),
    };
    t.equal(
      found(tree, [
        ['x-a', 'ab'],
        ['x-b', 'b'],
      ]),
      2,
    );
    t.equal(
      found(tree, [
        ['x-a', 'ab'],
        ['x-c', 'c'],
      ]),
      5,
    );
    t.equal(found(tree, [['x-a', 'ab']]), 6);
    t.equal(found(tree, [['x-a', 'z']]), 7);
    t.equal(found(tree, [['x-a', 'q']]), 9);
  });
});
