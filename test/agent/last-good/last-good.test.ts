// [m] The relay with a kept configuration, in simulated time: what is written down, when it is served, and how the control plane takes over again.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { AgentMetrics } from '../../../agent/agent-metrics.ts';
import { LastGood } from '../../../agent/last-good/last-good.ts';
import { LastGoodFile } from '../../../agent/last-good/last-good-file.ts';
import { DialGate } from '../../../agent/xds-proxy/dial-gate.ts';
import { deltaDialect, sotwDialect } from '../../../agent/xds-proxy/dialect.ts';
import { Relay } from '../../../agent/xds-proxy/relay.ts';
import type { UpstreamEvents } from '../../../agent/xds-proxy/relay.ts';
import { NameTableHandler } from '../../../agent/xds-proxy/response-handlers.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { packAny, typeUrlOf } from '../../../xds-protos/any.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '../../../xds-protos/gen/envoy.service.discovery.v3.ts';
import type { Any } from '../../../xds-protos/well-known-types.ts';
import { captureLog } from '../../support/captured-log.ts';
import { privateDir } from '../../support/private-dir.ts';
import type { Teardowns } from '../../support/private-dir.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const CDS = typeUrlOf(CLUSTER);
const EDS = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
const LDS = 'type.googleapis.com/envoy.config.listener.v3.Listener';
const RDS = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
const SDS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
const ECDS = 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig';
const NDS = 'type.googleapis.com/istio.networking.nds.v1.NameTable';

/** A message whose first field is its name, and whose second is a text. */
function named(typeUrl: string, name: string, text = 'x'): Any {
  const field = (number: number, value: string): Buffer =>
    Buffer.concat([Buffer.from([number * 8 + 2, value.length]), Buffer.from(value, 'latin1')]);
  return { type_url: typeUrl, value: Buffer.concat([field(1, name), field(2, text)]) };
}

interface Down<Response> {
  readonly responses: Response[];
  readonly failures: string[];
}

interface Up<Request, Response> extends UpstreamEvents<Response> {
  readonly sent: Request[];
}

/** The same pod with its files, whatever dies in it. */
class Pod {
  readonly time = new SimulatedTime();
  readonly metrics = new AgentMetrics();
  readonly log = captureLog();
  readonly path: string;
  readonly names: NameTableHandler;
  readonly lastGood: LastGood;
  readonly gate: DialGate;

  constructor(t: Teardowns, path = join(privateDir(t), 'kept')) {
    this.path = path;
    this.names = new NameTableHandler();
    const { logger } = this.log;
    const { time, metrics } = this;
    const file = new LastGoodFile({ path, nodeId: 'n', logger });
    t.teardown(() => file.close());
    const handlers = new Map([[NDS, this.names]]);
    this.lastGood = new LastGood({ file, handlers, metrics, logger, time });
    this.gate = new DialGate(time, new SeededRandom(3));
  }

  delta(): {
    relay: Relay<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
    down: Down<DeltaDiscoveryResponse>;
    ups: Up<DeltaDiscoveryRequest, DeltaDiscoveryResponse>[];
  } {
    const down: Down<DeltaDiscoveryResponse> = { responses: [], failures: [] };
    const ups: Up<DeltaDiscoveryRequest, DeltaDiscoveryResponse>[] = [];
    const relay = new Relay<DeltaDiscoveryRequest, DeltaDiscoveryResponse>({
      ...this.#shared(down, ups),
      dialect: deltaDialect,
    });
    return { relay, down, ups };
  }

  sotw(): {
    relay: Relay<DiscoveryRequest, DiscoveryResponse>;
    down: Down<DiscoveryResponse>;
    ups: Up<DiscoveryRequest, DiscoveryResponse>[];
  } {
    const down: Down<DiscoveryResponse> = { responses: [], failures: [] };
    const ups: Up<DiscoveryRequest, DiscoveryResponse>[] = [];
    const relay = new Relay<DiscoveryRequest, DiscoveryResponse>({
      ...this.#shared(down, ups),
      dialect: sotwDialect,
    });
    return { relay, down, ups };
  }

