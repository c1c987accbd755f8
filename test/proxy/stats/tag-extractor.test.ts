// Tags cut out of stat names: Envoy's default extractors, and the regexes that pilot-agent writes.
import t from 'tap';
import { requiredLiteral, TagExtractor } from '../../../proxy/stats/tag-extractor.ts';
import { adminFixture } from '../../support/admin-context.ts';

type Case = readonly [
  name: string,
  extracted: string,
  tags: readonly (readonly [string, string])[],
];

/** What real Envoy 1.40 answers. */
const DEFAULTS: readonly Case[] = [
  [
    'cluster.foo.upstream_rq_200',
    'cluster.upstream_rq',
    [
      ['envoy.response_code', '200'],
      ['envoy.cluster_name', 'foo'],
    ],
  ],
  [
    'cluster.foo.upstream_rq_2xx',
    'cluster.upstream_rq_xx',
    [
      ['envoy.response_code_class', '2'],
      ['envoy.cluster_name', 'foo'],
    ],
  ],
  [
    'cluster.a.b_c.upstream_rq_total',
    'cluster.b_c.upstream_rq_total',
    [['envoy.cluster_name', 'a']],
  ],
  [
    'listener.127.0.0.1_46901.http.ingress.downstream_rq_2xx',
    'listener.http.downstream_rq_xx',
    [
      ['envoy.response_code_class', '2'],
      ['envoy.http_conn_manager_prefix', 'ingress'],
      ['envoy.listener_address', '127.0.0.1_46901'],
    ],
  ],
  [
    'listener.0.0.0.0_15006.downstream_cx_total',
    'listener.downstream_cx_total',
    [['envoy.listener_address', '0.0.0.0_15006']],
  ],
  [
    'listener.127.0.0.1_80.worker_0.downstream_cx_total',
    'listener.worker_downstream_cx_total',
    [
      ['envoy.worker_id', '0'],
      ['envoy.listener_address', '127.0.0.1_80'],
    ],
  ],
  ['listener.admin.downstream_cx_total', 'listener.admin.downstream_cx_total', []],
  [
    'vhost.v.vcluster.other.upstream_rq_200',
    'vhost.vcluster.upstream_rq',
    [
      ['envoy.response_code', '200'],
      ['envoy.virtual_cluster', 'other'],
      ['envoy.virtual_host', 'v'],
    ],
  ],
  ['server.uptime', 'server.uptime', []],
];

/** With `use_all_default_tags: false` and the template's stats_tags; the order of labels is real Envoy's, too. */
const ISTIO: readonly Case[] = [
  [
    'cluster.xds-grpc;.upstream_rq_total',
    'cluster.upstream_rq_total',
    [['cluster_name', 'xds-grpc']],
  ],
  [
    'cluster.outbound|9080||reviews.default.svc.cluster.local;.upstream_rq_503',
    'cluster.upstream_rq',
    [
      ['cluster_name', 'outbound|9080||reviews.default.svc.cluster.local'],
      ['response_code', '503'],
    ],
  ],
  [
    'cluster.a;.upstream_rq_5xx',
    'cluster.upstream_rq',
    [
      ['cluster_name', 'a'],
      ['response_code_class', '5xx'],
    ],
  ],
  [
    'http.inbound_0.0.0.0_80;.downstream_rq_200',
    'http.downstream_rq',
    [
      ['response_code', '200'],
      ['http_conn_manager_prefix', 'inbound_0.0.0.0_80'],
    ],
  ],
  [
    'listener.0.0.0.0_15001.downstream_cx_active',
    'listener.downstream_cx_active',
    [['listener_address', '0.0.0.0_15001']],
  ],
  [
    'listener.0.0.0.0_15006.http.0.0.0.0_80.downstream_rq_2xx',
    'listener.http.downstream_rq',
    [
      ['response_code_class', '2xx'],
      ['http_conn_manager_listener_prefix', '0.0.0.0_80'],
      ['listener_address', '0.0.0.0_15006'],
    ],
  ],
  [
    'tcp.outbound|1||a.downstream_cx_total',
    'tcp.downstream_cx_total',
    [['tcp_prefix', 'outbound|1||a']],
  ],
  ['server.worker_0.watchdog_miss', 'server.watchdog_miss', [['thread_name', 'worker_0']]],
  ['http.p.rbac.allowed', 'http.p.rbac', [['authz_enforce_result', 'allowed']]],
  [
    'http.p.rbac.istio_dry_run_allow_shadow_denied',
    'http.p.rbacshadow_denied',
    [['authz_dry_run_action', 'allow']],
  ],
  ['cluster_manager.cds.update_success', 'cluster_manager.cds.update_success', []],
];

t.test('TagExtractor', async (t) => {
  t.test('knows the default tags', (t) => {
    const extractor = new TagExtractor({ tags: [], useAllDefaultTags: true });
    for (const [name, extracted, tags] of DEFAULTS)
      t.same(extractor.extract(name), { name: extracted, tags }, name);
    t.end();
  });

  const { context } = await adminFixture();
  t.test("takes all of pilot-agent's tags", (t) => {
    const extractor = new TagExtractor(context.bootstrap.stats);
    t.same(extractor.problems, []);
    for (const [name, extracted, tags] of ISTIO)
      t.same(extractor.extract(name), { name: extracted, tags }, name);
    t.end();
  });

  t.test('adds fixed tags, and picks default ones by name', (t) => {
    const tags = [
      { kind: 'fixed', tagName: 'zone', value: 'a' },
      { kind: 'default', tagName: 'envoy.cluster_name' },
    ] as const;
    const extractor = new TagExtractor({ tags, useAllDefaultTags: false });
    t.same(extractor.extract('cluster.foo.x_rq_200').tags, [
      ['zone', 'a'],
      ['envoy.cluster_name', 'foo'],
    ]);
    t.end();
  });

  t.test('says which rules it could not take', (t) => {
    const tags = [
      { kind: 'regex', tagName: 'bad', regex: '(?<!x)y(' },
      { kind: 'default', tagName: 'envoy.nope' },
    ] as const;
    t.match(new TagExtractor({ tags, useAllDefaultTags: false }).problems, [
      /'bad'.*RE2/,
      /'envoy\.nope' is none/,
    ]);
    t.end();
  });

  t.test('stays correct beyond the size of its cache', (t) => {
    const extractor = new TagExtractor({ tags: [], useAllDefaultTags: true });
    for (let i = 0; i < 60_000; i++) extractor.extract(`cluster.c${i}.x`);
    t.same(extractor.extract('cluster.c1.x').tags, [['envoy.cluster_name', 'c1']]);
    t.end();
  });

  t.test('knows a text that every match of a regex holds', (t) => {
    const cases: readonly (readonly [string, string])[] = [
      ['^cluster(\\.(.+);)', 'cluster'],
      ['(cache\\.(.+?)\\.)', 'cache.'],
      ['rbac(\\.(allowed|denied))', 'rbac'],
      ['(a|b)c', ''],
      ['ab|cd', ''],
      ['(abc)?d', ''],
      ['abc*d', 'ab'],
      ['(?i)abc', ''],
      ['[a-z]b', ''],
      ['\\dabc', ''],
      ['a[|]b', 'a'],
    ];
    for (const [pattern, literal] of cases) t.equal(requiredLiteral(pattern), literal, pattern);
    t.end();
  });
});
