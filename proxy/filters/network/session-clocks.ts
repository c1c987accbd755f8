// [w] How long a TCP session may last: idle, and at all. The idle timer is not armed with every chunk: it looks when it
// fires, and waits for the rest.
import type { TcpProxyConfig } from '../../config/tcp-proxy-config.ts';
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../../base/timer-wheel.ts';
import { lengthened } from '../../http/jitter.ts';
import type { DownstreamConnectionInfo } from '../../stream-info/stream-info.ts';
import type { TcpProxyContext } from './tcp-proxy-context.ts';

const Timer = { Idle: 0, MaxDuration: 1 } as const;

/** Filter state that overrides `idle_timeout`. */
const IDLE_STATE = 'envoy.tcp_proxy.per_connection_idle_timeout_ms';

export interface SessionEnd {
  onTooLong(reason: 'idle' | 'duration'): void;
}

export function idleTimeoutOf(config: TcpProxyConfig, info: DownstreamConnectionInfo): number {
  const own = info.filterState?.get(IDLE_STATE)?.text;
  return own === undefined || own === null ? config.idleTimeoutMs : Number(own);
}

export class SessionClocks implements TimerOwner {
  /** When bytes last went either way. */
  activeMs: number;
  readonly #context: TcpProxyContext;
  readonly #timers: TimerWheel;
  readonly #end: SessionEnd;
  readonly #idleTimeoutMs: number;
  #idleTimer: WheelTimer | null = null;
  #durationTimer: WheelTimer | null = null;

  constructor(
    context: TcpProxyContext,
    timers: TimerWheel,
    idleTimeoutMs: number,
    end: SessionEnd,
  ) {
    this.#context = context;
    this.#timers = timers;
    this.#end = end;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.activeMs = context.time.monotonicMs();
    const { maxDownstreamConnectionDurationMs: maxMs, maxDurationJitterPercent } = context.config;
    if (maxMs !== undefined) {
      this.#durationTimer = new WheelTimer(this, Timer.MaxDuration);
      timers.arm(
        this.#durationTimer,
        lengthened(maxMs, maxDurationJitterPercent ?? 0, context.random),
      );
    }
    if (idleTimeoutMs === 0) return;
    this.#idleTimer = new WheelTimer(this, Timer.Idle);
    timers.arm(this.#idleTimer, idleTimeoutMs);
  }

  cancel(): void {
    if (this.#idleTimer !== null) this.#timers.cancel(this.#idleTimer);
    if (this.#durationTimer !== null) this.#timers.cancel(this.#durationTimer);
  }

  onTimer(kind: number): void {
    if (kind === Timer.MaxDuration) {
      this.#end.onTooLong('duration');
      return;
    }
    const leftMs = this.activeMs + this.#idleTimeoutMs - this.#context.time.monotonicMs();
    if (leftMs > 0) this.#timers.arm(this.#idleTimer!, leftMs);
    else this.#end.onTooLong('idle');
  }
}
