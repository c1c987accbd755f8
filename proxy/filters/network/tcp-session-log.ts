// [w] The access log lines of one tcp_proxy session: when its upstream is connected, each so often, at its end.
import type { AccessLogOptionsConfig, AccessLogType } from '../../config/access-log-config.ts';
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../../base/timer-wheel.ts';
import type { AccessLog } from '../../http/conn-manager-context.ts';
import type { Connection } from '../../network/connection.ts';
import { StreamMeter } from '../../stream-info/stream-meter.ts';
import type { StreamInfo } from '../../stream-info/stream-info.ts';

/** What all sessions of one filter share. */
export interface TcpLogSettings {
  readonly logs: readonly AccessLog[];
  readonly options: AccessLogOptionsConfig | undefined;
  /** One of them, or of the listener's logs, asks for it. */
  readonly needsMeter: boolean;
}

export class TcpSessionLog implements TimerOwner {
  readonly #settings: TcpLogSettings;
  readonly #info: StreamInfo;
  readonly #downstream: Connection;
  #timer: WheelTimer | null = null;

  constructor(settings: TcpLogSettings, info: StreamInfo, downstream: Connection) {
    this.#settings = settings;
    this.#info = info;
    this.#downstream = downstream;
    if (settings.needsMeter) info.meter = new StreamMeter();
    if ((settings.options?.flushIntervalMs ?? 0) === 0) return;
    this.#timer = new WheelTimer(this, 0);
    this.#arm();
  }

  onBegin(): void {
    if (this.#settings.options?.flushOnConnectionStart === true) this.#log('TcpConnectionStart');
  }

  onConnected(): void {
    if (this.#settings.options?.flushOnStart === true) this.#log('TcpUpstreamConnected');
  }

  onEnd(): void {
    if (this.#timer !== null) this.#timers.cancel(this.#timer);
    this.#log('TcpConnectionEnd');
  }

  onTimer(_kind: number): void {
    this.#log('TcpPeriodic');
    this.#arm();
  }

  get #timers(): TimerWheel {
    return this.#downstream.io.timers;
  }

  #arm(): void {
    this.#timers.arm(this.#timer!, this.#settings.options!.flushIntervalMs);
  }

  #log(type: AccessLogType): void {
    const info = this.#info;
    if (info.meter !== null) this.#measure(info.meter);
    const entry = {
      info,
      requestHeaders: undefined,
      responseHeaders: undefined,
      responseTrailers: undefined,
      type,
      localReplyBody: '',
    };
    for (const log of this.#settings.logs) log.log(entry);
  }

  /** TCP has nothing but payload on its wires. */
  #measure({ downstream, upstream }: StreamMeter): void {
    downstream.received = this.#downstream.bytesRead;
    downstream.sent = this.#downstream.bytesWritten;
    upstream.received = this.#info.bytesSent;
    upstream.sent = this.#info.bytesReceived;
  }
}
