// [m] XdsProxy over real gRPC: a scripted proxy below, a control plane that replays istiod's recordings above.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { AgentMetrics } from '../../../agent/agent-metrics.ts';
import { NameTableHandler } from '../../../agent/xds-proxy/response-handlers.ts';
import { XdsProxy } from '../../../agent/xds-proxy/xds-proxy.ts';
import { realTime } from '../../../proxy/base/clock.ts';
import { GrpcThread } from '../../../proxy/grpc/grpc-thread.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import type { DeltaClientStream, StreamStatus } from '../../../xds-protos/ads-stream.ts';
import type {
  DeltaDiscoveryResponse,
  DiscoveryResponse,
} from '../../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { connectAds } from '../../../xds-protos/services.ts';
import { makeOptions } from '../../support/agent-options.ts';
import { captureLog } from '../../support/captured-log.ts';
import { eventually } from '../../support/eventually.ts';
import { privateDir } from '../../support/private-dir.ts';
import type { Teardowns } from '../../support/private-dir.ts';
import {
  recordedDelta,
  recordedSotw,
  startRecordedControlPlane,
} from '../../support/recorded-control-plane.ts';
import { freePort } from '../../support/free-port.ts';

const CDS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const EDS = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
const LDS = 'type.googleapis.com/envoy.config.listener.v3.Listener';
const RDS = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
const NDS = 'type.googleapis.com/istio.networking.nds.v1.NameTable';
const HEALTH = 'type.googleapis.com/istio.v1.HealthInformation';
const PROXY_TYPES = [CDS, EDS, LDS, RDS];

interface Setup {
  readonly socketPath: string;
  readonly nameTable: NameTableHandler;
  readonly metrics: AgentMetrics;
  readonly lines: string[];
  readonly xdsProxy: XdsProxy;
}

async function setUp(
  t: Teardowns,
  address: string,
  variables: Record<string, string> = {},
): Promise<Setup> {
  const { controlPlane, dns } = await makeOptions({
    variables: { XDS_ADDR: address, ...variables },
  });
  const { logger, lines } = captureLog();
  const nameTable = new NameTableHandler();
  const metrics = new AgentMetrics();
  const xdsProxy = new XdsProxy({
    controlPlane,
    wantsNames: dns !== undefined,
    nameTable,
    lastGoodFile: undefined,
    onTrustBundle: (pems) => lines.push(`bundle of ${pems.length}`),
    grpc: new GrpcThread(realTime),
    metrics,
    logger,
    time: realTime,
    random: new SeededRandom(1),
  });
  const socketPath = join(privateDir(t), 'XDS');
  await xdsProxy.listen(socketPath);
  t.teardown(() => xdsProxy.close());
  return { socketPath, nameTable, metrics, lines, xdsProxy };
}

interface FakeClient {
  readonly stream: DeltaClientStream;
  readonly responses: DeltaDiscoveryResponse[];
  readonly ends: StreamStatus[];
}

/** Opens a delta stream as the proxy does. */
function openDelta(t: Teardowns, socketPath: string): FakeClient {
  const connection = connectAds(`unix:${socketPath}`);
  const stream = connection.delta();
  const client: FakeClient = { stream, responses: [], ends: [] };
  stream.onMessage((response) => client.responses.push(response));
  stream.onEnd((status) => client.ends.push(status));
  t.teardown(() => {
    stream.cancel();
    connection.close();
  });
  return client;
}

const countIn = async (metrics: AgentMetrics, name: string): Promise<string | undefined> =>
  new RegExp(`^istio_agent_${name} (.*)$`, 'm').exec(await metrics.text())?.[1];

