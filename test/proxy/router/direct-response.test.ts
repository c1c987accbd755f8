// [b] Redirects and direct responses (envoy-behaviour §3.4).
import t from 'tap';
import type {
  DirectResponseConfig,
  RedirectActionConfig,
} from '../../../proxy/config/route-config.ts';
import type { RequestHeaders } from '../../../proxy/http/header-map.ts';
import { FixedResponse, Redirect, TlsRedirect } from '../../../proxy/router/direct-response.ts';
import { NO_ENVIRONMENT } from '../../../proxy/router/route-environment.ts';
import { RouteMatcher } from '../../../proxy/router/route-matcher.ts';
import { request, routeMatch, streamInfo } from '../../support/route-samples.ts';

function redirect(changes: Partial<RedirectActionConfig>, prefix = '/'): Redirect {
  const config: RedirectActionConfig = {
    kind: 'redirect',
    scheme: undefined,
    httpsRedirect: false,
    host: undefined,
    port: undefined,
    path: undefined,
    prefixRewrite: undefined,
    regexRewrite: undefined,
    stripQuery: false,
    status: 301,
    ...changes,
  };
  return new Redirect(
    config,
    new RouteMatcher(routeMatch({ path: { kind: 'prefix', value: prefix } }), 'match'),
    'redirect',
  );
}

const ask = (authority: string, path: string, proto = 'http') =>
  request([
    [':authority', authority],
    [':path', path],
    [':scheme', proto],
    ['x-forwarded-proto', proto],
  ]);

function locationOf(answer: Redirect, headers: RequestHeaders): string {
  answer.rewritePath(headers, streamInfo(), true);
  return answer.location(headers, streamInfo());
}

t.test('Redirect', async (t) => {
  t.test('builds the location', async (t) => {
    const cases: [Partial<RedirectActionConfig>, string, string, string][] = [
      [{ httpsRedirect: true }, 'h:80', '/https', 'https://h/https'],
      [{ httpsRedirect: true }, 'h:8080', '/https', 'https://h:8080/https'],
      [{ scheme: 'https' }, 'h:80', '/x', 'https://h/x'],
      [{ port: 8443 }, 'h:80', '/port', 'http://h:8443/port'],
      [{ port: 8443 }, '[::1]:80', '/port', 'http://[::1]:8443/port'],
      [{ host: 'new' }, 'h:80', '/host', 'http://new/host'],
      [{ host: 'new', port: 81 }, 'h:80', '/host', 'http://new:81/host'],
      [{ path: '/np' }, 'h', '/old?q=1', 'http://h/np?q=1'],
      [{ path: '/np?z=1' }, 'h', '/old?q=1', 'http://h/np?z=1'],
      [{ path: '/np?z=1', stripQuery: true }, 'h', '/old?q=1', 'http://h/np?z=1'],
      [{ path: 'np' }, 'h', '/old', 'http://h/np'],
      [{ path: '/np', stripQuery: true }, 'h', '/old?q=1', 'http://h/np'],
      [{ stripQuery: true }, 'h:80', '/old?q=1', 'http://h:80/old'],
      [
        { regexRewrite: { pattern: '/a/(.*)', substitution: '/b/\\1' } },
        'h',
        '/a/c?q',
        'http://h/b/c?q',
      ],
    ];
    for (const [changes, authority, path, expected] of cases) {
      t.equal(
        locationOf(redirect(changes), ask(authority, path)),
        expected,
        JSON.stringify(changes),
      );
    }
    t.equal(
      locationOf(redirect({ prefixRewrite: '/new' }, '/old'), ask('h', '/old/x?q')),
      'http://h/new/x?q',
    );
    t.equal(
      redirect({ scheme: 'http' }).location(ask('h:443', '/', 'https'), streamInfo()),
      'http://h/',
    );
  });

  t.test('answers with its status and no body', async (t) => {
    const answer = redirect({ status: 307 });
    t.same([answer.status, answer.body], [307, '']);
  });
});

t.test('TlsRedirect', async (t) => {
  t.test('keeps the host as it was sent', async (t) => {
    t.equal(new TlsRedirect().location(ask('h:80', '/a?b')), 'https://h:80/a?b');
  });
});

t.test('FixedResponse', async (t) => {
  t.test('names its own URL for 201 and 3xx', async (t) => {
    const location = (status: number): string => {
      const config: DirectResponseConfig = { kind: 'direct_response', status, body: 'x' };
      return new FixedResponse(config, NO_ENVIRONMENT, 'p').location(ask('h', '/p?q'));
    };
    t.equal(location(200), '');
    t.equal(location(201), 'http://h/p?q');
    t.equal(location(302), 'http://h/p?q');
    t.equal(location(404), '');
  });
});
