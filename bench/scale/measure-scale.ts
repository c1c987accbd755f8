// One scale: each peer that speaks xDS is started against a generated mesh; memory, time to ready, time until a pushed endpoint is used.
import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { startBackend } from '../load/backend.ts';
import { stopAll, waitForAnswer } from '../load/contestant.ts';
import type { MeasureOptions } from '../load/contestant.ts';
import { startOwnLoad } from '../load/load-generator.ts';
import type { CaseResult, NotMeasured } from '../load/measure.ts';
import { SampleBag } from '../load/metrics.ts';
import type { Peer } from '../load/peers.ts';
import type { LoadReply } from '../load/request-load.ts';
import { memoryOf, processTree } from '../load/process-tree.ts';
import { freePorts, RunningProcess } from '../load/running-process.ts';
import {
  RESOURCE_TYPES,
  adsBootstrap,
  clusterResource,
  crowd,
  endpointsResource,
  hostOf,
  listenerResource,
  routesResource,
  strangers,
} from './mesh-resources.ts';
import type { Address, NamedResource } from './mesh-resources.ts';
import { ScaleControlPlane } from './scale-control-plane.ts';
import { HUGE_ASSIGNMENT, STORM_RATE } from './scales.ts';
import type { Scale } from './scales.ts';

const PUSHES = 8;
const PUSH_LIMIT_MS = 20_000;
const TRAFFIC_RPS = 500;
const SETTLE_MS = 2_000;
/** The first requests of a process say more about its compiler than about updates. */
const WARM_UP_MS = 2_000;
/** Time to take in a huge assignment. */
const HUGE_MS = 6_000;
/** Traffic goes to service 0, pushes to service 1. */
const BUSY = 0;
const PUSHED = 1;
const LOOPBACKS = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];

/** Answers everything with one letter, so that one sees who answered. */
function startLetter(letter: string): Promise<Server> {
  const answer = `HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n${letter}`;
  const server = createServer((socket) => {
    socket.on('data', () => socket.write(answer));
    socket.on('error', () => socket.destroy());
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

interface Backends {
  readonly busyPort: number;
  /** Two that stay, and two that take turns. */
  readonly letters: readonly Address[];
}

const LETTERS = ['A', 'A', 'B', 'C'] as const;

function meshResources(scale: Scale, listenPort: number, backends: Backends) {
  const { services } = scale;
  const endpoints = Array.from({ length: services }, (_, i) =>
    endpointsResource(i, addressesOf(i, scale, backends)),
  );
  return new Map<(typeof RESOURCE_TYPES)[keyof typeof RESOURCE_TYPES], readonly NamedResource[]>([
    [RESOURCE_TYPES.listeners, [listenerResource(listenPort)]],
    [RESOURCE_TYPES.routes, [routesResource(services)]],
    [RESOURCE_TYPES.clusters, Array.from({ length: services }, (_, i) => clusterResource(i))],
    [RESOURCE_TYPES.endpoints, endpoints],
  ]);
}

function addressesOf(
  service: number,
  { endpoints }: Scale,
  { busyPort, letters }: Backends,
): Address[] {
  if (service === BUSY) return LOOPBACKS.map((address) => ({ address, port: busyPort }));
  if (service === PUSHED) return letters.slice(0, 3);
  return strangers(service, endpoints);
}

/** Resolves with the body's first letter. */
function ask(port: number, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const where = { host: '127.0.0.1', port, headers: { host: hostOf(PUSHED) } };
    const request = get({ ...where, agent, timeout: 5_000 }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      response.on('end', () => resolve(text.slice(0, 1)));
    });
    request.on('timeout', () => request.destroy(new Error('timed out')));
    request.on('error', reject);
  });
}

class ScaleRound {
  readonly #scale: Scale;
  readonly #peer: Peer;
  readonly #options: MeasureOptions;
  readonly #backends: Backends;
  readonly #samples: SampleBag;

  constructor(
    run: { readonly scale: Scale; readonly backends: Backends; readonly options: MeasureOptions },
    peer: Peer,
    samples: SampleBag,
  ) {
    this.#scale = run.scale;
    this.#backends = run.backends;
    this.#options = run.options;
    this.#peer = peer;
    this.#samples = samples;
  }

