// [m] TcpProbe: asks a host by a connection alone, or by what it answers to some bytes (envoy-behaviour §7.8).
import type { TcpHealthCheckConfig } from '../config/health-check-config.ts';
import type { Connection } from '../network/connection.ts';
import { CloseType } from '../network/transport.ts';
import type { ConnectionCallbacks } from '../network/transport.ts';
import { NOBODY } from './health-dialer.ts';
import type { HealthDial, HealthDialer, HealthDialOwner } from './health-dialer.ts';
import { PayloadMatcher } from './health-payload.ts';
import { ProbeResult } from './health-probe.ts';
import type { Probe, ProbeOwner } from './health-probe.ts';

export class TcpProbe implements Probe, HealthDialOwner, ConnectionCallbacks {
  readonly #config: TcpHealthCheckConfig;
  readonly #reuse: boolean;
  readonly #dialer: HealthDialer;
  readonly #owner: ProbeOwner;
  readonly #payload: PayloadMatcher;
  #dial: HealthDial | null = null;
  #connection: Connection | null = null;
  #waiting = false;

  constructor(
    config: TcpHealthCheckConfig,
    reuse: boolean,
    dialer: HealthDialer,
    owner: ProbeOwner,
  ) {
    this.#config = config;
    this.#reuse = reuse;
    this.#dialer = dialer;
    this.#owner = owner;
    this.#payload = new PayloadMatcher(config.receive);
  }

  start(): void {
    this.#waiting = true;
    this.#payload.reset();
    if (this.#connection === null) this.#dial = this.#dialer.dial(this);
    else this.#send(this.#connection);
  }

  abort(): void {
    this.#waiting = false;
    this.#drop();
  }

  close(): void {
    this.abort();
  }

  onDialed(connection: Connection): void {
    this.#dial = null;
    this.#connection = connection;
    connection.start(this);
    if (this.#config.receive.length === 0) {
      // That there is a connection was the question.
      this.#drop();
      this.#finish(ProbeResult.Healthy);
    } else this.#send(connection);
  }

  onDialFailed(): void {
    this.#dial = null;
    this.#finish(ProbeResult.Network);
  }

  onData(chunk: Buffer, endStream: boolean): void {
    if (this.#waiting) {
      this.#payload.feed(chunk);
      if (this.#payload.matched) {
        if (!this.#reuse || endStream) this.#drop();
        this.#finish(ProbeResult.Healthy);
        return;
      }
    }
    if (endStream) this.#connection?.close(CloseType.NoFlush);
  }

  onClose(): void {
    this.#connection = null;
    this.#finish(ProbeResult.Network);
  }

  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}

  #send(connection: Connection): void {
    const { send } = this.#config;
    if (send.length > 0) connection.write(Buffer.from(send));
  }

  #finish(result: ProbeResult): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#owner.onProbeResult(result, 0);
  }

  #drop(): void {
    this.#dial?.cancel();
    this.#dial = null;
    const connection = this.#connection;
    this.#connection = null;
    if (connection === null) return;
    connection.setCallbacks(NOBODY);
    connection.close(CloseType.NoFlush);
  }
}
