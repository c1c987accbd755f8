// [w] envoy.filters.network.connection_limit: so many connections of a chain at a time, in all workers.
import type { ConnectionLimitConfig } from '../../config/network-filter-config.ts';
import type { Runtime } from '../../base/runtime.ts';
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner } from '../../base/timer-wheel.ts';
import type { Connection } from '../../network/connection.ts';
import { CloseType } from '../../network/transport.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import type { SharedCount } from '../shared-counts.ts';
import type { GateVerdict, GatedConnection, NetworkGate } from './network-gate.ts';

export interface ConnectionLimitContext {
  readonly store: StatsStore;
  readonly runtime: Runtime;
  /** Of this filter, in all workers. */
  readonly count: SharedCount;
}

const OVER_LIMIT = { closeReason: 'over_connection_limit' };

class DelayedClose implements TimerOwner {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  onTimer(_kind: number): void {
    this.#connection.close(CloseType.NoFlush);
  }
}

export class ConnectionLimit implements NetworkGate {
  readonly #config: ConnectionLimitConfig;
  readonly #context: ConnectionLimitContext;
  readonly #active: StatId;
  readonly #limited: StatId;

  constructor(config: ConnectionLimitConfig, context: ConnectionLimitContext) {
    this.#config = config;
    this.#context = context;
    const prefix = `connection_limit.${config.statPrefix}.`;
    this.#active = context.store.gauge(`${prefix}active_connections`);
    this.#limited = context.store.counter(`${prefix}limited_connections`);
  }

  onNewConnection(session: GatedConnection): GateVerdict {
    const { runtime, count, store } = this.#context;
    const { enabled, maxConnections } = this.#config;
    if (!runtime.flag(enabled.runtimeKey, enabled.fallback)) return 'admit';
    count.add(1);
    if (count.total > maxConnections) {
      count.add(-1);
      store.inc(this.#limited);
      return this.#reject(session);
    }
    store.inc(this.#active);
    session.onEnd(() => {
      count.add(-1);
      store.dec(this.#active);
    });
    return 'admit';
  }

  #reject(session: GatedConnection): GateVerdict {
    const { delayMs } = this.#config;
    if (delayMs === undefined || delayMs === 0) return { held: false, end: OVER_LIMIT };
    const { timers } = session.connection.io;
    const timer = new WheelTimer(new DelayedClose(session.connection), 0);
    timers.arm(timer, delayMs);
    session.onEnd(() => timers.cancel(timer));
    return { held: true, end: OVER_LIMIT };
  }
}
