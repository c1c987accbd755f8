// [w] `filesystem.` counters of access log files (envoy-behaviour §11.1), and one of ours for dropped lines.
import type { StatId, StatsStore } from '../stats/store.ts';

export class LogFileStats {
  readonly #store: StatsStore;
  readonly #flushedByTimer: StatId;
  readonly #reopenFailed: StatId;
  readonly #writeBuffered: StatId;
  readonly #writeCompleted: StatId;
  readonly #writeFailed: StatId;
  readonly #writeDropped: StatId;
  readonly #totalBuffered: StatId;

  constructor(store: StatsStore) {
    this.#store = store;
    this.#flushedByTimer = store.counter('filesystem.flushed_by_timer');
    this.#reopenFailed = store.counter('filesystem.reopen_failed');
    this.#writeBuffered = store.counter('filesystem.write_buffered');
    this.#writeCompleted = store.counter('filesystem.write_completed');
    this.#writeFailed = store.counter('filesystem.write_failed');
    this.#writeDropped = store.counter('filesystem.write_dropped');
    this.#totalBuffered = store.gauge('filesystem.write_total_buffered');
  }

  buffered(bytes: number): void {
    this.#store.inc(this.#writeBuffered);
    this.#store.add(this.#totalBuffered, bytes);
  }

  completed(bytes: number): void {
    this.#store.inc(this.#writeCompleted);
    this.#store.add(this.#totalBuffered, -bytes);
  }

  /** The bytes are lost. */
  failed(bytes: number): void {
    this.#store.inc(this.#writeFailed);
    this.#store.add(this.#totalBuffered, -bytes);
  }

  dropped(): void {
    this.#store.inc(this.#writeDropped);
  }

  flushedByTimer(): void {
    this.#store.inc(this.#flushedByTimer);
  }

  reopenFailed(): void {
    this.#store.inc(this.#reopenFailed);
  }
}
