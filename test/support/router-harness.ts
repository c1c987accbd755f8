// The router's surroundings, scripted: a client (FilterCallbacks), clusters with hosts, and pools whose streams the
// test plays by hand. The other side of contracts only; nothing of the router itself is replaced.
import { SeededRandom } from '../../proxy/base/random.ts';
import { Runtime } from '../../proxy/base/runtime.ts';
import { TimerWheel } from '../../proxy/base/timer-wheel.ts';
import { LoggerRegistry } from '../../proxy/base/logger.ts';
import type { ClusterConfig } from '../../proxy/config/cluster-config.ts';
import type { RouterFilterConfig } from '../../proxy/config/http-filter-config.ts';
import type {
  RouteActionConfig,
  RouteConfig,
  VirtualHostConfig,
} from '../../proxy/config/route-config.ts';
import type {
  RequestEncoder,
  ResponseDecoder,
  StreamCallbacks,
  StreamResetReason,
} from '../../proxy/http/codec.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../../proxy/http/header-map.ts';
import type {
  DownstreamWatermarkCallbacks,
  FilterCallbacks,
  HttpFilter,
  LocalReply,
} from '../../proxy/http/http-filter.ts';
import { localReplyHeaders } from './local-reply.ts';
import type { Route } from '../../proxy/http/route-provider.ts';
import { CompiledRouteTable } from '../../proxy/router/route-table.ts';
import type { FilterFactoryContext } from '../../proxy/filters/factory-context.ts';
import { RouterFilterFactory } from '../../proxy/filters/http/router.ts';
import { SharedCounts, sharedCountsBuffer } from '../../proxy/filters/shared-counts.ts';
import { TokenBucketMemory } from '../../proxy/filters/token-bucket-memory.ts';
import { NO_ENVIRONMENT } from '../../proxy/router/route-environment.ts';
import { StatsStore } from '../../proxy/stats/store.ts';
import { sampleConnection } from './access-log-entry.ts';
import type { StreamInfo } from '../../proxy/stream-info/stream-info.ts';
import type { UpstreamConnectionFacts } from '../../proxy/stream-info/upstream-facts.ts';
import { ClusterStats } from '../../proxy/upstream/cluster-stats.ts';
import type {
  HttpConnPool,
  HttpPoolCallbacks,
  PoolFailureReason,
  PoolTicket,
  TcpConnPool,
} from '../../proxy/upstream/conn-pool/conn-pool.ts';
import { Host } from '../../proxy/upstream/host.ts';
import type { LoadBalancerContext } from '../../proxy/upstream/load-balancer.ts';
import {
  BreakerCounts,
  INTS_PER_SLOT,
  ResourceManager,
} from '../../proxy/upstream/resource-manager.ts';
import type { Membership, ThreadLocalCluster } from '../../proxy/upstream/thread-local-cluster.ts';
import { sampleCluster, sampleEndpoint } from './config-samples.ts';
import { SimulatedTime } from './simulated-time.ts';
import {
  linesOf,
  request,
  routeAction,
  routeConfig,
  routeEntry,
  streamInfo,
  virtualHost,
} from './route-samples.ts';

/** One attempt as the upstream sees it; `sent` is what went out, as text. */
export class ScriptedStream implements RequestEncoder, PoolTicket {
  readonly sent: string[] = [];
  readonly host: Host;
  readonly #decoder: ResponseDecoder;
  readonly #pool: HttpPoolCallbacks;
  headers: RequestHeaders | null = null;
  callbacks: StreamCallbacks | null = null;
  cancelled = false;
  reset = false;
  tunnel = false;
  readDisables = 0;
  /** Asked for a connection that has not been idle. */
  readonly fresh: boolean;
  readonly facts: UpstreamConnectionFacts;

  constructor(host: Host, decoder: ResponseDecoder, pool: HttpPoolCallbacks, fresh = false) {
    this.host = host;
    this.fresh = fresh;
    this.facts = { ...sampleConnection(host), localAddress: '10.0.0.2:50000' };
    this.#decoder = decoder;
    this.#pool = pool;
  }

  /** The pool has a connection. */
  ready(): this {
    this.#pool.onPoolReady(this, this.host, this.facts);
    return this;
  }

  fail(reason: PoolFailureReason, transportFailureReason = ''): void {
    this.#pool.onPoolFailure(reason, transportFailureReason, this.host);
  }

  respond(headers: ResponseHeaders, endStream = true): void {
    this.#decoder.decodeHeaders(headers, endStream);
  }

  respond1xx(headers: ResponseHeaders): void {
    this.#decoder.decode1xxHeaders(headers);
  }

  respondData(text: string, endStream = false): void {
    this.#decoder.decodeData(Buffer.from(text), endStream);
  }

  respondTrailers(trailers: HeaderMap): void {
    this.#decoder.decodeTrailers(trailers);
  }

  die(reason: StreamResetReason, details = ''): void {
    this.callbacks!.onResetStream(reason, details);
  }

