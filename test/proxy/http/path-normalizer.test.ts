// Path normalisation: the samples of Envoy 1.40, and what is left alone.
import t from 'tap';
import { normalizePath } from '../../../proxy/http/path-normalizer.ts';

const base = {
  normalizePath: true,
  mergeSlashes: false,
  pathWithEscapedSlashesAction: 'KEEP_UNCHANGED' as const,
};

t.test('normalizePath', (t) => {
  const rows: readonly [path: string, expected: string][] = [
    ['/a/../b/./c//d?x=/../', '/b/c//d?x=/../'],
    ['/%2e%2e/a', '/a'],
    ['/a%2fb%5Cc', '/a%2fb%5Cc'],
    ['/a\\b', '/a/b'],
    ['/%41%7e', '/A~'],
    ['/a"b', '/a%22b'],
    ['/a%zz', '/a%zz'],
    ['/a;x=1/../b', '/b'],
    ['/..;/a', '/a'],
    ['/a/..;x/b', '/b'],
    ['/a/.', '/a/'],
    ['/a/..', '/'],
    ['/../../..', '/'],
    ['/.hidden/a.b', '/.hidden/a.b'],
    ['/a?b=%00&c=..', '/a?b=%00&c=..'],
    ['/a|b^c', '/a%7Cb%5Ec'],
    ['/a/.;x/b', '/a/b'],
    ['/a/..;', '/'],
    ['/a/.;%2f/b', '/a/b'],
    ['/a/..;x\\b/c', '/c'],
    ['/a/b..;x/c', '/a/b..;x/c'],
  ];
  for (const [path, expected] of rows) {
    t.test(`${path} becomes ${expected}`, (t) => {
      const got = normalizePath(path, base);
      t.strictSame(got ?? { kind: 'ok', path }, { kind: 'ok', path: expected });
      const again = normalizePath(expected, base);
      t.strictSame(
        again ?? { kind: 'ok', path: expected },
        { kind: 'ok', path: expected },
        'and stays that',
      );
      t.end();
    });
  }
  t.test('does not touch a path that needs nothing', (t) => {
    t.equal(normalizePath('/productpage?u=normal', base), null);
    t.equal(normalizePath('/a//b', base), null);
    t.end();
  });
  t.test('rejects fragments and escaped NUL', (t) => {
    t.strictSame(normalizePath('/a#b', base), { kind: 'reject', path: '/a#b' });
    t.strictSame(normalizePath('/a?b#c', base), { kind: 'reject', path: '/a?b#c' });
    t.strictSame(normalizePath('/a%00b', base), { kind: 'reject', path: '/a%00b' });
    t.strictSame(normalizePath('/a#b', { ...base, normalizePath: false }), {
      kind: 'reject',
      path: '/a#b',
    });
    t.end();
  });
  t.test('reads parameters of dot segments before escapes', (t) => {
    t.strictSame(normalizePath('/a/%2E%2E;x/b', base), { kind: 'ok', path: '/a/..;x/b' });
    t.strictSame(normalizePath('/a\\..;x/b', base), { kind: 'ok', path: '/a/..;x/b' });
    t.end();
  });
  t.test('merges slashes in the path only', (t) => {
    t.strictSame(normalizePath('///?//', { ...base, mergeSlashes: true }), {
      kind: 'ok',
      path: '//?//',
    });
    t.strictSame(normalizePath('//a///b//?c=//', { ...base, mergeSlashes: true }), {
      kind: 'ok',
      path: '/a/b/?c=//',
    });
    t.end();
  });
  t.test('treats escaped slashes as told', (t) => {
    const path = '/a%2fb%5cc?x=%2f';
    t.strictSame(normalizePath(path, { ...base, pathWithEscapedSlashesAction: 'REJECT_REQUEST' }), {
      kind: 'reject',
      path: '/a/b\\c?x=%2f',
    });
    t.strictSame(
      normalizePath(path, { ...base, pathWithEscapedSlashesAction: 'UNESCAPE_AND_FORWARD' }),
      { kind: 'ok', path: '/a/b/c?x=%2f' },
    );
    t.strictSame(
      normalizePath(path, { ...base, pathWithEscapedSlashesAction: 'UNESCAPE_AND_REDIRECT' }),
      { kind: 'redirect', path: '/a/b/c?x=%2f' },
    );
    t.end();
  });
  t.end();
});
