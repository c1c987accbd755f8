// [w] Header mutations, rewrites and hash keys of routes (envoy-behaviour §3.4–§3.6).
import t from 'tap';
import type {
  HeaderAddConfig,
  HeaderMutationConfig,
} from '../../../proxy/config/header-mutation-config.ts';
import type {
  HashPolicyConfig,
  RouteActionConfig,
  RouteMatchConfig,
} from '../../../proxy/config/route-config.ts';
import { HashPolicy } from '../../../proxy/router/hash-policy.ts';
import { HeaderFormat } from '../../../proxy/router/header-format.ts';
import { HeaderMutator } from '../../../proxy/router/header-mutator.ts';
import { RegexRewriter } from '../../../proxy/router/regex.ts';
import type { RouteEntry } from '../../../proxy/router/route-entry.ts';
import { CompiledRouteTable } from '../../../proxy/router/route-table.ts';
import { xxHash64 } from '../../../proxy/base/xx-hash64.ts';
import {
  headerAdd,
  linesOf,
  noHeaders,
  request,
  response,
  routeAction,
  routeConfig,
  routeEntry,
  routeMatch,
  streamInfo,
  virtualHost,
} from '../../support/route-samples.ts';

function mutation(changes: Partial<HeaderMutationConfig>): HeaderMutationConfig {
  return { ...noHeaders, ...changes };
}

const set = (name: string, value: string): HeaderAddConfig =>
  headerAdd(name, value, { action: 'OVERWRITE_IF_EXISTS_OR_ADD' });

function mutated(
  config: Partial<HeaderMutationConfig>,
  lines: readonly (readonly [string, string])[],
): string[] {
  const headers = request(lines);
  HeaderMutator.forRequests(mutation(config), '')?.mutateRequest(headers, streamInfo());
  return linesOf(headers);
}

t.test('HeaderMutator', async (t) => {
  t.test('removes, then overwrites, then appends', async (t) => {
    const requestAdd = [headerAdd('x-a', 'appended'), set('x-a', 'set'), headerAdd('x-b', 'b')];
    t.same(
      mutated({ requestAdd, requestRemove: ['x-a', 'x-gone'] }, [
        ['x-a', 'old'],
        ['x-gone', '1'],
      ]),
      ['x-a: set', 'x-a: appended', 'x-b: b'],
    );
  });

  t.test('appends a line, or joins where a header has one value', async (t) => {
    t.same(mutated({ requestAdd: [headerAdd('x-a', '2')] }, [['x-a', '1']]), ['x-a: 1', 'x-a: 2']);
    t.same(mutated({ requestAdd: [headerAdd('user-agent', '2')] }, [['user-agent', '1']]), [
      'user-agent: 1,2',
    ]);
  });

  t.test('knows the four actions', async (t) => {
    const action = (name: HeaderAddConfig['action'], present: boolean): string[] =>
      mutated(
        { requestAdd: [headerAdd('x-a', 'new', { action: name })] },
        present ? [['x-a', 'old']] : [],
      );
    t.same(action('ADD_IF_ABSENT', true), ['x-a: old']);
    t.same(action('ADD_IF_ABSENT', false), ['x-a: new']);
    t.same(action('OVERWRITE_IF_EXISTS', true), ['x-a: new']);
    t.same(action('OVERWRITE_IF_EXISTS', false), []);
    t.same(action('OVERWRITE_IF_EXISTS_OR_ADD', true), ['x-a: new']);
  });

  t.test('formats every value before it writes one', async (t) => {
    const requestAdd = [set('x-a', 'new'), set('x-b', 'was %REQ(x-a)%')];
    t.same(mutated({ requestAdd }, [['x-a', 'old']]), ['x-a: new', 'x-b: was old']);
  });

  t.test('leaves empty values out unless told to keep them', async (t) => {
    const requestAdd = [
      headerAdd('x-a', '%REQ(x-none)%'),
      headerAdd('x-b', '', { keepEmptyValue: true }),
    ];
    t.same(mutated({ requestAdd }, []), ['x-b: ']);
  });

  t.test('applies levels from the most specific to the least, or the other way', async (t) => {
    const level = (value: string): HeaderMutationConfig =>
      mutation({ requestAdd: [set('x-level', value)] });
    const result = (mostSpecificHeaderMutationsWins: boolean): string[] => {
      const config = routeConfig(
        [
          virtualHost({
            headers: level('vhost'),
            routes: [routeEntry({ headers: level('route') })],
          }),
        ],
        {
          headers: level('config'),
          mostSpecificHeaderMutationsWins,
        },
      );
      const headers = request();
      const route = new CompiledRouteTable(config).route(headers, streamInfo()) as RouteEntry;
      route.finalizeRequestHeaders(headers, streamInfo(), true);
      return linesOf(headers);
    };
    t.same(result(false), ['x-level: config']);
    t.same(result(true), ['x-level: route']);
  });

  t.test('changes responses of the weighted entry that was taken', async (t) => {
    const cluster = (name: string) => ({
      name,
      weight: 50,
      headers: mutation({
        responseAdd: [headerAdd('x-by', name)],
        requestAdd: [headerAdd('x-to', name)],
      }),
      perFilter: [],
      hostRewriteLiteral: `${name}.local`,
    });
    const action = routeAction({
      cluster: { kind: 'weighted', clusters: [cluster('a'), cluster('b')], headerName: undefined },
    });
    const table = new CompiledRouteTable(
      routeConfig([virtualHost({ routes: [routeEntry({ action })] })]),
    );
    const headers = request();
    const info = streamInfo(50);
    const route = table.route(headers, info) as RouteEntry;
    route.finalizeRequestHeaders(headers, info, true);
    const answer = response(200);
    route.finalizeResponseHeaders(answer, headers, info);
    t.same([linesOf(headers), headers.authority], [['x-to: b'], 'b.local']);
    t.same(linesOf(answer), ['x-by: b']);
  });
});

