// The state-of-the-world protocol as the client speaks it.
import t from 'tap';
import { SimulatedTime } from '../../support/simulated-time.ts';
import { testClient } from './recording-watchers.ts';
import type { TestClient } from './recording-watchers.ts';
import {
  CDS,
  EDS,
  RDS,
  ScriptedTransport,
  badCluster,
  clusterResource,
  endpointsResource,
  routesResource,
} from './scripted-transport.ts';
import type { ScriptedStream } from './scripted-transport.ts';

interface Setup extends TestClient {
  readonly transport: ScriptedTransport;
  readonly time: SimulatedTime;
}

function start(): Setup {
  const transport = new ScriptedTransport();
  const time = new SimulatedTime();
  const setup = testClient({ mode: 'sotw', transport, time });
  setup.client.start();
  return { ...setup, transport, time };
}

const respond = (
  stream: ScriptedStream,
  response: Parameters<ScriptedStream['respond']>[0],
): void => stream.respond({ complete: true, ...response });

t.test('SotwMux', (t) => {
  t.test('asks in order, with whole name lists', (t) => {
    const { transport, client, clusters } = start();
    t.strictSame(transport.last.take(), ['CDS [] version=']);
    clusters.then = () => client.setNames('endpoints', new Set(['a', 'b']));
    respond(transport.last, {
      typeUrl: CDS,
      version: '1',
      nonce: 'c1',
      resources: [clusterResource('a')],
    });
    t.strictSame(transport.last.take(), [
      'CDS [] version=1 nonce=c1',
      'EDS [a,b] version=',
      'LDS [] version=',
    ]);
    respond(transport.last, {
      typeUrl: EDS,
      version: '1',
      nonce: 'e1',
      resources: [endpointsResource('a')],
    });
    t.strictSame(transport.last.take(), ['EDS [a,b] version=1 nonce=e1']);
    client.setNames('endpoints', new Set(['b', 'c']));
    t.strictSame(
      transport.last.take(),
      ['EDS [b,c] version=1 nonce=e1'],
      'with the last nonce and version',
    );
    t.end();
  });

  t.test('answers a response once, with the names its watcher woke', (t) => {
    const { transport, client, routes } = start();
    client.setNames('routes', new Set(['80']));
    transport.last.take();
    routes.then = () => client.setNames('routes', new Set(['80', '81']));
    respond(transport.last, {
      typeUrl: RDS,
      version: '1',
      nonce: 'r1',
      resources: [routesResource('80')],
    });
    t.strictSame(transport.last.take(), ['RDS [80,81] version=1 nonce=r1']);
    t.end();
  });

  t.test('removes clusters that are absent, and keeps endpoints and routes that are', (t) => {
    const { transport, client, clusters, endpoints } = start();
    client.setNames('endpoints', new Set(['a', 'b']));
    respond(transport.last, {
      typeUrl: CDS,
      resources: [clusterResource('a'), clusterResource('b')],
    });
    respond(transport.last, {
      typeUrl: EDS,
      resources: [endpointsResource('a'), endpointsResource('b')],
    });
    respond(transport.last, { typeUrl: CDS, version: '2', resources: [clusterResource('b')] });
    respond(transport.last, { typeUrl: EDS, version: '2', resources: [endpointsResource('b')] });
    t.strictSame(clusters.takeCalls(), ['+a +b', '-a']);
    t.strictSame(endpoints.takeCalls(), ['+a +b']);
    respond(transport.last, { typeUrl: CDS, version: '3' });
    t.strictSame(clusters.takeCalls(), ['-b'], 'an empty response removes all');
    t.end();
  });

  t.test('keeps version and last good resource on a NACK', (t) => {
    const { transport, clusters } = start();
    respond(transport.last, {
      typeUrl: CDS,
      version: '1',
      nonce: 'c1',
      resources: [clusterResource('a')],
    });
    transport.last.take();
    respond(transport.last, {
      typeUrl: CDS,
      version: '2',
      nonce: 'c2',
      resources: [badCluster('a'), clusterResource('b')],
    });
    t.strictSame(transport.last.take(), ['CDS [] version=1 nonce=c2 NACK']);
    t.strictSame(clusters.takeCalls(), ['+a', '+b'], 'a refused resource is not a removed one');
    respond(transport.last, {
      typeUrl: CDS,
      version: '3',
      nonce: 'c3',
      resources: [clusterResource('a'), clusterResource('b')],
    });
    t.strictSame(
      transport.last.take(),
      ['CDS [] version=3 nonce=c3'],
      'error_detail is gone again',
    );
    t.strictSame(clusters.takeCalls(), ['+a'], 'back to the good one: the refusal is over');
    respond(transport.last, {
      typeUrl: CDS,
      version: '4',
      resources: [badCluster('never'), clusterResource('b')],
    });
    t.strictSame(clusters.takeCalls(), ['-a']);
    respond(transport.last, { typeUrl: CDS, version: '5', resources: [clusterResource('b')] });
    t.strictSame(clusters.takeCalls(), ['-never'], 'the refused one is gone, too');
    t.end();
  });

  t.test('takes the first of two clusters of one name, and says so', (t) => {
    const { transport, clusters } = start();
    transport.last.take();
    respond(transport.last, {
      typeUrl: CDS,
      resources: [clusterResource('a'), clusterResource('a', { connect_timeout: '1s' })],
    });
    t.match(transport.last.sent[0]?.request.nack, /a: duplicate cluster a found/);
    t.strictSame(clusters.takeCalls(), ['+a']);
    t.equal(clusters.held.get('a')?.config.connectTimeoutMs, 5000);
    t.end();
  });

  t.test('keeps a cluster that only gets a heartbeat', (t) => {
    const { transport, clusters } = start();
    respond(transport.last, { typeUrl: CDS, resources: [clusterResource('a')] });
    const heartbeat = { name: 'a', version: '', typeUrl: '', bytes: undefined };
    respond(transport.last, { typeUrl: CDS, resources: [heartbeat] });
    t.strictSame(clusters.takeCalls(), ['+a']);
    t.end();
  });

  t.test('starts a new stream with its versions and no nonce', (t) => {
    const { transport, client, time } = start();
    client.setNames('endpoints', new Set(['a']));
    respond(transport.last, {
      typeUrl: CDS,
      version: '5',
      nonce: 'c1',
      resources: [clusterResource('a')],
    });
    respond(transport.last, {
      typeUrl: EDS,
      version: '6',
      nonce: 'e1',
      resources: [endpointsResource('a')],
    });
    transport.last.end();
    time.advance(30_000);
    t.strictSame(transport.last.take(), [
      'CDS [] version=5',
      'EDS [a] version=6',
      'LDS [] version=',
    ]);
    t.end();
  });
  t.end();
});
