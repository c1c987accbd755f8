// Which stats are shown: lists of patterns, and pilot-agent's own.
import t from 'tap';
import { compileStatsMatcher } from '../../../proxy/stats/stats-matcher.ts';
import { adminFixture } from '../../support/admin-context.ts';
import type { StatsPatternConfig } from '../../../proxy/config/bootstrap-config.ts';

t.test('stats matcher', async (t) => {
  const patterns: readonly StatsPatternConfig[] = [
    { kind: 'exact', value: 'a.B', ignoreCase: false },
    { kind: 'prefix', value: 'Server.', ignoreCase: true },
    { kind: 'suffix', value: '.allowed', ignoreCase: false },
    { kind: 'contains', value: 'x', ignoreCase: false },
    { kind: 'regex', pattern: 'vhost\\..*\\.route\\..*' },
  ];
  const cases: readonly (readonly [string, boolean])[] = [
    ['a.B', true],
    ['a.b', false],
    ['server.state', true],
    ['http.p.rbac.allowed', true],
    ['http.p.rbac.allowed_more', false],
    ['yxy', true],
    ['vhost.v.route.r.upstream_rq', true],
    ['a.vhost.v.route.r', false],
  ];

  t.test('includes and excludes', (t) => {
    const include = compileStatsMatcher({ kind: 'inclusion', patterns });
    const exclude = compileStatsMatcher({ kind: 'exclusion', patterns });
    for (const [name, listed] of [...cases, ...cases]) {
      t.equal(include(name), listed, name);
      t.equal(exclude(name), !listed, name);
    }
    t.ok(compileStatsMatcher({ kind: 'all' })('anything'));
    t.notOk(compileStatsMatcher({ kind: 'none' })('anything'));
    t.end();
  });

  const { context } = await adminFixture();
  t.test("shows what pilot-agent's bootstrap lists", (t) => {
    const shown = compileStatsMatcher(context.bootstrap.stats.matcher);
    for (const name of [
      'server.state',
      'cluster.xds-grpc;.upstream_cx_active',
      'istiocustom.istio_requests_total',
    ]) {
      t.ok(shown(name), name);
    }
    t.notOk(shown('cluster.outbound|80||a;.upstream_rq_total'));
    t.end();
  });
});
