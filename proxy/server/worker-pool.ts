// [m] WorkerPool: N worker threads, what all of them are told, and the replacement of those that die.
import { JitteredBackoff } from '../base/backoff.ts';
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { RandomSource } from '../base/random.ts';
import type { StatId, StatNames, StatsReport, StatsStore } from '../stats/store.ts';
import type { PublishedConfig } from './config-publisher.ts';
import { WorkerHandle } from './worker-handle.ts';
import type { FromWorker, HostReport, ToWorker, WorkerInit } from './worker-protocol.ts';

const RESTART_BASE_MS = 100;
const RESTART_MAX_MS = 10_000;
/** A worker that lived this long starts the back-off anew. */
const HEALTHY_AFTER_MS = 60_000;
/** A worker that does not answer by then is busy; /stats must not wait for it. */
const ANSWER_TIMEOUT_MS = 1000;
/** From `shutdown` to terminate(). */
const STOP_TIMEOUT_MS = 1000;

export interface WorkerPoolDeps {
  readonly entry: URL;
  readonly concurrency: number;
  /** All that does not depend on the worker. */
  readonly init: Omit<WorkerInit, 'workerIndex' | 'concurrency'>;
  /** The configuration in force, for a worker that starts now. */
  readonly sum: () => PublishedConfig;
  /** What a new worker is to be told after its configuration: drains, failed health, log levels that were changed. */
  readonly catchUp: () => readonly ToWorker[];
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly stats: StatsStore;
  readonly log: Logger;
  readonly events: WorkerPoolEvents;
}

export interface WorkerPoolEvents {
  /** All workers have taken `init`; once. */
  onStarted(): void;
  /** All workers run on this version or a newer one. */
  onAllApplied(version: number): void;
  onStatNames(workerId: string, names: StatNames): void;
  onStats(workerId: string, report: StatsReport): void;
  /** Messages that are not about the pool itself. */
  onMessage(workerIndex: number, message: FromWorker): void;
  /** The incarnation is gone; its counters stay counted. */
  onGone(workerId: string, workerIndex: number): void;
}

interface Place {
  readonly index: number;
  readonly backoff: JitteredBackoff;
  handle: WorkerHandle | undefined;
  incarnation: number;
  startedMs: number;
  restartTimer: TimerHandle | undefined;
}

export class WorkerPool {
  readonly #deps: WorkerPoolDeps;
  readonly #places: Place[] = [];
  readonly #restarts: StatId;
  readonly #workersStarted: StatId;
  #started = false;
  #stopping = false;
  #allAppliedVersion = -1;
  #onLastExit: (() => void) | undefined = undefined;

