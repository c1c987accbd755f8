// @long @timeout 300 s
// [m] Either half of the sidecar beside the stock other one: our agent with Envoy (ENVOY_BIN), pilot-agent's command line, and pilot-agent
// itself (PILOT_AGENT_BIN), with our proxy.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t from 'tap';

import { buildBootstrap } from '../../agent/supervisor/bootstrap-writer.ts';
import { makeOptions } from '../support/agent-options.ts';
import { runAgent } from '../support/agent-process.ts';
import { boundCommand } from '../support/bound-command.ts';
import { eventually } from '../support/eventually.ts';
import { isAlive } from '../support/fake-proxy.ts';
import { privateDir } from '../support/private-dir.ts';
import { programPath } from '../support/program-path.ts';
import { recordedDelta, startRecordedControlPlane } from '../support/recorded-control-plane.ts';
import { putFile } from '../support/local-authority.ts';
import type { Teardowns } from '../support/private-dir.ts';
import { address } from '../support/proxy-process.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import type { Json } from '../support/scripted-control-plane.ts';
import { childrenOf } from '../support/sidecar-mesh.ts';
import { TestAuthority } from '../support/test-authority.ts';
import { freePort } from '../support/free-port.ts';
import { ask, serveHttp } from '../support/test-http.ts';
import { byAds, endpointsOf } from '../support/xds-bootstrap.ts';

t.setTimeout(240_000);

const envoy = process.env['ENVOY_BIN'];
const pilotAgent = process.env['PILOT_AGENT_BIN'];
const skipWithout = (path: string | undefined, name: string): string | false =>
  path === undefined ? `set ${name} to run this` : false;

interface Answer {
  readonly status: number;
  readonly warning: string;
  readonly body: string;
}

function get(host: string, port: number, path: string): Promise<Answer> {
  return new Promise((resolve) => {
    const sent = request({ host, port, path }, (response) => {
      let body = '';
      const warning = String(response.headers['x-outrigger-warning'] ?? '');
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, warning, body }));
    });
    sent.on('error', () => resolve({ status: 0, warning: '', body: '' }));
    sent.end();
  });
}

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
const HCM =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

/** As istiod writes where the workload's certificate comes from. */
const workloadTls = {
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    '@type': TLS,
    common_tls_context: {
      tls_certificate_sds_secret_configs: [
        {
          name: 'default',
          sds_config: {
            api_config_source: {
              api_type: 'GRPC',
              transport_api_version: 'V3',
              set_node_on_first_message_only: true,
              grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
            },
            initial_fetch_timeout: '0s',
            resource_api_version: 'V3',
          },
        },
      ],
    },
  },
};

function listenerOf(port: number, routes: string, tls: boolean): Json {
  return {
    name: `l${port}`,
    address: address(port),
    filter_chains: [
      {
        ...(tls ? { transport_socket: workloadTls } : {}),
        filters: [
          {
            name: 'http',
            typed_config: {
              '@type': HCM,
              stat_prefix: 'x',
              rds: { route_config_name: routes, config_source: byAds('0s') },
              http_filters: [{ name: 'router', typed_config: { '@type': ROUTER } }],
            },
          },
        ],
      },
    ],
  };
}

const routesTo = (cluster: string): Json => ({
  name: 'routes',
  virtual_hosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: [{ match: { prefix: '/' }, route: { cluster } }],
    },
  ],
});

interface Scene {
  readonly xds: ScriptedControlPlane;
  readonly plainPort: number;
  readonly tlsPort: number;
  readonly statusPort: number;
  readonly readyPort: number;
  readonly agent: ChildProcess;
  /** Its working directory. */
  readonly folder: string;
  output(): string;
  proxyPid(): number | undefined;
}

