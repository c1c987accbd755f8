// [m] The bootstrap that the agent writes, compared with the one that stock pilot-agent 1.26 wrote.
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { decodeBootstrap } from '../../../proxy/xds/bootstrap-decoder.ts';
import { fromJson } from '../../../xds-protos/proto-json.ts';
import { buildBootstrap, writeBootstrap } from '../../../agent/supervisor/bootstrap-writer.ts';
import { makeOptions } from '../../support/agent-options.ts';
import type { OptionInputs } from '../../support/agent-options.ts';
import { envoyBinary } from '../../support/proxy-process.ts';
import { privateDir } from '../../support/private-dir.ts';

const FIXTURE = join(import.meta.dirname, '../../fixtures/pilot-agent/bootstrap-1.26.json');

/** The surroundings in which the fixture was written. */
const FIXTURE_INPUTS = {
  variables: {
    POD_NAME: 'productpage-v1-0',
    POD_NAMESPACE: 'default',
    INSTANCE_IP: '10.244.0.11',
    SERVICE_ACCOUNT: 'bookinfo-productpage',
    ISTIO_META_CLUSTER_ID: 'Kubernetes',
    ISTIO_METAJSON_LABELS: '{"app":"productpage","version":"v1"}',
  },
  proxyConfig: { configPath: './etc', binaryPath: '/usr/local/bin/envoy', concurrency: 2 },
};

const ANNOTATIONS = './etc/istio/pod/annotations';

interface Named {
  readonly name: string;
  readonly type: string;
}

const EVERYTHING: OptionInputs = {
  variables: {
    ISTIO_META_ENABLE_SELF_DISCOVERY: 'true',
    EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true',
  },
  files: {
    [ANNOTATIONS]: [
      'sidecar.istio.io/statsCompression="true"',
      'sidecar.istio.io/statsHistogramBuckets="{\\"istio\\":[1,5]}"',
      'sidecar.istio.io/statsFlushInterval="10s"',
    ].join('\n'),
  },
  proxyConfig: {
    tracing: { zipkin: { address: 'zipkin.istio-system:9411' }, tlsSettings: { mode: 'SIMPLE' } },
    envoyMetricsService: {
      address: '[2001:db8::5]:9000',
      tlsSettings: { mode: 'ISTIO_MUTUAL', subjectAltNames: ['spiffe://cluster.local/x'] },
    },
    envoyAccessLogService: {
      address: 'als.istio-system:9001',
      tcpKeepalive: { probes: 3, time: '10s', interval: '5s' },
    },
    statsdUdpAddress: '127.0.0.1:9125',
    extraStatTags: ['zone'],
  },
};

