// [w] envoy.filters.http.grpc_stats, counters per cluster (envoy-behaviour §10.6). Exists for gRPC requests only.
// Per-method counters need names off the wire and stay off, as Istio configures it.
import type { GrpcStatsConfig } from '../../config/http-filter-config.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { H } from '../../http/headers.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { isGrpcRequest } from '../../http/local-reply.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import type { FilterFactoryContext } from '../factory-context.ts';

const MAX_GRPC_STATUS = 16;
const FRAME_HEADER_BYTES = 5;

class GrpcClusterStats {
  readonly #store: StatsStore;
  readonly #prefix: string;
  readonly #success: StatId;
  readonly #failure: StatId;
  readonly #total: StatId;
  readonly #requestMessages: StatId;
  readonly #responseMessages: StatId;
  readonly #upstreamRqTime: StatId;

  constructor(store: StatsStore, clusterPrefix: string) {
    const prefix = `${clusterPrefix}grpc.`;
    this.#store = store;
    this.#prefix = prefix;
    this.#success = store.counter(`${prefix}success`);
    this.#failure = store.counter(`${prefix}failure`);
    this.#total = store.counter(`${prefix}total`);
    this.#requestMessages = store.counter(`${prefix}request_message_count`);
    this.#responseMessages = store.counter(`${prefix}response_message_count`);
    this.#upstreamRqTime = store.histogram(`${prefix}upstream_rq_time`);
  }

  chargeStatus(status: number): void {
    this.#store.inc(this.#store.counter(`${this.#prefix}${status}`));
    this.#store.inc(status === 0 ? this.#success : this.#failure);
    this.#store.inc(this.#total);
  }

  chargeMessages(requests: number, responses: number): void {
    if (requests > 0) this.#store.add(this.#requestMessages, requests);
    if (responses > 0) this.#store.add(this.#responseMessages, responses);
  }

  chargeTime(ms: number): void {
    this.#store.record(this.#upstreamRqTime, ms);
  }
}

/** Counts length-prefixed messages in a byte stream; keeps nothing of it. */
export class GrpcFrameCounter {
  #inHeader = 0;
  #length = 0;
  #left = 0;

  /** Messages that began in this chunk. */
  count(chunk: Buffer): number {
    let messages = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#left -= taken;
        at += taken;
        continue;
      }
      // Byte 0 is the flag; 1 to 4 are the length, big-endian.
      if (this.#inHeader > 0) this.#length = this.#length * 256 + chunk[at]!;
      at++;
      if (++this.#inHeader === FRAME_HEADER_BYTES) {
        messages++;
        this.#left = this.#length;
        this.#length = 0;
        this.#inHeader = 0;
      }
    }
    return messages;
  }
}

class GrpcStatsFilter extends PassThroughFilter {
  readonly #factory: GrpcStatsFilterFactory;
  readonly #callbacks: FilterCallbacks;
  readonly #requestFrames = new GrpcFrameCounter();
  readonly #responseFrames = new GrpcFrameCounter();
  #requests = 0;
  #responses = 0;
  #status = -1;

  constructor(factory: GrpcStatsFilterFactory, callbacks: FilterCallbacks) {
    super();
    this.#factory = factory;
    this.#callbacks = callbacks;
  }

  override decodeHeaders(_headers: RequestHeaders): FilterStatus {
    return FilterStatus.Continue;
  }

  override decodeData(chunk: Buffer): FilterStatus {
    this.#requests += this.#requestFrames.count(chunk);
    return FilterStatus.Continue;
  }

  override encodeHeaders(headers: ResponseHeaders): FilterStatus {
    this.#noteStatus(headers);
    return FilterStatus.Continue;
  }

  override encodeData(chunk: Buffer): FilterStatus {
    this.#responses += this.#responseFrames.count(chunk);
    return FilterStatus.Continue;
  }

  override encodeTrailers(trailers: HeaderMap): FilterStatus {
    this.#noteStatus(trailers);
    return FilterStatus.Continue;
  }

  override onDestroy(): void {
    const info = this.#callbacks.streamInfo;
    const stats = this.#factory.statsFor(info.upstreamCluster);
    if (stats === null) return;
    stats.chargeMessages(this.#requests, this.#responses);
    if (this.#status >= 0) stats.chargeStatus(this.#status);
    if (this.#factory.timed && !Number.isNaN(info.upstreamLastByteReceivedMs)) {
      stats.chargeTime(Math.floor(info.upstreamLastByteReceivedMs - info.startMs));
    }
  }

  /** Only known codes become part of a stat name: the value comes off the wire. */
  #noteStatus(headers: HeaderMap): void {
    const text = headers.get(H.grpcStatus);
    if (text === undefined) return;
    for (let code = 0; code <= MAX_GRPC_STATUS; code++)
      if (text === String(code)) this.#status = code;
  }
}

export class GrpcStatsFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly timed: boolean;
  readonly #context: FilterFactoryContext;
  readonly #byCluster = new Map<string, GrpcClusterStats>();

  constructor(name: string, config: GrpcStatsConfig, context: FilterFactoryContext) {
    this.name = name;
    this.timed = config.enableUpstreamStats;
    this.#context = context;
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    return isGrpcRequest(callbacks.requestHeaders) ? new GrpcStatsFilter(this, callbacks) : null;
  }

  /** Null: no cluster took the request. */
  statsFor(clusterName: string): GrpcClusterStats | null {
    const known = this.#byCluster.get(clusterName);
    if (known !== undefined) return known;
    const cluster = this.#context.clusters.get(clusterName);
    if (cluster === undefined) return null;
    const stats = new GrpcClusterStats(this.#context.stats, cluster.stats.prefix);
    this.#byCluster.set(clusterName, stats);
    return stats;
  }
}
