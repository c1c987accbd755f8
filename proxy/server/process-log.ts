// [m] The process log: one JSON line a record on standard error (or --log-path), levels named as Envoy's. Main writes for
// all threads, and at once: the last line before the end of the process must get out, and lines are few.
import type { LogRecord } from '../base/logger.ts';
import type { TimeSource } from '../base/clock.ts';
import { fs } from '../base/node-builtins.ts';
import type { WorkerLogRecord } from './worker-protocol.ts';

const STANDARD_ERROR = 2;
const FILE_MODE = 0o666;
/** A reader that is behind: so often, so long each, before a line is given up. */
const PATIENCE = 50;
const PATIENCE_MS = 20;

export class ProcessLog {
  readonly #time: TimeSource;
  readonly #path: string;
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4));
  #fd: number;
  /** The last line was given up: the next ones are not waited for, until one gets through. */
  #behind = false;
  /** Of a line that was given up a part is out. */
  #cut = false;

  /** `path` '': standard error. Throws when the file cannot be opened. */
  constructor(path: string, time: TimeSource) {
    this.#time = time;
    this.#path = path;
    this.#fd = path === '' ? STANDARD_ERROR : openLog(path);
  }

  /** Sink of main's LoggerRegistry. */
  readonly write = ({ level, component, message, fields }: LogRecord): void => {
    const time = new Date(this.#time.wallMs()).toISOString();
    this.#line({ level, time, component, ...fields, msg: message });
  };

  writeWorker(workerIndex: number, record: WorkerLogRecord): void {
    const { level, component, fields, message } = record;
    const time = new Date(record.wallMs).toISOString();
    this.#line({ level, time, component, worker: workerIndex, ...fields, msg: message });
  }

  /** After the file was moved away. Where it cannot be opened again, lines go on into the one that was moved. */
  reopen(): void {
    if (this.#path === '') return;
    const before = this.#fd;
    try {
      this.#fd = openLog(this.#path);
      fs.closeSync(before);
    } catch {
      // There is no better place to say it than the log.
    }
  }

  #line(record: Readonly<Record<string, unknown>>): void {
    const start = this.#cut ? '\n' : '';
    this.#writeOut(Buffer.from(`${start}${JSON.stringify(record, printable)}\n`, 'utf8'));
  }

  #writeOut(bytes: Buffer): void {
    let written = 0;
    let patience = this.#behind ? 0 : PATIENCE;
    while (written < bytes.length) {
      try {
        written += fs.writeSync(this.#fd, bytes, written);
      } catch (error) {
        // A full disk, a reader that is gone: the proxy serves on without its log.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || patience-- === 0) {
          this.#behind = true;
          this.#cut ||= written > 0;
          return;
        }
        Atomics.wait(this.#sleeper, 0, 0, PATIENCE_MS);
      }
    }
    this.#behind = false;
    this.#cut = false;
  }
}

const openLog = (path: string): number => fs.openSync(path, 'a', FILE_MODE);

const printable = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? String(value) : value;
