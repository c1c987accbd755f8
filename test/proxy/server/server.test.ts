// Server: from a bootstrap to LIVE with real xDS over gRPC and real threads; workers are stand-ins without a data path.
import t from 'tap';
import type { AdminContext } from '../../../proxy/server/admin-context.ts';
import { encode } from '../../../xds-protos/codec.ts';
import { eventually } from '../../support/eventually.ts';
import {
  recordedDelta,
  recordedSotw,
  startRecordedControlPlane,
} from '../../support/recorded-control-plane.ts';
import type { Teardowns } from '../../support/private-dir.ts';
import { serveWorkloadSecrets } from '../../support/secret-server.ts';
import { pilotAgentBootstrap, startStandInServer } from '../../support/stand-in-server.ts';

const LISTENER = (name: string, port: number): string => `
  - name: ${name}
    address: {socket_address: {address: 127.0.0.1, port_value: ${port}}}
    filter_chains: [{filters: [{name: envoy.filters.network.tcp_proxy, typed_config: {
      "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}]}]`;
const bootstrapOf = (listeners: string): string => `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  clusters:
  - name: c
    load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9}}}}]}]}
  listeners:${listeners}`;

const entries = (section: ReturnType<AdminContext['dumpClusters']>): string[] =>
  section.entries.map(({ name, state }) => `${state} ${name}`).sort();

const secretsTarget = async (t: Teardowns): Promise<string> =>
  (await serveWorkloadSecrets(t)).target;

