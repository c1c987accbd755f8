// [w] Clocks of a connection: the acknowledgement of our SETTINGS (RFC 9113 §6.5.3) and PINGs that show whether the
// peer lives (`connection_keepalive`, envoy-behaviour §2.2).
import type { RandomSource } from '../../base/random.ts';
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../../base/timer-wheel.ts';
import type { Http2KeepaliveConfig } from '../../config/http2-config.ts';
import type { FrameWriter } from './frame-writer.ts';

export interface KeepaliveOwner {
  onSettingsTimeout(): void;
  /** Nothing came since a PING went out. */
  onPingTimeout(): void;
}

const Timer = { SettingsAck: 0, Ping: 1, PingTimeout: 2 } as const;
/** A peer that never acknowledges is none. Envoy waits for ever. */
const SETTINGS_TIMEOUT_MS = 60_000;
/** Opaque bytes of our PINGs. */
const PING = Buffer.from('outriggr', 'latin1');

export class Keepalive implements TimerOwner {
  readonly #owner: KeepaliveOwner;
  readonly #timers: TimerWheel;
  readonly #writer: FrameWriter;
  readonly #config: Http2KeepaliveConfig | undefined;
  readonly #random: RandomSource;
  readonly #settingsTimer = new WheelTimer(this, Timer.SettingsAck);
  #pingTimer: WheelTimer | null = null;
  #timeoutTimer: WheelTimer | null = null;
  #outstanding = false;

  constructor(
    owner: KeepaliveOwner,
    writer: FrameWriter,
    timers: TimerWheel,
    settings: { readonly config: Http2KeepaliveConfig | undefined; readonly random: RandomSource },
  ) {
    this.#owner = owner;
    this.#writer = writer;
    this.#timers = timers;
    this.#config = settings.config;
    this.#random = settings.random;
  }

  /** Our SETTINGS went out. */
  start(): void {
    this.#timers.arm(this.#settingsTimer, SETTINGS_TIMEOUT_MS);
    if (this.#config === undefined || this.#config.intervalMs === 0) return;
    this.#pingTimer = new WheelTimer(this, Timer.Ping);
    this.#armPing(this.#config);
  }

  stop(): void {
    this.#timers.cancel(this.#settingsTimer);
    if (this.#pingTimer !== null) this.#timers.cancel(this.#pingTimer);
    if (this.#timeoutTimer !== null) this.#timers.cancel(this.#timeoutTimer);
    this.#outstanding = false;
  }

  onSettingsAck(): void {
    this.#timers.cancel(this.#settingsTimer);
  }

  /** Whatever arrives shows that the peer lives. */
  onActivity(): void {
    if (this.#outstanding) this.#timers.arm(this.#timeoutTimer!, this.#config!.timeoutMs);
  }

  ping(): void {
    if (this.#outstanding || this.#config === undefined) return;
    this.#outstanding = true;
    this.#writer.ping(PING, 0, false);
    this.#timeoutTimer ??= new WheelTimer(this, Timer.PingTimeout);
    this.#timers.arm(this.#timeoutTimer, this.#config.timeoutMs);
  }

  /** Eight bytes from `start`: an answer, not necessarily to us. */
  onPong(bytes: Buffer, start: number): void {
    if (!this.#outstanding || bytes.compare(PING, 0, 8, start, start + 8) !== 0) return;
    this.#outstanding = false;
    this.#timers.cancel(this.#timeoutTimer!);
  }

  onTimer(kind: number): void {
    if (kind === Timer.SettingsAck) this.#owner.onSettingsTimeout();
    else if (kind === Timer.PingTimeout) this.#owner.onPingTimeout();
    else {
      this.ping();
      this.#armPing(this.#config!);
    }
  }

  #armPing(config: Http2KeepaliveConfig): void {
    const jitter = 1 + (this.#random.next() * config.jitterPercent) / 100;
    this.#timers.arm(this.#pingTimer!, config.intervalMs * jitter);
  }
}