  #shared<Request, Response>(down: Down<Response>, ups: Up<Request, Response>[]) {
    return {
      downstream: {
        send: (response: Response) => down.responses.push(response),
        fail: (reason: string) => down.failures.push(reason),
      },
      dial: (events: UpstreamEvents<Response>) => {
        const sent: Request[] = [];
        ups.push({ ...events, sent });
        return { send: (request: Request) => sent.push(request), cancel: () => {} };
      },
      handlers: new Map([[NDS, this.names]]),
      lastGood: this.lastGood,
      gate: this.gate,
      metrics: this.metrics,
      logger: this.log.logger,
      time: this.time,
    };
  }

  async gauge(name: string): Promise<number> {
    const text = await this.metrics.text();
    return Number(new RegExp(`^outrigger_agent_${name} (.*)$`, 'm').exec(text)?.[1]);
  }
}

interface Step {
  readonly typeUrl: string;
  readonly ask?: readonly string[];
  readonly answer: readonly (readonly [string, string])[];
  readonly nack?: string;
}

/** A proxy without anything is configured, step by step. */
function configure(pod: Pod, steps: readonly Step[]): void {
  const { relay, ups } = pod.delta();
  for (const [at, { typeUrl, ask = [], answer, nack }] of steps.entries()) {
    relay.onRequest({ type_url: typeUrl, resource_names_subscribe: [...ask] });
    ups[0]!.onResponse({
      type_url: typeUrl,
      nonce: `n${at}`,
      resources: answer.map(([name, text]) => ({ name, resource: named(typeUrl, name, text) })),
    });
    relay.onRequest({
      type_url: typeUrl,
      response_nonce: `n${at}`,
      ...(nack === undefined ? {} : { error_detail: { code: 13, message: nack } }),
    });
  }
  pod.time.advance(2000);
  relay.close();
}

const USUAL: readonly Step[] = [
  {
    typeUrl: CDS,
    answer: [
      ['a', '1'],
      ['b', '1'],
    ],
  },
  {
    typeUrl: EDS,
    ask: ['a', 'b'],
    answer: [
      ['a', '1'],
      ['b', '1'],
    ],
  },
  { typeUrl: LDS, answer: [['l', '1']] },
  { typeUrl: RDS, ask: ['r'], answer: [['r', '1']] },
];

/** `Type: names`, in the order in which they came. */
const told = (responses: readonly DeltaDiscoveryResponse[]): string[] =>
  responses.map(
    ({ type_url: typeUrl = '', resources = [] }) =>
      `${typeUrl.split('.').at(-1)}: ${resources.map(({ name }) => name).join(' ')}`,
  );

/** A fresh proxy asks for what a proxy asks for. */
function askForAll(relay: Relay<DeltaDiscoveryRequest, DeltaDiscoveryResponse>): void {
  relay.onRequest({ type_url: CDS });
  relay.onRequest({ type_url: EDS, resource_names_subscribe: ['a', 'b'] });
  relay.onRequest({ type_url: LDS });
  relay.onRequest({ type_url: RDS, resource_names_subscribe: ['r'] });
}

const ALL = ['Cluster: a b', 'ClusterLoadAssignment: a b', 'Listener: l', 'RouteConfiguration: r'];

