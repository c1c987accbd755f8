// [m] LogForwarder: batches of access log entries, from workers to the service that sends them. The service is loaded with
// the first batch.
import type { Closable } from '../base/lifetime.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { Host } from '../upstream/host.ts';
import type { ActiveCluster } from '../upstream/cluster-version.ts';
import type { AccessLogService } from '../xds/access-log-service.ts';
import type { FromWorker, ToWorker } from './worker-protocol.ts';

type Batch = Extract<FromWorker, { readonly kind: 'grpc_logs' }>;

export interface LogForwarderDeps {
  readonly open: () => Promise<AccessLogService>;
  readonly tell: (workerIndex: number, message: ToWorker) => void;
}

export class LogForwarder implements Closable {
  readonly #deps: LogForwarderDeps;
  #opening: Promise<AccessLogService> | undefined = undefined;
  #service: AccessLogService | undefined = undefined;
  #closed = false;

  constructor(deps: LogForwarderDeps) {
    this.#deps = deps;
  }

  /** What waits here is bounded by the workers: two batches of a key each. */
  onBatch(workerIndex: number, batch: Batch): void {
    if (this.#closed) return;
    if (this.#service !== undefined) {
      this.#send(this.#service, workerIndex, batch);
      return;
    }
    this.#opening ??= this.#deps.open();
    void this.#opening.then((service) => {
      if (this.#closed) service.close();
      else {
        this.#service = service;
        this.#send(service, workerIndex, batch);
      }
    });
  }

  close(): void {
    this.#closed = true;
    this.#service?.close();
  }

  #send(service: AccessLogService, workerIndex: number, { key, config, records }: Batch): void {
    service.send(key, config, records, () =>
      this.#deps.tell(workerIndex, { kind: 'grpc_logs_sent', key }),
    );
  }
}

/** A first usable host of a cluster, for gRPC; a sentence: why there is none. */
export function grpcHost(
  clusters: readonly Pick<ActiveCluster, 'config' | 'localities'>[],
  name: string,
): { readonly config: ClusterConfig; readonly host: Host } | string {
  const cluster = clusters.find(({ config }) => config.name === name);
  if (cluster === undefined) return 'there is no such cluster';
  const hosts = cluster.localities
    .toSorted((a, b) => a.priority - b.priority)
    .flatMap(({ endpoints, priority }) => endpoints.map((endpoint) => new Host(endpoint, priority)))
    .filter(({ healthy }) => healthy);
  const host = hosts[0];
  return host === undefined ? 'it has no host' : { config: cluster.config, host };
}
