// Plays the cases of a suite: one Envoy and one Outrigger for all of them, several cases at a time.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { bootstrapFor, DEFAULT_LOG, logPathOf, named } from './bootstrap.ts';
import type { CaseInput } from './bootstrap.ts';
import { cuttings, WHOLE } from './cuts.ts';
import type { Cutting } from './cuts.ts';
import { mergeConfig } from './merge.ts';
import { normaliser, observe, same } from './observation.ts';
import type { Normalise, Observation } from './observation.ts';
import { Pace, ScriptedClient, ScriptedUpstream } from './peers.ts';
import { ProxyUnderTest } from './proxy-under-test.ts';
import type { Answer, ClientStep, Row, Suite, UpstreamScript, UpstreamStep } from './row.ts';

/** One row in one cutting against one proxy. */
interface Run {
  readonly id: string;
  readonly row: Row;
  readonly cutting: Cutting;
  readonly pace: Pace;
  readonly upstreams: ReadonlyMap<string, ScriptedUpstream>;
  normalise: Normalise;
  observation: Observation | undefined;
}

export interface Played {
  readonly row: Row;
  readonly ours: Observation;
  /** undefined: no Envoy here. */
  readonly envoy: Observation | undefined;
  /** Ours, by the name of the cutting. */
  readonly cut: ReadonlyMap<string, Observation>;
}

export interface PlayOptions {
  /** Path of the binary. */
  readonly envoy: string | undefined;
  readonly cuts: boolean;
  /** 1, or more for a second look. */
  readonly patience: number;
}

const AT_A_TIME = 16;
const SETTLE_MS = 2_000;
const UPSTREAMS_OUTLIVE_MS = 250;
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