t.test('HeaderFormat', async (t) => {
  const format = (text: string, lines: readonly (readonly [string, string])[] = []): string =>
    new HeaderFormat(text, 'place').format(request(lines), null, streamInfo());

  t.test('fills in commands', async (t) => {
    const cases: [string, string][] = [
      ['plain', 'plain'],
      ['100%%', '100%'],
      ['%REQ(X-A)%', 'a'],
      ['%REQ(x-none?x-a)%', 'a'],
      ['%REQ(x-a):0%', ''],
      ['%REQ(:authority):2%', 'ho'],
      ['<%REQ(x-none)%>', '<>'],
      ['%PROTOCOL% %START_TIME%', 'HTTP/1.1 2001-09-09T01:46:40.000Z'],
      ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', '10.0.0.1'],
      ['%DOWNSTREAM_LOCAL_PORT%', '8080'],
      ['%RESPONSE_FLAGS%', '-'],
      ['%DYNAMIC_METADATA(["a","b"])%', ''],
      ['é', '\xc3\xa9'],
    ];
    for (const [text, expected] of cases) t.equal(format(text, [['x-a', 'a']]), expected, text);
  });

  t.test('knows the old forms of metadata and state', async (t) => {
    const info = streamInfo();
    info.metadataForWriting().set('a', 'b', 'meta');
    info.filterStateForWriting().set('k', { text: 'state' });
    const text = '%DYNAMIC_METADATA(["a","b"])% %DYNAMIC_METADATA(a:b)% %PER_REQUEST_STATE(k)%';
    t.equal(new HeaderFormat(text, 'place').format(request([]), null, info), 'meta meta state');
  });

  t.test('refuses what is no command', async (t) => {
    const bad =
      (text: string): (() => string) =>
      () =>
        format(text);
    t.throws(bad('%REQ(x-a'), {
      message:
        /place: Incorrect configuration: %REQ\(x-a\. Couldn't find valid command at position 0/,
    });
    t.throws(bad('a %'), { message: /position 2/ });
    t.throws(bad('%NOT_THERE%'), { message: /Not supported field in StreamInfo: NOT_THERE/ });
    t.throws(bad('%REQ%'), { message: /REQ requires parameters/ });
  });

  t.test('writes out what would break its line', async (t) => {
    t.equal(format('a%QUERY_PARAM(q)%', [[':path', '/?q=x%0d%0Ay']]), 'ax\\r\\ny');
    t.equal(format('a%REQ(x-a)%', [['x-a', 'x\r\ny']]), 'ax\\r\\ny');
  });
});

t.test('RouteAction', async (t) => {
  const rewritten = (
    action: Partial<RouteActionConfig>,
    path: string,
    match: Partial<RouteMatchConfig> = {},
    lines: readonly (readonly [string, string])[] = [],
  ): { path: string; authority: string | undefined; lines: string[] } => {
    const entry = routeEntry({ match: routeMatch(match), action: routeAction(action) });
    const headers = request([[':path', path], ...lines]);
    const info = streamInfo();
    const route = new CompiledRouteTable(routeConfig([virtualHost({ routes: [entry] })])).route(
      headers,
      info,
    );
    (route as RouteEntry).finalizeRequestHeaders(headers, info, true);
    return { path: headers.path, authority: headers.authority, lines: linesOf(headers) };
  };

  t.test('rewrites paths', async (t) => {
    const prefix = (value: string): Partial<RouteMatchConfig> => ({
      path: { kind: 'prefix', value },
    });
    const cases: [Partial<RouteActionConfig>, Partial<RouteMatchConfig>, string, string][] = [
      [{ prefixRewrite: '/b' }, prefix('/a'), '/a/x?q=1', '/b/x?q=1'],
      [{ prefixRewrite: '/' }, prefix('/a/'), '/a/x', '/x'],
      [{ prefixRewrite: '/b' }, { path: { kind: 'path', value: '/a' } }, '/a?q', '/b?q'],
      [
        { prefixRewrite: '/b' },
        { path: { kind: 'separated_prefix', value: '/a' } },
        '/a/x',
        '/b/x',
      ],
      [{ prefixRewrite: '/b' }, { path: { kind: 'regex', pattern: '/a.*' } }, '/abc?q', '/b?q'],
      [{ prefixRewrite: '/b' }, { ...prefix('/A'), caseSensitive: false }, '/a/x', '/b/x'],
      [
        { regexRewrite: { pattern: '^/service/([^/]+)(/.*)$', substitution: '\\2/instance/\\1' } },
        {},
        '/service/foo/v1?a=/service',
        '/v1/instance/foo?a=/service',
      ],
      [
        { regexRewrite: { pattern: 'one', substitution: 'two' } },
        {},
        '/xxx/one/yyy/one/zzz',
        '/xxx/two/yyy/two/zzz',
      ],
    ];
    for (const [action, match, path, expected] of cases) {
      const result = rewritten(action, path, match);
      t.equal(result.path, expected);
      t.same(result.lines, [`x-envoy-original-path: ${path}`]);
    }
  });

  t.test('rewrites hosts', async (t) => {
    t.equal(rewritten({ hostRewriteLiteral: 'new' }, '/').authority, 'new');
    t.same(rewritten({ hostRewriteLiteral: 'new' }, '/').lines, ['x-envoy-original-host: host']);
    t.equal(
      rewritten({ hostRewriteHeader: 'x-h' }, '/', {}, [['x-h', 'from-header']]).authority,
      'from-header',
    );
    t.equal(rewritten({ hostRewriteHeader: 'x-h' }, '/').authority, 'host');
    const byFormat = { hostRewriteFormat: '%REQ(x-h)%.com' };
    t.equal(rewritten(byFormat, '/', {}, [['x-h', 'a']]).authority, 'a.com');
    t.equal(rewritten(byFormat, '/').authority, '-.com');
    const byPath = { hostRewritePathRegex: { pattern: '^/(.+)/.+$', substitution: '\\1' } };
    t.equal(rewritten(byPath, '/tenant/x?q').authority, 'tenant');
    t.equal(rewritten(byPath, '/tenant').authority, '/tenant', 'no match: the whole path');
    const appended = rewritten({ hostRewriteLiteral: 'new', appendXForwardedHost: true }, '/', {}, [
      ['x-forwarded-host', 'a'],
    ]);
    t.same(appended.lines, ['x-forwarded-host: a,host', 'x-envoy-original-host: host']);
    const last = rewritten({ hostRewriteLiteral: 'new', appendXForwardedHost: true }, '/', {}, [
      ['x-forwarded-host', 'a,host'],
    ]);
    t.same(last.lines, ['x-forwarded-host: a,host', 'x-envoy-original-host: host']);
  });

  t.test('takes the cluster from a header', async (t) => {
    const entry = routeEntry({
      action: routeAction({ cluster: { kind: 'cluster_header', header: 'x-cluster' } }),
    });
    const table = new CompiledRouteTable(routeConfig([virtualHost({ routes: [entry] })]));
    const name = (lines: readonly (readonly [string, string])[]): string => {
      const headers = request(lines);
      return table.route(headers, streamInfo())!.clusterName;
    };
    t.equal(name([['x-cluster', 'c1']]), 'c1');
    t.equal(name([]), '');
  });

  t.test('needs a template for its path where a template rewrites it', async (t) => {
    t.throws(() => rewritten({ pathRewriteTemplate: '/{a}' }, '/'), {
      message: /unable to use envoy.path.rewrite.uri_template.uri_template_rewriter/,
    });
  });
});

t.test('RegexRewriter', async (t) => {
  t.test('replaces every match, as RE2 does', async (t) => {
    const cases: [string, string, string, string][] = [
      ['a*', 'x', 'baac', 'xbxcx'],
      ['(a)(b)?', '[\\1\\2\\0]', 'ab-a', '[abab]-[aa]'],
      ['x', '\\\\', 'axb', 'a\\b'],
      ['none', 'y', 'abc', 'abc'],
      ['b', '<\\5>', 'abc', 'abc'],
      ['b', 'x\\y', 'abc', 'axc'],
    ];
    for (const [pattern, substitution, text, expected] of cases) {
      t.equal(new RegexRewriter({ pattern, substitution }, 'p').rewrite(text), expected, pattern);
    }
  });
});

t.test('HashPolicy', async (t) => {
  const key = (
    configs: readonly HashPolicyConfig[],
    lines: readonly (readonly [string, string])[],
  ) => {
    const cookies: string[] = [];
    const sink = { addSetCookie: (value: string): number => cookies.push(value) };
    return { key: new HashPolicy(configs, '').key(request(lines), streamInfo(), sink), cookies };
  };
  const hash = (text: string): bigint => xxHash64(Buffer.from(text));
  const rotl = (value: bigint): bigint => BigInt.asUintN(64, (value << 1n) | (value >> 63n));

  t.test('hashes what its policies name', async (t) => {
    const header = { kind: 'header', name: 'x-a', rewrite: undefined, terminal: false } as const;
    const ip = { kind: 'source_ip', terminal: false } as const;
    const query = { kind: 'query', name: 'u', terminal: false } as const;
    t.equal(key([header], [['x-a', 'v']]).key, hash('v'));
    t.equal(
      key(
        [header],
        [
          ['x-a', 'b'],
          ['x-a', 'a'],
        ],
      ).key,
      xxHash64(Buffer.from('b'), hash('a')),
    );
    t.equal(key([header], []).key, undefined);
    t.equal(key([ip], []).key, hash('10.0.0.1'));
    t.equal(key([query], [[':path', '/?u=7']]).key, hash('7'));
    t.equal(key([header, ip], [['x-a', 'v']]).key, rotl(hash('v')) ^ hash('10.0.0.1'));
    t.equal(key([{ ...header, terminal: true }, ip], [['x-a', 'v']]).key, hash('v'));
    t.equal(key([{ ...header, terminal: true }, ip], []).key, hash('10.0.0.1'));
  });

  t.test('reads cookies and makes missing ones', async (t) => {
    const cookie = {
      kind: 'cookie',
      name: 'ck',
      ttlMs: 60_000,
      path: '/p',
      terminal: false,
    } as const;
    t.same(key([cookie], [['cookie', 'a=1; ck="v"; ck=w']]), { key: hash('v'), cookies: [] });
    const made = key([cookie], []);
    const value = hash('10.0.0.1:471110.0.0.2:8080').toString(16);
    t.same(made.cookies, [`ck="${value}"; Max-Age=60; Path=/p; HttpOnly`]);
    t.equal(made.key, hash(value));
    t.same(key([{ ...cookie, ttlMs: 0, path: '' }], []).cookies, [`ck="${value}"; HttpOnly`]);
    t.same(key([{ ...cookie, ttlMs: undefined }], []), { key: undefined, cookies: [] });
    const attributes = [
      { name: 'SameSite', value: 'Lax' },
      { name: 'Secure', value: '' },
    ];
    t.same(
      key([{ ...cookie, ttlMs: 1700, attributes }], []).cookies,
      [`ck="${value}"; Max-Age=1; Path=/p; SameSite=Lax; Secure; HttpOnly`],
      'whole seconds, attributes behind the path',
    );
    t.same(
      key([{ ...cookie, ttlMs: 500, path: '' }], []).cookies,
      [`ck="${value}"; HttpOnly`],
      'less than a second is a session',
    );
  });

  t.test(
    'makes cookies of the addresses of the connection, whoever the client says it is',
    async (t) => {
      const info = streamInfo();
      info.remoteAddress = '1.2.3.4:0';
      const cookies: string[] = [];
      const policy = { kind: 'cookie', name: 'ck', ttlMs: 0, path: '', terminal: false } as const;
      new HashPolicy([policy], '').key(request([]), info, {
        addSetCookie: (value) => cookies.push(value),
      });
      const value = hash('10.0.0.1:471110.0.0.2:8080').toString(16).padStart(16, '0');
      t.same(cookies, [`ck="${value}"; HttpOnly`]);
    },
  );

  t.test('hashes filter state that can be hashed', async (t) => {
    const info = streamInfo();
    const plain = streamInfo();
    info.filterStateForWriting().set('k', { text: 'v', hashable: true });
    plain.filterStateForWriting().set('k', { text: 'v' });
    const policy = new HashPolicy([{ kind: 'filter_state', key: 'k', terminal: false }], '');
    const sink = { addSetCookie: () => undefined };
    t.equal(policy.key(request([]), info, sink), hash('v'));
    t.equal(policy.key(request([]), plain, sink), undefined);
    t.equal(policy.key(request([]), streamInfo(), sink), undefined);
  });
});

t.test('xxHash64', async (t) => {
  t.test('agrees with the reference vectors', async (t) => {
    const cases: [string, bigint][] = [
      ['', 0xef46db3751d8e999n],
      ['a', 0xd24ec4f1a98c6e5bn],
      ['abc', 0x44bc2cf5ad770999n],
      ['foo', 0x33bf00a859c4ba3fn],
      ['asdf', 0x415872f599cea71en],
      ['Call me Ishmael. Some years ago--never mind how long precisely-', 0x02a2e85470d6fd96n],
    ];
    for (const [text, expected] of cases) t.equal(xxHash64(Buffer.from(text)), expected, text);
  });
});
