// Which stats are shown: lists of patterns, and pilot-agent's own.
import t from 'tap';
import { compileHidden, compileStatsMatcher } from '../../../proxy/stats/stats-matcher.ts';
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

  t.test('knows of which names certainly none is shown', (t) => {
    const hidden = (
      patterns: readonly StatsPatternConfig[],
      ends: readonly string[] = ['update_success', 'version'],
    ): boolean => compileHidden({ kind: 'inclusion', patterns }, ends)('cluster.A.');
    const rows: readonly (readonly [string, StatsPatternConfig, boolean])[] = [
      ['another beginning', { kind: 'prefix', value: 'server', ignoreCase: false }, true],
      ['a shorter beginning', { kind: 'prefix', value: 'cluster.', ignoreCase: false }, false],
      ['a longer beginning', { kind: 'prefix', value: 'cluster.A.up', ignoreCase: false }, false],
      [
        'a beginning in small letters',
        { kind: 'prefix', value: 'cluster.a', ignoreCase: false },
        true,
      ],
      [
        'the same, whatever the case',
        { kind: 'prefix', value: 'Cluster.a', ignoreCase: true },
        false,
      ],
      ['another name', { kind: 'exact', value: 'cluster.B.version', ignoreCase: false }, true],
      ['one of the names', { kind: 'exact', value: 'cluster.A.version', ignoreCase: false }, false],
      ['another end', { kind: 'suffix', value: 'rbac.allowed', ignoreCase: false }, true],
      ['one of the ends', { kind: 'suffix', value: 'success', ignoreCase: false }, false],
      [
        'the same, whatever the case',
        { kind: 'suffix', value: 'SUCCESS', ignoreCase: true },
        false,
      ],
      ['more than an end', { kind: 'suffix', value: 'A.version', ignoreCase: false }, false],
      ['a part', { kind: 'contains', value: 'zzz', ignoreCase: false }, false],
      ['text and wildcards', { kind: 'regex', pattern: 'vhost\\..*\\.route\\..*' }, true],
      ['text and wildcards that fit', { kind: 'regex', pattern: 'cluster\\..*' }, false],
      ['wildcards first', { kind: 'regex', pattern: '.*zzz' }, false],
      ['another expression', { kind: 'regex', pattern: 'vhost[12]' }, false],
    ];
    for (const [name, pattern, expected] of rows) t.equal(hidden([pattern]), expected, name);
    t.ok(hidden([]), 'an empty list shows nothing');
    t.ok(compileHidden({ kind: 'none' }, ['a'])('cluster.A.'));
    t.notOk(compileHidden({ kind: 'all' }, ['a'])('cluster.A.'));
    t.notOk(compileHidden({ kind: 'exclusion', patterns: [] }, ['a'])('cluster.A.'));
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