async function startWithEnvoy(t: Teardowns, deltaXds: boolean): Promise<Scene> {
  const dir = privateDir(t);
  const xds = new ScriptedControlPlane();
  const xdsPort = await xds.listen();
  t.teardown(() => xds.close());
  const [v1, v2] = [
    await serveHttp(t, (_, response) => void response.end('v1')),
    await serveHttp(t, (_, response) => void response.end('v2')),
  ];
  const [plainPort, tlsPort, statusPort, proxyAdminPort, readyPort, prometheusPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  for (const [name, port] of [
    ['v1', v1],
    ['v2', v2],
  ] as const) {
    xds.set('clusters', name, {
      name,
      type: 'EDS',
      eds_cluster_config: { eds_config: byAds('0s') },
    });
    xds.set('endpoints', name, endpointsOf(name, port));
  }
  xds.set('routes', 'routes', routesTo('v1'));
  xds.set('listeners', `l${plainPort}`, listenerOf(plainPort, 'routes', false));
  xds.set('listeners', `l${tlsPort}`, listenerOf(tlsPort, 'routes', true));
  const authority = new TestAuthority();
  const identity = authority.identity('spiffe://cluster.local/ns/default/sa/a');
  putFile(join(dir, 'etc/certs/cert-chain.pem'), identity.chainPem);
  putFile(join(dir, 'etc/certs/key.pem'), identity.keyPem);
  putFile(join(dir, 'etc/certs/root-cert.pem'), authority.rootPem);
  const log = join(dir, 'log');
  const fd = openSync(log, 'w');
  const agent = spawn(
    ...boundCommand(process.execPath, [programPath('agent/main'), 'proxy', 'sidecar']),
    {
      cwd: dir,
      env: {
        ...process.env,
        INSTANCE_IP: '127.0.0.1',
        POD_NAME: 'a',
        POD_NAMESPACE: 'default',
        FILE_MOUNTED_CERTS: 'true',
        ISTIO_DELTA_XDS: String(deltaXds),
        OUTRIGGER_BIND_ADDRESS: '127.0.0.1',
        OUTRIGGER_GRACE_PERIOD: '1s',
        ENVOY_STATUS_PORT: String(readyPort),
        ENVOY_PROMETHEUS_PORT: String(prometheusPort),
        PROXY_CONFIG: JSON.stringify({
          controlPlaneAuthPolicy: 'NONE',
          discoveryAddress: `127.0.0.1:${xdsPort}`,
          binaryPath: envoy,
          configPath: './w',
          concurrency: 1,
          statusPort,
          proxyAdminPort,
          terminationDrainDuration: '0.2s',
        }),
      },
      // Not pipes: Envoy opens /dev/stdout by its name.
      stdio: ['ignore', fd, fd],
    },
  );
  closeSync(fd);
  t.teardown(() => agent.kill('SIGKILL'));
  const scene = {
    ...{ xds, plainPort, tlsPort, statusPort, readyPort, agent, folder: dir },
    output: () => readFileSync(log, 'utf8'),
    proxyPid: () => childrenOf(agent.pid!)[0],
  };
  await eventually('ready', () => isReady(scene), 30_000).catch((error: Error) => {
    throw new Error(`${error.message}\n${scene.output()}`);
  });
  return scene;
}

/** As the kubelet asks: through Envoy. */
const isReady = async ({ readyPort }: Pick<Scene, 'readyPort'>): Promise<boolean> =>
  (await get('127.0.0.1', readyPort, '/healthz/ready')).status === 200;

const bodyOf = async ({ plainPort }: Scene): Promise<string> =>
  (await get('127.0.0.1', plainPort, '/')).body;

/** The name in the certificate that Envoy shows. */
function shownName(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subjectaltname ?? '');
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

for (const deltaXds of [true, false]) {
  const name = `Our agent with Envoy, ${deltaXds ? 'delta' : 'state of the world'}`;
  t.test(name, { skip: skipWithout(envoy, 'ENVOY_BIN') }, async (t) => {
    const scene = await startWithEnvoy(t, deltaXds);
    const { xds, statusPort } = scene;

    t.test('configures it, gives it its certificate, and follows', async (t) => {
      await eventually('v1', async () => (await bodyOf(scene)) === 'v1');
      t.match(await shownName(scene.tlsPort), 'URI:spiffe://cluster.local/ns/default/sa/a');
      xds.put('routes', 'routes', routesTo('v2'));
      await eventually('v2', async () => (await bodyOf(scene)) === 'v2');
      t.strictSame(
        [...xds.answers.values()].filter((answer) => answer !== 'ACK'),
        [],
      );
    });

    t.test('merges its metrics with those of Envoy', async (t) => {
      const { status, body } = await get('127.0.0.1', statusPort, '/stats/prometheus');
      t.equal(status, 200);
      t.match(body, /^istio_agent_xds_proxy_requests \d/m);
      t.match(body, /^envoy_server_live/m);
      t.notMatch(body, /^istio_agent_scrape_failures_total\{type="envoy"\} [1-9]/m);
    });

    t.test('starts it again when it is killed', async (t) => {
      const killed = scene.proxyPid()!;
      process.kill(killed, 'SIGKILL');
      await eventually('another one', () => ![undefined, killed].includes(scene.proxyPid()));
      await eventually('ready', () => isReady(scene), 30_000);
      t.equal(await bodyOf(scene), 'v2');
      t.match(scene.output(), /proxy killed by SIGKILL[^]*epoch 2/);
    });

    t.test('gives it what was kept while the control plane is away', async (t) => {
      const warning = async (): Promise<string> =>
        (await get('127.0.0.1', statusPort, '/healthz/ready')).warning;
      const kept = join(scene.folder, 'w/last-good-config');
      await eventually('it is kept', () => existsSync(kept) && !existsSync(`${kept}.next`));
      const port = xds.port;
      xds.close();
      const killed = scene.proxyPid()!;
      process.kill(killed, 'SIGKILL');
      await eventually('another one', () => ![undefined, killed].includes(scene.proxyPid()));
      await eventually('ready', () => isReady(scene), 30_000);
      t.equal(await bodyOf(scene), 'v2');
      t.match(await shownName(scene.tlsPort), 'URI:spiffe://');
      t.match(await warning(), /as kept on disk/);
      t.ok(port > 0);
    });

    t.test('takes it along', async (t) => {
      const pids = [scene.agent.pid!, scene.proxyPid()!];
      const signal = deltaXds ? 'SIGTERM' : 'SIGKILL';
      scene.agent.kill(signal);
      await eventually('both gone', () => !pids.some(isAlive), 30_000);
      if (deltaXds) t.match(scene.output(), /shutting down: [^]*after the signal; /);
      t.equal(scene.agent.signalCode, deltaXds ? null : 'SIGKILL');
    });
  });
}

/** As pilot-agent writes it (istio-contract §6.3), with all that is optional. */
const stockWords = (bootstrap: string): readonly string[] => [
  ...['-c', bootstrap],
  ...['--drain-time-s', '45'],
  ...['--drain-strategy', 'immediate'],
  ...['--local-address-ip-version', 'v4'],
  ...['--file-flush-interval-msec', '1000'],
  '--disable-hot-restart',
  '--allow-unknown-static-fields',
  ...['-l', 'warning'],
  ...['--component-log-level', 'misc:error,upstream:info'],
  '--skip-deprecated-logs',
  ...['--config-yaml', '{"stats_flush_interval":"7s"}'],
  ...['--concurrency', '2'],
];

t.test("Our proxy with pilot-agent's command line", async (t) => {
  const dir = privateDir(t);
  const [proxyAdminPort, statusPort] = [await freePort(), await freePort()];
  const options = await makeOptions({
    variables: {
      OUTRIGGER_BIND_ADDRESS: '127.0.0.1',
      ENVOY_STATUS_PORT: String(await freePort()),
      ENVOY_PROMETHEUS_PORT: String(await freePort()),
    },
    proxyConfig: { proxyAdminPort, statusPort, configPath: dir },
  });
  const path = join(dir, 'envoy-rev.json');
  writeFileSync(path, JSON.stringify(buildBootstrap(options)));
  const words = [programPath('proxy/main'), ...stockWords(path)];
  const child = spawn(...boundCommand(process.execPath, words), {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  await eventually('it answers', async () =>
    ask(proxyAdminPort, 'GET', '/server_info').then(
      ({ status }) => status === 200,
      () => {
        if (child.exitCode !== null) throw new Error(stderr);
        return false;
      },
    ),
  );
  const info = JSON.parse((await ask(proxyAdminPort, 'GET', '/server_info')).body) as {
    readonly command_line_options: object;
  };
  t.match(info.command_line_options, {
    config_path: path,
    drain_time: '45s',
    drain_strategy: 'Immediate',
    file_flush_interval: '1s',
    disable_hot_restart: true,
    allow_unknown_static_fields: true,
    log_level: 'warning',
    component_log_level: 'misc:error,upstream:info',
    skip_deprecated_logs: true,
    concurrency: 2,
  });
  const dump = await ask(proxyAdminPort, 'GET', '/config_dump');
  t.match(dump.body, /"stats_flush_interval": "7s"/, '--config-yaml is merged');
  child.kill('SIGTERM');
  await eventually('it ends', () => child.exitCode !== null || child.signalCode !== null);
  t.equal(child.exitCode, 0);
});

t.test(
  'pilot-agent with our proxy',
  { skip: skipWithout(pilotAgent, 'PILOT_AGENT_BIN') },
  async (t) => {
    const dir = privateDir(t);
    const istiod = await startRecordedControlPlane(t, {
      delta: recordedDelta('01-bookinfo/productpage'),
    });
    const [statusPort, proxyAdminPort] = [await freePort(), await freePort()];
    const child = spawn(...boundCommand(pilotAgent!, ['proxy', 'sidecar']), {
      cwd: dir,
      env: {
        ...process.env,
        INSTANCE_IP: '127.0.0.1',
        POD_NAME: 'productpage-v1-0',
        POD_NAMESPACE: 'default',
        PROXY_CONFIG: JSON.stringify({
          controlPlaneAuthPolicy: 'NONE',
          discoveryAddress: istiod.target,
          binaryPath: join(import.meta.dirname, '../../proxy/bin/outrigger-proxy'),
          configPath: join(dir, 'w'),
          statusPort,
          proxyAdminPort,
        }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.teardown(() => child.kill('SIGKILL'));
    await eventually(
      'ready',
      async () => {
        return (await get('127.0.0.1', statusPort, '/healthz/ready')).status === 200;
      },
      60_000,
    );
    t.pass();
  },
);

t.test('Our agent takes what pilot-agent takes', async (t) => {
  const run = runAgent(t, ['proxy', 'router', '--domain=x.svc.cluster.local', '--help'], {});
  t.equal(await run.exitCode, 0, run.output());
});