t.test('BootstrapWriter', (t) => {
  t.test('means the same as the bootstrap of stock pilot-agent 1.26', async (t) => {
    const ours: unknown = JSON.parse(
      JSON.stringify(buildBootstrap(await makeOptions(FIXTURE_INPUTS))),
    );
    t.strictSame(ours, JSON.parse(readFileSync(FIXTURE, 'utf8')));
  });

  t.test('moves every address and port as the options say', async (t) => {
    const options = await makeOptions({
      variables: {
        INSTANCE_IP: '127.0.1.2',
        OUTRIGGER_BIND_ADDRESS: '127.0.1.2',
        OUTRIGGER_ADMIN_ADDRESS: '127.0.1.3',
        ENVOY_STATUS_PORT: '25021',
        ENVOY_PROMETHEUS_PORT: '25090',
      },
      proxyConfig: { proxyAdminPort: 25000, statusPort: 25020 },
    });
    const json = JSON.stringify(buildBootstrap(options));
    const found = [...json.matchAll(/"address":"([^"]*)","port_value":([0-9]+)/g)].map(
      (m) => `${m[1]}:${m[2]}`,
    );
    t.strictSame(found.sort(), [
      '127.0.1.2:25020',
      '127.0.1.2:25021',
      '127.0.1.2:25090',
      '127.0.1.3:25000',
      '127.0.1.3:25000',
    ]);
  });

  t.test('uses IPv6 addresses where the workload has one', async (t) => {
    const options = await makeOptions({ variables: { INSTANCE_IP: '2001:db8::1' } });
    const json = JSON.stringify(buildBootstrap(options));
    t.match(json, '"name":"::_15021"');
    t.match(json, '"address":"::1","port_value":15000');
    t.notMatch(json, '127.0.0.1');
  });

  t.test('asks for state-of-the-world xDS where delta is off', async (t) => {
    const options = await makeOptions({ variables: { ISTIO_DELTA_XDS: 'false' } });
    t.match(buildBootstrap(options), { dynamic_resources: { ads_config: { api_type: 'GRPC' } } });
  });

  t.test('keeps and shows the stats that annotations and ProxyConfig ask for', async (t) => {
    const options = await makeOptions({
      variables: { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true' },
      files: {
        [ANNOTATIONS]: [
          'sidecar.istio.io/statsInclusionPrefixes="cluster.outbound,http.{pod_ip}_"',
          'sidecar.istio.io/extraStatTags="request.host,zone,größe"',
          'sidecar.istio.io/statsHistogramBuckets="{\\"istio\\":[1,5,10.5]}"',
          'sidecar.istio.io/statsFlushInterval="1500ms"',
        ].join('\n'),
      },
      interfaceAddresses: ['2001:db8::7'],
      proxyConfig: {
        proxyStatsMatcher: {
          inclusionPrefixes: ['lost: there is an annotation'],
          inclusionSuffixes: ['upstream_rq_time'],
        },
        extraStatTags: ['zone'],
        statsEvictionInterval: '1h',
      },
    });
    const bootstrap = buildBootstrap(options);
    t.match(bootstrap, {
      node: { metadata: { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true' } },
      stats_flush_interval: '1.5s',
      stats_eviction_interval: '3600s',
      stats_config: {
        histogram_bucket_settings: [{ match: { prefix: 'istio' }, buckets: [1, 5, 10.5] }],
      },
    });
    const json = JSON.stringify(bootstrap);
    for (const pattern of [
      '{"prefix":"cluster.outbound"}',
      '{"prefix":"http.10.0.0.1_"}',
      '{"prefix":"http.2001:db8::7_"}',
      '{"suffix":"upstream_rq_time"}',
      '{"suffix":"downstream_cx_active"}',
      '{"tag_name":"zone","regex":"(zone=\\\\.=(.*?);\\\\.;)"},{"tag_name":"request.host","regex":"(request\\\\.host=\\\\.=(.*?);\\\\.;)"},{"tag_name":"größe","regex":"(größe=\\\\.=(.*?);\\\\.;)"}]',
    ])
      t.ok(json.includes(pattern), pattern);
    t.notMatch(json.split('PROXY_CONFIG')[1]!.split('stats_config')[1], 'lost');
  });

  t.test('names the clusters of tracer, stats sinks and access log service', async (t) => {
    const bootstrap = buildBootstrap(await makeOptions(EVERYTHING));
    const { clusters } = bootstrap['static_resources'] as { readonly clusters: readonly Named[] };
    t.strictSame(
      clusters.map(({ name, type }) => `${name} ${type}`),
      [
        'prometheus_stats STATIC',
        'agent STATIC',
        'sds-grpc STATIC',
        'local_cluster EDS',
        'xds-grpc STATIC',
        'zipkin STRICT_DNS',
        'envoy_metrics_service STRICT_DNS',
        'envoy_accesslog_service STRICT_DNS',
      ],
    );
    t.match(bootstrap, {
      tracing: { http: { typed_config: { collector_cluster: 'zipkin' } } },
      stats_sinks: [
        { name: 'envoy.stat_sinks.metrics_service' },
        { typed_config: { address: { socket_address: { port_value: 9125 } } } },
      ],
      cluster_manager: { local_cluster_name: 'local_cluster' },
    });
    const datadog = await makeOptions({
      variables: { HOST_IP: '192.0.2.7', ISTIO_METAJSON_LABELS: '{"app":"reviews"}' },
      proxyConfig: { tracing: { datadog: {} } },
    });
    t.match(JSON.stringify(buildBootstrap(datadog)), '"address":"192.0.2.7","port_value":8126');
    t.match(buildBootstrap(datadog), {
      tracing: { http: { typed_config: { service_name: 'reviews.default' } } },
    });
  });

  t.test('is taken by our proxy and by Envoy, with everything that can be in it', async (t) => {
    const bootstrap = buildBootstrap(await makeOptions(EVERYTHING), {
      credential: true,
      files: true,
    });
    const message = fromJson('envoy.config.bootstrap.v3.Bootstrap', bootstrap, '', {
      allowUnknown: true,
    });
    t.strictSame(decodeBootstrap(message).inert, [
      'tracing',
      'stats_sinks',
      'bootstrap_extensions envoy.bootstrap.internal_listener',
    ]);
    if (envoyBinary === undefined) {
      t.pass('skipped: Envoy is missing (ENVOY_BIN)');
      return;
    }
    const file = join(privateDir(t), 'envoy.json');
    writeFileSync(file, JSON.stringify(bootstrap));
    const { status, stderr } = spawnSync(
      envoyBinary,
      ['--mode', 'validate', '-c', file, '--allow-unknown-static-fields', '-l', 'error'],
      { encoding: 'utf8', timeout: 60_000 },
    );
    t.equal(status, 0, stderr);
  });

  t.test('writes into a folder that only its owner may enter', async (t) => {
    const workDir = join(privateDir(t), 'deep', 'proxy');
    mkdirSync(workDir, { recursive: true, mode: 0o755 });
    const options = await makeOptions({ proxyConfig: { configPath: workDir } });
    writeFileSync(options.paths.bootstrapFile, 'an older one');
    writeBootstrap(options);
    t.equal(statSync(workDir).mode & 0o777, 0o700);
    t.equal(statSync(options.paths.bootstrapFile).mode & 0o777, 0o600);
    t.match(JSON.parse(readFileSync(options.paths.bootstrapFile, 'utf8')), {
      node: { id: options.node.id },
    });
  });

  t.test(
    "writes a bootstrap of the operator's own, with our node and what it does not say",
    async (t) => {
      const workDir = privateDir(t);
      const options = await makeOptions({
        flags: ['--templateFile', 'own.yaml', '--log_as_json'],
        files: {
          'own.yaml': 'node: {id: other}\nadmin: {}\nstatic_resources: {clusters: [{name: a}]}\n',
        },
        proxyConfig: { configPath: workDir },
      });
      writeBootstrap(options);
      t.match(JSON.parse(readFileSync(options.paths.bootstrapFile, 'utf8')), {
        node: { id: options.node.id },
        admin: {},
        static_resources: { clusters: [{ name: 'a' }], listeners: undefined },
        dynamic_resources: { ads_config: { api_type: 'DELTA_GRPC' } },
        application_log_config: { log_format: { json_format: { msg: '%j' } } },
      });
    },
  );

  t.end();
});
