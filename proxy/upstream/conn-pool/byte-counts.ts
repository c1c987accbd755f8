// [w] Bytes of a cluster's HTTP connections, counted while they live: connections count for themselves, the cluster's counters are
// brought up to date when somebody asks, not at every read and write.
import type { ClusterStats } from '../cluster-stats.ts';

/** A connection. */
export interface Counted {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly bufferedBytes: number;
}

interface Told {
  read: number;
  written: number;
}

export class ByteCounts {
  readonly #stats: ClusterStats;
  /** What the counters have of each. */
  readonly #live = new Map<Counted, Told>();

  constructor(stats: ClusterStats) {
    this.#stats = stats;
  }

  add(connection: Counted): void {
    this.#live.set(connection, { read: 0, written: 0 });
  }

  remove(connection: Counted): void {
    const told = this.#live.get(connection);
    if (told === undefined) return;
    this.#live.delete(connection);
    this.#tell(connection, told);
  }

  refresh(): void {
    let buffered = 0;
    for (const [connection, told] of this.#live) {
      this.#tell(connection, told);
      buffered += connection.bufferedBytes;
    }
    const { store, upstreamCxTxBytesBuffered } = this.#stats;
    store.set(upstreamCxTxBytesBuffered, buffered);
  }

  #tell(connection: Counted, told: Told): void {
    const { store, upstreamCxRxBytesTotal, upstreamCxTxBytesTotal } = this.#stats;
    const { bytesRead, bytesWritten } = connection;
    if (bytesRead > told.read) store.add(upstreamCxRxBytesTotal, bytesRead - told.read);
    if (bytesWritten > told.written) store.add(upstreamCxTxBytesTotal, bytesWritten - told.written);
    told.read = bytesRead;
    told.written = bytesWritten;
  }
}