  /** The connection proves to have been dead when it was given. */
  dieStale(reason: StreamResetReason = 'connection termination'): void {
    this.facts.stale = true;
    this.die(reason);
  }

  cancel(): void {
    this.cancelled = true;
  }
  encodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.headers = headers;
    this.sent.push(
      `${headers.method} ${headers.authority ?? ''} ${headers.path}${endStream ? ' end' : ''}`,
    );
  }
  encodeData(chunk: Buffer, endStream: boolean): void {
    this.sent.push(chunk.toString() + (endStream ? ' end' : ''));
  }
  encodeTrailers(trailers: HeaderMap): void {
    this.sent.push(`trailers ${trailers.size} end`);
  }
  readDisable(disable: boolean): void {
    this.readDisables += disable ? 1 : -1;
  }
  resetStream(): void {
    this.reset = true;
  }
  meter(): void {}

  setCallbacks(callbacks: StreamCallbacks): void {
    this.callbacks = callbacks;
  }
  enableTunnel(): void {
    this.tunnel = true;
  }
}

export class ScriptedCluster implements ThreadLocalCluster {
  readonly reports = null;
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly hosts: Host[];
  readonly streams: ScriptedStream[] = [];
  /** Streams are ready before newStream() returns, as on an idle connection. */
  connected = true;
  /** Connections have carried requests before they get another one. */
  kept = false;
  dropShare = 0;
  readonly #resources: ResourceManager;
  #next = 0;

  constructor(name: string, store: StatsStore, addresses: readonly string[]) {
    this.config = sampleCluster(name);
    this.stats = new ClusterStats(store, name);
    this.hosts = addresses.map(
      (address) => new Host(sampleEndpoint(address, 80, { hostname: `${address}.name` }), 0),
    );
    const counts = new BreakerCounts(new SharedArrayBuffer(INTS_PER_SLOT * 4), 0, 1);
    this.#resources = new ResourceManager(
      counts,
      0,
      'DEFAULT',
      this.config.circuitBreakers.default,
    );
  }

  /** The last attempt. */
  get last(): ScriptedStream {
    return this.streams.at(-1)!;
  }

  resources(): ResourceManager {
    return this.#resources;
  }

  membership(): Membership {
    const usable = this.hosts.filter((host) => host.endpoint.health !== 'UNHEALTHY').length;
    return { total: this.hosts.length, usable };
  }

  chooseHost(context: LoadBalancerContext | null): Host | null {
    context?.hashKey();
    for (let i = 0; i <= (context?.hostSelectionRetryCount ?? 0); i++) {
      const host = this.hosts[this.#next++ % this.hosts.length];
      if (host === undefined) return null;
      if (context === null || !context.shouldSelectAnotherHost(host)) return host;
    }
    return this.hosts[0]!;
  }

  httpPool(host: Host): HttpConnPool {
    return {
      newStream: (decoder, callbacks, fresh): PoolTicket | null => {
        const stream = new ScriptedStream(host, decoder, callbacks, fresh);
        if (fresh !== true) stream.facts.kept = this.kept;
        this.streams.push(stream);
        if (!this.connected) return stream;
        stream.ready();
        return null;
      },
    };
  }

  tcpPool(): TcpConnPool {
    throw new Error('no TCP in these tests');
  }
}

/** The downstream side of one stream; `seen` is what the client gets, as text. */
export class ScriptedClient implements FilterCallbacks {
  readonly streamInfo: StreamInfo;
  readonly route: Route | null;
  readonly requestHeaders: RequestHeaders;
  readonly seen: string[] = [];
  reply: LocalReply | null = null;
  responseHeaders: ResponseHeaders | null = null;
  responseStarted = false;
  requestComplete = false;
  upgradeRequested = false;
  readDisables = 0;
  continued = 0;
  watermarks: DownstreamWatermarkCallbacks | null = null;

  constructor(headers: RequestHeaders, route: Route | null, info: StreamInfo) {
    this.requestHeaders = headers;
    this.route = route;
    this.streamInfo = info;
  }

  /** Status, body, flags and details of a local reply, as the client and the access log see them. */
  get outcome(): [number, string, string, string] {
    const info = this.streamInfo;
    return [this.reply?.status ?? 0, this.reply?.body ?? '', info.flags, info.responseCodeDetails];
  }

