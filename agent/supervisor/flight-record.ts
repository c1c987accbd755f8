// [m] FlightRecord: what is known of a proxy that ended unasked: why, when, its last log lines, the configuration it had, where its core lies.
// A file of its owner's for each of the last five, beside the bootstrap.
import { join } from 'node:path';

import type { TimeSource } from '../../proxy/base/clock.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import { fs } from '../../proxy/base/node-builtins.ts';
import type { ProxyExit } from './exit-reason.ts';

export interface FlightRecordParts {
  readonly workDir: string;
  /** Of what the proxy was told last, by type. */
  readonly configVersions: () => ReadonlyMap<string, string>;
  readonly logger: Logger;
  readonly time: TimeSource;
}

export interface Flight {
  readonly epoch: number;
  readonly pid: number | undefined;
  readonly exit: ProxyExit;
  /** In plain words. */
  readonly reason: string;
}

const KEPT_BYTES = 16_384;
const KEPT_LINES = 50;
const KEPT_FILES = 5;
const FILE = /^flight-record-[0-9]+\.json$/;
/** What a process wrote last arrives after the news of its end. */
const SETTLE_MS = 100;
const CORE_PATTERN = '/proc/sys/kernel/core_pattern';
const DUMPING: ReadonlySet<string> = new Set([
  ...['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGQUIT', 'SIGSEGV', 'SIGSYS', 'SIGTRAP'],
]);

/** The end of what one process wrote. */
class Tail {
  #chunks: Buffer[] = [];
  #bytes = 0;

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes - this.#chunks[0]!.length >= KEPT_BYTES)
      this.#bytes -= this.#chunks.shift()!.length;
  }

  lines(): readonly string[] {
    const text = Buffer.concat(this.#chunks).subarray(-KEPT_BYTES).toString('utf8');
    return text.trimEnd().split('\n').slice(-KEPT_LINES);
  }
}

export class FlightRecord {
  readonly #parts: FlightRecordParts;
  #epoch = 0;
  #tail = new Tail();
  /** Of the process before, whose record is not written yet. */
  #previous: { readonly epoch: number; readonly tail: Tail } | undefined;
  #written: Promise<void> = Promise.resolve();

  constructor(parts: FlightRecordParts) {
    this.#parts = parts;
  }

  /** Of what the proxy of that epoch writes to its log. */
  onOutput(epoch: number, chunk: Buffer): void {
    if (epoch < this.#epoch) {
      if (epoch === this.#previous?.epoch) this.#previous.tail.add(chunk);
      return;
    }
    if (epoch > this.#epoch) {
      this.#previous = { epoch: this.#epoch, tail: this.#tail };
      this.#epoch = epoch;
      this.#tail = new Tail();
    }
    this.#tail.add(chunk);
  }

  onExit(flight: Flight): void {
    const { configVersions, time } = this.#parts;
    // As they are now: the next process may have others before this is written.
    const versions = Object.fromEntries(configVersions());
    this.#written = new Promise((resolve) => {
      time.setTimer(() => {
        this.#write(flight, versions);
        resolve();
      }, SETTLE_MS);
    });
  }

  /** Resolves when all is written. */
  settled(): Promise<void> {
    return this.#written;
  }

  #write(
    { epoch, pid, exit, reason }: Flight,
    configVersions: Readonly<Record<string, string>>,
  ): void {
    const { workDir, logger, time } = this.#parts;
    const path = join(workDir, `flight-record-${epoch}.json`);
    const lastLines =
      epoch === this.#epoch
        ? this.#tail.lines()
        : epoch === this.#previous?.epoch
          ? this.#previous.tail.lines()
          : [];
    const record = {
      epoch,
      pid,
      reason,
      endedAt: new Date(time.wallMs()).toISOString(),
      ranMs: Math.round(exit.ranMs),
      code: exit.code,
      signal: exit.signal,
      core: pid === undefined || exit.signal === undefined ? undefined : coreOf(pid, exit.signal),
      configVersions,
      lastLines,
    };
    try {
      fs.writeFileSync(path, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
      removeOldest(workDir);
      logger.info(`flight record of epoch ${epoch}: ${path}`);
    } catch (error) {
      logger.warn(`no flight record: ${(error as Error).message}`);
    }
  }
}

/** Also of agents that ran here before: their epochs began at 1, too. */
function removeOldest(workDir: string): void {
  const files = fs
    .readdirSync(workDir)
    .filter((file) => FILE.test(file))
    .map((file) => join(workDir, file))
    .map((path) => ({ path, ms: fs.statSync(path).mtimeMs }))
    .sort((a, b) => b.ms - a.ms);
  for (const { path } of files.slice(KEPT_FILES)) fs.rmSync(path, { force: true });
}

/** Where the kernel put the core; undefined: there is none that we know of. */
function coreOf(pid: number, signal: string): string | undefined {
  if (!DUMPING.has(signal)) return undefined;
  try {
    const pattern = fs.readFileSync(CORE_PATTERN, 'latin1').trim();
    if (pattern.startsWith('|')) return `handed to ${pattern.slice(1).split(' ')[0]}`;
    const named = pattern.replaceAll('%p', String(pid));
    const path = [named, `${named}.${pid}`].find((each) => fs.existsSync(each));
    return path;
  } catch {
    return undefined;
  }
}
