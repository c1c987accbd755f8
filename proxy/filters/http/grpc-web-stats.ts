// [w] Counters of gRPC-Web methods, `cluster.<name>.grpc-web.<service>.<method>.*` (envoy-behaviour §10.6). Service and method come off the wire, so their number is bounded.
import type { HeaderMap } from '../../http/header-map.ts';
import { H } from '../../http/headers.ts';
import type { StatsStore } from '../../stats/store.ts';
import { grpcMethodOf } from './grpc-method.ts';

/** Pairs of service and method counted by one filter; those after them are not. */
const MAX_METHODS = 256;

export class GrpcWebStats {
  readonly #store: StatsStore;
  readonly #known = new Set<string>();

  constructor(store: StatsStore) {
    this.#store = store;
  }

  /** Counts what `lines` say of the end of a call; nothing where they say nothing. */
  charge(clusterPrefix: string, path: string, lines: HeaderMap): void {
    const status = lines.get(H.grpcStatus);
    const method = grpcMethodOf(path, false);
    if (status === undefined || method === null) return;
    const prefix = `${clusterPrefix}grpc-web.${method}.`;
    if (!this.#known.has(prefix)) {
      if (this.#known.size >= MAX_METHODS) return;
      this.#known.add(prefix);
    }
    const store = this.#store;
    if (/^\d{1,2}$/.test(status)) store.inc(store.counter(`${prefix}${status}`));
    store.inc(store.counter(`${prefix}${status === '0' ? 'success' : 'failure'}`));
    store.inc(store.counter(`${prefix}total`));
  }
}
