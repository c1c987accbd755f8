// Nanoseconds per route() on a table of ten routes, and per whole pass through the router filter with an idle
// connection at hand. Run: node bench/micro/route-match.bench.ts
import type { Host } from '../../proxy/upstream/host.ts';
import type { ResponseDecoder, RequestEncoder } from '../../proxy/http/codec.ts';
import { CompiledRouteTable } from '../../proxy/router/route-table.ts';
import { RouterFilterFactory } from '../../proxy/filters/http/router.ts';
import { realTime } from '../../proxy/base/clock.ts';
import { realRandom } from '../../proxy/base/random.ts';
import { SharedCounts, sharedCountsBuffer } from '../../proxy/filters/shared-counts.ts';
import { TokenBucketMemory } from '../../proxy/filters/token-bucket-memory.ts';
import { NO_ENVIRONMENT } from '../../proxy/router/route-environment.ts';
import { Runtime } from '../../proxy/base/runtime.ts';
import { TimerWheel } from '../../proxy/base/timer-wheel.ts';
import { LoggerRegistry } from '../../proxy/base/logger.ts';
import { ResponseHeaders } from '../../proxy/http/header-map.ts';
import type { FilterCallbacks } from '../../proxy/http/http-filter.ts';
import type { HttpPoolCallbacks } from '../../proxy/upstream/conn-pool/conn-pool.ts';
import { StatsStore } from '../../proxy/stats/store.ts';
import { sampleConnection } from '../../test/support/access-log-entry.ts';
import { ScriptedCluster } from '../../test/support/router-harness.ts';
import {
  request,
  retryPolicy,
  routeAction,
  routeConfig,
  routeEntry,
  routeMatch,
  streamInfo,
  virtualHost,
} from '../../test/support/route-samples.ts';
import { bench } from './micro-bench.ts';

const exact = (value: string) =>
  ({ kind: 'string', match: { kind: 'exact', value, ignoreCase: false } }) as const;
const routes = Array.from({ length: 9 }, (_, i) =>
  routeEntry({
    match: routeMatch({
      path:
        i % 3 === 0
          ? { kind: 'path', value: `/api/v${i}` }
          : { kind: 'prefix', value: `/service-${i}/` },
      headers:
        i % 3 === 2
          ? [{ name: 'end-user', test: exact('jason'), invert: false, treatMissingAsEmpty: false }]
          : [],
    }),
  }),
);
// What Istio gives an outbound route: no time-out, two retries.
const istio = retryPolicy(
  ['connect-failure', 'refused-stream', 'unavailable', 'cancelled', 'retriable-status-codes'],
  {
    numRetries: 2,
    retriableStatusCodes: [503],
    hostPredicates: [{ kind: 'previous_hosts' }],
    hostSelectionRetryMaxAttempts: 5,
  },
);
routes.push(routeEntry({ action: routeAction({ timeoutMs: 0, retryPolicy: istio }) }));
const services = Array.from({ length: 50 }, (_, i) =>
  virtualHost({
    name: `s${i}`,
    domains: [`s${i}.default.svc.cluster.local`, `s${i}:9080`],
    routes,
  }),
);
const table = new CompiledRouteTable(routeConfig(services));
const info = streamInfo(12345);
const lines = [
  ['user-agent', 'bench'],
  ['accept', '*/*'],
  ['x-request-id', 'a'],
  ['x-forwarded-proto', 'http'],
] as const;
const ask = (path: string) => request([...lines, [':authority', 's7:9080'], [':path', path]]);
const first = ask('/api/v0');
const last = ask('/productpage?u=normal');
bench('route(): first of ten routes', () => void table.route(first, info));
bench('route(): last of ten routes', () => void table.route(last, info));
const byRegex = new CompiledRouteTable(
  routeConfig([
    virtualHost({
      routes: [
        routeEntry({ match: routeMatch({ path: { kind: 'regex', pattern: '/product[a-z]+' } }) }),
      ],
    }),
  ]),
);
bench('route(): one regex', () => void byRegex.route(last, info));

/** An encoder that takes everything and a decoder that is answered at once by hand. */
class IdleCluster extends ScriptedCluster {
  readonly #facts = sampleConnection(this.hosts[0]!);
  readonly #pool = {
    newStream: (decoder: ResponseDecoder, callbacks: HttpPoolCallbacks): null => {
      this.decoder = decoder;
      callbacks.onPoolReady(this.encoder, this.only, this.#facts);
      return null;
    },
  };
  readonly only: Host = this.hosts[0]!;
  decoder: ResponseDecoder | null = null;
  readonly encoder: RequestEncoder = {
    encodeHeaders() {},
    encodeData() {},
    encodeTrailers() {},
    readDisable() {},
    resetStream() {},
    setCallbacks() {},
    meter() {},
    enableTunnel() {},
  };
  override chooseHost(): Host {
    return this.only;
  }
  override httpPool() {
    return this.#pool;
  }
}

const store = new StatsStore();
const cluster = new IdleCluster('backend', store, ['10.0.0.1']);
const factory = new RouterFilterFactory(
  'router',
  {
    kind: 'router',
    suppressEnvoyHeaders: false,
    respectExpectedRqTimeout: false,
    strictCheckHeaders: [],
  },
  {
    clusters: { get: () => cluster },
    stats: store,
    statPrefix: 'bench',
    timers: new TimerWheel(realTime),
    time: realTime,
    random: realRandom,
    runtime: Runtime.EMPTY,
    routeEnvironment: NO_ENVIRONMENT,
    tokenBuckets: new TokenBucketMemory(new SharedArrayBuffer(0)),
    sharedCounts: new SharedCounts(sharedCountsBuffer(1), 0),
    log: new LoggerRegistry('off', () => {}).get('bench'),
    serviceCluster: 'bench',
  },
);

const route = table.route(last, info);
const callbacks: FilterCallbacks = {
  streamInfo: info,
  route,
  requestHeaders: last,
  continueDecoding() {},
  continueEncoding() {},
  bufferLimitBytes: 0,
  setBufferLimit() {},
  heldRequestBody: () => [],
  injectDecodedData() {},
  injectEncodedData() {},
  responseReadDisable() {},
  clearRouteCache() {},
  sendLocalReply() {},
  encode1xxHeaders() {},
  encodeHeaders() {},
  encodeData() {},
  encodeTrailers() {},
  recreateStream: () => false,
  resetStream() {},
  requestReadDisable() {},
  setDownstreamWatermarkCallbacks() {},
  responseStarted: false,
  requestComplete: true,
  upgradeRequested: false,
};
const body = Buffer.from('hello');
bench('router filter: GET, answer with body, Istio route', () => {
  const filter = factory.createFilter(callbacks);
  filter.decodeHeaders(last, true);
  const answer = new ResponseHeaders();
  answer.status = 200;
  cluster.decoder!.decodeHeaders(answer, false);
  cluster.decoder!.decodeData(body, true);
  filter.onDestroy();
});
const plain = new CompiledRouteTable(routeConfig([virtualHost()])).route(last, info);
const timed: FilterCallbacks = { ...callbacks, route: plain };
bench('router filter: the same with a 15 s time-out', () => {
  const filter = factory.createFilter(timed);
  filter.decodeHeaders(last, true);
  const answer = new ResponseHeaders();
  answer.status = 200;
  cluster.decoder!.decodeHeaders(answer, false);
  cluster.decoder!.decodeData(body, true);
  filter.onDestroy();
});
// The timer wheel would keep the process alive.
process.exit(0);