t.test('Server', (t) => {
  t.test('is live with a static configuration, and shows it', async (t) => {
    const { server, admin, stats, lines } = await startStandInServer(
      t,
      bootstrapOf(LISTENER('a', 0) + LISTENER('unbindable', 0)),
    );
    await eventually('live', () => server.state === 'LIVE');
    t.equal(admin.listeners()[0]?.boundAddresses.length, 1, 'not before it listens');
    t.match(admin.listeners()[0], {
      config: { name: 'a' },
      boundAddresses: [{ kind: 'ip', address: '127.0.0.1' }],
    });
    const bound = admin.listeners()[0]!.boundAddresses[0]!;
    t.ok(bound.kind === 'ip' && bound.port > 0, 'port 0 became a real port');
    t.match(
      await stats(),
      new Map([
        ['server.state', 0],
        ['server.live', 1],
        ['server.concurrency', 2],
        ['listener_manager.workers_started', 1],
        ['listener_manager.listener_create_success', 2],
        ['listener_manager.listener_create_failure', 2],
        ['cluster_manager.active_clusters', 1],
        ['test.worker_index_sum', 1],
      ]),
    );
    t.same(entries(admin.dumpClusters()), ['static c']);
    t.same(entries(admin.dumpListeners()), ['static a', 'static unbindable']);
    t.match(admin.dumpListeners().entries[1], { errorState: { details: /cannot bind/ } });
    t.match(lines.join('\n'), /error adding listener 'unbindable': cannot bind: EADDRINUSE/);
    t.equal(await server.quitRequested, 1, 'a static listener without its port ends the process');
    t.match(await admin.collectClusters(), [
      { config: { name: 'c' }, hosts: [{ counts: { rqTotal: 0 } }] },
    ]);
  });

  t.test('obeys admin: health, drain, log levels, counters, quit', async (t) => {
    const { server, admin, stats } = await startStandInServer(t, bootstrapOf(LISTENER('a', 0)), {
      concurrency: 1,
    });
    await eventually('live', () => server.state === 'LIVE');
    admin.setHealthCheckFailed(true);
    t.equal(server.state, 'DRAINING');
    t.equal((await stats()).get('server.state'), 1);
    admin.setHealthCheckFailed(false);
    t.equal(server.state, 'LIVE');
    admin.drainListeners({ inboundOnly: false, graceful: false, skipExit: false });
    t.equal(server.state, 'LIVE', 'draining listeners alone does not leave LIVE');
    t.same(admin.listeners()[0]?.boundAddresses, []);
    t.ok(admin.setLogLevel('upstream', 'debug'));
    t.notOk(admin.setLogLevel('no-such', 'debug'));
    t.match(
      admin.logLevels().find(({ component }) => component === 'upstream'),
      { level: 'debug' },
    );
    await admin.resetCounters();
    t.equal((await stats()).get('listener_manager.listener_added'), 0);
    admin.quit();
    t.equal(await server.quitRequested, 0);
  });

  for (const mode of ['delta', 'sotw'] as const) {
    t.test(
      `becomes live on what istiod sends by ${mode}, from the bootstrap of pilot-agent`,
      async (t) => {
        const { target } = await startRecordedControlPlane(t, {
          delta: recordedDelta('01-bookinfo/productpage'),
          sotw: recordedSotw('01-bookinfo/productpage-sotw'),
        });
        let text = pilotAgentBootstrap(target, await secretsTarget(t));
        if (mode === 'sotw') text = text.replace('DELTA_GRPC', 'GRPC');
        const { server, admin, stats, lines } = await startStandInServer(t, text, {
          adsTarget: target,
        });
        await eventually('live', () => server.state === 'LIVE');
        const values = await stats();
        t.equal(values.get('cluster_manager.cds.update_success'), 1);
        t.equal(values.get('listener_manager.lds.update_success'), 1);
        t.equal(values.get('cluster_manager.cds.update_rejected'), 0);
        t.equal(values.get('listener_manager.lds.update_rejected'), 0);
        t.equal(values.get('cluster_manager.active_clusters'), 12);
        t.equal(values.get('cluster_manager.warming_clusters'), 0);
        t.equal(values.get('listener_manager.total_listeners_active'), 5);
        t.equal(admin.endpoints().filter(({ config }) => config.type === 'EDS').length, 4);
        t.same(entries(admin.dumpRoutes()), ['active 9080']);
        t.ok(entries(admin.dumpListeners()).includes('active virtualInbound'));
        t.ok(entries(admin.dumpClusters()).includes('static xds-grpc'));
        t.ok(admin.dumpClusters().versionInfo !== '' || mode === 'delta');
        t.ok(
          lines.some((line) => /^warning main http filter istio.*does nothing/.test(line)),
          'inert filters are named in the log, at the level that the agent gives a proxy',
        );
        t.ok(admin.inertNotes.length > 0);
        t.same(
          lines.filter((line) =>
            /^(warning|error|critical)(?!.* in this version$| misc Deprecated field: )/.test(line),
          ),
          [],
        );
      },
    );
  }

  t.test('waits for istiod, and publishes no listener before its clusters', async (t) => {
    const recorded = recordedDelta('01-bookinfo/productpage');
    const cds = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
    const { target, streams } = await startRecordedControlPlane(t, {
      delta: new Map([...recorded].filter(([typeUrl]) => typeUrl !== cds)),
    });
    const { server, stats } = await startStandInServer(
      t,
      pilotAgentBootstrap(target, await secretsTarget(t)),
      {
        adsTarget: target,
      },
    );
    await eventually('a request', () => streams[0]?.requests[0]?.type_url === cds);
    t.equal(server.state, 'INITIALIZING');
    t.equal((await stats()).get('listener_manager.total_listeners_active'), 0);
    streams[0]!.sendDelta!(recorded.get(cds)!);
    await eventually('live', () => server.state === 'LIVE');
  });

  t.test('becomes live when istiod has nothing for it', async (t) => {
    const types = ['envoy.config.cluster.v3.Cluster', 'envoy.config.listener.v3.Listener'];
    const empty = types.map((type) => {
      const typeUrl = `type.googleapis.com/${type}`;
      return [typeUrl, { type_url: typeUrl, nonce: 'n', system_version_info: 'v' }] as const;
    });
    const { target } = await startRecordedControlPlane(t, { delta: new Map(empty) });
    const { server } = await startStandInServer(
      t,
      pilotAgentBootstrap(target, await secretsTarget(t)),
      {
        adsTarget: target,
      },
    );
    await eventually('live', () => server.state === 'LIVE');
  });

  t.test('keeps what it has while istiod is away', async (t) => {
    const { target, streams, close } = await startRecordedControlPlane(t, {
      delta: recordedDelta('01-bookinfo/productpage'),
    });
    const { server, stats, lines } = await startStandInServer(
      t,
      pilotAgentBootstrap(target, await secretsTarget(t)),
      {
        adsTarget: target,
      },
    );
    await eventually('live', () => server.state === 'LIVE');
    streams[0]!.end();
    close();
    await eventually('noticed', () => lines.some((line) => line.includes('xDS stream ended')));
    t.equal(server.state, 'LIVE');
    t.equal((await stats()).get('cluster_manager.active_clusters'), 12);
    t.equal((await stats()).get('control_plane.connected_state'), 0);
  });

  t.test('applies removals and keeps the last good version of what it refuses', async (t) => {
    const { target, streams } = await startRecordedControlPlane(t, {
      delta: recordedDelta('01-bookinfo/productpage'),
    });
    const { server, admin, stats } = await startStandInServer(
      t,
      pilotAgentBootstrap(target, await secretsTarget(t)),
      {
        adsTarget: target,
      },
    );
    await eventually('live', () => server.state === 'LIVE');
    const name = 'outbound|9080||ratings.default.svc.cluster.local';
    const type = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
    const bad = encode('envoy.config.cluster.v3.Cluster', {
      name,
      type: 'EDS',
      lb_policy: 'MAGLEV',
      connect_timeout: { seconds: -1, nanos: 0 },
    });
    streams[0]!.sendDelta!({
      type_url: type,
      nonce: 'n2',
      system_version_info: 'v2',
      resources: [{ name, version: 'v2', resource: { type_url: type, value: bad } }],
      removed_resources: ['outbound|9080||details.default.svc.cluster.local'],
    });
    await eventually(
      'refused',
      async () => (await stats()).get('cluster_manager.cds.update_rejected') === 1,
    );
    t.equal(
      (await stats()).get('cluster_manager.active_clusters'),
      11,
      'the removal is done all the same',
    );
    t.match(
      admin.dumpClusters().entries.find((entry) => entry.name === name),
      {
        state: 'active',
        errorState: { details: /connect_timeout/, version: 'v2' },
      },
    );
    t.equal(admin.endpoints().filter(({ config }) => config.type === 'EDS').length, 3);
    t.equal(server.state, 'LIVE');
  });
  t.end();
});