t.test('XdsProxy', (t) => {
  t.test('relays every delta response and acknowledgement unchanged', async (t) => {
    const recorded = recordedDelta('01-bookinfo/productpage');
    const istiod = await startRecordedControlPlane(t, { delta: recorded });
    const { socketPath, metrics } = await setUp(t, istiod.target, {
      ISTIO_META_CLUSTER_ID: 'east',
    });
    const { stream, responses } = openDelta(t, socketPath);
    stream.send({
      type_url: CDS,
      node: { id: 'sidecar~10.0.0.1~a.b~c', metadata: { NAMESPACE: 'b' } },
    });
    for (const typeUrl of PROXY_TYPES.slice(1))
      stream.send({ type_url: typeUrl, resource_names_subscribe: ['x'] });
    await eventually('all four came', () => responses.length === 4);
    for (const response of responses) {
      t.strictSame(response, recorded.get(response.type_url ?? ''), response.type_url ?? '');
      stream.send({ type_url: response.type_url, response_nonce: response.nonce });
    }
    const seen = istiod.streams[0]!;
    await eventually('all requests arrived', () => seen.requests.length === 8);
    t.match(seen.requests[0], {
      node: { id: 'sidecar~10.0.0.1~a.b~c', metadata: { NAMESPACE: 'b' } },
    });
    t.strictSame(
      seen.requests.slice(4).map(({ response_nonce: nonce }) => nonce),
      responses.map(({ nonce }) => nonce),
    );
    t.equal(seen.headers.get('clusterid'), 'east');
    t.equal(await countIn(metrics, 'xds_proxy_requests'), '8');
    t.equal(await countIn(metrics, 'xds_proxy_responses'), '4');
  });

  t.test('relays state-of-the-world streams the same way', async (t) => {
    const recorded = recordedSotw('01-bookinfo/productpage-sotw');
    const istiod = await startRecordedControlPlane(t, { sotw: recorded });
    const { socketPath } = await setUp(t, istiod.target);
    const connection = connectAds(`unix:${socketPath}`);
    t.teardown(() => connection.close());
    const stream = connection.sotw();
    t.teardown(() => stream.cancel());
    const responses: DiscoveryResponse[] = [];
    stream.onMessage((response) => responses.push(response));
    for (const typeUrl of PROXY_TYPES) stream.send({ type_url: typeUrl });
    await eventually('all four came', () => responses.length === 4);
    for (const response of responses) t.strictSame(response, recorded.get(response.type_url ?? ''));
  });

  t.test(
    'asks for the name table itself, after the first listener request, and keeps it',
    async (t) => {
      const recorded = recordedDelta('01-bookinfo/productpage');
      const istiod = await startRecordedControlPlane(t, { delta: recorded });
      const { socketPath, nameTable } = await setUp(t, istiod.target, {
        ISTIO_META_DNS_CAPTURE: 'true',
      });
      const { stream, responses } = openDelta(t, socketPath);
      for (const typeUrl of [CDS, LDS, LDS]) stream.send({ type_url: typeUrl });
      const seen = istiod.streams;
      await eventually('it was acknowledged', () => seen[0]?.requests.length === 5);
      t.strictSame(
        seen[0]!.requests.map(({ type_url: typeUrl }) => typeUrl).sort(),
        [CDS, LDS, LDS, NDS, NDS].sort(),
      );
      t.equal(
        seen[0]!.requests.findIndex(({ type_url: typeUrl }) => typeUrl === NDS),
        2,
      );
      t.strictSame(seen[0]!.requests.filter((request) => request.type_url === NDS)[1], {
        type_url: NDS,
        response_nonce: recorded.get(NDS)!.nonce,
      });
      t.ok(nameTable.table!.size > 0);
      t.match(JSON.parse(nameTable.toJson()), {
        table: { 'reviews.default.svc.cluster.local': { ips: [/./] } },
      });
      t.notOk(
        responses.some(({ type_url: typeUrl }) => typeUrl === NDS),
        'the proxy does not see it',
      );
    },
  );

  t.test('rejects a name table that it cannot read, and keeps the last one', async (t) => {
    const recorded = recordedDelta('01-bookinfo/productpage');
    const istiod = await startRecordedControlPlane(t, { delta: recorded });
    const { socketPath, nameTable } = await setUp(t, istiod.target, {
      ISTIO_META_DNS_CAPTURE: 'true',
    });
    const { stream } = openDelta(t, socketPath);
    stream.send({ type_url: LDS });
    await eventually('the first table came', () => nameTable.table !== undefined);
    const broken = { type_url: NDS, value: new Uint8Array([0x0a, 0xff]) };
    istiod.streams[0]!.sendDelta!({
      type_url: NDS,
      nonce: 'n2',
      resources: [{ resource: broken }],
    });
    await eventually('it was rejected', () => istiod.streams[0]!.requests.length === 4);
    t.match(istiod.streams[0]!.requests[3], {
      type_url: NDS,
      response_nonce: 'n2',
      error_detail: { code: 13, message: /NameTable/ },
    });
    t.ok(nameTable.table!.size > 0);
  });

  t.test('drops other types, without acknowledging them', async (t) => {
    const istiod = await startRecordedControlPlane(t, {});
    const { socketPath } = await setUp(t, istiod.target);
    const { stream, responses } = openDelta(t, socketPath);
    stream.send({ type_url: CDS });
    await eventually('the stream is open', () => istiod.streams[0]?.requests.length === 1);
    istiod.streams[0]!.sendDelta!({ type_url: HEALTH, nonce: 'h' });
    istiod.streams[0]!.sendDelta!({ type_url: NDS, nonce: 'n' });
    istiod.streams[0]!.sendDelta!({ type_url: CDS, nonce: 'c' });
    await eventually('the cluster response came', () => responses.length > 0);
    t.strictSame(responses, [{ type_url: CDS, nonce: 'c' }]);
    t.equal(istiod.streams[0]!.requests.length, 1);
  });

  t.test('logs what the proxy rejects', async (t) => {
    const istiod = await startRecordedControlPlane(t, {});
    const { socketPath, lines } = await setUp(t, istiod.target);
    const { stream } = openDelta(t, socketPath);
    stream.send({
      type_url: LDS,
      response_nonce: 'x',
      error_detail: { code: 3, message: 'no such filter' },
    });
    await eventually('it was logged', () =>
      lines.includes(`warning proxy rejected ${LDS}: no such filter`),
    );
    t.pass();
  });

  t.test(
    'ends the stream of the proxy when the control plane is lost, and joins the next one',
    async (t) => {
      const recorded = recordedDelta('01-bookinfo/productpage');
      const first = await startRecordedControlPlane(t, { delta: recorded });
      const { socketPath, metrics } = await setUp(t, first.target);
      const before = openDelta(t, socketPath);
      before.stream.send({ type_url: CDS });
      await eventually('the first answer came', () => before.responses.length === 1);
      first.close();
      await eventually('the stream ended', () => before.ends.length === 1);
      t.equal(before.ends[0]!.code, 14);
      t.equal(await countIn(metrics, 'istiod_connection_terminations'), '1');

      const second = await startRecordedControlPlane(t, { delta: recorded, target: first.target });
      // As the proxy does: on its own back-off, telling what it has.
      const known = new Map([['outbound|9080||reviews.default.svc.cluster.local', 'v1']]);
      let after = before;
      await eventually('the second answer came', async () => {
        if (after === before || after.ends.length > 0) {
          after = openDelta(t, socketPath);
          after.stream.send({ type_url: CDS, initial_resource_versions: known });
        }
        return after.responses.length === 1;
      });
      t.strictSame(second.streams[0]!.requests[0]!, {
        type_url: CDS,
        initial_resource_versions: known,
      });
    },
  );

  t.test('tells the proxy when there is no control plane', async (t) => {
    const { socketPath, metrics, lines } = await setUp(t, `127.0.0.1:${await freePort()}`);
    for (let i = 1; i <= 3; i++) {
      const { stream, ends } = openDelta(t, socketPath);
      stream.send({ type_url: CDS });
      await eventually('the stream ended', () => ends.length === 1);
      t.equal(ends[0]!.code, 14);
      t.equal(await countIn(metrics, 'istiod_connection_failures'), String(i));
    }
    t.match(
      lines.find((line) => line.startsWith('warning')),
      /^warning upstream terminated: grpc status 14: .*Connection refused$/,
    );
  });

  t.test('lets the newest stream of the proxy win', async (t) => {
    const istiod = await startRecordedControlPlane(t, {
      delta: recordedDelta('01-bookinfo/productpage'),
    });
    const { socketPath, lines } = await setUp(t, istiod.target);
    const first = openDelta(t, socketPath);
    first.stream.send({ type_url: CDS });
    await eventually('the first is served', () => first.responses.length === 1);
    const second = openDelta(t, socketPath);
    second.stream.send({ type_url: CDS });
    await eventually('the second is served', () => second.responses.length === 1);
    await eventually('the first ended', () => first.ends.length === 1);
    await eventually('istiod lost the first', () => istiod.streams[0]!.ended);
    t.equal(istiod.streams[1]!.ended, false);
    t.ok(lines.includes('warning registered overlapping stream; closing previous'));
  });

  t.test('ends the upstream stream when the proxy goes away', async (t) => {
    const istiod = await startRecordedControlPlane(t, {});
    const { socketPath, metrics } = await setUp(t, istiod.target);
    const { stream } = openDelta(t, socketPath);
    stream.send({ type_url: CDS });
    await eventually('the stream is open', () => istiod.streams.length === 1);
    stream.cancel();
    await eventually('istiod lost it', () => istiod.streams[0]!.ended);
    t.equal(await countIn(metrics, 'envoy_connection_terminations'), '1');
  });

  t.test(
    'serves a socket of its owner alone, and never takes that of a living agent',
    async (t) => {
      const { socketPath, xdsProxy } = await setUp(t, '127.0.0.1:1');
      t.equal(statSync(socketPath).mode & 0o777, 0o600);
      await t.rejects(
        xdsProxy.listen(socketPath),
        /another agent serves it; give each agent a ProxyConfig.configPath/,
      );
    },
  );

  t.end();
});