  async run(round: number): Promise<string> {
    const { dir: runDir, proxyCpus, env, running } = this.#options;
    const dir = join(runDir, `${this.#scale.name}-${this.#peer.name}-${round}`);
    mkdirSync(dir, { recursive: true });
    const [listenPort = 0, adminPort = 0] = await freePorts(2);
    const resources = meshResources(this.#scale, listenPort, this.#backends);
    const controlPlane = new ScaleControlPlane(resources);
    const processes: RunningProcess[] = [];
    try {
      const bootstrap = join(dir, 'bootstrap.json');
      writeFileSync(bootstrap, adsBootstrap(adminPort, await controlPlane.listen()));
      const startedMs = performance.now();
      const process = new RunningProcess({
        name: this.#peer.name,
        command: this.#peer.command,
        args: ['-c', bootstrap, ...(this.#peer.envoyArguments ?? [])],
        logFile: join(dir, 'output.log'),
        env: { ...env, ...this.#peer.env },
        cpus: proxyCpus,
      });
      running.add(process);
      processes.push(process);
      await waitForAnswer(process, listenPort, hostOf(BUSY));
      this.#samples.add('readyMs', performance.now() - startedMs);
      await this.#measure(process, listenPort, controlPlane);
      const refused = controlPlane.nacks[0];
      if (refused !== undefined) throw new Error(`it refused: ${refused}`);
      return this.#describe();
    } finally {
      await stopAll(processes, this.#options);
      controlPlane.close();
    }
  }

  async #measure(
    process: RunningProcess,
    port: number,
    controlPlane: ScaleControlPlane,
  ): Promise<void> {
    const privateMb = (): number => memoryOf(processTree(process.pid)).privateDirtyKb / 1_024;
    await sleep(SETTLE_MS);
    this.#samples.add('idleMb', privateMb());
    const warmUp = this.#startTraffic(port);
    await sleep(WARM_UP_MS);
    warmUp.stop();
    await warmUp.reply;
    const quiet = this.#startTraffic(port);
    await sleep(this.#options.durationMs);
    quiet.stop();
    this.#addTail('quietP99Us', await quiet.reply);
    const traffic = this.#startTraffic(port);
    await sleep(500);
    try {
      await this.#pushes(port, controlPlane);
    } finally {
      traffic.stop();
    }
    this.#addTail('pushP99Us', await traffic.reply);
    await this.#storm(port, controlPlane);
    await this.#huge(port, controlPlane);
    this.#samples.add('loadMb', privateMb());
  }

  /** One host of one service after the other becomes another, at a rate; the traffic's own service is none of them. */
  async #storm(port: number, controlPlane: ScaleControlPlane): Promise<void> {
    const { services, endpoints } = this.#scale;
    const first = PUSHED + 1;
    if (services <= first) return;
    // Made before: the generator of the traffic may have to share a core with this process.
    const storm = Array.from(
      { length: (STORM_RATE * this.#options.durationMs) / 1_000 },
      (_, i) => {
        const service = first + (i % (services - first));
        return endpointsResource(service, strangers(service, endpoints, i + 1));
      },
    );
    const traffic = this.#startTraffic(port);
    await sleep(500);
    const startedMs = performance.now();
    for (let sent = 0; sent < storm.length; await sleep(5)) {
      const due = ((performance.now() - startedMs) * STORM_RATE) / 1_000;
      for (; sent < due && sent < storm.length; sent++)
        controlPlane.push(RESOURCE_TYPES.endpoints, storm[sent]!);
    }
    traffic.stop();
    this.#addTail('stormP99Us', await traffic.reply);
  }

  /** An assignment nobody should send, while others are served: what the slowest of their requests waited. */
  async #huge(port: number, controlPlane: ScaleControlPlane): Promise<void> {
    const service = this.#scale.services - 1;
    if (service <= PUSHED) return;
    const resource = endpointsResource(service, crowd(HUGE_ASSIGNMENT));
    const traffic = this.#startTraffic(port);
    await sleep(500);
    controlPlane.push(RESOURCE_TYPES.endpoints, resource);
    await sleep(HUGE_MS);
    traffic.stop();
    const { failures, maxUs } = await traffic.reply;
    if (failures > 0) throw new Error(`${failures} requests failed beside a huge assignment`);
    this.#samples.add('hugeMaxUs', maxUs);
  }

  #startTraffic(port: number): ReturnType<typeof startOwnLoad> {
    const headers = [['Host', hostOf(BUSY)]] as const;
    const url = `http://127.0.0.1:${port}/`;
    const limit = { connections: 16, durationMs: 120_000, rps: TRAFFIC_RPS };
    return startOwnLoad({ url, headers, ...limit }, this.#options.otherCpus);
  }

  #addTail(metric: string, reply: LoadReply): void {
    const { requests, failures, maxUs } = reply;
    if (failures > 0) {
      const slowest = `the slowest took ${(maxUs / 1_000).toFixed(0)} ms`;
      throw new Error(
        `${failures} requests of the traffic failed, ${requests} did not; ${slowest}`,
      );
    }
    this.#samples.add(metric, reply.p99Us);
  }

  /** The third endpoint changes between two servers; it is in force when the new one has answered. */
  async #pushes(port: number, controlPlane: ScaleControlPlane): Promise<void> {
    const { letters } = this.#backends;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      for (let push = 0; push < PUSHES; push++) {
        const third = push % 2 === 0 ? 3 : 2;
        const addresses = [letters[0]!, letters[1]!, letters[third]!];
        const startedMs = performance.now();
        controlPlane.push(RESOURCE_TYPES.endpoints, endpointsResource(PUSHED, addresses));
        while ((await ask(port, agent)) !== LETTERS[third]) {
          if (performance.now() - startedMs > PUSH_LIMIT_MS)
            throw new Error(`a pushed endpoint is not in force after ${PUSH_LIMIT_MS} ms`);
        }
        this.#samples.add('pushMs', performance.now() - startedMs);
        await sleep(150);
      }
    } finally {
      agent.destroy();
    }
  }

  #describe(): string {
    const last = (metric: string): string =>
      this.#samples.toSamples()[metric]?.at(-1)?.toFixed(1) ?? '–';
    return `ready in ${last('readyMs')} ms, ${last('idleMb')} MB private, push in force in ${last('pushMs')} ms, p99 ${last('quietP99Us')} µs quiet, ${last('pushP99Us')} µs in pushes, ${last('stormP99Us')} µs in a storm, slowest beside ${HUGE_ASSIGNMENT} hosts ${last('hugeMaxUs')} µs`;
  }
}

