// [w] Log records of a worker on their way to main: batched, bounded, so that a storm of warnings cannot hold up the
// data path or fill main's memory.
import { LoggerRegistry } from '../base/logger.ts';
import type { LogLevel, LogRecord } from '../base/logger.ts';
import type { TimeSource, TimerHandle } from '../base/clock.ts';
import type { FromWorker, WorkerLogRecord } from './worker-protocol.ts';

const FLUSH_MS = 100;
const MAX_BATCH = 200;

export class WorkerLog {
  readonly registry: LoggerRegistry;
  readonly #time: TimeSource;
  readonly #post: (message: FromWorker) => void;
  #records: WorkerLogRecord[] = [];
  #dropped = 0;
  #timer: TimerHandle | null = null;

  constructor(level: LogLevel, time: TimeSource, post: (message: FromWorker) => void) {
    this.#time = time;
    this.#post = post;
    this.registry = new LoggerRegistry(level, (record) => this.#add(record));
  }

  flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#records.length === 0 && this.#dropped === 0) return;
    this.#post({ kind: 'log', records: this.#records, dropped: this.#dropped });
    this.#records = [];
    this.#dropped = 0;
  }

  #add(record: LogRecord): void {
    if (this.#records.length >= MAX_BATCH) {
      this.#dropped++;
      return;
    }
    this.#records.push({ ...record, wallMs: this.#time.wallMs() });
    this.#timer ??= this.#time.setTimer(() => this.flush(), FLUSH_MS);
  }
}
