// [w] LogFiles: all access log files of one worker; a path is opened once, however many loggers write to it.
import { ConfigError } from '../config/config-error.ts';
import { StatsStore } from '../stats/store.ts';
import { EMPTY_ENVIRONMENT } from './format-environment.ts';
import { LogFileStats } from './log-file-stats.ts';
import { LogFile } from './log-file.ts';
import { openLogTarget } from './log-target.ts';
import type { Closable } from '../base/lifetime.ts';
import type { TimeSource } from '../base/clock.ts';
import type { FormatEnvironment } from './format-environment.ts';

export interface LogFilesOptions {
  /** Where `filesystem.*` is counted; default: a store nobody reads. */
  readonly store?: StatsStore;
  /** For `%HOSTNAME%` and `%ENVIRONMENT(X)%`; default: nothing is known. */
  readonly environment?: FormatEnvironment;
  /** Lines that wait are written when they are that many bytes; default: 64 KiB. */
  readonly flushBytes?: number;
}

/** As Envoy. */
const DEFAULT_FLUSH_BYTES = 65_536;

export class LogFiles implements Closable {
  readonly environment: FormatEnvironment;
  readonly #time: TimeSource;
  readonly #flushIntervalMs: number;
  readonly #flushBytes: number;
  readonly #stats: LogFileStats;
  readonly #files = new Map<string, LogFile>();

  /** Buffered lines are written after `flushIntervalMs` at the latest (Envoy's default: 10 000). */
  constructor(time: TimeSource, flushIntervalMs: number, options: LogFilesOptions = {}) {
    this.#time = time;
    this.#flushIntervalMs = flushIntervalMs;
    this.#flushBytes = options.flushBytes ?? DEFAULT_FLUSH_BYTES;
    this.#stats = new LogFileStats(options.store ?? new StatsStore());
    this.environment = options.environment ?? EMPTY_ENVIRONMENT;
  }

  /** Throws ConfigError when the path can not be written. Files stay open until close(). */
  open(path: string): LogFile {
    let file = this.#files.get(path);
    if (file === undefined) {
      file = this.#create(path);
      this.#files.set(path, file);
    }
    return file;
  }

  /** SIGUSR1, `/reopen_logs`: after the files were moved away. One that can not be opened again keeps its old file. */
  reopen(): void {
    for (const [path, file] of this.#files) {
      try {
        file.reopen(openLogTarget(path));
      } catch {
        this.#stats.reopenFailed();
      }
    }
  }

  flush(): void {
    for (const file of this.#files.values()) file.flush();
  }

  /** Writes what is left before it returns. */
  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }

  #create(path: string): LogFile {
    try {
      const flush = { intervalMs: this.#flushIntervalMs, bytes: this.#flushBytes };
      return new LogFile(openLogTarget(path), this.#time, flush, this.#stats);
    } catch (error) {
      const message = `unable to open file '${path}': ${error instanceof Error ? error.message : String(error)}`;
      throw new ConfigError([{ path: 'access_log', message }]);
    }
  }
}