t.test('A kept configuration', (t) => {
  t.test('is served at once to a proxy without one, when the control plane refuses', async (t) => {
    const pod = new Pod(t);
    configure(pod, USUAL);
    const { relay, down, ups } = pod.delta();
    relay.onRequest({ type_url: CDS });
    ups[0]!.onEnd('refused');
    t.strictSame(told(down.responses), ['Cluster: a b']);
    relay.onRequest({ type_url: CDS, response_nonce: down.responses[0]!.nonce! });
    relay.onRequest({ type_url: EDS, resource_names_subscribe: ['a', 'b'] });
    relay.onRequest({ type_url: LDS });
    relay.onRequest({ type_url: RDS, resource_names_subscribe: ['r'] });
    t.strictSame(told(down.responses), ALL);
    t.strictSame(down.failures, [], 'its stream stays');
    t.match(
      pod.lastGood.warning,
      /^configuration as kept on disk, last changed .*Z: .*\(refused\)/,
    );
    t.equal(await pod.gauge('config_stale'), 1);
    t.equal(await pod.gauge('control_plane_connected'), 0);
    t.ok((await pod.gauge('last_good_config_bytes')) >= 0);
    relay.close();
    t.equal(pod.time.pending, 0);
  });

  t.test('is served by another agent process too', (t) => {
    const first = new Pod(t);
    configure(first, USUAL);
    const pod = new Pod(t, first.path);
    const { relay, down, ups } = pod.delta();
    ups[0]!.onEnd('refused before the proxy had said a word');
    askForAll(relay);
    t.strictSame(told(down.responses), ALL);
    relay.close();
    t.end();
  });

  t.test('is served when the control plane stays silent, which may answer yet', (t) => {
    const pod = new Pod(t);
    configure(pod, USUAL);
    const { relay, down, ups } = pod.delta();
    askForAll(relay);
    pod.time.advance(2900);
    t.strictSame(down.responses, []);
    pod.time.advance(200);
    t.strictSame(told(down.responses), ALL);
    ups[0]!.onResponse({ type_url: CDS, nonce: 'late' });
    t.strictSame(down.failures, ['the control plane is back']);
    t.equal(ups.length, 1);
    t.end();
  });

  t.test('is not served to a proxy that has one: its stream ends, as with stock', (t) => {
    const pod = new Pod(t);
    configure(pod, USUAL);
    const { relay, down, ups } = pod.delta();
    relay.onRequest({ type_url: CDS, initial_resource_versions: new Map([['a', '']]) });
    ups[0]!.onEnd('refused');
    t.strictSame(down.responses, []);
    t.strictSame(down.failures, ['refused']);
    t.equal(pod.lastGood.warning, undefined);
    t.end();
  });

  t.test('gives way as soon as the control plane answers, however long that takes', async (t) => {
    const pod = new Pod(t);
    configure(pod, USUAL);
    const { relay, down, ups } = pod.delta();
    askForAll(relay);
    ups[0]!.onEnd('refused');
    // Ten minutes of an istiod that is gone.
    for (let second = 0; second < 600; second++) {
      pod.time.advance(1000);
      const last = ups.at(-1)!;
      if (last !== ups[0] && last.sent.length > 0) last.onEnd('still away');
      last.sent.length = 0;
    }
    t.ok(ups.length > 100 && ups.length < 620, `${ups.length} tries in ten minutes`);
    t.strictSame(down.failures, []);
    pod.time.advance(10_000);
    t.match(ups.at(-1)!.sent, [{ type_url: CDS }]);
    ups.at(-1)!.onResponse({ type_url: CDS, nonce: 'x', resources: [] });
    t.strictSame(down.failures, ['the control plane is back'], 'the proxy comes again');
    t.equal(pod.time.pending, 0);
    t.match(pod.lastGood.warning, /the control plane is away/, 'until it has answered that proxy');

    const next = pod.delta();
    next.relay.onRequest({ type_url: CDS, initial_resource_versions: new Map([['a', '']]) });
    t.equal(next.ups.length, 1, 'without delay');
    next.ups[0]!.onResponse({ type_url: CDS, nonce: 'y', removed_resources: ['a'] });
    next.relay.onRequest({ type_url: CDS, response_nonce: 'y' });
    t.equal(pod.lastGood.warning, undefined);
    t.equal(await pod.gauge('config_stale'), 0);
    t.equal(await pod.gauge('control_plane_connected'), 1);
    t.strictSame([...pod.lastGood.file.read()!.kept.get(CDS)!.resources.keys()], ['b']);
    next.relay.close();
    t.equal(await pod.gauge('control_plane_connected'), 0);
  });

  t.test('is what the proxy took: nothing that it rejected, and less than whole is none', (t) => {
    const rejecting = new Pod(t);
    configure(rejecting, [
      {
        typeUrl: CDS,
        answer: [
          ['outbound|80||good', '1'],
          ['outbound|80||odd', '1'],
        ],
        nack: 'Error adding/updating cluster(s) outbound|80||odd: no such thing',
      },
      ...USUAL.slice(1),
    ]);
    t.strictSame(
      [...rejecting.lastGood.file.read()!.kept.get(CDS)!.resources.keys()],
      ['outbound|80||good'],
    );

    const partly = new Pod(t);
    configure(partly, USUAL.slice(0, 2));
    t.equal(partly.lastGood.file.read(), undefined);

    const allRejected = new Pod(t);
    configure(allRejected, [{ ...USUAL[0]!, nack: 'no' }, ...USUAL.slice(1)]);
    t.equal(allRejected.lastGood.file.read(), undefined);
    t.end();
  });

  t.test('forgets what the proxy asks for no longer', (t) => {
    const pod = new Pod(t);
    configure(pod, USUAL);
    const { relay, ups } = pod.delta();
    relay.onRequest({ type_url: CDS, initial_resource_versions: new Map([['a', '']]) });
    ups[0]!.onResponse({ type_url: CDS, nonce: '1', removed_resources: ['a'] });
    relay.onRequest({ type_url: CDS, response_nonce: '1' });
    relay.onRequest({ type_url: EDS, resource_names_unsubscribe: ['a'] });
    const { kept } = pod.lastGood.file.read()!;
    t.strictSame([...kept.get(CDS)!.resources.keys()], ['b']);
    t.strictSame([...kept.get(EDS)!.resources.keys()], ['b']);
    relay.close();
    t.end();
  });

  t.test('answers names that it lacks as istiod does, so that nothing waits for them', (t) => {
    const pod = new Pod(t);
    configure(pod, USUAL);
    const { relay, down, ups } = pod.delta();
    relay.onRequest({ type_url: CDS });
    ups[0]!.onEnd('refused');
    relay.onRequest({ type_url: EDS, resource_names_subscribe: ['a', 'new'] });
    relay.onRequest({ type_url: ECDS, resource_names_subscribe: ['filter'] });
    const last = down.responses.at(-1)!;
    t.strictSame(told([last]), ['ClusterLoadAssignment: a new']);
    t.strictSame(Buffer.from(last.resources![1]!.resource!.value), Buffer.from('\x0a\x03new'));
    relay.close();
    t.end();
  });

  t.test('may have no listener, as that of a gateway without routes', (t) => {
    const pod = new Pod(t);
    configure(pod, [
      { typeUrl: CDS, answer: [['a', '1']] },
      { typeUrl: LDS, answer: [] },
    ]);
    const { relay, down, ups } = pod.delta();
    relay.onRequest({ type_url: CDS });
    ups[0]!.onEnd('refused');
    relay.onRequest({ type_url: LDS });
    relay.onRequest({ type_url: LDS, response_nonce: 'last-good/2' });
    t.strictSame(told(down.responses), ['Cluster: a', 'Listener: ']);
    relay.close();
    t.end();
  });

  t.test('never holds a secret', (t) => {
    const pod = new Pod(t);
    configure(pod, [
      ...USUAL,
      { typeUrl: SDS, ask: ['credential'], answer: [['credential', 'S3CRET']] },
      {
        typeUrl: ECDS,
        ask: ['wasm', 'plain'],
        answer: [
          ['wasm', 'ISTIO_META_WASM_IMAGE_PULL_SECRET S3CRET'],
          ['plain', 'x'],
        ],
      },
    ]);
    const { kept } = pod.lastGood.file.read()!;
    t.strictSame(
      [...kept.keys()].map((typeUrl) => typeUrl.split('.').at(-1)),
      [
        'Cluster',
        'ClusterLoadAssignment',
        'Listener',
        'RouteConfiguration',
        'TypedExtensionConfig',
      ],
    );
    t.strictSame([...kept.get(ECDS)!.resources.keys()], ['plain']);
    for (const text of [
      '-----BEGIN EC PRIVATE KEY-----\nMHcCAQ',
      '0\x81\xc0\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02',
    ]) {
      const key = new Pod(t);
      configure(key, [{ typeUrl: CDS, answer: [['a', text]] }, ...USUAL.slice(1)]);
      t.equal(key.lastGood.file.read(), undefined);
      t.match(key.log.lines.join('\n'), /the configuration is not kept: .* holds a private key/);
      t.throws(() => readFileSync(key.path), { code: 'ENOENT' });
    }
    t.end();
  });

  t.test('holds what the agent keeps for itself: the name table', (t) => {
    const pod = new Pod(t);
    const { relay, ups } = pod.delta();
    askForAll(relay);
    t.equal(ups[0]!.sent.filter(({ type_url: typeUrl }) => typeUrl === NDS).length, 1);
    const table = packAny('istio.networking.nds.v1.NameTable', {
      table: new Map([['a.b', { ips: ['1.2.3.4'], registry: 'Kubernetes' }]]),
    });
    ups[0]!.onResponse({ type_url: NDS, nonce: 'n', resources: [{ name: '', resource: table }] });
    for (const typeUrl of [CDS, EDS, LDS, RDS]) {
      const resources = [{ name: 'a', resource: named(typeUrl, 'a') }];
      ups[0]!.onResponse({ type_url: typeUrl, nonce: typeUrl, resources });
      relay.onRequest({ type_url: typeUrl, response_nonce: typeUrl });
    }
    pod.time.advance(2000);
    relay.close();
    const next = new Pod(t, pod.path);
    const { relay: again, ups: nextUps, down } = next.delta();
    again.onRequest({ type_url: CDS });
    nextUps[0]!.onEnd('refused');
    again.onRequest({ type_url: LDS });
    t.strictSame([...(next.names.table ?? new Map<string, unknown>()).keys()], ['a.b']);
    t.strictSame(told(down.responses), ['Cluster: a', 'Listener: a'], 'which the proxy never sees');
    again.close();
    t.end();
  });

  t.test('is served over state-of-the-world streams too', (t) => {
    const pod = new Pod(t);
    const { relay, ups } = pod.sotw();
    const steps: readonly (readonly [string, readonly string[]])[] = [
      [CDS, ['a', 'b']],
      [EDS, ['a', 'b']],
      [LDS, ['l']],
      [RDS, ['r']],
    ];
    const ask = (typeUrl: string, names: readonly string[]): DiscoveryRequest => ({
      type_url: typeUrl,
      ...(typeUrl === CDS || typeUrl === LDS ? {} : { resource_names: [...names] }),
    });
    for (const [typeUrl, names] of steps) {
      relay.onRequest(ask(typeUrl, names));
      ups[0]!.onResponse({
        type_url: typeUrl,
        nonce: typeUrl,
        version_info: 'v7',
        resources: names.map((name) => named(typeUrl, name)),
      });
      relay.onRequest({ ...ask(typeUrl, names), version_info: 'v7', response_nonce: typeUrl });
    }
    // A table has no name: each takes the place of the one before.
    for (const host of ['a.b', 'c.d']) {
      const table = new Map([[host, { ips: ['1.2.3.4'] }]]);
      const resources = [packAny('istio.networking.nds.v1.NameTable', { table })];
      ups[0]!.onResponse({ type_url: NDS, nonce: host, version_info: host, resources });
    }
    pod.time.advance(2000);
    // The next push lacks b, and says so by not naming it.
    ups[0]!.onResponse({
      type_url: CDS,
      nonce: '2',
      version_info: 'v8',
      resources: [named(CDS, 'a')],
    });
    relay.onRequest({ ...ask(CDS, []), version_info: 'v8', response_nonce: '2' });
    relay.onRequest({ ...ask(EDS, ['a']), version_info: 'v7', response_nonce: EDS });
    relay.close();

    const next = new Pod(t, pod.path);
    const fresh = next.sotw();
    fresh.relay.onRequest(ask(CDS, []));
    fresh.ups[0]!.onEnd('refused');
    for (const [typeUrl, names] of steps.slice(1)) fresh.relay.onRequest(ask(typeUrl, names));
    t.strictSame(
      fresh.down.responses.map(({ type_url: typeUrl, version_info: version, resources = [] }) => [
        typeUrl,
        version,
        resources.length,
      ]),
      [
        [CDS, 'v8', 1],
        [EDS, 'v7', 2],
        [LDS, 'v7', 1],
        [RDS, 'v7', 1],
      ],
    );
    t.strictSame([...(next.names.table ?? new Map<string, unknown>()).keys()], ['c.d']);
    fresh.relay.close();
    t.end();
  });

  t.end();
});
