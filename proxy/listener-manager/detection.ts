// [w] What a connection speaks, before it gets its filter chain (envoy-behaviour §8.4): first bytes for the inspectors, the
// time that may take, and, where the client stays silent, a look whether its server speaks first
// (docs/adr/0010-server-first.md).
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner } from '../base/timer-wheel.ts';
import type { InspectedConnection, Inspector } from '../filters/listener/inspector.ts';
import type {
  Speculation,
  SpeculationListener,
  TerminalFilterFactory,
} from '../filters/network/network-filter.ts';
import type { Connection } from '../network/connection.ts';
import type { DownstreamConnectionInfo } from '../stream-info/stream-info.ts';
import type { ActiveChain } from './active-chain.ts';
import type { TcpListener } from './tcp-listener.ts';

/** First bytes kept for inspectors; a client that says more before it is understood is passed on as it is. A whole PROXY header fits. */
const MAX_INSPECTED_BYTES = 65_552;
const EMPTY = Buffer.alloc(0);

const Timer = { Limit: 0, Silence: 1 } as const;

/** The connection under detection. */
export interface DetectionOwner {
  readonly connection: Connection;
  readonly listener: TcpListener;
  /** `ip|port` it is going to. */
  readonly destination: string;
  /** The chain for what is known so far. */
  findChain(): ActiveChain | null;
  infoOn(chain: ActiveChain): DownstreamConnectionInfo;
  /** All is known, or no more is waited for. `server`: it was the server who spoke. */
  onDetected(server: ActiveChain | null): void;
  /** The connection has to be closed. */
  onDetectionFailed(reason: 'timeout' | 'error' | 'remote_close'): void;
}

interface Tried {
  readonly chain: ActiveChain;
  readonly factory: TerminalFilterFactory;
  readonly speculation: Speculation;
}

export class Detection implements TimerOwner, SpeculationListener {
  readonly found: InspectedConnection = {
    serverName: '',
    transportProtocol: '',
    applicationProtocols: [],
  };
  ended = false;
  readonly #owner: DetectionOwner;
  readonly #inspectors: readonly Inspector[];
  #next = 0;
  #bytes: Buffer = EMPTY;
  #over = false;
  #limitTimer: WheelTimer | null = null;
  #silenceTimer: WheelTimer | null = null;
  #tried: Tried | null = null;

  constructor(owner: DetectionOwner, inspectors: readonly Inspector[]) {
    this.#owner = owner;
    this.#inspectors = inspectors;
  }

