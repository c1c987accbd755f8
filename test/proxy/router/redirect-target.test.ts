// [w] Targets of redirects (RFC 3986 §3).
import t from 'tap';
import { redirectTarget } from '../../../proxy/router/redirect-target.ts';

t.test('redirectTarget', async (t) => {
  const cases: [string, readonly [string, string, string] | null][] = [
    ['http://a', ['http', 'a', '/']],
    ['https://a/', ['https', 'a', '/']],
    ['HTTP://A/B', ['http', 'A', '/B']],
    ['http://a:80/b?c=d#e', ['http', 'a:80', '/b?c=d']],
    ['http://a?b', ['http', 'a', '?b']],
    ['http://a#b', ['http', 'a', '/']],
    ['http://a/?u=http://b/', ['http', 'a', '/?u=http://b/']],
    ['http://[::1]:8080/x', ['http', '[::1]:8080', '/x']],
    ['http://u:p@a/x', ['http', 'a', '/x']],
    ['http://u@evil@a/x', ['http', 'a', '/x']],
    ['http://a/@b', ['http', 'a', '/@b']],
    ['ftp://a/x', ['other', 'a', '/x']],
    ['', null],
    ['/x', null],
    ['//a/x', null],
    ['a/x', null],
    ['http:/a', null],
    ['http://', null],
    ['http:///x', null],
    ['http://u@/x', null],
    ['http://a:/x', null],
    ['http://a:65536/', null],
    ['http://a:123456/', null],
    ['http://a:b/', null],
    ['http://a b/', null],
    ['http://a/b c', null],
    ['http://a/b\tc', null],
    ['http://[::1/x', null],
    ['http://a\\b/x', null],
    ['ht tp://a/', null],
    [' http://a/', null],
    ['javascript:alert(1)//http://a', null],
  ];
  for (const [location, expected] of cases) {
    const target = redirectTarget(location);
    t.same(target && [target.scheme, target.authority, target.path], expected, location);
  }
});