export async function play(suite: Suite, options: PlayOptions): Promise<Played[]> {
  const dir = mkdtempSync(join(tmpdir(), 'differential-'));
  const { rows } = suite;
  const ours = new Side(suite, join(dir, 'ours'), undefined);
  const envoy =
    options.envoy === undefined ? undefined : new Side(suite, join(dir, 'envoy'), options.envoy);
  try {
    const wholes = rows.map((row) => ours.plan(row, WHOLE, options.patience));
    const cuts = rows.map((row, i) =>
      row.uncut === undefined && options.cuts
        ? cuttings(i * 10).map((cutting) => ours.plan(row, cutting, options.patience))
        : [],
    );
    const theirs = rows.map((row) => envoy?.plan(row, WHOLE, options.patience));
    await Promise.all([ours.start(), envoy?.start()]);
    await Promise.all([ours.runAll(), envoy?.runAll()]);
    await Promise.all([ours.account(), envoy?.account()]);
    await agree(
      ours,
      wholes.map((run, i) => [run, theirs[i]]),
    );
    return rows.map((row, i) => ({
      row,
      ours: wholes[i]!.observation!,
      envoy: theirs[i]?.observation,
      cut: new Map(cuts[i]!.map((run) => [run.cutting.name, run.observation!])),
    }));
  } finally {
    await Promise.all([ours.stop(), envoy?.stop()]);
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Our counts and log lines leave the worker now and then: they get a while to become what Envoy's are. */
async function agree(
  ours: Side,
  pairs: readonly (readonly [Run, Run | undefined])[],
): Promise<void> {
  const unequal = (): boolean =>
    pairs.some(
      ([run, their]) =>
        their !== undefined &&
        run.row.differs === undefined &&
        (['log', 'stats'] as const).some(
          (facet) => !same(run.observation!, their.observation!, facet),
        ),
    );
  const giveUpAt = performance.now() + SETTLE_MS;
  while (unequal() && performance.now() < giveUpAt) {
    await sleep(100);
    await ours.account();
  }
}

class Side {
  readonly #suite: Suite;
  readonly #dir: string;
  readonly #envoy: string | undefined;
  readonly #runs: Run[] = [];
  readonly #closings: Promise<void>[] = [];
  #proxy: ProxyUnderTest | undefined;

  constructor(suite: Suite, dir: string, envoy: string | undefined) {
    this.#suite = suite;
    this.#dir = dir;
    this.#envoy = envoy;
  }

  plan(row: Row, cutting: Cutting, patience: number): Run {
    const id = `q${this.#runs.length.toString(36).padStart(3, '0')}`;
    const pace = new Pace(patience);
    const scripts = Object.entries({ up: row.upstream ?? OK, ...row.upstreams });
    const { wholeAnswers } = this.#suite.options;
    const answerCut = wholeAnswers === undefined ? cutting.cut : WHOLE.cut;
    const upstreams = new Map(
      scripts.map(([host, script]) => [
        host,
        new ScriptedUpstream(scriptOf(script, id), pace, answerCut),
      ]),
    );
    const run: Run = {
      id,
      row,
      cutting,
      pace,
      upstreams,
      normalise: (text) => text,
      observation: undefined,
    };
    this.#runs.push(run);
    return run;
  }

  async start(): Promise<void> {
    const started = this.#runs.flatMap(({ upstreams }) =>
      [...upstreams.values()].map((upstream) => upstream.start()),
    );
    await Promise.all(started);
    const { options } = this.#suite;
    const cases = this.#runs.map(({ id, row, upstreams }): CaseInput => ({
      id,
      config: mergeConfig(options.config, row.config),
      log: row.log ?? options.log ?? DEFAULT_LOG,
      logPath: logPathOf(this.#dir, id),
      ports: new Map([...upstreams].map(([host, { port }]) => [host, port])),
    }));
    const bootstrap = bootstrapFor(cases, options);
    this.#proxy = await ProxyUnderTest.start(this.#dir, bootstrap, this.#envoy);
  }

  async runAll(): Promise<void> {
    const queue = [...this.#runs];
    const worker = async (): Promise<void> => {
      for (let run = queue.shift(); run !== undefined; run = queue.shift()) await this.#run(run);
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    await Promise.all(this.#closings);
    await sleep(100);
  }

  /** The proxy sees the client go before its upstreams. */
  async #closeLater({ upstreams, pace }: Run): Promise<void> {
    await sleep(UPSTREAMS_OUTLIVE_MS * pace.patience);
    for (const upstream of upstreams.values()) upstream.close();
  }

  /** Fills in what is read when all is over. */
  async account(): Promise<void> {
    const proxy = this.#proxy!;
    if (!proxy.alive) throw new Error(`${proxy.which} died: ${proxy.said.slice(-4000)}`);
    const stats = await proxy.stats();
    for (const { id, row, normalise, observation } of this.#runs) {
      const path = logPathOf(this.#dir, id);
      const log = existsSync(path) ? readFileSync(path, 'latin1').split('\n').slice(0, -1) : [];
      observation!.log = log.map(normalise);
      const wanted = row.stats ?? this.#suite.options.stats ?? [];
      observation!.stats = wanted.flatMap((name) => chosen(stats, named(name, id))).map(normalise);
    }
  }

  async stop(): Promise<void> {
    for (const { upstreams } of this.#runs)
      for (const upstream of upstreams.values()) upstream.close();
    await this.#proxy?.stop();
  }

  async #run(run: Run): Promise<void> {
    const { id, row, pace, upstreams, cutting } = run;
    const listenerPort = this.#proxy!.port(id);
    const client = new ScriptedClient(listenerPort, pace, upstreams, cutting.cut);
    pace.touch();
    try {
      await client.play(
        (typeof row.client === 'string' ? [row.client] : row.client).map((step) =>
          scriptOf(step, id),
        ),
      );
      run.normalise = normaliser({ id, row, listenerPort }, client, upstreams);
      run.observation = observe(row, client, upstreams, run.normalise);
    } catch (error) {
      const proxy = this.#proxy!;
      const state = proxy.alive ? 'runs' : 'DIED';
      const what = `'${row.name}' against ${proxy.which}, which ${state}: ${proxy.said.slice(-2000)}`;
      throw new Error(what, { cause: error });
    } finally {
      client.close();
      this.#closings.push(this.#closeLater(run));
    }
  }
}

/** The same script with the case's name in its texts. */
function scriptOf<T extends ClientStep | Answer | UpstreamScript | UpstreamStep | object>(
  script: T,
  id: string,
): T {
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') return named(value, id);
    if (Array.isArray(value)) return value.map(walk);
    if (value instanceof RegExp) return new RegExp(named(value.source, id), value.flags);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each)]));
  };
  return walk(script) as T;
}

function chosen(stats: ReadonlyMap<string, number>, name: string): string[] {
  if (!name.endsWith('*')) return [`${name}: ${stats.get(name) ?? 0}`];
  const prefix = name.slice(0, -1);
  return [...stats]
    .filter(([each]) => each.startsWith(prefix))
    .map(([each, value]) => `${each}: ${value}`)
    .toSorted();
}
