// When a sidecar becomes ready: pilot-agent and our proxy under a control plane that gives its configuration piece by piece. Both ports
// that tell of readiness are asked all the time: 15020 of the agent, 15021 through the proxy.
// @long
// @timeout 120 s
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';

import { cpuBetween, cpuTimeOf, processTree } from '../../bench/load/process-tree.ts';
import { ADS } from '../support/delta-control-plane.ts';
import { eventually } from '../support/eventually.ts';
import { httpListener, toCluster } from '../support/proxy-process.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import type { Json, Kind } from '../support/scripted-control-plane.ts';
import { startLoneSidecar } from '../support/lone-sidecar.ts';
import { TestAuthority } from '../support/test-authority.ts';
import { ask } from '../support/test-http.ts';
import { downstreamTls } from '../support/tls-samples.ts';

const WANTED_MS = 200;
/** One that the machine does not hold up is enough. */
const MAX_ROUNDS = 4;
const HELD_BACK_MS = 300;
const POLL_MS = 15;
/** Once it is late: questions cost what is measured then. */
const LATE_POLL_MS = 100;

interface Piece {
  readonly kind: Kind;
  readonly name: string;
  readonly json: Json;
  /** What the proxy asks for once it has this. */
  readonly then: Kind | undefined;
}

const identity = new TestAuthority().identity('spiffe://cluster.local/ns/default/sa/default');

const listener: Json = httpListener('outbound', [], {
  hcm: {
    access_log: [],
    route_config: undefined,
    rds: { route_config_name: '80', config_source: ADS },
  },
});

const pieces: readonly Piece[] = [
  {
    kind: 'clusters',
    name: 'reviews',
    json: { name: 'reviews', type: 'EDS', eds_cluster_config: { eds_config: ADS } },
    then: 'endpoints',
  },
  { kind: 'endpoints', name: 'reviews', json: { cluster_name: 'reviews' }, then: 'listeners' },
  { kind: 'listeners', name: 'outbound', json: withTls(listener), then: 'secrets' },
  {
    kind: 'secrets',
    name: 'default',
    json: {
      name: 'default',
      tls_certificate: {
        certificate_chain: { inline_string: identity.chainPem },
        private_key: { inline_string: identity.keyPem },
      },
    },
    then: 'routes',
  },
  {
    kind: 'routes',
    name: '80',
    json: {
      name: '80',
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [toCluster('reviews')] }],
    },
    then: undefined,
  },
];

function withTls(json: Json): Json {
  const [chain] = json['filter_chains'] as readonly [Json];
  const tls = downstreamTls({
    tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: ADS }],
  });
  return { ...json, filter_chains: [{ ...chain, transport_socket: tls }] };
}

/** Asks over and over; keeps when the first 200 came. */
class Watch {
  readySinceMs: number | undefined;
  asked = 0;
  /** When the last piece was sent. */
  completeMs = Infinity;
  #running = true;
  readonly ended: Promise<void>;

  constructor(port: number) {
    this.ended = this.#run(port);
  }

  stop(): void {
    this.#running = false;
  }

  async #run(port: number): Promise<void> {
    while (this.#running && this.readySinceMs === undefined) {
      const status = await ask(port, 'GET', '/healthz/ready').then(
        (reply) => reply.status,
        () => 0,
      );
      this.asked++;
      if (status === 200) this.readySinceMs = performance.now();
      else await sleep(performance.now() > this.completeMs + WANTED_MS ? LATE_POLL_MS : POLL_MS);
    }
  }
}

interface Measured {
  /** From the last piece on. */
  readonly statusMs: number;
  readonly readyMs: number;
  /** Of the processor, for agent and proxy together: what is left of it on a machine that is busy with other things. */
  readonly cpuMs: number;
}

async function round(t: Test): Promise<Measured> {
  const controlPlane = new ScriptedControlPlane();
  await controlPlane.listen();
  t.teardown(() => controlPlane.close());
  const sidecar = await startLoneSidecar(t, `127.0.0.1:${controlPlane.port}`);
  const watches = [new Watch(sidecar.statusPort), new Watch(sidecar.readyPort)] as const;
  t.teardown(() => watches.forEach((watch) => watch.stop()));
  await eventually(
    'clusters are asked for',
    () => controlPlane.said('clusters').length > 0,
    60_000,
  );
  for (const { kind, name, json, then } of pieces) {
    await sleep(HELD_BACK_MS);
    for (const watch of watches)
      t.equal(watch.readySinceMs, undefined, `not ready before ${kind} have come`);
    if (then === undefined) break;
    controlPlane.put(kind, name, json);
    await eventually(`${then} are asked for`, () => controlPlane.said(then).length > 0, 60_000);
  }
  const last = pieces.at(-1)!;
  const processes = processTree(sidecar.pid);
  const before = cpuTimeOf(processes);
  const sentMs = performance.now();
  for (const watch of watches) watch.completeMs = sentMs;
  controlPlane.put(last.kind, last.name, last.json);
  await eventually(
    'both say ready',
    () => watches.every((w) => w.readySinceMs !== undefined),
    30_000,
  );
  const cpuMs = cpuBetween(before, cpuTimeOf(processes)).totalUs / 1000;
  t.ok(watches[0].asked > pieces.length, `15020 was asked ${watches[0].asked} times`);
  t.notMatch(sidecar.output(), 'proxy rejected');
  const [statusMs, readyMs] = watches.map((watch) => watch.readySinceMs! - sentMs) as [
    number,
    number,
  ];
  return { statusMs, readyMs, cpuMs };
}

const isLate = ({ statusMs, readyMs, cpuMs }: Measured): boolean =>
  Math.max(statusMs, readyMs) > WANTED_MS && cpuMs > WANTED_MS;

const wordsOf = ({ statusMs, readyMs, cpuMs }: Measured): string =>
  `${statusMs.toFixed(0)} and ${readyMs.toFixed(0)} ms, ${cpuMs.toFixed(0)} ms of the processor`;

t.test('A sidecar', async (t) => {
  const seen: Measured[] = [];
  while (seen.length < MAX_ROUNDS && seen.every(isLate)) {
    await t.test('is never ready before its first complete configuration', async (t) => {
      seen.push(await round(t));
    });
  }
  const words = seen.map(wordsOf).join(', then ');
  t.comment(`15020 and 15021 are ready after the last piece: ${words}`);
  t.notOk(isLate(seen.at(-1)!), `and 200 ms after it it is: ${words}`);
});
