// What the endpoints that only read print: texts and JSON, as Envoy 1.40 printed them.
import t from 'tap';
import { fromJson } from '../../../../xds-protos/proto-json.ts';
import { dispatchAdmin } from '../../../../proxy/server/admin/admin-dispatch.ts';
import { adminFixture } from '../../../support/admin-context.ts';
import type { AdminContext } from '../../../../proxy/server/admin-context.ts';
import type { AdminResponse } from '../../../../proxy/server/admin/admin-endpoint.ts';

const get = (context: AdminContext, target: string): Promise<AdminResponse> =>
  dispatchAdmin(context, { method: 'GET', target, form: '' });
const post = (context: AdminContext, target: string): Promise<AdminResponse> =>
  dispatchAdmin(context, { method: 'POST', target, form: '' });

t.test('/ready', async (t) => {
  for (const [state, status] of [
    ['LIVE', 200],
    ['DRAINING', 503],
    ['PRE_INITIALIZING', 503],
    ['INITIALIZING', 503],
  ] as const) {
    const { context } = await adminFixture({ state: () => state });
    t.match(await get(context, '/ready'), { status, body: `${state}\n` });
  }
});

t.test('/clusters', async (t) => {
  const { context } = await adminFixture();
  t.test('prints lines', async (t) => {
    const { body } = await get(context, '/clusters');
    t.equal(
      body.slice(0, body.indexOf('outbound')),
      `up::observability_name::up
up::default_priority::max_connections::1024
up::default_priority::max_pending_requests::1024
up::default_priority::max_requests::1024
up::default_priority::max_retries::3
up::high_priority::max_connections::1024
up::high_priority::max_pending_requests::1024
up::high_priority::max_requests::1024
up::high_priority::max_retries::3
up::added_via_api::false
up::127.0.0.1:19801::cx_active::1
up::127.0.0.1:19801::cx_connect_fail::0
up::127.0.0.1:19801::cx_total::2
up::127.0.0.1:19801::rq_active::0
up::127.0.0.1:19801::rq_error::4
up::127.0.0.1:19801::rq_pending_active::0
up::127.0.0.1:19801::rq_success::4
up::127.0.0.1:19801::rq_timeout::0
up::127.0.0.1:19801::rq_total::8
up::127.0.0.1:19801::hostname::hh
up::127.0.0.1:19801::health_flags::healthy
up::127.0.0.1:19801::weight::1
up::127.0.0.1:19801::region::
up::127.0.0.1:19801::zone::
up::127.0.0.1:19801::sub_zone::
up::127.0.0.1:19801::canary::false
up::127.0.0.1:19801::priority::0
up::127.0.0.1:19801::success_rate::-1
up::127.0.0.1:19801::local_origin_success_rate::-1
`,
    );
    t.match(body, 'outbound|80||a::observability_name::outbound|80||a;\n');
    t.match(body, 'outbound|80||a::eds_service_name::outbound|80||a\n');
  });

  t.test('prints JSON, and filters by name', async (t) => {
    const { body, contentType } = await get(context, '/clusters?format=json&filter=^up$');
    t.equal(contentType, 'application/json');
    const [cluster, ...others] = (
      JSON.parse(body) as { cluster_statuses: Record<string, unknown>[] }
    ).cluster_statuses;
    t.same(others, []);
    t.same(cluster, {
      name: 'up',
      host_statuses: [
        {
          address: { socket_address: { address: '127.0.0.1', port_value: 19801 } },
          stats: [
            { name: 'cx_connect_fail' },
            { value: '2', name: 'cx_total' },
            { value: '4', name: 'rq_error' },
            { value: '4', name: 'rq_success' },
            { name: 'rq_timeout' },
            { value: '8', name: 'rq_total' },
            { type: 'GAUGE', value: '1', name: 'cx_active' },
            { type: 'GAUGE', name: 'rq_active' },
            { type: 'GAUGE', name: 'rq_pending_active' },
          ],
          health_status: { eds_health_status: 'HEALTHY' },
          weight: 1,
          hostname: 'hh',
          locality: {},
        },
      ],
      circuit_breakers: {
        thresholds: [
          { max_connections: 1024, max_pending_requests: 1024, max_requests: 1024, max_retries: 3 },
          {
            priority: 'HIGH',
            max_connections: 1024,
            max_pending_requests: 1024,
            max_requests: 1024,
            max_retries: 3,
          },
        ],
      },
      observability_name: 'up',
    });
    t.match(body, /^\{\n "cluster_statuses": \[\n {2}\{\n {3}"name": "up",\n/);
    t.equal((await get(context, '/clusters?filter=(')).body, 'Invalid re2 regex: missing ): (');
  });
});

t.test('/listeners', async (t) => {
  const { context } = await adminFixture();
  t.equal(
    (await get(context, '/listeners')).body,
    'l1::127.0.0.1:19802\n10.0.0.1_80::127.0.0.1:80\n',
  );
  const { body } = await get(context, '/listeners?format=json');
  t.same(JSON.parse(body), {
    listener_statuses: [
      {
        name: 'l1',
        local_address: { socket_address: { address: '127.0.0.1', port_value: 19802 } },
      },
      {
        name: '10.0.0.1_80',
        local_address: { socket_address: { address: '127.0.0.1', port_value: 80 } },
      },
    ],
  });
});

t.test('/stats', async (t) => {
  const { context } = await adminFixture();
  t.test('prints sorted text of what the bootstrap lets through', async (t) => {
    t.equal(
      (await get(context, '/stats')).body,
      'cluster.xds-grpc;.upstream_rq_200: 7\ncluster_manager.cds.update_rejected: 0\n' +
        'cluster_manager.cds.update_success: 3\nserver.state: 0\nserver.uptime: 6\n' +
        'server.initialization_time_ms: P0(nan,30.5) P25(nan,30.5) P50(nan,30.5) P75(nan,30.5) P90(nan,30.5) ' +
        'P95(nan,30.5) P99(nan,30.5) P99.5(nan,30.5) P99.9(nan,30.5) P100(nan,30.5)\n',
    );
  });

  const bodies: readonly (readonly [string, string])[] = [
    ['/stats?usedonly&filter=cds', 'cluster_manager.cds.update_success: 3\n'],
    ['/stats?type=Gauges', 'server.state: 0\nserver.uptime: 6\n'],
    ['/stats?type=Counters&invert_filter&filter=cds', 'cluster.xds-grpc;.upstream_rq_200: 7\n'],
    ['/stats?type=TextReadouts', ''],
    ['/stats?hidden=only', ''],
    [
      '/stats?type=Histograms&histogram_buckets=detailed',
      'server.initialization_time_ms:\n  totals=30,1:1\n  intervals=\n  summary=P0(nan,30.5) P25(nan,30.5) P50(nan,30.5) ' +
        'P75(nan,30.5) P90(nan,30.5) P95(nan,30.5) P99(nan,30.5) P99.5(nan,30.5) P99.9(nan,30.5) P100(nan,30.5)\n',
    ],
    [
      '/stats?type=Histograms&histogram_buckets=disjoint',
      'server.initialization_time_ms: B0.5(0,0) B1(0,0) B5(0,0) B10(0,0) B25(0,0) B50(0,1) B100(0,0) B250(0,0) B500(0,0) ' +
        'B1000(0,0) B2500(0,0) B5000(0,0) B10000(0,0) B30000(0,0) B60000(0,0) B300000(0,0) B600000(0,0) B1.8e+06(0,0) ' +
        'B3.6e+06(0,0)\n',
    ],
    ['/stats?format=json&filter=server.state', '{"stats":[{"name":"server.state","value":0}]}'],
  ];
  for (const [target, body] of bodies) {
    t.test(`answers ${target}`, async (t) => t.equal((await get(context, target)).body, body));
  }

  t.test('prints histograms in JSON', async (t) => {
    const { body, contentType } = await get(context, '/stats?format=json&type=Histograms');
    t.equal(contentType, 'application/json');
    const values = Array.from({ length: 10 }, () => ({ cumulative: 30.5, interval: null }));
    const histograms = {
      supported_quantiles: [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100],
      computed_quantiles: [{ name: 'server.initialization_time_ms', values }],
    };
    t.same(JSON.parse(body), { stats: [{ histograms }] });
  });

  t.test('prints Prometheus text', async (t) => {
    const direct = await get(context, '/stats/prometheus?filter=xds');
    t.equal(
      direct.body,
      '# TYPE envoy_cluster_upstream_rq counter\n' +
        'envoy_cluster_upstream_rq{cluster_name="xds-grpc",response_code="200"} 7\n',
    );
    t.equal(direct.contentType, 'text/plain; charset=UTF-8');
    t.equal((await get(context, '/stats?format=prometheus&filter=xds')).body, direct.body);
  });

  const mistakes: readonly (readonly [string, string])[] = [
    ['/stats?filter=(', 'Invalid re2 regex: missing ): ('],
    ['/stats?format=x', 'usage: /stats?format=(html|active-html|json|prometheus|text)\n\n'],
    ['/stats?type=x', 'invalid &type= param'],
    ['/stats?hidden=x', 'usage: /stats?hidden=(include|only|exclude)\n\n'],
    [
      '/stats?histogram_buckets=x',
      'usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n',
    ],
    [
      '/stats/prometheus?histogram_buckets=disjoint',
      'unsupported prometheus histogram bucket mode',
    ],
  ];
  for (const [target, body] of mistakes) {
    t.test(`refuses ${target}`, async (t) =>
      t.match(await get(context, target), { status: 400, body }),
    );
  }
});

t.test('/server_info', async (t) => {
  const { context } = await adminFixture({}, ['--drain-time-s', '45', '--service-node', 'n1']);
  const info = JSON.parse((await get(context, '/server_info')).body) as Record<
    string,
    Record<string, unknown>
  >;
  t.match(info, {
    version: 'rev/1.0.0/Clean/RELEASE/OpenSSL',
    state: 'LIVE',
    uptime_current_epoch: '6s',
    hot_restart_version: 'disabled',
    command_line_options: {
      concurrency: 2,
      log_level: 'warning',
      drain_time: '45s',
      mode: 'Serve',
      disabled_extensions: [],
    },
    node: { id: 'n1' },
  });
  const known = fromJson('envoy.admin.v3.ServerInfo', info, '', { allowUnknown: true });
  t.equal(known.command_line_options?.drain_time?.seconds, 45, 'is a ServerInfo');
  t.ok(known.node?.metadata?.['ISTIO_VERSION'] !== undefined, 'the node keeps its metadata');
});

t.test('/logging', async (t) => {
  const { context, commands } = await adminFixture();
  t.match(await post(context, '/logging'), {
    status: 200,
    body: 'active loggers:\n  admin: warning\n  http: warning\n\n',
  });
  const cases: readonly (readonly [string, number, readonly string[]])[] = [
    ['level=debug', 200, ['level {"level":"debug"}']],
    ['http=trace', 200, ['level {"component":"http","level":"trace"}']],
    ['group=http:info', 200, ['level {"component":"http","level":"info"}']],
    [
      'paths=http:debug,admin:error',
      200,
      ['level {"component":"http","level":"debug"}', 'level {"component":"admin","level":"error"}'],
    ],
    ['paths=http:debug,nope:error', 400, []],
    ['level=loud', 400, []],
    ['level=debug&http=trace', 400, []],
    ['http=', 400, []],
    ['paths=&group=&level=info', 200, ['level {"level":"info"}']],
  ];
  for (const [query, status, expected] of cases) {
    commands.length = 0;
    t.equal((await post(context, `/logging?${query}`)).status, status, query);
    t.same(commands, expected, query);
  }
  const { body } = await post(context, '/logging?nope=debug');
  t.match(
    body,
    /^error: unknown logger name\n\nusage: \/logging\?<name>=<level> \(change single level\)\n/,
  );
  t.match(body, '\nlevels: trace debug info warning error critical off \nactive loggers:\n');
});

t.test('small endpoints', async (t) => {
  const { context } = await adminFixture();
  t.equal((await get(context, '/certs')).body, '{\n "certificates": []\n}\n');
  t.equal((await get(context, '/hot_restart_version')).body, 'disabled');
  t.match((await get(context, '/contention')).body, /^Mutex contention tracing is not enabled/);
  t.match(JSON.parse((await get(context, '/memory')).body), {
    allocated: /^\d+$/,
    total_physical_bytes: /^\d+$/,
  });
  t.match(JSON.parse((await get(context, '/init_dump')).body), {
    unready_targets_dumps: [{ name: /virtualOutbound/ }],
  });
  const runtime = JSON.parse((await get(context, '/runtime')).body) as {
    layers: string[];
    entries: Record<string, unknown>;
  };
  t.same(
    runtime.layers,
    context.bootstrap.runtimeLayers.map(({ name }) => name),
  );
  t.equal(
    (await get(context, '/outrigger/inert')).body,
    'filter istio.stats (type.googleapis.com/stats.PluginConfig)\n',
  );
});