export async function measureScale(
  scale: Scale,
  peers: readonly Peer[],
  options: MeasureOptions,
): Promise<CaseResult> {
  const [busyPort = 0] = await freePorts(1);
  const { dir, env, otherCpus: cpus, running, rounds } = options;
  const request = { dir, env, port: busyPort, responseBytes: 100, cpus, addresses: LOOPBACKS };
  const backend = await startBackend(request);
  running.add(backend.process);
  const servers = await Promise.all(LETTERS.map(startLetter));
  const letters = servers.map((server) => ({
    address: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
  }));
  const run = { scale, options, backends: { busyPort, letters } };
  const failed: NotMeasured[] = [];
  const speakers = peers.filter(({ envoyArguments }) => envoyArguments !== undefined);
  const bags = new Map(speakers.map((peer) => [peer, new SampleBag()] as const));
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const [peer, samples] of bags) {
        if (failed.some((one) => one.peer === peer.name)) continue;
        try {
          const text = await new ScaleRound(run, peer, samples).run(round);
          options.progress(`${scale.name}: round ${round} of ${rounds}: ${peer.name} ${text}`);
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          failed.push({ peer: peer.name, reason });
          options.progress(`${scale.name}: ${peer.name} FAILED: ${reason}`);
        }
      }
    }
  } finally {
    for (const server of servers) server.close();
    await stopAll([backend.process], options);
  }
  const others = peers.filter(({ envoyArguments }) => envoyArguments === undefined);
  return {
    name: scale.name,
    meaning: `${scale.services} services with ${scale.endpoints} endpoints each over delta xDS; one endpoint changes ${PUSHES} times; then ${STORM_RATE} assignments a second; then one of ${HUGE_ASSIGNMENT} hosts`,
    backend: backend.kind,
    peers: [...bags]
      .filter(([, samples]) => !samples.empty)
      .map(([{ name, version }, samples]) => ({
        peer: name,
        version,
        samples: samples.toSamples(),
      })),
    skipped: others.map(({ name }) => ({ peer: name, reason: 'speaks no xDS' })),
    failed,
  };
}
