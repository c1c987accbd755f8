// [m] WorkerMessages: who on main hears which message of a worker; and the connections that workers say they have.
import type { Logger } from '../base/logger.ts';
import type { Discovery } from './discovery.ts';
import type { ServerHealth } from './health-wiring.ts';
import type { LogForwarder } from './log-forwarder.ts';
import type { NameResolution } from './name-resolution.ts';
import type { ProcessLog } from './process-log.ts';
import type { FromWorker } from './worker-protocol.ts';

export interface WorkerMessagesParts {
  readonly onBound: (message: Extract<FromWorker, { kind: 'listener_bound' }>) => void;
  readonly processLog: ProcessLog;
  readonly log: Logger;
  readonly logs: LogForwarder;
  readonly health: ServerHealth;
  readonly names: NameResolution;
  readonly discovery: Discovery;
}

export class WorkerMessages {
  readonly #parts: WorkerMessagesParts;
  readonly #connections: number[] = [];

  constructor(parts: WorkerMessagesParts) {
    this.#parts = parts;
  }

  /** Of all workers. */
  get connections(): number {
    return this.#connections.reduce((sum, active) => sum + active, 0);
  }

  on(index: number, message: FromWorker): void {
    const parts = this.#parts;
    switch (message.kind) {
      case 'listener_bound':
        parts.onBound(message);
        break;
      case 'log':
        for (const record of message.records) parts.processLog.writeWorker(index, record);
        if (message.dropped > 0)
          parts.log.warn(`worker ${index} left out ${message.dropped} log records`);
        break;
      case 'grpc_logs':
        parts.logs.onBatch(index, message);
        break;
      case 'connections':
        this.#connections[index] = message.active;
        break;
      case 'host_event':
      case 'cluster_used':
        parts.health.onWorkerMessage(message);
        break;
      case 'cluster_wanted':
        parts.discovery.wantCluster(message.cluster, message.ref);
        break;
      default:
        parts.names.onWorkerMessage(index, message);
    }
  }
}
