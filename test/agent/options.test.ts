// [m] AgentOptions: what flags, variables and files become, and what is refused with which words.
import t from 'tap';

import type { AgentOptions } from '../../agent/options.ts';
import { readAddresses } from '../../agent/options.ts';
import { makeOptions, makeSurroundings, tryOptions } from '../support/agent-options.ts';
import type { OptionInputs } from '../support/agent-options.ts';

const ANNOTATIONS = './etc/istio/pod/annotations';
const LABELS = './etc/istio/pod/labels';

const READ: readonly (readonly [
  string,
  OptionInputs,
  (options: AgentOptions) => unknown,
  unknown,
])[] = [
  [
    'node id',
    {},
    (o) => o.node.id,
    'sidecar~10.0.0.1~reviews-v1-0.default~default.svc.cluster.local',
  ],
  ['domain flag', { flags: ['--domain', 'x.svc.y'] }, (o) => o.node.id.split('~')[3], 'x.svc.y'],
  [
    'addresses of interfaces after the own one',
    { interfaceAddresses: ['10.0.0.2', '10.0.0.1'] },
    (o) => o.node.metadata['INSTANCE_IPS'],
    '10.0.0.1,10.0.0.2',
  ],
  [
    'no interfaces for a loopback workload',
    { variables: { INSTANCE_IP: '127.0.0.9' }, interfaceAddresses: ['10.0.0.2'] },
    (o) => o.identity.instanceIps,
    ['127.0.0.9'],
  ],
  [
    'interfaces alone',
    { variables: { INSTANCE_IP: '' }, interfaceAddresses: ['10.0.0.2'] },
    (o) => o.identity.instanceIps,
    ['10.0.0.2'],
  ],
  [
    'host name as pod name',
    { variables: { POD_NAME: '' } },
    (o) => o.identity.podName,
    'this-host',
  ],
  ['cluster without labels', {}, (o) => o.node.cluster, 'istio-proxy.default'],
  [
    'labels of the downward API',
    { files: { [LABELS]: 'app="reviews"\nversion="v\\"1"\npod-template-hash="x"\n' } },
    (o) => [o.node.metadata['LABELS'], o.node.cluster],
    [{ app: 'reviews', version: 'v"1' }, 'reviews.default'],
  ],
  [
    'a service cluster that is given',
    {
      variables: { ISTIO_METAJSON_LABELS: '{"app":"reviews"}' },
      proxyConfig: { serviceCluster: 'books' },
    },
    (o) => o.node.cluster,
    'books',
  ],
  [
    'the workload as cluster where no label names one',
    { variables: { ISTIO_META_WORKLOAD_NAME: 'reviews-v1' } },
    (o) => o.node.cluster,
    'reviews-v1.default',
  ],
  [
    'the canonical name as cluster',
    {
      variables: {
        ISTIO_METAJSON_LABELS: '{"app":"a","service.istio.io/canonical-name":"reviews"}',
      },
      proxyConfig: { tracingServiceName: 'CANONICAL_NAME_ONLY' },
    },
    (o) => [o.node.cluster, o.proxyConfig.message['serviceCluster']],
    ['reviews', undefined],
  ],
  [
    'the locality of a label',
    { files: { [LABELS]: 'istio-locality="eu.eu-west.a"\n' } },
    (o) => [o.node.locality, o.node.metadata['LABELS']],
    [{ region: 'eu', zone: 'eu-west', sub_zone: 'a' }, { 'istio-locality': 'eu/eu-west/a' }],
  ],
  [
    'annotations quoted as Go quotes',
    { files: { [ANNOTATIONS]: 'a="\\u00e9\\x41\\\\n\\t\\"\\U0001f600\\xff"\n broken\nb=""\n' } },
    (o) => o.node.metadata['ANNOTATIONS'],
    { a: '\u00e9A\\n\t"\u{1f600}\ufffd', b: '' },
  ],
  [
    'metadata that is no JSON is left out',
    { variables: { ISTIO_METAJSON_LABELS: '[]', ISTIO_METAJSON_X: '{' } },
    (o) => [o.node.metadata['LABELS'], o.warnings],
    [
      undefined,
      [
        'ISTIO_METAJSON_LABELS: is left out, as it is no JSON object such as {"app":"reviews"}',
        'ISTIO_METAJSON_X: is left out, as it is no JSON object such as {"app":"reviews"}',
      ],
    ],
  ],
  [
    'stats and tracers that cannot be had are left out',
    {
      files: {
        [ANNOTATIONS]:
          'sidecar.istio.io/statsHistogramBuckets="[]"\nsidecar.istio.io/statsFlushInterval="soon"\n',
      },
      proxyConfig: { tracing: { lightstep: { address: 'x:1' } } },
    },
    (o) => [o.stats.histogramBuckets, o.exports.tracer, o.warnings.map((w) => w.split(':', 1)[0])],
    [
      [],
      undefined,
      [
        'sidecar.istio.io/statsHistogramBuckets',
        'statsFlushInterval',
        'ProxyConfig.tracing.lightstep',
      ],
    ],
  ],
  [
    'metadata of variables and of proxyMetadata',
    {
      variables: { ISTIO_META_A: '1', ISTIO_META_B: '2', ISTIO_META___proto__: '3' },
      proxyConfig: { proxyMetadata: { ISTIO_META_B: 'lost', ISTIO_META_C: '4', OTHER: '5' } },
    },
    (o) => ['A', 'B', 'C', 'OTHER', '__proto__'].map((name) => o.node.metadata[name]),
    ['1', '2', '4', undefined, '3'],
  ],
  [
    'later sources of ProxyConfig win',
    {
      flags: ['--meshConfig', 'mesh.yaml'],
      files: {
        'mesh.yaml': 'defaultConfig:\n  statusPort: 1\n  proxyAdminPort: 2\n  drainDuration: 3s\n',
        [ANNOTATIONS]: 'proxy.istio.io/config="drainDuration: 30s\\n"\n',
      },
      proxyConfig: { proxyAdminPort: 20, drainDuration: '20s' },
    },
    (o) => [o.proxyConfig.statusPort, o.proxyConfig.proxyAdminPort, o.proxyConfig.drainDurationMs],
    [1, 20, 30_000],
  ],
  [
    'PROXY_CONFIG as YAML',
    {
      variables: {
        PROXY_CONFIG: 'controlPlaneAuthPolicy: NONE\ndiscoveryAddress: "[::1]:15010"\n',
      },
    },
    (o) => o.controlPlane.address,
    '[::1]:15010',
  ],
  [
    'XDS_ADDR before discoveryAddress',
    { variables: { XDS_ADDR: '127.0.0.1:9' }, proxyConfig: { discoveryAddress: 'istiod:15010' } },
    (o) => o.controlPlane.address,
    '127.0.0.1:9',
  ],
  [
    'headers for the control plane',
    { variables: { ISTIO_META_CLUSTER_ID: 'east', XDS_HEADER_X_Team: 'mesh' } },
    (o) => [...o.controlPlane.headers],
    [
      ['clusterid', 'east'],
      ['x_team', 'mesh'],
    ],
  ],
  [
    'addresses and ports of one sidecar among many',
    {
      variables: {
        INSTANCE_IP: '127.0.1.2',
        OUTRIGGER_BIND_ADDRESS: '127.0.1.2',
        OUTRIGGER_ADMIN_ADDRESS: '127.0.1.3',
        ENVOY_STATUS_PORT: '1',
        ENVOY_PROMETHEUS_PORT: '2',
      },
      proxyConfig: { proxyAdminPort: 3, statusPort: 4 },
    },
    (o) => o.addresses,
    {
      bind: '127.0.1.2',
      local: '127.0.1.2',
      admin: '127.0.1.3',
      adminPort: 3,
      statusPort: 4,
      readyPort: 1,
      prometheusPort: 2,
    },
  ],
  [
    'concurrency of the flag',
    { flags: ['--concurrency=3'], proxyConfig: { concurrency: 2 } },
    (o) => o.proxy.concurrency,
    3,
  ],
  [
    'concurrency of the CPU limit',
    { variables: { ISTIO_CPU_LIMIT: '4' } },
    (o) => o.proxy.concurrency,
    4,
  ],
  [
    'concurrency 0',
    { variables: { ISTIO_CPU_LIMIT: '4' }, proxyConfig: { concurrency: 0 } },
    (o) => o.proxy.concurrency,
    0,
  ],
  ['own proxy', {}, (o) => o.proxy.binaryPath, '/install/proxy/bin/outrigger-proxy'],
  [
    'an Envoy',
    { proxyConfig: { binaryPath: '/bin/envoy' } },
    (o) => o.proxy.binaryPath,
    '/bin/envoy',
  ],
  ['restarts', { variables: { OUTRIGGER_PROXY_RESTARTS: '0' } }, (o) => o.proxy.restartBudget, 0],
  [
    'lifecycle',
    {
      variables: { MINIMUM_DRAIN_DURATION: '1m1s500ms', EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true' },
      proxyConfig: { terminationDrainDuration: '0.5s' },
    },
    (o) => o.lifecycle,
    {
      minimumDrainMs: 61_500,
      terminationDrainMs: 500,
      exitOnZeroConnections: true,
      gracePeriodMs: 30_000,
      graceIsKnown: false,
      appPorts: [],
    },
  ],
  [
    'app probes',
    {
      variables: {
        ISTIO_KUBE_APP_PROBERS:
          '{"/app-health/a/readyz":{"httpGet":{"port":80,"path":"ready"},"timeoutSeconds":3},"/app-health/a/livez":{"tcpSocket":{"port":"81"}}}',
      },
    },
    (o) => [...o.status.appProbers],
    [
      [
        '/app-health/a/readyz',
        {
          action: { kind: 'http', scheme: 'http', port: 80, path: '/ready' },
          timeoutMs: 3000,
        },
      ],
      ['/app-health/a/livez', { action: { kind: 'tcp', port: 81 }, timeoutMs: 1000 }],
    ],
  ],
  [
    'scrape target',
    { variables: { ISTIO_PROMETHEUS_ANNOTATIONS: '{"scrape":"true","path":"/m","port":"8080"}' } },
    (o) => o.status.scrape.apps,
    [{ port: 8080, path: '/m' }],
  ],
  [
    'scrape target with a port alone',
    { variables: { ISTIO_PROMETHEUS_ANNOTATIONS: '{"scrape":"","path":"","port":"8080"}' } },
    (o) => o.status.scrape.apps,
    [{ port: 8080, path: '/metrics' }],
  ],
  [
    'scrape target of an app that says nothing more',
    { variables: { ISTIO_PROMETHEUS_ANNOTATIONS: '{"scrape":"true"}' } },
    (o) => o.status.scrape.apps,
    [{ port: 80, path: '/metrics' }],
  ],
  [
    'several scrape targets',
    {
      variables: {
        ISTIO_PROMETHEUS_ANNOTATIONS:
          '{"scrape":"","port":"8080","path":"/m","targets":[{"port":"8080","path":"/m"},{"port":"9100","path":"x?y"}]}',
      },
    },
    (o) => o.status.scrape.apps,
    [
      { port: 8080, path: '/m' },
      { port: 9100, path: '/x?y' },
    ],
  ],
  [
    'no scrape target',
    { variables: { ISTIO_PROMETHEUS_ANNOTATIONS: '{"scrape":"false","port":"8080"}' } },
    (o) => o.status.scrape.apps,
    [],
  ],
  [
    'a scrape target that nobody can reach',
    { variables: { ISTIO_PROMETHEUS_ANNOTATIONS: '{"scrape":"true","port":"http-metrics"}' } },
    (o) => o.status.scrape.apps,
    [],
  ],
  [
    'status server',
    {
      flags: ['--profiling=false'],
      variables: {
        METRICS_LOCALHOST_ACCESS_ONLY: 'true',
        PILOT_AGENT_MERGE_ENVOY_STATS: 'false',
        ISTIO_ENABLE_HTTP2_PROBING: 'false',
        ENABLE_PROBE_KEEPALIVE_CONNECTIONS: 'true',
        REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION: 'true',
      },
    },
    (o) => o.status,
    {
      appProbers: new Map(),
      probes: { localhost: true, http2: false, keepAlive: true },
      scrape: { apps: [], mergeProxyStats: false, localOnly: true },
      profiling: false,
    },
  ],
  [
    'log levels',
    { flags: ['--log_output_level=default:warn,xdsproxy:debug'] },
    (o) => [o.log.levels.general, o.log.levels.scopes.get('xdsproxy')],
    ['warning', 'debug'],
  ],
  [
    'MESH_CONFIG over the file, under PROXY_CONFIG',
    {
      variables: { MESH_CONFIG: 'defaultConfig: {statusPort: 2, drainDuration: 7s}' },
      files: { './etc/istio/config/mesh': 'defaultConfig: {statusPort: 1, concurrency: 3}' },
      proxyConfig: { drainDuration: '9s' },
    },
    ({ proxyConfig }) => [
      proxyConfig.statusPort,
      proxyConfig.concurrency,
      proxyConfig.drainDurationMs,
    ],
    [2, 3, 9000],
  ],
  [
    'a router, to which nothing is redirected',
    { flags: ['router'] },
    (o) => [o.node.id.split('~')[0], o.proxy.early],
    ['router', undefined],
  ],
  [
    'what is not built',
    {
      flags: ['--stsPort=15463'],
      variables: {
        PEER_METADATA_DISCOVERY: 'true',
        ENVOY_SECURE_METRICS_PORT: '0',
        DISABLE_ENVOY: 'false',
      },
      proxyConfig: { readinessProbe: { tcpSocket: { port: 1 } }, privateKeyProvider: {} },
    },
    (o) => o.warnings.map((warning) => warning.split(':', 1)[0]),
    [
      'PEER_METADATA_DISCOVERY',
      'ProxyConfig.readinessProbe',
      'ProxyConfig.privateKeyProvider',
      '--stsPort',
    ],
  ],
  [
    'flags of tomorrow',
    { flags: ['--tomorrow', 'x', 'sidecar', '--more=y', '--last'] },
    (o) => o.warnings.slice(0, 3),
    ['--tomorrow', '--more', '--last'].map((flag) => `${flag}: no such flag, passed over`),
  ],
  [
    "stock's own template",
    { flags: ['--templateFile', './var/lib/istio/envoy/envoy_bootstrap_tmpl.json'] },
    (o) => o.customBootstrap,
    undefined,
  ],
  [
    'a bootstrap of YAML',
    { flags: ['--templateFile', 'b.yaml'], files: { 'b.yaml': 'static_resources: {}' } },
    (o) => o.customBootstrap,
    { static_resources: {} },
  ],
  [
    'ports open before their listeners',
    {},
    (o) => o.proxy.early,
    { addresses: ['0.0.0.0:15001', '0.0.0.0:15006'], holdMs: 15_000 },
  ],
  [
    'with TPROXY those of the application alone',
    { variables: { ISTIO_META_INTERCEPTION_MODE: 'TPROXY', OUTRIGGER_EARLY_HOLD: '3s' } },
    (o) => o.proxy.early,
    { addresses: ['0.0.0.0:15001'], holdMs: 3000 },
  ],
  ['nothing is let through that is not built', {}, (o) => o.proxy.allowances, []],
  [
    'what the operator lets through',
    {
      variables: {
        OUTRIGGER_PASS_UNENFORCED: 'true',
        OUTRIGGER_SKIP_UNKNOWN_EXTENSIONS: 'true',
      },
    },
    (o) => o.proxy.allowances,
    ['--pass-unenforced', '--skip-unknown-extensions'],
  ],
  [
    'override file',
    { variables: { ISTIO_BOOTSTRAP_OVERRIDE: 'o.yaml' }, files: { 'o.yaml': 'admin: {}' } },
    (o) => o.proxy.bootstrapOverrideYaml,
    'admin: {}',
  ],
];

const REFUSED: readonly (readonly [OptionInputs, RegExp])[] = [
  [{ flags: ['waypoint'] }, /^proxy waypoint: the roles are sidecar and router$/],
  [{ flags: ['--templateFile=no'] }, /^--templateFile: no is not there$/],
  [
    { variables: { ISTIO_BOOTSTRAP: 'b' }, files: { b: '{"node": {{ .nodeID }} }' } },
    /^ISTIO_BOOTSTRAP: b is a Go template, which is not read; /,
  ],
  [
    { proxyConfig: { customConfigFile: 'b' }, files: { b: '{"node": [' } },
    /^ProxyConfig.customConfigFile: b is neither JSON nor YAML: /,
  ],
  [{ flags: ['sidecar', 'x'] }, /^unexpected argument "x"$/],
  [{ flags: ['--concurrency', '-1'] }, /^--concurrency needs a whole number, not "-1"$/],
  [{ flags: ['--proxyLogLevel=loud'] }, /^--proxyLogLevel: "loud" is no level; use trace/],
  [{ flags: ['--log_output_level=x'] }, /^--log_output_level: use debug/],
  [
    { variables: { ISTIO_PROMETHEUS_ANNOTATIONS: '{"scrape":"true","port":"15020"}' } },
    /^ISTIO_PROMETHEUS_ANNOTATIONS: port 15020 is the agent's own; /,
  ],
  [{ variables: { PROXY_CONFIG: '{' } }, /^PROXY_CONFIG: is neither JSON nor YAML: /],
  [{ variables: { PROXY_CONFIG: '[]' } }, /^PROXY_CONFIG: must be an object/],
  [
    { proxyConfig: { drainDuration: 45 } },
    /^ProxyConfig\.drainDuration: 45 is not a duration such as 45s$/,
  ],
  [{ proxyConfig: { statusPort: 70000 } }, /^ProxyConfig\.statusPort: 70000 is not a port/],
  [{ proxyConfig: { concurrency: 1.5 } }, /^ProxyConfig\.concurrency: 1\.5 is not a whole number/],
  [{ proxyConfig: { configPath: '' } }, /^ProxyConfig\.configPath: "" is not a text/],
  [
    { proxyConfig: { configPath: `/${'x'.repeat(120)}` } },
    /XDS: longer than the 107 bytes of a unix socket's path/,
  ],
  [{ variables: { JWT_POLICY: 'none' } }, /^JWT_POLICY: must be third-party-jwt or first-party/],
  [{ variables: { CA_PROVIDER: 'GoogleCAS' } }, /^CA_PROVIDER: only Citadel is known/],
  [{ variables: { CA_ADDR: 'istiod' } }, /^CA_ADDR: must be host:port/],
  [{ variables: { CREDENTIAL_FETCHER_TYPE: 'X' } }, /^CREDENTIAL_FETCHER_TYPE: must be JWT, G/],
  [{ variables: { PILOT_CERT_PROVIDER: 'x' } }, /^PILOT_CERT_PROVIDER: must be istiod, kubernetes/],
  [{ variables: { ECC_SIGNATURE_ALGORITHM: 'RSA' } }, /^ECC_SIGNATURE_ALGORITHM: must be ECDSA/],
  [{ variables: { ECC_CURVE: 'P521' } }, /^ECC_CURVE: must be P256 or P384/],
  [{ variables: { WORKLOAD_RSA_KEY_SIZE: '1024' } }, /^WORKLOAD_RSA_KEY_SIZE: must be a whole num/],
  [{ variables: { SECRET_TTL: '0s' } }, /^SECRET_TTL: must be from one second to ten years/],
  [
    { variables: { SECRET_GRACE_PERIOD_RATIO: '1.5' } },
    /^SECRET_GRACE_PERIOD_RATIO: must be a number from 0 to 1/,
  ],
  [
    { proxyConfig: { controlPlaneAuthPolicy: 'X' } },
    /^ProxyConfig\.controlPlaneAuthPolicy: "X" is not NONE or MUTUAL_TLS/,
  ],
  [
    { proxyConfig: { discoveryAddress: 'no-port' } },
    /^ProxyConfig\.discoveryAddress: must be host:port/,
  ],
  [{ variables: { XDS_ADDR: 'http://x:1' } }, /^XDS_ADDR: must be host:port/],
  [
    { variables: { INSTANCE_IP: 'reviews' } },
    /^INSTANCE_IP: must be an IP address, not "reviews"$/,
  ],
  [{ variables: { INSTANCE_IP: '' } }, /^INSTANCE_IP: must name the address of the workload/],
  [
    { variables: { ENVOY_STATUS_PORT: '0x10' } },
    /^ENVOY_STATUS_PORT: must be a whole number from 1 to 65535/,
  ],
  [
    { variables: { OUTRIGGER_BIND_ADDRESS: 'lo' } },
    /^OUTRIGGER_BIND_ADDRESS: must be an IP address/,
  ],
  [
    { variables: { MINIMUM_DRAIN_DURATION: '5' } },
    /^MINIMUM_DRAIN_DURATION: must be a duration such as 5s/,
  ],
  [
    { variables: { ISTIO_DELTA_XDS: 'yes' } },
    /^ISTIO_DELTA_XDS: must be true or false, not "yes"$/,
  ],
  [
    { proxyConfig: { tracing: { zipkin: { address: 'zipkin' } } } },
    /^ProxyConfig\.tracing\.zipkin\.address: must be host:port, not "zipkin"$/,
  ],
  [
    { proxyConfig: { envoyMetricsService: { address: 'a:1', tlsSettings: { mode: 'X' } } } },
    /^ProxyConfig\.envoyMetricsService: tlsSettings\.mode must be DISABLE/,
  ],
  [
    { proxyConfig: { tracingServiceName: 'X' } },
    /^ProxyConfig\.tracingServiceName: "X" is not APP_LABEL_AND_NAMESPACE or /,
  ],
  [
    { variables: { ISTIO_META_CLUSTER_ID: 'größe' } },
    /^ISTIO_META_CLUSTER_ID: must be printable ASCII, as a header carries it, not "größe"/,
  ],
  [{ variables: { DISABLE_ENVOY: 'true' } }, /^DISABLE_ENVOY: an agent without its proxy/],
  [
    { variables: { ENVOY_SECURE_METRICS_PORT: '15091' } },
    /^ENVOY_SECURE_METRICS_PORT: metrics over mTLS are not built/,
  ],
  [{ variables: { 'XDS_HEADER_A B': 'x' } }, /^XDS_HEADER_A B: must be a header name/],
  [
    { variables: { ISTIO_KUBE_APP_PROBERS: '{"/x":{}}' } },
    /^ISTIO_KUBE_APP_PROBERS: "\/x" must look like/,
  ],
  [
    {
      variables: { ISTIO_KUBE_APP_PROBERS: '{"/app-health/a/readyz":{"httpGet":{"port":"http"}}}' },
    },
    /^ISTIO_KUBE_APP_PROBERS\["\/app-health\/a\/readyz"\]: httpGet\.port: must be a port/,
  ],
  [
    {
      variables: {
        ISTIO_KUBE_APP_PROBERS: '{"/app-health/a/readyz":{"httpGet":{"port":80,"path":7}}}',
      },
    },
    /httpGet\.path: must be a path$/,
  ],
  [
    { variables: { ISTIO_PROMETHEUS_ANNOTATIONS: 'x' } },
    /^ISTIO_PROMETHEUS_ANNOTATIONS: must be a JSON object/,
  ],
  [
    { variables: { ISTIO_BOOTSTRAP_OVERRIDE: 'gone' } },
    /^ISTIO_BOOTSTRAP_OVERRIDE: there is no file gone$/,
  ],
];

t.test('AgentOptions', (t) => {
  t.test('reads', async (t) => {
    for (const [name, inputs, pick, wanted] of READ)
      t.same(pick(await makeOptions(inputs)), wanted, name);
  });

  t.test('refuses, naming the place and what to do', async (t) => {
    for (const [inputs, words] of REFUSED) {
      const result = await tryOptions(inputs);
      t.match(result, { ok: false, problems: [words] }, String(words));
    }
  });

  t.test('collects all problems', async (t) => {
    const result = await tryOptions({
      variables: { INSTANCE_IP: 'x', XDS_ADDR: 'y' },
      proxyConfig: { statusPort: 0 },
    });
    t.equal(result.ok ? 0 : result.problems.length, 3);
  });

  t.test('is frozen', async (t) => {
    t.ok(Object.isFrozen(await makeOptions({})));
  });

  t.test('tells where a sidecar listens even where it could not start', async (t) => {
    const host = makeSurroundings({
      variables: { PROXY_CONFIG: '{"proxyAdminPort": 25000, "statusPort": "x"}' },
    });
    t.match(await readAddresses(host), { adminPort: 25000, readyPort: 15021, local: '127.0.0.1' });
  });

  t.end();
});
