// [w] ConnectionHandler: listeners and live connections of one worker.
import type { ListenerConfig } from '../config/listener-config.ts';
import type { SocketHandle } from '../network/socket-binding.ts';
import { balanceCount, listenerCeiling } from './connection-ceiling.ts';
import { ConnectionHandover } from './connection-handover.ts';
import type { HandoverReceiver } from './connection-handover.ts';
import type { DrainOrder } from './drain-state.ts';
import { ListenerAddresses, addressKey } from './listener-addresses.ts';
import { listenerFate } from './listener-update.ts';
import { TcpListener } from './tcp-listener.ts';
import type { BindReport, ListenerEnvironment } from './tcp-listener.ts';

/** How listeners that an update replaced or removed give up their connections. */
export interface DrainDefaults {
  readonly strategy: 'gradual' | 'immediate';
  readonly drainTimeMs: number;
}

/** What a handler is given; the rest it has itself. */
export type HandlerEnvironment = Omit<
  ListenerEnvironment,
  'findByAddress' | 'onConnectionCount' | 'handover'
> & { readonly workerCount: number };

export class ConnectionHandler implements HandoverReceiver {
  readonly #environment: HandlerEnvironment;
  readonly #drainDefaults: DrainDefaults;
  readonly #report: BindReport;
  readonly #listeners = new Map<string, TcpListener>();
  readonly #addresses = new ListenerAddresses<TcpListener>();
  readonly #wrapped: ListenerEnvironment;
  readonly #handover: ConnectionHandover;
  /** Listeners removed by an update whose connections still drain. */
  readonly #draining = new Set<TcpListener>();
  #stoppedInbound = false;
  #stoppedAll = false;
  #connectionCount = 0;

  constructor(environment: HandlerEnvironment, drainDefaults: DrainDefaults, report: BindReport) {
    this.#environment = environment;
    this.#drainDefaults = drainDefaults;
    this.#report = report;
    const { workerIndex, workerCount } = environment;
    this.#handover = new ConnectionHandover(workerIndex, workerCount, this);
    this.#wrapped = {
      ...environment,
      handover: this.#handover,
      findByAddress: (ip, port) => this.#addresses.find(ip, port),
      onConnectionCount: (change) => {
        this.#connectionCount += change;
      },
    };
  }

  get connectionCount(): number {
    return this.#connectionCount;
  }

  /** Listeners that go; what the same update adds with their sockets takes these over, as if it had been a change of the name. */
  remove(names: readonly string[], added: readonly ListenerConfig[]): void {
    if (names.length === 0) return;
    const heirs = new Map<string, ListenerConfig>();
    for (const config of added)
      if (!this.#listeners.has(config.name)) heirs.set(addressKey(config.address), config);
    for (const name of names) {
      const listener = this.#listeners.get(name);
      if (listener === undefined) continue;
      const heir = heirs.get(addressKey(listener.config.address));
      if (heir === undefined || listenerFate(listener.config, heir) === 'new_sockets')
        this.#drain(listener);
      else this.#replace(listener, heir);
    }
  }

  upsert(config: ListenerConfig): void {
    const present = this.#listeners.get(config.name);
    if (present === undefined) {
      this.#add(config);
      return;
    }
    if (present.config.hash === config.hash && config.hash !== '') return;
    switch (listenerFate(present.config, config)) {
      case 'in_place':
        present.update(config, this.#order());
        present.reportSockets(this.#report);
        return;
      case 'new_listener':
        this.#replace(present, config);
        return;
      case 'new_sockets':
        this.#drain(present);
        this.#add(config);
    }
  }

  /** Closes listening sockets for good; live connections stay. */
  stopListeners(inboundOnly: boolean): void {
    this.#stoppedInbound = true;
    if (!inboundOnly) this.#stoppedAll = true;
    for (const listener of this.#listeners.values())
      if (this.#stopped(listener.config)) listener.stopAccepting();
  }

  /** The first configuration is complete: connections that came before it go to their listeners. */
  takeEarly(): void {
    this.#environment.early.over();
  }

  /** A connection of a listener that is gone by now, or not there yet, is closed. */
  onHanded(listenerName: string, handle: SocketHandle, counted: boolean): void {
    const listener = this.#listeners.get(listenerName);
    if (listener === undefined) {
      handle.close();
      this.onHandedLost(listenerName, counted);
      return;
    }
    const { io } = this.#environment;
    io.enter();
    listener.adopt(handle);
    io.leave();
  }

  onHandedLost(listenerName: string, counted: boolean): void {
    const { runtime, sharedCounts, ceiling } = this.#wrapped;
    balanceCount(listenerName, sharedCounts).add(-1);
    listenerCeiling(listenerName, runtime, sharedCounts)?.give();
    if (counted) ceiling?.give();
  }

  closeAll(): void {
    this.#handover.close();
    this.#environment.early.close();
    for (const listener of this.#listeners.values()) listener.closeAll();
    for (const listener of this.#draining) listener.closeAll();
  }

  #add(config: ListenerConfig): void {
    const listener = new TcpListener(config, this.#wrapped);
    this.#listeners.set(config.name, listener);
    this.#addresses.add(listener);
    if (!this.#stopped(config)) listener.bind(this.#report);
  }

  /** Who waits to be accepted is the new one's. */
  #replace(present: TcpListener, config: ListenerConfig): void {
    const listener = new TcpListener(config, this.#wrapped);
    listener.takeSockets(present);
    listener.reportSockets(this.#report);
    this.#addresses.replace(present, listener);
    this.#drain(present);
    this.#listeners.set(config.name, listener);
  }

  #drain(listener: TcpListener): void {
    this.#listeners.delete(listener.config.name);
    this.#addresses.remove(listener);
    listener.remove(this.#order());
    for (const old of this.#draining) if (old.idle) this.#draining.delete(old);
    this.#draining.add(listener);
  }

  #stopped(config: ListenerConfig): boolean {
    return this.#stoppedAll || (this.#stoppedInbound && config.trafficDirection === 'INBOUND');
  }

  #order(): DrainOrder {
    return { ...this.#drainDefaults, startMs: this.#environment.io.time.monotonicMs() };
  }
}
