// [m] The bootstrap that the agent writes, compared with the one that stock pilot-agent 1.26 wrote.
import { readFileSync, statSync, writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { buildBootstrap, writeBootstrap } from '../../../agent/supervisor/bootstrap-writer.ts';
import { makeOptions } from '../../support/agent-options.ts';
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

  t.test('keeps the stats that annotations and ProxyConfig ask for', async (t) => {
    const options = await makeOptions({
      variables: { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true' },
      files: {
        './etc/istio/pod/annotations':
          'sidecar.istio.io/statsInclusionPrefixes="cluster.outbound,http"\n',
      },
      proxyConfig: {
        proxyStatsMatcher: { inclusionSuffixes: ['upstream_rq_time'] },
        extraStatTags: ['zone'],
      },
    });
    const json = JSON.stringify(buildBootstrap(options));
    for (const pattern of [
      '{"prefix":"cluster.outbound"}',
      '{"prefix":"http"}',
      '{"suffix":"upstream_rq_time"}',
      '{"suffix":"downstream_cx_active"}',
      '{"tag_name":"zone","regex":"(zone=\\\\.=(.*?);\\\\.;)"}',
    ]) {
      t.ok(json.includes(pattern), pattern);
    }
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

  t.end();
});
