// [m] The `server.` stats: state, uptime, memory (envoy-behaviour §10).
import { bugsSeen } from '../base/assert.ts';
import type { StatId, StatsStore } from '../stats/store.ts';
import type { ServerState } from './admin-context.ts';

/** As ServerInfo.State numbers them; pilot-agent reads `server.state: 0` as live. */
const STATE_NUMBERS: Readonly<Record<ServerState, number>> = {
  LIVE: 0,
  DRAINING: 1,
  PRE_INITIALIZING: 2,
  INITIALIZING: 3,
};

export class ServerStats {
  readonly #store: StatsStore;
  readonly #state: StatId;
  readonly #live: StatId;
  readonly #uptime: StatId;
  readonly #heapUsed: StatId;
  readonly #heapTotal: StatId;
  readonly #resident: StatId;
  readonly #totalConnections: StatId;
  readonly #bugs: StatId;
  readonly #initializationTime: StatId;

  constructor(store: StatsStore) {
    this.#store = store;
    this.#state = store.gauge('server.state');
    this.#live = store.gauge('server.live');
    this.#uptime = store.gauge('server.uptime');
    this.#heapUsed = store.gauge('server.memory_allocated');
    this.#heapTotal = store.gauge('server.memory_heap_size');
    this.#resident = store.gauge('server.memory_physical_size');
    this.#totalConnections = store.gauge('server.total_connections');
    this.#bugs = store.gauge('server.envoy_bug_failures');
    this.#initializationTime = store.histogram('server.initialization_time_ms');
    for (const always0 of [
      'server.parent_connections',
      'server.hot_restart_epoch',
      'server.hot_restart_generation',
    ]) {
      store.gauge(always0);
    }
    this.setState('PRE_INITIALIZING');
  }

  setState(state: ServerState): void {
    this.#store.set(this.#state, STATE_NUMBERS[state]);
    this.#store.set(this.#live, state === 'LIVE' ? 1 : 0);
  }

  onInitialized(tookMs: number): void {
    this.#store.record(this.#initializationTime, tookMs);
  }

  /** What is only worth knowing when somebody asks. */
  refresh(uptimeMs: number, connections: number): void {
    const memory = process.memoryUsage();
    this.#store.set(this.#uptime, Math.floor(uptimeMs / 1000));
    this.#store.set(this.#heapUsed, memory.heapUsed);
    this.#store.set(this.#heapTotal, memory.heapTotal);
    this.#store.set(this.#resident, memory.rss);
    this.#store.set(this.#totalConnections, connections);
    this.#store.set(this.#bugs, bugsSeen());
  }
}
