// [m] One incarnation of one worker thread: its messages, its answers to questions, its end.
import type { Worker } from 'node:worker_threads';
import { workerThreads } from '../base/node-builtins.ts';
import { readableStack } from '../base/readable-stack.ts';
import type { FromWorker, HostReport, ToWorker } from './worker-protocol.ts';

export interface WorkerHandleEvents {
  onMessage(handle: WorkerHandle, message: FromWorker): void;
  /** Once. `reason` undefined: it ended as it was told to. */
  onExit(handle: WorkerHandle, reason: string | undefined): void;
}

/** True: the stats went to `onMessage`. Undefined: the thread ended before it answered. */
type Answer = true | readonly HostReport[] | undefined;

export class WorkerHandle {
  readonly index: number;
  /** Unique over all incarnations, for example `worker_1#3`. */
  readonly id: string;
  readonly #worker: Worker;
  readonly #events: WorkerHandleEvents;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #nextRequestId = 1;
  #failure: string | undefined = undefined;
  #stopping = false;
  #exited = false;
  appliedVersion = -1;
  ready = false;

  constructor(
    entry: URL,
    identity: { readonly index: number; readonly incarnation: number },
    events: WorkerHandleEvents,
  ) {
    this.index = identity.index;
    this.id = `worker_${identity.index}#${identity.incarnation}`;
    this.#events = events;
    this.#worker = new (workerThreads().Worker)(entry, {
      name: `worker_${identity.index}`,
      // Young generation: left to V8. It grows only with what survives, and the request path keeps little; a larger
      // semi-space saves scavenges but costs private memory per thread. To be set here when bench/ shows a gain.
      // Old generation: no limit of its own either, the pod's memory limit is the one an operator knows.
    });
    this.#worker.on('message', (message: FromWorker) => this.#onMessage(message));
    this.#worker.on('error', (error: Error) => (this.#failure ??= readableStack(error)));
    this.#worker.on('messageerror', (error: Error) => (this.#failure ??= error.message));
    this.#worker.on('exit', (code) => this.#onExit(code));
  }

  get exited(): boolean {
    return this.#exited;
  }

  post(message: ToWorker): void {
    if (!this.#exited) this.#worker.postMessage(message);
  }

  askStats(all: boolean): Promise<Answer> {
    return this.#ask((requestId) => ({ kind: 'collect_stats', requestId, all }));
  }

  /** Undefined when the thread ended before it answered. */
  askClusters(): Promise<readonly HostReport[] | undefined> {
    return this.#ask((requestId) => ({ kind: 'collect_clusters', requestId })) as Promise<
      readonly HostReport[] | undefined
    >;
  }

  /** The thread may take until `onExit`; terminate() for one that does not end. */
  shutdown(): void {
    this.#stopping = true;
    this.post({ kind: 'shutdown' });
  }

  async terminate(): Promise<void> {
    this.#stopping = true;
    await this.#worker.terminate();
  }

  #ask(message: (requestId: number) => ToWorker): Promise<Answer> {
    if (this.#exited) return Promise.resolve(undefined);
    const requestId = this.#nextRequestId++;
    return new Promise((resolve) => {
      this.#waiting.set(requestId, resolve);
      this.post(message(requestId));
    });
  }

  #onMessage(message: FromWorker): void {
    switch (message.kind) {
      case 'stats':
        // A report is told only once (names since the last one, drained histograms): it counts even when nobody waits.
        this.#events.onMessage(this, message);
        this.#answer(message.requestId, true);
        return;
      case 'clusters':
        this.#answer(message.requestId, message.hosts);
        return;
      case 'fatal':
        this.#failure ??= message.message;
        break;
      case 'ready':
        this.ready = true;
        break;
      case 'applied':
        this.appliedVersion = message.version;
        break;
      default:
        break;
    }
    this.#events.onMessage(this, message);
  }

  #answer(requestId: number, answer: Answer): void {
    const resolve = this.#waiting.get(requestId);
    this.#waiting.delete(requestId);
    resolve?.(answer);
  }

  #onExit(code: number): void {
    this.#exited = true;
    for (const resolve of this.#waiting.values()) resolve(undefined);
    this.#waiting.clear();
    const reason = this.#stopping
      ? undefined
      : (this.#failure ?? `the thread ended by itself with code ${code}`);
    this.#events.onExit(this, reason);
  }
}
