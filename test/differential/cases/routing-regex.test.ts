// Regular expressions of routes are RE2's: what they match of a header, what they make of a path.
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { Row } from '../row.ts';

/** The pattern against the whole of each value. */
const row = (pattern: string, ...values: readonly string[]): Row => ({
  name: `matches ${pattern}`,
  config: {
    routes: [
      {
        match: {
          prefix: '/',
          headers: [{ name: 'x-a', string_match: { safe_regex: { regex: pattern } } }],
        },
        direct_response: { status: 200, body: { inline_string: 'yes' } },
      },
      {
        match: { prefix: '/' },
        direct_response: { status: 200, body: { inline_string: 'no' } },
      },
    ],
  },
  client: inTurn(...values.map((value) => get('/', `x-a: ${value}`))),
});

const rewrite = (pattern: string, substitution: string, ...paths: readonly string[]): Row => ({
  name: `rewrites ${pattern} to ${substitution}`,
  config: {
    route: { regex_rewrite: { pattern: { regex: pattern }, substitution } },
  },
  client: inTurn(...paths.map((path) => get(path))),
});

export const suite = await differential(
  import.meta.url,
  {},
  [
    row('a', 'a', 'A', 'aa', ''),
    row('a|ab', 'a', 'ab', 'abc'),
    row('(?:a|ab)(?:c|bcd)', 'abcd', 'abc', 'ac'),
    row('a*?', '', 'aaa', 'b'),
    row('.*', '', 'anything', 'caf\u00e9', 'tab\there'),
    row('.', 'a', '\u00e9', '\u20ac', 'ab'),
    row('..', 'ab', '\u00e9', '\u20ac'),
    row('\u00e9', '\u00e9', 'e'),
    row('[\u00e0-\u00ff]+', '\u00e9\u00e8', 'e'),
    row('\\x{e9}', '\u00e9', 'e'),
    row('\\pL+', 'abc', '\u00e9', '1'),
    row('\\p{Greek}', '\u03b1', 'a'),
    row('[[:alpha:]]+', 'abc', 'a1', '\u00e9'),
    row('[[:word:]-]+', 'a_1-b', 'a b'),
    row('\\w+\\s\\d+', 'ab 12', 'ab\t12', 'ab12', '\u00e9 1'),
    row('\\W', '-', '\u00e9', 'a'),
    row('\\bfoo\\b.*', 'foo bar', 'foobar', 'foo'),
    row('^a$', 'a', 'b'),
    row('(?m)^a$', 'a', 'ab'),
    row('\\Aa\\z', 'a', 'ab'),
    row('(?i)straSSe', 'STRASSE', 'strasse', 'stra\u00dfe'),
    row('(?i)\u00c9', '\u00e9', '\u00c9', 'e'),
    row('(?i)k', 'k', 'K', '\u212a'),
    row('(?s).', 'a', '\u00e9'),
    row('(?U)a+', 'a', 'aa'),
    row('(?P<name>a)b', 'ab', 'b'),
    row('\\Qa.b\\E', 'a.b', 'axb'),
    row('a{2,3}', 'a', 'aa', 'aaa', 'aaaa'),
    row('a{2,}', 'a', 'aa', 'aaaaa'),
    row('a{,2}', 'a', 'a{,2}'),
    row('[^a]', 'b', 'a', '\u00e9'),
    row('[a-c-e]+', 'abc-e', 'd'),
    row('[]a]+', ']a', 'b'),
    row('\\d{3}-\\d{4}', '555-1234', '555-123'),
    row('(a+)+b', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'aab'),
    row('(?:x|xx)*y', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', 'xxxy'),
    row('\\/api\\/v[0-9]+', '/api/v1', '/api/v'),
    row('/api/.*', '/api/', '/api/x', '/api', 'x/api/y'),
    row('.*\\.(jpg|png)', 'a.jpg', 'a.png.exe', '.png'),
    row('a\\.b.*c', 'a.bc', 'a.bxxc', 'axbc'),
    row('\\x41\\101', 'AA', 'A'),
    row('\\t', '\t', 't'),
    rewrite('a', 'b', '/a/a?a'),
    rewrite('(?P<first>[^/]+)/(.*)$', '\\2/\\1', '/x/y/z'),
    rewrite('x*', '-', '/axb', '/xx'),
    rewrite('\\b', '|', '/ab/cd'),
    rewrite('^/api(/.*)?$', '/v2\\1', '/api', '/api/x', '/apix'),
    rewrite('//+', '/', '/a//b///c', '/'),
    rewrite('(a)|b', '[\\1]', '/ab'),
    rewrite('%2[fF]', '/', '/a%2Fb%2fc'),
    rewrite('$', '/end', '/a', '/a?q'),
    rewrite('\\.html?$', '', '/a.html?x', '/b.htm'),
    rewrite('a|ab', 'X', '/abab'),
  ].filter(({ name }) => name !== 'matches '),
);
