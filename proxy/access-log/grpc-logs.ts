// [w] Entries of the gRPC access log service on their way to main, which sends them (workers do not load gRPC). One
// buffer per service and kind, shared by all logs that name it; all bounds are here: what main has not sent is not
// added to without end, but dropped and counted (`access_logs.grpc_access_log.logs_dropped`).
//
//   log() ──▶ buffer ──full, or timer──▶ main (at most MAX_IN_FLIGHT batches) ──▶ the service
import type { TimeSource, TimerHandle } from '../base/clock.ts';
import type { Closable } from '../base/lifetime.ts';
import type { GrpcLogConfig } from '../config/access-log-config.ts';
import type { LogRecord } from '../config/log-record.ts';
import type { AccessLog, AccessLogEntry } from '../http/conn-manager-context.ts';
import type { StatId, StatsStore } from '../stats/store.ts';
import type { AccessLogFilter } from './access-log-filter.ts';
import type { FormatEnvironment } from './format-environment.ts';
import { LogRecorder } from './log-record.ts';

/** Batches that main has not answered yet. */
const MAX_IN_FLIGHT = 2;
/** However small they are. */
const MAX_RECORDS = 4096;
/** What an entry is made of beside its texts, roughly. */
const BASE_BYTES = 200;

/** Hands a batch to main, which answers GrpcLogs.onSent() when it may be followed. */
export type PostBatch = (key: string, config: GrpcLogConfig, records: readonly LogRecord[]) => void;

export class GrpcLogs implements Closable {
  readonly #time: TimeSource;
  readonly #store: StatsStore;
  readonly #environment: FormatEnvironment;
  readonly #post: PostBatch;
  /** Null until a log names a service: others have no such stats. */
  #counts: RecordCounts | null = null;
  readonly #buffers = new Map<string, RecordBuffer>();

  constructor(
    time: TimeSource,
    store: StatsStore,
    environment: FormatEnvironment,
    post: PostBatch,
  ) {
    this.#time = time;
    this.#store = store;
    this.#environment = environment;
    this.#post = post;
  }

  create(config: GrpcLogConfig, filter: AccessLogFilter | null): AccessLog {
    return new GrpcAccessLog(
      new LogRecorder(config, this.#environment),
      this.#open(config),
      filter,
    );
  }

  /** Main is done with a batch, sent or not. */
  onSent(key: string): void {
    this.#buffers.get(key)?.onSent();
  }

  /** Hands over what is left. */
  close(): void {
    for (const buffer of this.#buffers.values()) buffer.flush();
  }

  #open(config: GrpcLogConfig): RecordBuffer {
    // What makes a stream another one; what an entry consists of does not.
    const { entries, logName, cluster, authority, initialMetadata, flushIntervalMs, bufferBytes } =
      config;
    const identity = { entries, logName, cluster, authority, flushIntervalMs, bufferBytes };
    const key = JSON.stringify([identity, [...initialMetadata]]);
    let buffer = this.#buffers.get(key);
    if (buffer === undefined) {
      this.#counts ??= new RecordCounts(this.#store);
      buffer = new RecordBuffer(config, this.#time, this.#counts, (records) =>
        this.#post(key, config, records),
      );
      this.#buffers.set(key, buffer);
    }
    return buffer;
  }
}

class RecordCounts {
  readonly #store: StatsStore;
  readonly #written: StatId;
  readonly #dropped: StatId;

  constructor(store: StatsStore) {
    this.#store = store;
    this.#written = store.counter('access_logs.grpc_access_log.logs_written');
    this.#dropped = store.counter('access_logs.grpc_access_log.logs_dropped');
  }

  count(taken: boolean): void {
    this.#store.inc(taken ? this.#written : this.#dropped);
  }
}

class GrpcAccessLog implements AccessLog {
  readonly needsMeter = true;
  readonly #recorder: LogRecorder;
  readonly #buffer: RecordBuffer;
  readonly #filter: AccessLogFilter | null;

  constructor(recorder: LogRecorder, buffer: RecordBuffer, filter: AccessLogFilter | null) {
    this.#recorder = recorder;
    this.#buffer = buffer;
    this.#filter = filter;
  }

  log(entry: AccessLogEntry): void {
    if (this.#filter !== null && !this.#filter(entry)) return;
    if (this.#buffer.admits()) this.#buffer.add(this.#recorder.record(entry));
  }
}

class RecordBuffer {
  readonly #config: GrpcLogConfig;
  readonly #time: TimeSource;
  readonly #counts: RecordCounts;
  readonly #post: (records: readonly LogRecord[]) => void;
  #records: LogRecord[] = [];
  #bytes = 0;
  #inFlight = 0;
  #timer: TimerHandle | null = null;

  constructor(
    config: GrpcLogConfig,
    time: TimeSource,
    counts: RecordCounts,
    post: (records: readonly LogRecord[]) => void,
  ) {
    this.#config = config;
    this.#time = time;
    this.#counts = counts;
    this.#post = post;
  }

  /** False: full, and main does not keep up; the entry is counted as dropped. */
  admits(): boolean {
    if (this.#full()) this.flush();
    const admitted = !this.#full();
    this.#counts.count(admitted);
    return admitted;
  }

  add(record: LogRecord): void {
    this.#records.push(record);
    this.#bytes += approximateBytes(record);
    if (this.#full()) this.flush();
    else this.#timer ??= this.#time.setTimer(this.#onTimer, this.#config.flushIntervalMs);
  }

  flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#records.length === 0 || this.#inFlight >= MAX_IN_FLIGHT) return;
    this.#inFlight++;
    const records = this.#records;
    this.#records = [];
    this.#bytes = 0;
    this.#post(records);
  }

  onSent(): void {
    // A worker that took a dead one's place may be answered for what it never sent.
    if (this.#inFlight > 0) this.#inFlight--;
    if (this.#records.length > 0) this.#timer ??= this.#time.setTimer(this.#onTimer, 0);
  }

  readonly #onTimer = (): void => {
    this.#timer = null;
    this.flush();
  };

  /** Size 0 sends each entry by itself. */
  #full(): boolean {
    if (this.#records.length === 0) return false;
    return this.#bytes >= this.#config.bufferBytes || this.#records.length >= MAX_RECORDS;
  }
}

function approximateBytes({ http, tags, filterState, streamId }: LogRecord): number {
  let bytes = BASE_BYTES + streamId.length + textBytes(tags) + textBytes(filterState);
  if (http === undefined) return bytes;
  bytes += http.responseCodeDetails.length + textBytes(http.responseHeaders);
  const { request } = http;
  if (request === undefined) return bytes;
  return (
    bytes +
    request.path.length +
    request.authority.length +
    request.userAgent.length +
    request.referer.length +
    request.forwardedFor.length +
    textBytes(request.headers)
  );
}

function textBytes(texts: ReadonlyMap<string, string>): number {
  let bytes = 0;
  for (const [name, value] of texts) bytes += name.length + value.length;
  return bytes;
}
