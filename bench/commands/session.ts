// What every measuring command needs: a folder that goes away, processes that are ended on an interrupt, peers, pinned CPUs.
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import process from 'node:process';

import type { MeasureOptions } from '../load/contestant.ts';
import { findLoadGenerator } from '../load/load-generator.ts';
import { commitName, shareCpus, thisMachine } from '../load/machine.ts';
import { measureCase } from '../load/measure.ts';
import type { CaseResult } from '../load/measure.ts';
import { emittedTree } from '../load/outrigger-build.ts';
import { findPeers } from '../load/peers.ts';
import type { MissingPeer, OutriggerTree, Peer } from '../load/peers.ts';
import { reportText } from '../load/report.ts';
import type { RunReport } from '../load/report.ts';
import { resultPath, writeResult } from '../load/result-file.ts';
import type { RunningProcess } from '../load/running-process.ts';
import { measureScale } from '../scale/measure-scale.ts';
import type { RunOptions } from './options.ts';

export const ROOT = dirname(dirname(import.meta.dirname));

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export class Session {
  readonly dir = mkdtempSync(join(tmpdir(), 'outrigger-bench-'));
  readonly running = new Set<RunningProcess>();
  readonly #busyBefore = (loadavg()[0] ?? 0) / cpus().length;
  readonly #startedMs = performance.now();

  constructor() {
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      process.once(signal, () => {
        this.close();
        process.exit(code);
      });
    }
  }

  close(): void {
    for (const started of this.running) started.kill();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  /** This tree's Outrigger, as emitted JavaScript unless sources are asked for. */
  tree(options: RunOptions, name = 'outrigger', source = ROOT): OutriggerTree {
    if (options.source) return { name, root: source, kind: 'sources' };
    const target = join(this.dir, `build-${name}`);
    return emittedTree(name, { source, target }, print);
  }

  measureOptions(options: RunOptions): MeasureOptions {
    const env = process.env;
    const shares = shareCpus(options.pin, env);
    const { dir, running } = this;
    const { rounds, durationMs, warmUpMs, heap } = options;
    const load = findLoadGenerator({ env, cpus: shares.otherCpus, dir });
    const progress = (text: string): void => {
      const seconds = Math.round((performance.now() - this.#startedMs) / 1_000);
      print(`[${String(seconds).padStart(4)} s] ${text}`);
    };
    return { dir, env, rounds, durationMs, warmUpMs, load, ...shares, progress, running, heap };
  }

  async findPeers(
    options: RunOptions,
    outriggers: readonly OutriggerTree[],
  ): Promise<{ readonly found: Peer[]; readonly missing: MissingPeer[] }> {
    const search = { outriggers, root: ROOT, env: process.env, envoy: options.envoy };
    const result = await findPeers(search, options.peers);
    for (const { name, version } of result.found) print(`found ${name} ${version}`);
    for (const { name, reason } of result.missing) print(`SKIPPED: ${name}: ${reason}`);
    return result;
  }

  /** All cases and scales that were asked for, on these trees. */
  async measure(options: RunOptions, outriggers: readonly OutriggerTree[]): Promise<RunReport> {
    const { found, missing } = await this.findPeers(options, outriggers);
    const measure = this.measureOptions(options);
    const cases: CaseResult[] = [];
    for (const load of options.cases) cases.push(await measureCase(load, found, measure));
    for (const scale of options.scales) cases.push(await measureScale(scale, found, measure));
    return {
      format: 2,
      when: new Date().toISOString(),
      commit: commitName(ROOT),
      machine: thisMachine(),
      method: {
        load: measure.load.name,
        rounds: options.rounds,
        durationMs: options.durationMs,
        warmUpMs: options.warmUpMs,
        proxyCpus: measure.proxyCpus ?? 'any',
        busyBefore: this.#busyBefore,
      },
      cases,
      missing,
    };
  }
}

/** Prints and writes; the exit code. */
export function publish(report: RunReport, options: RunOptions): number {
  print(`\n${reportText(report)}`);
  if (options.jsonPath !== '') {
    const paths = writeResult(report, options.jsonPath ?? resultPath(report));
    for (const path of paths) print(`written to ${relative(process.cwd(), path)}`);
  }
  return report.cases.some(({ failed }) => failed.length > 0) ? 1 : 0;
}
