// The delta protocol as the client speaks it: what is asked when, ACK, NACK, removals, reconnects.
import t from 'tap';
import { SimulatedTime } from '../../support/simulated-time.ts';
import { testClient } from './recording-watchers.ts';
import type { TestClient } from './recording-watchers.ts';
import {
  CDS,
  EDS,
  LDS,
  RDS,
  ScriptedTransport,
  badCluster,
  clusterResource,
  endpointsResource,
  routesResource,
} from './scripted-transport.ts';

interface Setup extends TestClient {
  readonly transport: ScriptedTransport;
  readonly time: SimulatedTime;
}

function start(): Setup {
  const transport = new ScriptedTransport();
  const time = new SimulatedTime();
  const setup = testClient({ mode: 'delta', transport, time });
  setup.client.start();
  return { ...setup, transport, time };
}

t.test('DeltaMux', (t) => {
  t.test('asks for clusters first, and for listeners when clusters are answered', (t) => {
    const { transport, client, clusters } = start();
    t.strictSame(transport.last.take(), ['CDS']);
    clusters.then = () => client.setNames('endpoints', new Set(['a']));
    transport.last.respond({ typeUrl: CDS, nonce: 'c1', resources: [clusterResource('a')] });
    t.strictSame(
      transport.last.take(),
      ['CDS nonce=c1', 'EDS +a', 'LDS'],
      'ACK, then endpoints, then listeners',
    );
    client.setNames('routes', new Set(['80']));
    t.strictSame(transport.last.take(), ['RDS +80']);
    t.end();
  });

  t.test('sends the node once per stream', (t) => {
    const { transport, client } = start();
    client.setNames('endpoints', new Set(['a']));
    t.strictSame(
      transport.last.sent.map(({ withNode }) => withNode),
      [true, false],
    );
    t.end();
  });

  t.test('subscribes to and unsubscribes from the difference', (t) => {
    const { transport, client } = start();
    client.setNames('endpoints', new Set(['a', 'b']));
    transport.last.take();
    client.setNames('endpoints', new Set(['b', 'a']));
    t.strictSame(transport.last.take(), [], 'the same names ask for nothing');
    client.setNames('endpoints', new Set(['b', 'c']));
    t.strictSame(transport.last.take(), ['EDS +c -a']);
    client.setNames('endpoints', new Set());
    t.strictSame(transport.last.take(), ['EDS -b -c']);
    t.end();
  });

  t.test('acknowledges every response, with name changes on the ACK of the same type', (t) => {
    const { transport, client, endpoints } = start();
    client.setNames('endpoints', new Set(['a']));
    transport.last.take();
    endpoints.then = () => client.setNames('endpoints', new Set(['a', 'b']));
    transport.last.respond({ typeUrl: EDS, nonce: 'e1', resources: [endpointsResource('a')] });
    t.strictSame(transport.last.take(), ['EDS +b nonce=e1']);
    t.end();
  });

  t.test('does not tell the watcher of what it holds already', (t) => {
    const { transport, clusters } = start();
    transport.last.respond({
      typeUrl: CDS,
      resources: [clusterResource('a'), clusterResource('b')],
    });
    transport.last.respond({
      typeUrl: CDS,
      resources: [clusterResource('a'), clusterResource('b', { connect_timeout: '2s' })],
    });
    t.strictSame(clusters.takeCalls(), ['+a +b', '+b']);
    t.end();
  });

  t.test(
    'applies good resources and removals beside bad ones, and names the bad in the NACK',
    (t) => {
      const { transport, clusters, client, stat } = start();
      transport.last.respond({
        typeUrl: CDS,
        version: '1',
        resources: [clusterResource('a'), clusterResource('old')],
      });
      transport.last.take();
      transport.last.respond({
        typeUrl: CDS,
        version: '2',
        nonce: 'c2',
        resources: [badCluster('a'), clusterResource('b')],
        removed: ['old'],
      });
      const [sent] = transport.last.sent;
      t.match(sent?.request, {
        nonce: 'c2',
        nack: 'Error adding/updating cluster(s) a: connect_timeout: must be greater than 0s',
      });
      t.strictSame(clusters.takeCalls(), ['+a +old', '+b -old']);
      t.equal(clusters.held.get('a')?.config.connectTimeoutMs, 5000, 'the last good one stays');
      t.match(clusters.rejected, [
        { name: 'a', version: '2', message: 'connect_timeout: must be greater than 0s' },
      ]);
      t.equal(client.state().types[0]?.version, '1', 'the version stays at the last accepted');
      t.match(client.state().types[0]?.lastNack, { version: '2' });
      t.equal(stat('cluster_manager.cds.update_success'), 1);
      t.equal(stat('cluster_manager.cds.update_rejected'), 1);
      t.end();
    },
  );

  t.test('adds the problems of the watcher to the NACK, and offers the resource again', (t) => {
    const { transport, clusters } = start();
    clusters.problems = [{ name: 'a', message: 'hosts: no room' }];
    transport.last.take();
    transport.last.respond({ typeUrl: CDS, nonce: 'c1', resources: [clusterResource('a')] });
    t.match(transport.last.sent[0]?.request, {
      nack: 'Error adding/updating cluster(s) a: hosts: no room',
    });
    clusters.problems = [];
    transport.last.respond({ typeUrl: CDS, nonce: 'c2', resources: [clusterResource('a')] });
    t.strictSame(clusters.takeCalls(), ['+a', '+a']);
    t.end();
  });

  t.test('refuses a whole response that is no set of messages', (t) => {
    const cases: readonly (readonly [
      what: string,
      resources: readonly ReturnType<typeof clusterResource>[],
      removed: readonly string[],
      nack: RegExp,
    ])[] = [
      [
        'the same name twice',
        [clusterResource('a'), clusterResource('a')],
        [],
        /^duplicate name a found among added\/updated resources$/,
      ],
      [
        'a name both there and gone',
        [clusterResource('a')],
        ['a'],
        /^duplicate name a found in the union of added\+removed resources$/,
      ],
      ['another type', [endpointsResource('a')], [], /does not match the message-wide type URL/],
      [
        'bytes that are no message',
        [{ ...clusterResource('a'), bytes: new Uint8Array([0xff, 0xff]) }],
        [],
        /^a: not a .*Cluster message/,
      ],
    ];
    for (const [what, resources, removed, nack] of cases) {
      const { transport, clusters } = start();
      transport.last.take();
      transport.last.respond({
        typeUrl: CDS,
        resources: [clusterResource('good'), ...resources],
        removed,
      });
      t.match(transport.last.sent[0]?.request.nack, nack, what);
      t.strictSame(clusters.takeCalls(), [''], `${what}: only that an answer came`);
    }
    t.end();
  });

  t.test('cuts a NACK to 4096 characters', (t) => {
    const { transport } = start();
    transport.last.take();
    const resources = Array.from({ length: 200 }, (_, i) =>
      badCluster(`cluster-with-a-long-name-${i}`),
    );
    transport.last.respond({ typeUrl: CDS, resources });
    const nack = transport.last.sent[0]?.request.nack ?? '';
    t.equal(nack.length, 4096);
    t.ok(nack.endsWith('...(truncated)'));
    t.end();
  });

  t.test('keeps endpoints and routes that the server removes', (t) => {
    const { transport, client, endpoints } = start();
    client.setNames('endpoints', new Set(['a']));
    transport.last.respond({ typeUrl: EDS, resources: [endpointsResource('a')] });
    transport.last.respond({ typeUrl: EDS, removed: ['a'] });
    t.strictSame(endpoints.takeCalls(), ['+a']);
    transport.last.respond({ typeUrl: EDS, resources: [endpointsResource('a')] });
    t.strictSame(endpoints.takeCalls(), ['+a'], 'a later answer counts as new');
    t.end();
  });

  t.test('drops resources nobody asked for, and responses of types nobody asked for', (t) => {
    const { transport, client, routes, lines } = start();
    transport.last.take();
    transport.last.respond({ typeUrl: RDS, resources: [routesResource('80')] });
    transport.last.respond({ typeUrl: 'type.googleapis.com/istio.networking.nds.v1.NameTable' });
    t.strictSame(transport.last.take(), [], 'no ACK');
    t.equal(lines.length, 2);
    client.setNames('routes', new Set(['80']));
    transport.last.respond({
      typeUrl: RDS,
      nonce: 'r1',
      resources: [routesResource('81'), routesResource('80')],
    });
    t.strictSame(routes.takeCalls(), ['+80']);
    t.end();
  });

  t.test('refuses a resource that is called otherwise inside', (t) => {
    const { transport, client, routes } = start();
    client.setNames('routes', new Set(['80']));
    transport.last.take();
    transport.last.respond({ typeUrl: RDS, resources: [{ ...routesResource('81'), name: '80' }] });
    t.match(
      transport.last.sent[0]?.request.nack,
      /80: unexpected route configuration \(expecting 80\): 81/,
    );
    t.strictSame(routes.takeCalls(), [''], 'only that an answer came');
    t.end();
  });

  t.test('takes heartbeats for what they are', (t) => {
    const { transport, clusters } = start();
    transport.last.respond({ typeUrl: CDS, resources: [clusterResource('a')] });
    const heartbeat = { name: 'a', version: '', typeUrl: '', bytes: undefined };
    transport.last.respond({ typeUrl: CDS, nonce: 'c2', resources: [heartbeat] });
    t.strictSame(clusters.takeCalls(), ['+a']);
    t.match(transport.last.take().at(-1), /CDS nonce=c2/);
    t.end();
  });

  t.test('lets go of what the server has not confirmed in time', (t) => {
    const { transport, client, time, clusters, endpoints } = start();
    client.setNames('endpoints', new Set(['e']));
    const within = (ttlMs: number) => ({ ...clusterResource('a'), version: 'v', ttlMs });
    const beat = { name: 'a', version: 'v', typeUrl: '', bytes: undefined, ttlMs: 1000 };
    transport.last.respond({ typeUrl: CDS, resources: [within(1000), clusterResource('b')] });
    time.advance(900);
    transport.last.respond({ typeUrl: CDS, resources: [beat] });
    time.advance(900);
    transport.last.respond({ typeUrl: CDS, resources: [{ ...beat, version: 'other' }] });
    t.strictSame(clusters.takeCalls(), ['+a +b'], 'a heartbeat holds it');
    time.advance(100);
    t.strictSame(clusters.takeCalls(), ['-a'], 'not one for another version');
    transport.last.respond({ typeUrl: CDS, resources: [within(1000)] });
    transport.last.respond({
      typeUrl: CDS,
      resources: [{ ...clusterResource('a'), version: 'w' }],
    });
    time.advance(5000);
    t.strictSame(clusters.takeCalls(), ['+a'], 'sent without a time it holds for ever');

    const assignment = { ...endpointsResource('e'), version: 'v', ttlMs: 10 };
    transport.last.respond({ typeUrl: EDS, resources: [assignment] });
    time.advance(10);
    t.strictSame(endpoints.takeCalls(), ['+e'], 'endpoints stay in use');
    transport.last.respond({ typeUrl: EDS, resources: [assignment] });
    t.strictSame(endpoints.takeCalls(), ['+e'], 'and are new when they come again');
    client.close();
    time.advance(10);
    t.end();
  });

  t.test('tells what it holds when the stream is new', (t) => {
    const { transport, client, time, clusters } = start();
    client.setNames('endpoints', new Set(['a', 'b']));
    transport.last.respond({ typeUrl: CDS, version: 'v1', resources: [clusterResource('a')] });
    transport.last.respond({ typeUrl: EDS, version: 'v2', resources: [endpointsResource('a')] });
    transport.last.respond({ typeUrl: LDS });
    clusters.takeCalls();
    transport.last.end();
    client.setNames('endpoints', new Set(['a', 'c']));
    time.advance(30_000);
    t.equal(transport.streams.length, 2);
    t.strictSame(
      transport.last.take(),
      ['CDS held a@v1', 'EDS +a +c held a@v2', 'LDS'],
      'nothing waits on a later stream',
    );
    transport.last.respond({
      typeUrl: CDS,
      nonce: 'x',
      resources: [clusterResource('a'), clusterResource('n')],
      removed: [],
    });
    t.strictSame(clusters.takeCalls(), ['+n'], 'unchanged clusters do not flap');
    t.end();
  });

  t.test('does not answer on a dead stream', (t) => {
    const { transport, client } = start();
    const first = transport.last;
    first.end();
    first.take();
    client.setNames('endpoints', new Set(['a']));
    t.strictSame(first.take(), []);
    t.end();
  });
  t.end();
});
