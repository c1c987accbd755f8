// [w] envoy.filters.http.grpc_stats, counters per cluster or method (envoy-behaviour §10.6). Exists for gRPC requests only.
import type { GrpcStatsConfig } from '../../config/http-filter-config.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { H } from '../../http/headers.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { isGrpcRequest } from '../../http/local-reply.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import type { FilterStateObject } from '../../stream-info/filter-state.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { grpcMethodOf, withoutQuery } from './grpc-method.ts';

const MAX_GRPC_STATUS = 16;
/** Methods with counters of their own in one filter: their names come off the wire. */
const MAX_METHODS = 256;
const STATE_KEY = 'envoy.filters.http.grpc_stats';
const FRAME_HEADER_BYTES = 5;

class GrpcCounters {
  readonly #store: StatsStore;
  readonly #prefix: string;
  readonly #success: StatId;
  readonly #failure: StatId;
  readonly #total: StatId;
  readonly #requestMessages: StatId;
  readonly #responseMessages: StatId;
  readonly #upstreamRqTime: StatId;

  constructor(store: StatsStore, prefix: string) {
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

/** `envoy.filters.http.grpc_stats` in filter state: messages so far. */
class MessageCounts implements FilterStateObject {
  requests = 0;
  responses = 0;

  get text(): string {
    return `${this.requests},${this.responses}`;
  }

  /** As protobuf prints 64-bit numbers; what is 0 is left out. */
  get json(): string {
    const fields: string[] = [];
    if (this.requests > 0) fields.push(`"requestMessageCount":"${this.requests}"`);
    if (this.responses > 0) fields.push(`"responseMessageCount":"${this.responses}"`);
    return `{${fields.join(',')}}`;
  }
}

class GrpcStatsFilter extends PassThroughFilter {
  readonly #factory: GrpcStatsFilterFactory;
  readonly #callbacks: FilterCallbacks;
  readonly #requestFrames = new GrpcFrameCounter();
  readonly #responseFrames = new GrpcFrameCounter();
  readonly #counts = new MessageCounts();
  #emitted: boolean;
  #status = -1;

  constructor(factory: GrpcStatsFilterFactory, callbacks: FilterCallbacks) {
    super();
    this.#factory = factory;
    this.#callbacks = callbacks;
    this.#emitted = !factory.emits;
  }

  override decodeHeaders(_headers: RequestHeaders): FilterStatus {
    return FilterStatus.Continue;
  }

  override decodeData(chunk: Buffer): FilterStatus {
    this.#counts.requests += this.#requestFrames.count(chunk);
    if (!this.#emitted) this.#emit();
    return FilterStatus.Continue;
  }

  override encodeHeaders(headers: ResponseHeaders): FilterStatus {
    this.#noteStatus(headers);
    return FilterStatus.Continue;
  }

  override encodeData(chunk: Buffer): FilterStatus {
    this.#counts.responses += this.#responseFrames.count(chunk);
    if (!this.#emitted) this.#emit();
    return FilterStatus.Continue;
  }

  override encodeTrailers(trailers: HeaderMap): FilterStatus {
    this.#noteStatus(trailers);
    return FilterStatus.Continue;
  }

  override onDestroy(): void {
    const info = this.#callbacks.streamInfo;
    const stats = this.#factory.statsFor(info.upstreamCluster, this.#callbacks.requestHeaders.path);
    if (stats === null) return;
    stats.chargeMessages(this.#counts.requests, this.#counts.responses);
    if (this.#status >= 0) stats.chargeStatus(this.#status);
    if (this.#factory.timed && !Number.isNaN(info.upstreamLastByteReceivedMs)) {
      stats.chargeTime(Math.floor(info.upstreamLastByteReceivedMs - info.startMs));
    }
  }

  /** From the first message on. */
  #emit(): void {
    const { requests, responses } = this.#counts;
    if (requests + responses === 0) return;
    this.#emitted = true;
    this.#callbacks.streamInfo.filterStateForWriting().set(STATE_KEY, this.#counts);
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
  readonly emits: boolean;
  readonly #config: GrpcStatsConfig;
  readonly #context: FilterFactoryContext;
  /** By the cluster's name and then the method's, '' where it has no counters of its own. */
  readonly #known = new Map<string, Map<string, GrpcCounters>>();
  #methodCount = 0;

  constructor(name: string, config: GrpcStatsConfig, context: FilterFactoryContext) {
    this.name = name;
    this.timed = config.enableUpstreamStats;
    this.emits = config.emitFilterState;
    this.#config = config;
    this.#context = context;
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    return isGrpcRequest(callbacks.requestHeaders) ? new GrpcStatsFilter(this, callbacks) : null;
  }

  /** Null: no cluster took the request, or it is for no method and only methods are counted. */
  statsFor(clusterName: string, path: string): GrpcCounters | null {
    const method = this.#methodOf(path);
    if (method === null) return null;
    const known = this.#known.get(clusterName)?.get(method);
    if (known !== undefined) return known;
    const cluster = this.#context.clusters.get(clusterName);
    if (cluster === undefined || (method !== '' && ++this.#methodCount > MAX_METHODS)) return null;
    const middle = method === '' ? '' : `${method}.`;
    const stats = new GrpcCounters(this.#context.stats, `${cluster.stats.prefix}grpc.${middle}`);
    let ofCluster = this.#known.get(clusterName);
    if (ofCluster === undefined) {
      ofCluster = new Map();
      this.#known.set(clusterName, ofCluster);
    }
    ofCluster.set(method, stats);
    return stats;
  }

  #methodOf(path: string): string | null {
    const { methods, replaceDots } = this.#config;
    if (methods === 'all') return grpcMethodOf(path, replaceDots);
    if (methods.size === 0) return '';
    return methods.has(withoutQuery(path)) ? grpcMethodOf(path, false) : '';
  }
}