  continueDecoding(): void {
    this.continued++;
  }
  continueEncoding(): void {
    this.seen.push('continued');
  }
  bufferLimitBytes = 1024;
  setBufferLimit(bytes: number): void {
    this.bufferLimitBytes = bytes;
  }
  held: Buffer[] = [];
  /** Request bytes that a filter sent on. */
  readonly injected: Buffer[] = [];
  responsePauses = 0;
  routeRefreshes = 0;
  heldRequestBody(): readonly Buffer[] {
    return this.held;
  }
  injectDecodedData(chunk: Buffer): void {
    this.injected.push(chunk);
  }
  injectEncodedData(chunk: Buffer, endStream: boolean): void {
    this.encodeData(chunk, endStream);
  }
  responseReadDisable(disable: boolean): void {
    this.responsePauses += disable ? 1 : -1;
  }
  clearRouteCache(): void {
    this.routeRefreshes++;
  }
  sendLocalReply(reply: LocalReply): void {
    if (reply.flag !== undefined) this.streamInfo.setFlag(reply.flag);
    this.streamInfo.responseCodeDetails = reply.details;
    if (this.responseStarted) {
      this.resetStream();
      return;
    }
    this.reply = reply;
    this.responseHeaders = localReplyHeaders(reply, false);
    this.seen.push(`reply ${reply.status} ${reply.body}`.trimEnd());
  }
  encode1xxHeaders(headers: ResponseHeaders): void {
    this.seen.push(`${headers.status}`);
  }
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.responseStarted = true;
    this.responseHeaders = headers;
    this.seen.push(`${headers.status}${endStream ? ' end' : ''}`);
  }
  encodeData(chunk: Buffer, endStream: boolean): void {
    this.seen.push(chunk.toString() + (endStream ? ' end' : ''));
  }
  encodeTrailers(trailers: HeaderMap): void {
    this.seen.push(`trailers ${trailers.size} end`);
  }
  recreateStream(headers: ResponseHeaders, body: readonly Buffer[]): boolean {
    this.seen.push(`recreated after ${headers.status} with '${Buffer.concat(body).toString()}'`);
    return true;
  }
  resetStream(): void {
    this.seen.push('reset');
  }
  requestReadDisable(disable: boolean): void {
    this.readDisables += disable ? 1 : -1;
  }
  setDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks | null): void {
    this.watermarks = callbacks;
  }
}

export interface HarnessOptions {
  readonly action?: Partial<RouteActionConfig>;
  readonly virtualHost?: Partial<VirtualHostConfig>;
  readonly router?: Partial<RouterFilterConfig>;
  readonly bufferLimitBytes?: number;
  readonly runtime?: ReadonlyMap<string, string>;
}

/** One router filter entry with its clusters: `backend` (two hosts) and `mirror`. */
export class RouterHarness {
  readonly time = new SimulatedTime();
  readonly store = new StatsStore();
  readonly timers = new TimerWheel(this.time);
  readonly backend = new ScriptedCluster('backend', this.store, ['10.1.0.1', '10.1.0.2']);
  readonly mirror = new ScriptedCluster('mirror', this.store, ['10.2.0.1']);
  readonly context: FilterFactoryContext;
  readonly table: CompiledRouteTable;
  readonly #factory: RouterFilterFactory;

  constructor(options: HarnessOptions = {}) {
    const clusters = new Map<string, ThreadLocalCluster>([
      ['backend', this.backend],
      ['mirror', this.mirror],
    ]);
    this.context = {
      clusters: { get: (name) => clusters.get(name) },
      stats: this.store,
      statPrefix: 'test',
      timers: this.timers,
      time: this.time,
      random: new SeededRandom(1),
      runtime: new Runtime(options.runtime ?? new Map()),
      routeEnvironment: NO_ENVIRONMENT,
      tokenBuckets: new TokenBucketMemory(new SharedArrayBuffer(0)),
      sharedCounts: new SharedCounts(sharedCountsBuffer(1), 0),
      log: new LoggerRegistry('off', () => {}).get('filter'),
      serviceCluster: 'me',
      ...(options.bufferLimitBytes === undefined
        ? {}
        : { bufferLimitBytes: options.bufferLimitBytes }),
    };
    const routes = [routeEntry({ action: routeAction(options.action) })];
    const config: RouteConfig = routeConfig([virtualHost({ routes, ...options.virtualHost })]);
    this.table = new CompiledRouteTable(config);
    const router: RouterFilterConfig = {
      kind: 'router',
      suppressEnvoyHeaders: false,
      respectExpectedRqTimeout: false,
      strictCheckHeaders: [],
      ...options.router,
    };
    this.#factory = new RouterFilterFactory('router', router, this.context);
  }

  /** A request without body, unless `endStream` is false. */
  send(
    lines: readonly (readonly [string, string])[] = [],
    endStream = true,
  ): { client: ScriptedClient; filter: HttpFilter } {
    const headers = request(lines);
    const info = streamInfo();
    const client = new ScriptedClient(headers, this.table.route(headers, info), info);
    client.upgradeRequested = headers.size > 0 && lines.some(([name]) => name === 'upgrade');
    const filter = this.#factory.createFilter(client);
    filter.decodeHeaders(headers, endStream);
    return { client, filter };
  }

  stat(name: string): number {
    return this.store.value(this.store.counter(name));
  }

  clusterStat(name: string): number {
    return this.stat(`cluster.backend.${name}`);
  }

  /** Lines of the request as the last attempt sent it. */
  sentLines(): string[] {
    return linesOf(this.backend.last.headers!);
  }
}
