// [m] Relay and DialGate in simulated time: back-off, what waits meanwhile, and its bound.
import t from 'tap';

import { AgentMetrics } from '../../../agent/agent-metrics.ts';
import { DialGate } from '../../../agent/xds-proxy/dial-gate.ts';
import { deltaDialect, sotwDialect } from '../../../agent/xds-proxy/dialect.ts';
import { Relay } from '../../../agent/xds-proxy/relay.ts';
import type { UpstreamEvents } from '../../../agent/xds-proxy/relay.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
} from '../../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { captureLog } from '../../support/captured-log.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

interface Scene {
  readonly time: SimulatedTime;
  readonly gate: DialGate;
  /** What reached the control plane. */
  readonly sent: DeltaDiscoveryRequest[];
  readonly failures: string[];
  readonly dials: UpstreamEvents<DeltaDiscoveryResponse>[];
  isConnected(): Promise<boolean>;
  join(): Relay<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
}

function makeScene(): Scene {
  const time = new SimulatedTime();
  const gate = new DialGate(time, new SeededRandom(7));
  const sent: DeltaDiscoveryRequest[] = [];
  const failures: string[] = [];
  const dials: UpstreamEvents<DeltaDiscoveryResponse>[] = [];
  const metrics = new AgentMetrics();
  const join = (): Relay<DeltaDiscoveryRequest, DeltaDiscoveryResponse> =>
    new Relay({
      dialect: deltaDialect,
      downstream: { send: () => {}, fail: (reason) => failures.push(reason) },
      dial: (events) => {
        dials.push(events);
        return { send: (request) => sent.push(request), cancel: () => {} };
      },
      handlers: new Map(),
      lastGood: undefined,
      gate,
      metrics,
      logger: captureLog().logger,
      time,
    });
  const isConnected = async (): Promise<boolean> =>
    /^outrigger_agent_control_plane_connected 1$/m.test(await metrics.text());
  return { time, gate, sent, failures, dials, isConnected, join };
}

t.test('DialGate', (t) => {
  t.test('waits longer with each failure, up to 5 s, and not at all after an answer', (t) => {
    const time = new SimulatedTime();
    const gate = new DialGate(time, { next: () => 0.999, nextUint32: () => 0 });
    const delays = Array.from({ length: 8 }, () => {
      gate.failed();
      return gate.delayMs();
    });
    t.strictSame(delays, [99, 199, 399, 799, 1598, 3196, 4995, 4995]);
    time.advance(5000);
    t.equal(gate.delayMs(), 0);
    gate.failed();
    gate.succeeded();
    t.equal(gate.delayMs(), 0);
    gate.failed();
    t.equal(gate.delayMs(), 99);
    t.end();
  });

  t.end();
});

t.test('Relay', (t) => {
  t.test('keeps requests while it waits, and sends them in order once it dials', (t) => {
    const scene = makeScene();
    scene.join();
    scene.dials[0]!.onEnd('refused');
    const relay = scene.join();
    relay.onRequest({ type_url: 'a' });
    relay.onRequest({ type_url: 'b' });
    t.equal(scene.dials.length, 1, 'it has not dialled yet');
    scene.time.advance(100);
    t.equal(scene.dials.length, 2);
    t.strictSame(scene.sent, [{ type_url: 'a' }, { type_url: 'b' }]);
    t.end();
  });

  t.test('tells whether the control plane answers, also where nothing is kept', async (t) => {
    const scene = makeScene();
    const relay = scene.join();
    relay.onRequest({ type_url: 'a' });
    t.equal(await scene.isConnected(), false);
    scene.dials[0]!.onResponse({ type_url: 'type.googleapis.com/envoy.a', nonce: '1' });
    t.equal(await scene.isConnected(), true);
    relay.close();
    t.equal(await scene.isConnected(), false);
    scene.join();
    scene.dials[1]!.onResponse({ type_url: 'type.googleapis.com/envoy.a', nonce: '2' });
    relay.close();
    t.equal(await scene.isConnected(), true, 'an older stream that ends again is of no matter');
    scene.dials[1]!.onEnd('gone');
    t.equal(await scene.isConnected(), false);
  });

  t.test('does not dial for a proxy that left meanwhile', (t) => {
    const scene = makeScene();
    scene.join();
    scene.dials[0]!.onEnd('refused');
    scene.join().close();
    scene.time.advance(10_000);
    t.equal(scene.dials.length, 1);
    t.equal(scene.time.pending, 0);
    t.end();
  });

  t.test('ends the stream of a proxy that asks without end meanwhile', (t) => {
    const scene = makeScene();
    scene.join();
    scene.dials[0]!.onEnd('refused');
    const relay = scene.join();
    for (let i = 0; i < 2000; i++) relay.onRequest({ type_url: 'a' });
    t.strictSame(scene.failures, ['refused', 'too many requests while the control plane is away']);
    t.end();
  });

  t.end();
});

t.test('Dialect', (t) => {
  t.test('repeats the accepted version when it rejects state-of-the-world responses', (t) => {
    const response = { type_url: 'x', nonce: 'n', version_info: 'v2' };
    t.strictSame(sotwDialect.acknowledge(response, undefined, 'v1'), {
      type_url: 'x',
      response_nonce: 'n',
      version_info: 'v2',
    });
    t.strictSame(sotwDialect.acknowledge(response, 'broken', 'v1'), {
      type_url: 'x',
      response_nonce: 'n',
      version_info: 'v1',
      error_detail: { code: 13, message: 'broken' },
    });
    t.end();
  });

  t.end();
});
