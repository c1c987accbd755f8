// [m] The process log: one JSON line a record on standard error (or --log-path), levels named as Envoy's. Main writes for
// all threads.
import { pino } from 'pino';
import type { LogLevel, LogRecord } from '../base/logger.ts';
import type { TimeSource } from '../base/clock.ts';
import type { WorkerLogRecord } from './worker-protocol.ts';

const LEVEL_NUMBERS = {
  trace: 10,
  debug: 20,
  info: 30,
  warning: 40,
  error: 50,
  critical: 60,
} as const;
type WrittenLevel = keyof typeof LEVEL_NUMBERS;

export class ProcessLog {
  readonly #time: TimeSource;
  readonly #path: string;
  readonly #destination: ReturnType<typeof pino.destination>;
  readonly #pino;

  /** `path` '': standard error. Throws when the file cannot be opened. */
  constructor(path: string, time: TimeSource) {
    this.#time = time;
    this.#path = path;
    // Synchronous: the last line before the end of the process must get out, and log lines are few.
    this.#destination = pino.destination({
      dest: path === '' ? 2 : path,
      sync: true,
      mkdir: false,
    });
    this.#pino = pino(
      {
        base: null,
        // Levels are decided by each Logger before a record gets here.
        level: 'trace',
        customLevels: LEVEL_NUMBERS,
        useOnlyCustomLevels: true,
        timestamp: false,
        formatters: { level: (label) => ({ level: label }) },
      },
      this.#destination,
    );
  }

  /** Sink of main's LoggerRegistry. */
  readonly write = (record: LogRecord): void => {
    this.#line(
      record.level,
      this.#time.wallMs(),
      { component: record.component, ...record.fields },
      record.message,
    );
  };

  writeWorker(workerIndex: number, record: WorkerLogRecord): void {
    const fields = { component: record.component, worker: workerIndex, ...record.fields };
    this.#line(record.level, record.wallMs, fields, record.message);
  }

  /** After the file was moved away. */
  reopen(): void {
    if (this.#path !== '') this.#destination.reopen();
  }

  #line(
    level: LogLevel,
    wallMs: number,
    fields: Readonly<Record<string, unknown>>,
    message: string,
  ): void {
    if (level === 'off') return;
    this.#pino[level satisfies WrittenLevel](
      { time: new Date(wallMs).toISOString(), ...fields },
      message,
    );
  }
}
