// [w] AttemptLog: the lines of `upstream_log` about one attempt: when it has a stream, each so often, at its end
// (envoy-behaviour §11.1). It has facts of its own, seen from the proxy: received is what the upstream answered.
import type { TimeSource } from '../base/clock.ts';
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../base/timer-wheel.ts';
import type { AccessLogType } from '../config/access-log-config.ts';
import type { AccessLog } from '../http/conn-manager-context.ts';
import type { HeaderMap, RequestHeaders } from '../http/header-map.ts';
import { ResponseHeaders } from '../http/header-map.ts';
import type { ResponseFlag } from '../stream-info/response-flags.ts';
import { StreamInfo } from '../stream-info/stream-info.ts';
import type { AttemptWatch } from './attempt-watch.ts';
import type { HostFacts, UpstreamConnectionFacts } from '../stream-info/upstream-facts.ts';

export interface UpstreamLogSettings {
  readonly logs: readonly AccessLog[];
  /** A line when the stream is there. */
  readonly flushOnReady: boolean;
  /** A line each so often; 0: none. */
  readonly flushIntervalMs: number;
  readonly timers: TimerWheel;
  readonly time: TimeSource;
}

export class AttemptLog implements AttemptWatch, TimerOwner {
  readonly #settings: UpstreamLogSettings;
  readonly #info: StreamInfo;
  readonly #headers: RequestHeaders;
  #responseHeaders: ResponseHeaders | undefined = undefined;
  #trailers: HeaderMap | undefined = undefined;
  #timer: WheelTimer | null = null;

  /** `stream`: the request's own facts, `headers`: as they are sent. */
  constructor(
    settings: UpstreamLogSettings,
    stream: StreamInfo,
    headers: RequestHeaders,
    host: HostFacts,
  ) {
    const { time, timers, flushIntervalMs } = settings;
    this.#settings = settings;
    this.#headers = headers;
    const info = new StreamInfo(
      stream.connection,
      time.wallMs(),
      time.monotonicMs(),
      stream.streamRandom,
    );
    info.remoteAddress = stream.remoteAddress;
    info.remoteIp = stream.remoteIp;
    info.route = stream.route;
    info.cluster = stream.cluster;
    info.filterState = stream.filterState;
    info.meter = stream.meter;
    info.host = host;
    this.#info = info;
    if (flushIntervalMs === 0) return;
    this.#timer = new WheelTimer(this, 0);
    timers.arm(this.#timer, flushIntervalMs);
  }

  onReady(connection: UpstreamConnectionFacts): void {
    this.#info.upstreamConnection = connection;
    this.#info.protocol = connection.protocol;
    this.#info.upstreamFirstByteSentMs = this.#settings.time.monotonicMs();
    if (this.#settings.flushOnReady) this.#log('UpstreamPoolReady');
  }

  onSent(byteCount: number, endStream: boolean): void {
    this.#info.bytesSent += byteCount;
    if (endStream) this.#info.upstreamLastByteSentMs = this.#settings.time.monotonicMs();
  }

  onHeaders(headers: ResponseHeaders): void {
    this.#info.responseCode = headers.status;
    this.#info.upstreamFirstByteReceivedMs = this.#settings.time.monotonicMs();
    // They change on their way to the client.
    const copy = new ResponseHeaders();
    copy.status = headers.status;
    for (let i = 0; i < headers.size; i++) copy.push(headers.nameAt(i), headers.valueAt(i));
    this.#responseHeaders = copy;
  }

  onReceived(byteCount: number): void {
    this.#info.bytesReceived += byteCount;
  }

  onTrailers(trailers: HeaderMap): void {
    this.#trailers = trailers;
  }

  onFailure(flag: ResponseFlag, transportFailureReason: string): void {
    this.#info.setFlag(flag);
    this.#info.upstreamTransportFailureReason = transportFailureReason;
  }

  onEnd(): void {
    const { timers, time } = this.#settings;
    if (this.#timer !== null) timers.cancel(this.#timer);
    this.#info.endMs = time.monotonicMs();
    this.#info.upstreamLastByteReceivedMs = this.#info.endMs;
    this.#log('UpstreamEnd');
  }

  onTimer(_kind: number): void {
    this.#log('UpstreamPeriodic');
    this.#settings.timers.arm(this.#timer!, this.#settings.flushIntervalMs);
  }

  #log(type: AccessLogType): void {
    const entry = {
      info: this.#info,
      requestHeaders: this.#headers,
      responseHeaders: this.#responseHeaders,
      responseTrailers: this.#trailers,
      type,
      localReplyBody: '',
    };
    for (const log of this.#settings.logs) log.log(entry);
  }
}
