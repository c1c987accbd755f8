// [m] AccessLogService: sends what workers logged to gRPC access log services; one stream per service and kind of log,
// opened with its first batch and, when it broke, with the next (envoy.service.accesslog.v3).
import type { StreamStatus } from '../../xds-protos/ads-stream.ts';
import type { Node } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { StreamAccessLogsMessage } from '../../xds-protos/gen/envoy.service.accesslog.v3.ts';
import type { GrpcChannel } from '../../xds-protos/grpc-channel.ts';
import { ACCESS_LOG_METHOD, openMessageStream } from '../../xds-protos/message-stream.ts';
import type { MessageListener, MessageStream } from '../../xds-protos/message-stream.ts';
import type { Closable } from '../base/lifetime.ts';
import type { Logger } from '../base/logger.ts';
import type { GrpcLogConfig } from '../config/access-log-config.ts';
import type { LogRecord } from '../config/log-record.ts';
import type { NodeConfig } from '../config/bootstrap-config.ts';
import type { StatId, StatsStore } from '../stats/store.ts';
import { nodeMessage } from './grpc-ads-transport.ts';
import { httpEntry, tcpEntry } from './log-record-encoder.ts';

export interface AccessLogServiceDeps {
  readonly node: NodeConfig;
  readonly userAgentVersion: string;
  readonly stats: StatsStore;
  readonly log: Logger;
  /** To a host of the cluster; a sentence says why there is none. */
  connect(cluster: string, authority: string): GrpcChannel | string;
}

export class AccessLogService implements Closable {
  readonly #deps: AccessLogServiceDeps;
  readonly #node: Node;
  readonly #flushed: StatId;
  readonly #failed: StatId;
  readonly #streams = new Map<string, ServiceStream>();
  /** Services whose first failure was logged. */
  readonly #told = new Set<string>();

  constructor(deps: AccessLogServiceDeps) {
    this.#deps = deps;
    this.#node = nodeMessage(deps);
    this.#flushed = deps.stats.counter('access_logs.grpc_access_log.grpc_entries_flushed');
    this.#failed = deps.stats.counter('access_logs.grpc_access_log.grpc_entries_flush_failed');
  }

  /** `done`: the worker may send its next batch. */
  send(key: string, config: GrpcLogConfig, records: readonly LogRecord[], done: () => void): void {
    const { stats } = this.#deps;
    const stream = this.#streamFor(key, config);
    if (stream === undefined) {
      stats.add(this.#failed, records.length);
      done();
      return;
    }
    stats.add(this.#flushed, records.length);
    stream.send(records, done);
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }

  #streamFor(key: string, config: GrpcLogConfig): ServiceStream | undefined {
    const present = this.#streams.get(key);
    if (present !== undefined) return present;
    const channel = this.#deps.connect(config.cluster, config.authority);
    if (typeof channel === 'string') {
      this.#tell(config.cluster, channel);
      return undefined;
    }
    const stream = new ServiceStream(channel, config, this.#node, (reason) => {
      if (this.#streams.get(key) === stream) this.#streams.delete(key);
      this.#tell(config.cluster, `its stream ended, ${reason}`);
    });
    this.#streams.set(key, stream);
    return stream;
  }

  #tell(cluster: string, why: string): void {
    if (this.#told.has(cluster)) return;
    this.#told.add(cluster);
    this.#deps.log.warn(`access log service '${cluster}' lost entries: ${why}`);
  }
}

/** One connection with one stream; gone with it. */
class ServiceStream implements MessageListener<unknown> {
  readonly #config: GrpcLogConfig;
  readonly #node: Node;
  readonly #channel: GrpcChannel;
  readonly #stream: MessageStream<StreamAccessLogsMessage>;
  readonly #onGone: (reason: string) => void;
  #identified = false;
  /** Batches that wait until the service takes more. */
  #waiting: (() => void)[] = [];

  constructor(
    channel: GrpcChannel,
    config: GrpcLogConfig,
    node: Node,
    onGone: (reason: string) => void,
  ) {
    this.#config = config;
    this.#node = node;
    this.#onGone = onGone;
    this.#channel = channel;
    this.#stream = openMessageStream(channel, ACCESS_LOG_METHOD, this, config.initialMetadata);
  }

  // === MessageListener

  onMessage(): void {}

  onDrain(): void {
    this.#release();
  }

  onEnd({ code, reason }: StreamStatus): void {
    this.#channel.close();
    this.#onGone(`gRPC status ${code}: ${reason}`);
    this.#release();
  }

  send(records: readonly LogRecord[], done: () => void): void {
    if (this.#stream.send(this.#message(records))) done();
    else this.#waiting.push(done);
  }

  close(): void {
    this.#stream.end();
    this.#channel.close();
  }

  #message(records: readonly LogRecord[]): StreamAccessLogsMessage {
    const entries =
      this.#config.entries === 'http'
        ? { http_logs: { log_entry: records.map(httpEntry) } }
        : { tcp_logs: { log_entry: records.map(tcpEntry) } };
    if (this.#identified) return entries;
    this.#identified = true;
    return { identifier: { node: this.#node, log_name: this.#config.logName }, ...entries };
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done();
  }
}
