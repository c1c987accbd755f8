// @long @timeout 180 s
// [m] Requests through what istiod sent in 01-bookinfo and 14-endpoint-updates: real redirect rules, our proxy, services in another pod. Root only.
import t from 'tap';
import type { Test } from 'tap';

import { eventually } from '../support/eventually.ts';
import { netnsUnavailableReason } from '../support/netns.ts';
import { parseAccessLogLine } from '../support/replay-access-log.ts';
import type { AccessLogLine } from '../support/replay-access-log.ts';
import type { ClientWork } from '../support/replay-client.ts';
import { startReplayMesh } from '../support/replay-mesh.ts';
import type { ReplayMesh, ReplayMeshOptions } from '../support/replay-mesh.ts';
import { checkSplit, countBy } from '../support/replay-statistics.ts';

// Processes, namespaces, timers of the recordings: on a busy machine this takes longer than tap allows by itself.
t.setTimeout(120_000);

const OWN_NAME = 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage';
const SUFFIX = 'default.svc.cluster.local';
const pod = (number: number): string => `10.244.0.${number}`;
const mesh: ReplayMeshOptions = {
  ownAddress: pod(11),
  endpoints: [12, 13, 14, 15, 16, 25, 33, 34].map(pod),
  ports: [9080, 7070],
};
const VIP = {
  productpage: '10.96.0.10',
  details: '10.96.0.11',
  ratings: '10.96.0.12',
  reviews: '10.96.0.13',
};

/** As an application asks: to the address its resolver gave, by the short name. */
function callOf(service: keyof typeof VIP, rest: Partial<ClientWork> = {}): ClientWork {
  return {
    host: VIP[service],
    port: 9080,
    path: '/',
    ...rest,
    headers: { host: `${service}:9080`, ...rest.headers },
  };
}

async function logged({ proxy }: ReplayMesh, userAgent: string): Promise<readonly AccessLogLine[]> {
  const lines = (): AccessLogLine[] =>
    proxy.accessLog
      .map(parseAccessLogLine)
      .filter((line) => line?.userAgent === userAgent) as AccessLogLine[];
  await eventually(`an access log line of ${userAgent}`, () => lines().length > 0);
  return lines();
}

function outbound(t: Test, running: () => ReplayMesh): void {
  const cases = [
    ['productpage', ['10.244.0.11']],
    ['details', ['10.244.0.12']],
    ['ratings', ['10.244.0.13']],
    ['reviews', ['10.244.0.14', '10.244.0.15', '10.244.0.16']],
  ] as const;
  for (const [service, endpoints] of cases) {
    t.test(`sends calls of ${service} to its endpoints, all of them`, async (t) => {
      const headers = { 'user-agent': `calls-${service}` };
      const [answers = []] = await running().ask([callOf(service, { headers, count: 60 })]);
      t.strictSame([...countBy(answers, ({ status }) => String(status)).keys()], ['200']);
      t.strictSame([...countBy(answers, ({ address }) => address).keys()].sort(), endpoints);
      if (service !== 'productpage') {
        const clients = countBy(answers, ({ client }) => String(client));
        t.strictSame([...clients.keys()], [`URI:${OWN_NAME}`], 'each saw who called, by mTLS');
      }
      const lines = (await logged(running(), headers['user-agent'])).filter((line) =>
        line.cluster.startsWith('outbound'),
      );
      t.match(lines[0], {
        cluster: `outbound|9080||${service}.${SUFFIX}`,
        status: 200,
        flags: '-',
        route: 'default',
      });
      t.equal(
        lines[0]?.downstreamLocal,
        `${VIP[service]}:9080`,
        'the original destination is kept',
      );
    });
  }
  t.test('passes calls of hosts that the mesh does not know', async (t) => {
    const { strangerAddress } = running();
    const headers = { host: 'elsewhere.example', 'user-agent': 'stranger' };
    const [[answer] = []] = await running().ask([
      { host: strangerAddress, port: 9080, path: '/', headers },
    ]);
    t.match(answer, { status: 200, address: strangerAddress });
    const lines = await logged(running(), 'stranger');
    t.match(lines[0], {
      cluster: 'PassthroughCluster',
      route: 'allow_any',
      upstreamHost: `${strangerAddress}:9080`,
    });
  });
  t.test('passes connections to ports that the mesh does not know', async (t) => {
    const { strangerAddress } = running();
    const [[answer] = []] = await running().ask([
      { host: strangerAddress, port: 7070, path: '/tcp' },
    ]);
    t.match(
      answer,
      { status: 200, address: strangerAddress, headers: { server: undefined } },
      'as bytes, not as HTTP',
    );
    await eventually('the connection in the log', () =>
      running().proxy.accessLog.some((line) =>
        line.includes(`${strangerAddress}:7070" PassthroughCluster`),
      ),
    );
  });
}

