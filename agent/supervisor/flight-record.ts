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
/** What a process wrote last arrives after the news of its end. */
const SETTLE_MS = 100;
const CORE_PATTERN = '/proc/sys/kernel/core_pattern';
const DUMPING: ReadonlySet<string> = new Set([
  ...['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGQUIT', 'SIGSEGV', 'SIGSYS', 'SIGTRAP'],
]);

export class FlightRecord {
  readonly #parts: FlightRecordParts;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #written: Promise<void> = Promise.resolve();

  constructor(parts: FlightRecordParts) {
    this.#parts = parts;
  }

  /** Of what the proxy writes to its log. */
  onOutput(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes - this.#chunks[0]!.length >= KEPT_BYTES)
      this.#bytes -= this.#chunks.shift()!.length;
  }

  onExit(flight: Flight): void {
    const { time } = this.#parts;
    this.#written = new Promise((resolve) => {
      time.setTimer(() => {
        this.#write(flight);
        resolve();
      }, SETTLE_MS);
    });
  }

  /** Resolves when all is written. */
  settled(): Promise<void> {
    return this.#written;
  }

  #write({ epoch, pid, exit, reason }: Flight): void {
    const { workDir, configVersions, logger, time } = this.#parts;
    const path = join(workDir, `flight-record-${epoch}.json`);
    const text = Buffer.concat(this.#chunks).subarray(-KEPT_BYTES).toString('utf8');
    const record = {
      epoch,
      pid,
      reason,
      endedAt: new Date(time.wallMs()).toISOString(),
      ranMs: Math.round(exit.ranMs),
      code: exit.code,
      signal: exit.signal,
      core: pid === undefined || exit.signal === undefined ? undefined : coreOf(pid, exit.signal),
      configVersions: Object.fromEntries(configVersions()),
      lastLines: text.trimEnd().split('\n').slice(-KEPT_LINES),
    };
    try {
      fs.writeFileSync(path, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
      fs.rmSync(join(workDir, `flight-record-${epoch - KEPT_FILES}.json`), { force: true });
      logger.info(`flight record of epoch ${epoch}: ${path}`);
    } catch (error) {
      logger.warn(`no flight record: ${(error as Error).message}`);
    }
  }
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
