// [w] Access logs of one worker. Files, formats and the records of the log service are loaded with the first log that is configured.
import type { AccessLogFilter, FilterEnvironment } from '../access-log/access-log-filter.ts';
import type { FormatEnvironment } from '../access-log/format-environment.ts';
import type { GrpcLogs, PostBatch } from '../access-log/grpc-logs.ts';
import { LogFileStats } from '../access-log/log-file-stats.ts';
import type { LogFiles } from '../access-log/log-files.ts';
import type { TimeSource } from '../base/clock.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { Logger } from '../base/logger.ts';
import type { AccessLogConfig, GrpcLogConfig } from '../config/access-log-config.ts';
import type { AccessLog } from '../http/conn-manager-context.ts';
import type { StatsStore } from '../stats/store.ts';
import type { WorkerInit } from './worker-protocol.ts';

const logger = lazyPart<typeof import('../access-log/access-logger.ts')>(
  'access-log/access-logger',
);
const logFiles = lazyPart<typeof import('../access-log/log-files.ts')>('access-log/log-files');
const grpcLogs = lazyPart<typeof import('../access-log/grpc-logs.ts')>('access-log/grpc-logs');

export interface AccessLogParts {
  readonly time: TimeSource;
  readonly store: StatsStore;
  readonly environment: FormatEnvironment;
  readonly filters: FilterEnvironment;
  readonly log: Logger;
  readonly flush: Pick<WorkerInit, 'fileFlushIntervalMs' | 'fileFlushMinSizeKb'>;
  readonly postRecords: PostBatch;
}

export class WorkerAccessLogs {
  readonly #parts: AccessLogParts;
  /** Null until a log is configured; so are the records. */
  #files: LogFiles | null = null;
  #records: GrpcLogs | null = null;

  constructor(parts: AccessLogParts) {
    this.#parts = parts;
    // The counters are there from the start, as in Envoy.
    void new LogFileStats(parts.store);
  }

  /** One that can not be written is told in the process log, and left out. */
  create(configs: readonly AccessLogConfig[]): readonly AccessLog[] {
    const logs: AccessLog[] = [];
    for (const config of configs) {
      try {
        const log = this.#create(config);
        if (log !== null) logs.push(log);
      } catch (error) {
        const reason = (error as Error).message;
        this.#parts.log.error(`access log '${config.name}' is not written: ${reason}`);
      }
    }
    return logs;
  }

  /** Main is done with a batch, sent or not. */
  onRecordsSent(key: string): void {
    this.#records?.onSent(key);
  }

  reopen(): void {
    this.#files?.reopen();
  }

  close(): void {
    this.#files?.close();
    this.#records?.close();
  }

  #create(config: AccessLogConfig): AccessLog | null {
    const { time, store, environment, filters, flush } = this.#parts;
    this.#files ??= new (logFiles().LogFiles)(time, flush.fileFlushIntervalMs, {
      store,
      environment,
      flushBytes: flush.fileFlushMinSizeKb * 1024,
    });
    return logger().createAccessLog(config, {
      files: this.#files,
      grpc: (sink: GrpcLogConfig, filter: AccessLogFilter | null) =>
        this.#newRecords().create(sink, filter),
      filters,
    });
  }

  #newRecords(): GrpcLogs {
    const { time, store, environment, postRecords } = this.#parts;
    return (this.#records ??= new (grpcLogs().GrpcLogs)(time, store, environment, postRecords));
  }
}
