// [m] DrainManager: /drain_listeners and /healthcheck/fail, the end of the time before the first configuration, and what a worker that
// starts meanwhile must be told (envoy-behaviour §12, §14.1). Listeners that an update replaced drain by themselves, on the worker.
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import type { DrainRequest } from './admin-context.ts';
import type { DrainStrategy, ToWorker } from './worker-protocol.ts';

export interface DrainManagerDeps {
  readonly strategy: DrainStrategy;
  readonly drainTimeMs: number;
  readonly time: TimeSource;
  readonly tellWorkers: (message: ToWorker) => void;
  /** Listening sockets of that direction are closed from now on. */
  readonly onListenersStopped: (which: 'inbound' | 'all') => void;
}

interface Drain {
  readonly inboundOnly: boolean;
  readonly startedMs: number;
}

export class DrainManager {
  readonly #deps: DrainManagerDeps;
  #drain: Drain | undefined = undefined;
  #stopTimer: TimerHandle | undefined = undefined;
  #stopped: 'none' | 'inbound' | 'all' = 'none';
  #healthCheckFailed = false;
  #isConfigured = false;

  constructor(deps: DrainManagerDeps) {
    this.#deps = deps;
  }

  get healthCheckFailed(): boolean {
    return this.#healthCheckFailed;
  }

  /** A repeated drain of the same direction changes nothing; one of all directions widens an inbound one. */
  drainListeners(request: DrainRequest): void {
    if (!request.graceful) {
      // `skip_exit` alone drains connections and never stops the listeners (Envoy 1.40).
      if (request.skipExit) this.#start(request.inboundOnly);
      else this.#stop(request.inboundOnly);
      return;
    }
    if (!this.#start(request.inboundOnly) || request.skipExit) return;
    this.#stopTimer?.cancel();
    this.#stopTimer = this.#deps.time.setTimer(
      () => this.#stop(request.inboundOnly),
      this.#deps.drainTimeMs,
    );
  }

  /** The first configuration is complete: ports that were open before it are served. */
  onConfigured(): void {
    this.#isConfigured = true;
    this.#deps.tellWorkers({ kind: 'early_over' });
  }

  setHealthCheckFailed(failed: boolean): void {
    if (failed === this.#healthCheckFailed) return;
    this.#healthCheckFailed = failed;
    this.#deps.tellWorkers({ kind: 'health_check_failed', failed });
  }

  /** For a worker that starts now. */
  catchUp(): readonly ToWorker[] {
    const messages: ToWorker[] = this.#isConfigured ? [{ kind: 'early_over' }] : [];
    if (this.#drain !== undefined) messages.push(this.#drainStarted(this.#drain));
    if (this.#stopped !== 'none')
      messages.push({ kind: 'stop_listeners', inboundOnly: this.#stopped === 'inbound' });
    if (this.#healthCheckFailed) messages.push({ kind: 'health_check_failed', failed: true });
    return messages;
  }

  close(): void {
    this.#stopTimer?.cancel();
  }

  /** False: it is under way already. */
  #start(inboundOnly: boolean): boolean {
    const running = this.#drain;
    if (running !== undefined && (!running.inboundOnly || inboundOnly)) return false;
    this.#drain = { inboundOnly, startedMs: this.#deps.time.monotonicMs() };
    this.#deps.tellWorkers(this.#drainStarted(this.#drain));
    return true;
  }

  #stop(inboundOnly: boolean): void {
    if (this.#stopped === 'all' || (this.#stopped === 'inbound' && inboundOnly)) return;
    this.#stopped = inboundOnly ? 'inbound' : 'all';
    this.#deps.onListenersStopped(this.#stopped);
    this.#deps.tellWorkers({ kind: 'stop_listeners', inboundOnly });
  }

  #drainStarted(drain: Drain): ToWorker {
    const { strategy, drainTimeMs, time } = this.#deps;
    const elapsedMs = Math.floor(time.monotonicMs() - drain.startedMs);
    return {
      kind: 'drain_started',
      inboundOnly: drain.inboundOnly,
      strategy,
      drainTimeMs,
      elapsedMs,
    };
  }
}