  start(): void {
    const { stats, config, environment } = this.#owner.listener;
    const { timers } = environment.io;
    stats.store.inc(stats.preCxActive);
    if (config.listenerFiltersTimeoutMs > 0) {
      this.#limitTimer = new WheelTimer(this, Timer.Limit);
      timers.arm(this.#limitTimer, config.listenerFiltersTimeoutMs);
    }
    const silenceMs = this.#silenceMs();
    if (silenceMs === 0) this.#askServer();
    else if (silenceMs !== Infinity) {
      this.#silenceTimer = new WheelTimer(this, Timer.Silence);
      timers.arm(this.#silenceTimer, silenceMs);
    }
  }

  onData(chunk: Buffer, endStream: boolean): void {
    if (this.#over) return;
    if (chunk.length > 0)
      this.#bytes =
        this.#bytes.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#bytes, chunk]);
    if (endStream) this.ended = true;
    if (this.#silenceTimer !== null)
      this.#owner.listener.environment.io.timers.cancel(this.#silenceTimer);
    this.#inspect();
  }

  /** Idempotent; what was tried stays until takeTried(). */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    const { stats, environment } = this.#owner.listener;
    stats.store.dec(stats.preCxActive);
    for (const timer of [this.#limitTimer, this.#silenceTimer])
      if (timer !== null) environment.io.timers.cancel(timer);
  }

  /** The upstream that was tried on this chain; what was tried on another is given up. */
  takeTried(chain: ActiveChain | null): Speculation | null {
    const tried = this.#tried;
    this.#tried = null;
    if (tried === null) return null;
    if (isIn(tried, chain)) return tried.speculation;
    tried.speculation.abandon();
    return null;
  }

  /** What the inspectors looked at and nobody consumed. */
  takeBytes(): Buffer {
    const { consumed = 0 } = this.found;
    const bytes = consumed === 0 ? this.#bytes : this.#bytes.subarray(consumed);
    this.#bytes = EMPTY;
    return bytes;
  }

  onTimer(kind: number): void {
    if (kind === Timer.Silence) {
      this.#askServer();
      return;
    }
    const { stats, config } = this.#owner.listener;
    stats.store.inc(stats.preCxTimeout);
    this.stop();
    if (config.continueOnListenerFiltersTimeout) this.#owner.onDetected(null);
    else this.#owner.onDetectionFailed('timeout');
  }

  // === SpeculationListener

  onServerSpoke(): void {
    const owner = this.#owner;
    if (this.#over || this.#tried === null) return;
    owner.listener.environment.serverFirst?.note(owner.destination, 'server');
    this.stop();
    // An update may have taken the chain away, put another (with TLS) in its place, or other filters into it.
    if (!isIn(this.#tried, owner.findChain())) this.takeTried(null);
    owner.onDetected(this.#tried === null ? null : this.#tried.chain);
  }

  #inspect(): void {
    while (this.#next < this.#inspectors.length) {
      const { consumed = 0 } = this.found;
      const bytes = consumed === 0 ? this.#bytes : this.#bytes.subarray(consumed);
      const verdict = this.#inspectors[this.#next]!.inspect(bytes, this.found);
      if (verdict === 'reject') {
        this.#fail('error');
        return;
      }
      if (verdict === 'wait') {
        if (this.ended) {
          this.#fail('remote_close');
          return;
        }
        if (this.#bytes.length < MAX_INSPECTED_BYTES) return;
        // A PROXY header is no guess: who has to send one does not come in without.
        if (!this.#inspectors[this.#next]!.waitsForClient) {
          this.#fail('error');
          return;
        }
      }
      this.#next++;
    }
    this.#owner.listener.environment.serverFirst?.note(this.#owner.destination, 'client');
    this.stop();
    this.#owner.onDetected(null);
  }

  #fail(reason: 'error' | 'remote_close'): void {
    this.stop();
    this.#owner.onDetectionFailed(reason);
  }

  /** How long the client may be silent before its server is asked; Infinity: it is not asked. */
  #silenceMs(): number {
    const { config, environment } = this.#owner.listener;
    const { serverFirst } = environment;
    // Only where silence would, at last, be followed by the same chain, or by nothing at all.
    const waits = config.listenerFiltersTimeoutMs === 0 || config.continueOnListenerFiltersTimeout;
    if (serverFirst === null || !waits || !this.#inspectors.every((each) => each.waitsForClient))
      return Infinity;
    const silenceMs = serverFirst.silenceMs(this.#owner.destination);
    const { listenerFiltersTimeoutMs: limitMs } = config;
    return limitMs > 0 && limitMs <= silenceMs ? Infinity : silenceMs;
  }

  #askServer(): void {
    const owner = this.#owner;
    const chain = owner.findChain();
    if (chain === null || chain.config.transportSocket.kind !== 'raw_buffer') return;
    const factory = chain.factory();
    if (typeof factory === 'string') return;
    const speculation = factory.speculate?.(owner.connection, owner.infoOn(chain), this) ?? null;
    if (speculation !== null) this.#tried = { chain, factory, speculation };
  }
}

/** The chain is that one, with the filters it had then. */
const isIn = (tried: Tried, chain: ActiveChain | null): boolean =>
  tried.chain === chain && tried.factory === chain.factory();