function inbound(t: Test, running: () => ReplayMesh): void {
  t.test('hands what comes in to the application, from 127.0.0.6', async (t) => {
    const headers = { 'user-agent': 'outside' };
    const [[answer] = []] = await running().askFromOutside([
      { host: pod(11), port: 9080, path: '/in', headers },
    ]);
    t.match(answer, { status: 200, address: pod(11), headers: { server: 'istio-envoy' } });
    t.match(JSON.parse(answer?.body ?? '{}'), { peer: '127.0.0.6', url: '/in' });
    const lines = await logged(running(), 'outside');
    t.equal(lines.length, 1);
    t.match(lines[0], {
      cluster: 'inbound|9080||',
      downstreamLocal: '10.244.0.11:9080',
      upstreamLocal: /^127\.0\.0\.6:/,
    });
  });
  t.test('hands on ports that istiod does not know, too', async (t) => {
    const [[answer] = []] = await running().askFromOutside([
      { host: pod(11), port: 7070, path: '/in' },
    ]);
    t.match(answer, { status: 200, address: pod(11) });
    t.match(JSON.parse(answer?.body ?? '{}'), { peer: '127.0.0.6' });
  });
  t.test('does not loop on its own ports', async (t) => {
    // 15006 is closed at once; 15001 passes the inbound side as any port, and meets the black hole of the outbound one.
    const asked = [15001, 15006].map((port) => ({ host: pod(11), port, path: '/', headers: {} }));
    const answers = await running().askFromOutside(asked);
    t.strictSame(
      answers.map(([answer]) => answer?.status),
      [503, 0],
    );
  });
}

/** One step after the other on one stream; requests see each. */
async function endpointUpdates(t: Test, recording: string): Promise<void> {
  const running = await startReplayMesh(t, recording, mesh);
  const addressesOf = async (service: 'reviews' | 'ratings'): Promise<string[]> => {
    const [answers = []] = await running.ask([callOf(service, { count: 60 })]);
    return [
      ...countBy(answers, (a) => (a.status === 200 ? a.address : `${a.status} ${a.body}`)).keys(),
    ].sort();
  };
  const expected = {
    'add-endpoint': ['reviews', [14, 15, 16, 25].map(pod)],
    'remove-endpoint': ['reviews', [14, 16, 25].map(pod)],
    'scale-to-zero': ['ratings', ['503 no healthy upstream']],
    'scale-up': ['ratings', [pod(13)]],
    'add-weighted': ['ratings', [pod(13), pod(33)]],
    'change-address': ['ratings', [pod(13), pod(34)]],
  } as const;
  for (const step of running.proxy.controlPlane.steps) {
    await running.proxy.controlPlane.play(step);
    const [service, addresses] = expected[step.name as keyof typeof expected];
    // Acknowledged means applied on the main thread; the worker hears of it a moment later.
    let found: readonly string[] = [];
    await eventually(
      `${recording}, ${step.name}: ${service} at ${addresses.join(', ')}`,
      async () => {
        found = await addressesOf(service);
        return found.join() === addresses.join();
      },
    ).catch(() => t.comment(`found ${found.join(', ')}`));
    t.strictSame(found, addresses, step.name);
  }
  t.strictSame(running.proxy.controlPlane.nacks, []);
  const weights = new Map([
    [pod(13), 1],
    [pod(34), 3],
  ]);
  const split = await checkSplit(weights, async () => {
    const [answers = []] = await running.ask([
      callOf('ratings', { count: 1000, concurrency: 1, brief: true }),
    ]);
    return countBy(answers, ({ address }) => address);
  });
  // Weighted hosts are taken in turn, so this is far nearer than chance; χ² bounds it all the same.
  t.ok(split.ok, `weights of endpoints 1:3: ${split.text}`);
}

const skip = netnsUnavailableReason() ?? false;
t.test('Requests through recordings of istiod', { skip, timeout: 90_000 }, async (t) => {
  t.test('01-bookinfo', async (t) => {
    let running: ReplayMesh;
    t.before(async () => {
      running = await startReplayMesh(t, '01-bookinfo/productpage', mesh);
    });
    outbound(t, () => running);
    inbound(t, () => running);
  });
  t.test('01-bookinfo without the label by which endpoints ask for mTLS', async (t) => {
    const running = await startReplayMesh(t, '01-bookinfo/productpage', {
      ...mesh,
      plaintextEndpoints: true,
    });
    const [[answer] = []] = await running.ask([callOf('details')]);
    t.match(answer, { status: 200, client: undefined }, 'nobody has to prove anything');
  });
  for (const recording of [
    '14-endpoint-updates/productpage',
    '14-endpoint-updates/productpage-sotw',
  ]) {
    t.test(`${recording}: endpoints come and go`, async (t) => endpointUpdates(t, recording));
  }
});
if (skip !== false)
  t.comment(`SKIPPED, root only: requests through recordings of istiod (${skip})`);
