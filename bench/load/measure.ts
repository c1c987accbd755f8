// One case: all peers up, then rounds in which each gets the same load in turn, so that what disturbs the machine disturbs all.
import { startBackend } from './backend.ts';
import type { LoadCase } from './cases.ts';
import {
  directContestant,
  emptyAccessLogs,
  settle,
  startContestant,
  stopAll,
} from './contestant.ts';
import type { Contestant, MeasureOptions } from './contestant.ts';
import {
  addFixedRate,
  measureFixedRate,
  measureHeap,
  measureIdleConnections,
  measureSaturated,
} from './measurements.ts';
import type { Samples } from './metrics.ts';
import type { Peer } from './peers.ts';
import { freePorts } from './running-process.ts';

export interface PeerResult {
  readonly peer: string;
  readonly version: string;
  readonly samples: Samples;
}

export interface NotMeasured {
  readonly peer: string;
  readonly reason: string;
}

export interface CaseResult {
  readonly name: string;
  readonly meaning: string;
  readonly backend: string;
  readonly peers: readonly PeerResult[];
  /** Peers that have nothing of the kind that the case wants. */
  readonly skipped: readonly NotMeasured[];
  /** Peers that could not be measured. */
  readonly failed: readonly NotMeasured[];
}

const message = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

class CaseRun {
  readonly #load: LoadCase;
  readonly #options: MeasureOptions;
  readonly #contestants: Contestant[] = [];
  readonly #skipped: NotMeasured[] = [];
  readonly #failed = new Map<string, string>();
  #backendPort = 0;

  constructor(load: LoadCase, options: MeasureOptions) {
    this.#load = load;
    this.#options = options;
  }