  constructor(deps: WorkerPoolDeps) {
    this.#deps = deps;
    this.#restarts = deps.stats.counter('server.worker_restarts');
    this.#workersStarted = deps.stats.gauge('listener_manager.workers_started');
    deps.stats.set(deps.stats.gauge('server.concurrency'), deps.concurrency);
    for (let index = 0; index < deps.concurrency; index++) {
      const backoff = new JitteredBackoff(RESTART_BASE_MS, RESTART_MAX_MS, deps.random);
      this.#places.push({
        index,
        backoff,
        handle: undefined,
        incarnation: 0,
        startedMs: 0,
        restartTimer: undefined,
      });
    }
  }

  start(): void {
    for (const place of this.#places) this.#spawn(place);
  }

  publish(config: PublishedConfig): void {
    for (const message of messagesOf(config)) this.broadcast(message);
  }

  /** Nothing where that worker is gone: its successor has nothing to do with the matter. */
  tell(index: number, message: ToWorker): void {
    this.#places[index]?.handle?.post(message);
  }

  /** To all workers alive. What a later worker must know as well belongs into `catchUp`. */
  broadcast(message: ToWorker): void {
    for (const { handle } of this.#places) handle?.post(message);
  }

  /**
   * Asks all workers; each answer goes to `events.onStats` when it comes, also one that comes too late for this promise.
   * `knows`: whether a worker has named its stats before.
   */
  async collectStats(knows: (workerId: string) => boolean): Promise<void> {
    await this.#inTime(this.#alive().map((handle) => handle.askStats(!knows(handle.id))));
  }

  async collectClusters(): Promise<readonly (readonly HostReport[])[]> {
    const answers = await this.#inTime(this.#alive().map((handle) => handle.askClusters()));
    return answers.filter((answer) => answer !== undefined);
  }

  /** Ends when all threads have ended; those that do not are cut. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const ended = new Promise<void>((resolve) => (this.#onLastExit = resolve));
    for (const place of this.#places) {
      place.restartTimer?.cancel();
      place.handle?.shutdown();
    }
    if (this.#alive().length === 0) return;
    const timer = this.#deps.time.setTimer(() => {
      for (const handle of this.#alive()) void handle.terminate();
    }, STOP_TIMEOUT_MS);
    await ended;
    timer.cancel();
  }

  #alive(): WorkerHandle[] {
    return this.#places.flatMap(({ handle }) => (handle === undefined ? [] : [handle]));
  }

  #spawn(place: Place): void {
    const deps = this.#deps;
    place.restartTimer = undefined;
    place.incarnation++;
    place.startedMs = deps.time.monotonicMs();
    const identity = { index: place.index, incarnation: place.incarnation };
    const handle = new WorkerHandle(deps.entry, identity, {
      onMessage: (from, message) => this.#onMessage(from, message),
      onExit: (from, reason) => this.#onExit(place, from, reason),
    });
    // Before the handle takes part in broadcasts: sum() may publish what still waits to the others.
    const published = deps.sum();
    const { concurrency, init } = deps;
    handle.post({ kind: 'init', init: { ...init, workerIndex: place.index, concurrency } });
    for (const message of messagesOf(published)) handle.post(message);
    for (const message of deps.catchUp()) handle.post(message);
    place.handle = handle;
  }

  #onMessage(from: WorkerHandle, message: FromWorker): void {
    switch (message.kind) {
      case 'stat_names':
        this.#deps.events.onStatNames(from.id, message.names);
        break;
      case 'stats':
        this.#deps.events.onStats(from.id, message.report);
        break;
      case 'ready':
        this.#checkStarted();
        break;
      case 'applied':
        for (const { resource, name, message: text } of message.problems) {
          this.#deps.log.error(
            `worker ${from.index} could not apply ${resource} '${name}': ${text}`,
          );
        }
        this.#checkApplied();
        break;
      default:
        this.#deps.events.onMessage(from.index, message);
    }
  }

  #checkStarted(): void {
    if (this.#started || !this.#places.every(({ handle }) => handle?.ready === true)) return;
    this.#started = true;
    this.#deps.stats.set(this.#workersStarted, 1);
    this.#deps.events.onStarted();
  }

  #checkApplied(): void {
    let least = Infinity;
    for (const { handle } of this.#places) least = Math.min(least, handle?.appliedVersion ?? -1);
    if (least <= this.#allAppliedVersion) return;
    this.#allAppliedVersion = least;
    this.#deps.events.onAllApplied(least);
  }

  #onExit(place: Place, handle: WorkerHandle, reason: string | undefined): void {
    place.handle = undefined;
    this.#deps.events.onGone(handle.id, place.index);
    if (this.#stopping) {
      if (this.#alive().length === 0) this.#onLastExit?.();
      return;
    }
    const { time, log, stats } = this.#deps;
    if (time.monotonicMs() - place.startedMs >= HEALTHY_AFTER_MS) place.backoff.reset();
    const delayMs = place.backoff.nextMs();
    stats.inc(this.#restarts);
    log.critical(
      `worker ${place.index} died, a new one starts in ${delayMs} ms: ${reason ?? 'no reason given'}`,
    );
    place.restartTimer = time.setTimer(() => this.#spawn(place), delayMs);
  }

  /** Waits for all, or as long as is decent; who is late counts as having given no answer. */
  async #inTime<T>(asked: readonly Promise<T | undefined>[]): Promise<readonly (T | undefined)[]> {
    let timer: TimerHandle | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = this.#deps.time.setTimer(() => resolve(undefined), ANSWER_TIMEOUT_MS);
    });
    const answers = await Promise.all(asked.map((answer) => Promise.race([answer, late])));
    timer?.cancel();
    return answers;
  }
}

/** Secrets before what needs them, and gone after it. */
function messagesOf({ secrets, removedSecrets, ...config }: PublishedConfig): readonly ToWorker[] {
  const messages: ToWorker[] = [{ kind: 'config', ...config }];
  if (secrets.length > 0) messages.unshift({ kind: 'secrets', updates: secrets });
  if (removedSecrets.length > 0) messages.push({ kind: 'secrets', updates: removedSecrets });
  return messages;
}