  async run(peers: readonly Peer[]): Promise<CaseResult> {
    const { name, meaning, responseBytes, origin } = this.#load;
    const { dir, env, otherCpus: cpus, running } = this.#options;
    [this.#backendPort = 0] = await freePorts(1);
    const backend = await startBackend({
      dir,
      env,
      port: this.#backendPort,
      responseBytes,
      cpus,
      ...(origin === undefined ? {} : { origin }),
    });
    running.add(backend.process);
    try {
      await this.#startAll(peers);
      for (let round = 1; round <= this.#options.rounds; round++) await this.#round(round);
      await this.#stopContestants();
      await this.#measureAlone();
    } finally {
      await this.#stopContestants();
      await stopAll([backend.process], this.#options);
    }
    return {
      name,
      meaning,
      backend: backend.kind,
      peers: this.#contestants
        .filter(({ samples }) => !samples.empty)
        .map((one) => ({
          peer: one.name,
          version: one.version,
          samples: one.samples.toSamples(),
        })),
      skipped: this.#skipped,
      failed: [...this.#failed].map(([peer, reason]) => ({ peer, reason })),
    };
  }

  async #startAll(peers: readonly Peer[]): Promise<void> {
    if ((this.#load.rates ?? []).length > 0)
      this.#contestants.push(directContestant(this.#backendPort));
    for (const peer of peers) {
      const reason = peer.refuses(this.#load);
      if (reason !== undefined) this.#skipped.push({ peer: peer.name, reason });
      else
        await this.#guard(peer.name, async () => this.#contestants.push(await this.#start(peer)));
    }
    // One at a time: starting one disturbs the memory of none, but its CPU time would.
    for (const contestant of this.#contestants) await settle(contestant);
  }

  #start(peer: Peer, label = 'main', heapTrace = false): Promise<Contestant> {
    const start = { backendPort: this.#backendPort, label, heapTrace };
    return startContestant(peer, this.#load, start, this.#options);
  }

  /** What fails is reported and left out from then on; the others go on. */
  async #guard(name: string, work: () => Promise<unknown>): Promise<void> {
    if (this.#failed.has(name)) return;
    try {
      await work();
    } catch (error) {
      const process = this.#contestants.find((one) => one.name === name)?.processes;
      const reason = process?.find(({ problem }) => problem !== undefined)?.problem;
      this.#failed.set(name, reason ?? message(error));
      this.#say(`${name} FAILED: ${reason ?? message(error)}`);
    }
  }

  #say(text: string): void {
    this.#options.progress(`${this.#load.name}: ${text}`);
  }

  async #round(round: number): Promise<void> {
    const load = this.#load;
    const options = this.#options;
    const tell = (contestant: Contestant, text: string): void =>
      this.#say(`round ${round} of ${options.rounds}: ${contestant.name} ${text}`);
    for (const contestant of this.#contestants) {
      await this.#guard(contestant.name, async () => {
        if (load.idleConnections !== undefined)
          tell(contestant, await this.#idle(contestant, round));
        else tell(contestant, await measureSaturated(contestant, load, options));
      });
      emptyAccessLogs(contestant);
    }
    for (const rps of load.rates ?? []) await this.#roundAtRate(rps, tell);
  }

  /** Each round on a process of its own; the first has one already. */
  async #idle(contestant: Contestant, round: number): Promise<string> {
    const { peer, samples } = contestant;
    if (round === 1 || peer === undefined)
      return measureIdleConnections(contestant, samples, this.#load, this.#options);
    const fresh = await this.#start(peer, `idle-${round}`);
    try {
      return await measureIdleConnections(fresh, samples, this.#load, this.#options);
    } finally {
      await stopAll(fresh.processes, this.#options);
    }
  }

  async #roundAtRate(
    rps: number,
    tell: (contestant: Contestant, text: string) => void,
  ): Promise<void> {
    const [direct, ...others] = this.#contestants;
    if (direct === undefined) return;
    const base = await measureFixedRate(direct, this.#load, rps, this.#options);
    if (base === undefined) {
      this.#say(`even without a proxy ${rps} requests/s cannot be held: this rate is left out`);
      return;
    }
    direct.samples.add(`directP99Us@${rps}`, base.p99Us);
    for (const contestant of others) {
      await this.#guard(contestant.name, async () => {
        const rate = await measureFixedRate(contestant, this.#load, rps, this.#options);
        if (rate === undefined) {
          tell(contestant, `cannot hold ${rps} requests/s`);
          return;
        }
        addFixedRate(contestant, rps, rate, base);
        const added = (rate.p99Us - base.p99Us).toFixed(0);
        tell(contestant, `at ${rps}/s: p99 +${added} µs, ${rate.vcpu.toFixed(3)} vCPU`);
      });
      emptyAccessLogs(contestant);
    }
  }

  /** What needs processes of its own: further starts, and a start with GC traces. */
  async #measureAlone(): Promise<void> {
    const { rounds } = this.#options;
    for (const contestant of this.#contestants) {
      const { peer, name, samples } = contestant;
      if (peer === undefined) continue;
      for (let i = 2; this.#load.startup === true && i <= rounds; i++) {
        await this.#guard(name, async () => {
          const again = await this.#start(peer, `start-${i}`);
          try {
            await settle(again);
          } finally {
            await stopAll(again.processes, this.#options);
          }
          for (const [metric, values] of Object.entries(again.samples.toSamples()))
            for (const value of values) samples.add(metric, value);
        });
      }
      const heap = this.#options.heap && this.#load.idleConnections === undefined;
      if (heap && peer.heapTrace !== undefined)
        await this.#guard(name, async () => this.#heapRounds(peer, contestant));
    }
  }

  async #heapRounds(peer: Peer, { name, samples }: Contestant): Promise<void> {
    const traced = await this.#start(peer, 'gc', true);
    try {
      for (let round = 1; round <= this.#options.rounds; round++) {
        const heap = await measureHeap(traced, this.#load, this.#options);
        samples.add('allocatedBytes', heap.allocatedBytes);
        samples.add('gcPercent', heap.gcPercent);
        emptyAccessLogs(traced);
        const { allocatedBytes, gcPercent } = heap;
        this.#say(
          `${name} allocates ${allocatedBytes.toFixed(0)} B a request, collects ${gcPercent.toFixed(2)} % of the time`,
        );
      }
    } finally {
      await stopAll(traced.processes, this.#options);
    }
  }

  async #stopContestants(): Promise<void> {
    for (const { processes } of this.#contestants) await stopAll(processes, this.#options);
  }
}

export function measureCase(
  load: LoadCase,
  peers: readonly Peer[],
  options: MeasureOptions,
): Promise<CaseResult> {
  if (load.notBuilt === undefined) return new CaseRun(load, options).run(peers);
  options.progress(`${load.name}: SKIPPED: ${load.notBuilt}`);
  const { name, meaning, notBuilt: reason } = load;
  const skipped = [{ peer: 'all', reason }];
  return Promise.resolve({ name, meaning, backend: '-', peers: [], skipped, failed: [] });
}
