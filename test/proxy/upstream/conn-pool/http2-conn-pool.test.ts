// Http2ConnPool against a server that sends the frames it is told: streams per connection, limits of both sides, GOAWAY,
// breakers, failures, draining.
import assert from 'node:assert/strict';
import t from 'tap';

import { realTime } from '../../../../proxy/base/clock.ts';
import { SeededRandom } from '../../../../proxy/base/random.ts';
import type {
  CircuitBreakerConfig,
  UpstreamHttpConfig,
} from '../../../../proxy/config/cluster-config.ts';
import type { Http2Config } from '../../../../proxy/config/http2-config.ts';
import { StreamResetReason } from '../../../../proxy/http/codec.ts';
import type {
  RequestEncoder,
  ResponseDecoder,
  StreamCallbacks,
} from '../../../../proxy/http/codec.ts';
import { RequestHeaders } from '../../../../proxy/http/header-map.ts';
import type { ResponseHeaders } from '../../../../proxy/http/header-map.ts';
import { PLAIN_DIAL } from '../../../../proxy/network/dial-options.ts';
import { IoThread } from '../../../../proxy/network/io-thread.ts';
import { StatsStore } from '../../../../proxy/stats/store.ts';
import { ClusterStats } from '../../../../proxy/upstream/cluster-stats.ts';
import type {
  HttpPoolCallbacks,
  PoolTicket,
} from '../../../../proxy/upstream/conn-pool/conn-pool.ts';
import { Http2ConnPool } from '../../../../proxy/upstream/conn-pool/http2-conn-pool.ts';
import { Host } from '../../../../proxy/upstream/host.ts';
import {
  BreakerCounts,
  INTS_PER_SLOT,
  ResourceManager,
} from '../../../../proxy/upstream/resource-manager.ts';
import { sampleCluster, sampleEndpoint } from '../../../support/config-samples.ts';
import { eventually } from '../../../support/eventually.ts';
import {
  END_HEADERS,
  data,
  goAway,
  headers,
  reset,
  settings,
  settingsAck,
} from '../../../support/http2-frames.ts';
import { RawHttp2Upstream } from '../../../support/http2-raw-upstream.ts';
import { freePort } from '../../../support/free-port.ts';

/** One request of the test: sends a GET as soon as it can, writes down what it hears. */
class Caller implements ResponseDecoder, HttpPoolCallbacks, StreamCallbacks {
  heard = '';
  encoder: RequestEncoder | null = null;
  ticket: PoolTicket | null = null;

  onPoolReady(encoder: RequestEncoder): void {
    this.encoder = encoder;
    encoder.setCallbacks(this);
    const head = new RequestHeaders();
    head.method = 'GET';
    head.path = '/';
    head.authority = 'h';
    head.scheme = 'http';
    encoder.encodeHeaders(head, true);
  }
  onPoolFailure(reason: string, detail: string): void {
    this.heard = `failed ${reason} ${detail}`.trimEnd();
  }
  onResetStream(reason: StreamResetReason): void {
    this.heard = `reset ${reason}`;
  }
  decode1xxHeaders(): void {}
  decodeHeaders(got: ResponseHeaders, endStream: boolean): void {
    if (endStream) this.heard = String(got.status);
  }
  decodeData(_chunk: Buffer, endStream: boolean): void {
    if (endStream) this.heard = 'body';
  }
  decodeTrailers(): void {}
  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
}

interface Options {
  readonly http?: Partial<UpstreamHttpConfig>;
  readonly http2?: Partial<Http2Config>;
  readonly breakers?: Partial<CircuitBreakerConfig>;
  readonly port?: number;
  readonly first?: readonly Buffer[];
}

class Setup {
  readonly upstream: RawHttp2Upstream;
  readonly pool: Http2ConnPool;
  readonly io = new IoThread(realTime);
  readonly store = new StatsStore();
  readonly host: Host;
  idle = 0;
  readonly #buffer = new SharedArrayBuffer(INTS_PER_SLOT * 4);

  private constructor(upstream: RawHttp2Upstream, options: Options) {
    this.upstream = upstream;
    this.host = new Host(sampleEndpoint('127.0.0.1', options.port ?? upstream.port), 0);
    const sample = sampleCluster('c', { connectTimeoutMs: 2000 });
    const config = {
      ...sample,
      http: {
        ...sample.http,
        protocol: 'http2' as const,
        ...options.http,
        http2: { ...sample.http.http2, ...options.http2 },
      },
    };
    this.pool = new Http2ConnPool(
      {
        io: this.io,
        random: new SeededRandom(1),
        config,
        stats: new ClusterStats(this.store, 'c'),
        resources: new ResourceManager(new BreakerCounts(this.#buffer, 0, 1), 0, 'DEFAULT', {
          ...config.circuitBreakers.default,
          ...options.breakers,
        }),
        dialOptions: PLAIN_DIAL,
        transports: null,
        onPoolIdle: () => this.idle++,
      },
      this.host,
    );
  }

  static async start(
    t: Parameters<typeof RawHttp2Upstream.start>[0],
    options: Options = {},
  ): Promise<Setup> {
    return new Setup(await RawHttp2Upstream.start(t, options.first), options);
  }

  call(): Caller {
    const caller = new Caller();
    caller.ticket = this.pool.newStream(caller, caller);
    return caller;
  }

  calls(count: number): Caller[] {
    return Array.from({ length: count }, () => this.call());
  }

  stat(name: string): number {
    return this.store.value(this.store.counter(`cluster.c.${name}`));
  }

  /** Closes what is open and sees that nothing is still counted. */
  async settle(): Promise<void> {
    this.pool.drain();
    const counts = new Int32Array(this.#buffer);
    await eventually('nothing is counted', () => counts.every((count) => count === 0));
    assert.equal(this.io.timers.size, 0, 'no timer is left');
    const { cxActive, rqActive } = this.host.counts;
    assert.deepEqual([cxActive, rqActive], [0, 0]);
    assert.equal(this.store.value(this.store.gauge('cluster.c.upstream_rq_active')), 0);
    assert.equal(this.store.value(this.store.gauge('cluster.c.http2.streams_active')), 0);
    assert.ok(this.idle > 0);
  }
}

const ok = (id: number): Buffer => headers(id, [[':status', '200']], 5);
const done = (callers: readonly Caller[]): Promise<void> =>
  eventually('all are done', () => callers.every(({ heard }) => heard !== ''));

t.test('Http2ConnPool', async (t) => {
  await t.test('puts many streams on one connection', async (t) => {
    const setup = await Setup.start(t);
    const callers = setup.calls(50);
    const peer = await setup.upstream.peer();
    await eventually('all are there', () => peer.requests.length === 50);
    peer.send(...peer.requests.map(ok));
    await done(callers);
    t.ok(callers.every(({ heard }) => heard === '200'));
    t.equal(setup.upstream.peers.length, 1);
    t.equal(setup.stat('upstream_cx_http2_total'), 1);
    t.equal(setup.stat('upstream_rq_total'), 50);
    await setup.settle();
  });
  await t.test('opens another one where configuration allows no more streams', async (t) => {
    const setup = await Setup.start(t, { http2: { maxConcurrentStreams: 2 } });
    const callers = setup.calls(5);
    const peers = [
      await setup.upstream.peer(0),
      await setup.upstream.peer(1),
      await setup.upstream.peer(2),
    ];
    await eventually(
      'all are there',
      () => peers.reduce((sum, peer) => sum + peer.requests.length, 0) === 5,
    );
    t.ok(peers.every((peer) => peer.requests.length <= 2));
    for (const peer of peers) peer.send(...peer.requests.map(ok));
    await done(callers);
    t.equal(setup.upstream.peers.length, 3);
    await setup.settle();
  });
  await t.test('keeps to what the server allows, and goes on as places come free', async (t) => {
    const setup = await Setup.start(t, {
      breakers: { maxConnections: 1 },
      first: [settings(3, 2), settingsAck()],
    });
    const first = setup.call();
    const peer = await setup.upstream.peer();
    await peer.until(/^HEADERS 1/);
    await peer.until(/^SETTINGS ack/);
    const more = setup.calls(3);
    await peer.until(/^HEADERS 3/);
    await new Promise((resolve) => setTimeout(resolve, 30));
    t.strictSame(peer.requests, [1, 3]);
    peer.send(ok(1));
    await peer.until(/^HEADERS 5/);
    peer.send(ok(3), ok(5));
    await peer.until(/^HEADERS 7/);
    peer.send(ok(7));
    await done([first, ...more]);
    t.equal(setup.upstream.peers.length, 1);
    await setup.settle();
  });
  await t.test('waits where the server allows no stream at all, until it does', async (t) => {
    const setup = await Setup.start(t, { breakers: { maxConnections: 1 } });
    const first = setup.call();
    const peer = await setup.upstream.peer();
    await peer.until(/^HEADERS 1/);
    peer.send(settings(3, 0), ok(1));
    await done([first]);
    const second = setup.call();
    t.not(second.ticket, null);
    peer.send(settings(3, 1));
    await peer.until(/^HEADERS 3/);
    peer.send(ok(3));
    await done([second]);
    await setup.settle();
  });
  await t.test(
    'leaves a connection that says GOAWAY to its streams, and opens another',
    async (t) => {
      const setup = await Setup.start(t);
      const old = setup.calls(3);
      const peer = await setup.upstream.peer();
      await peer.until(/^HEADERS 5/);
      peer.send(goAway(3));
      await eventually('the third heard', () => old[2]!.heard !== '');
      t.equal(old[2]!.heard, 'reset remote refused stream reset');
      t.equal(setup.stat('upstream_cx_close_notify'), 1);
      const fresh = setup.call();
      const second = await setup.upstream.peer(1);
      await second.until(/^HEADERS 1/);
      peer.send(ok(1), ok(3));
      second.send(ok(1));
      await done([...old, fresh]);
      t.strictSame([old[0]!.heard, old[1]!.heard, fresh.heard], ['200', '200', '200']);
      await eventually('the old one is closed', () => peer.ended);
      t.equal(second.ended, false);
      await setup.settle();
    },
  );
  await t.test('closes an idle connection that says GOAWAY, at once', async (t) => {
    const setup = await Setup.start(t);
    const caller = setup.call();
    const peer = await setup.upstream.peer();
    await peer.until(/^HEADERS 1/);
    peer.send(ok(1), goAway(1));
    await eventually('it is closed', () => peer.ended);
    t.equal(caller.heard, '200');
    t.equal(setup.stat('upstream_cx_active'), 0);
    await setup.settle();
  });
  await t.test('sends those who wait behind a GOAWAY over another connection', async (t) => {
    const setup = await Setup.start(t, {
      http2: { maxConcurrentStreams: 1 },
      breakers: { maxConnections: 1 },
    });
    const [first, second] = setup.calls(2);
    const peer = await setup.upstream.peer();
    await peer.until(/^HEADERS 1/);
    peer.send(goAway(1), ok(1));
    const other = await setup.upstream.peer(1);
    await other.until(/^HEADERS 1/);
    other.send(ok(1));
    await done([first!, second!]);
    t.strictSame([first!.heard, second!.heard], ['200', '200']);
    await setup.settle();
  });
  await t.test('ends a connection after so many requests', async (t) => {
    const setup = await Setup.start(t, { http: { maxRequestsPerConnection: 2 } });
    const callers = setup.calls(3);
    const peer = await setup.upstream.peer();
    const other = await setup.upstream.peer(1);
    await peer.until(/^HEADERS 3/);
    await other.until(/^HEADERS 1/);
    t.strictSame(peer.requests, [1, 3]);
    peer.send(ok(1), ok(3));
    other.send(ok(1));
    await done(callers);
    await eventually('it is closed', () => peer.ended);
    t.equal(setup.stat('upstream_cx_max_requests'), 1);
    await setup.settle();
  });
  await t.test(
    'tells its streams when a connection is lost, and serves those who come after',
    async (t) => {
      const setup = await Setup.start(t);
      const callers = setup.calls(2);
      const peer = await setup.upstream.peer();
      await peer.until(/^HEADERS 3/);
      peer.socket.resetAndDestroy();
      await done(callers);
      t.ok(callers.every(({ heard }) => heard === 'reset connection termination'));
      t.equal(setup.stat('upstream_cx_destroy_with_active_rq'), 1);
      const next = setup.call();
      const second = await setup.upstream.peer(1);
      await second.until(/^HEADERS 1/);
      second.send(ok(1));
      await done([next]);
      await setup.settle();
    },
  );
  await t.test('ends a connection whose server breaks the rules, with a GOAWAY', async (t) => {
    const setup = await Setup.start(t);
    const callers = setup.calls(2);
    const peer = await setup.upstream.peer();
    await peer.until(/^HEADERS 3/);
    peer.send(data(7, 'x'));
    await done(callers);
    t.ok(callers.every(({ heard }) => heard === 'reset protocol error'));
    await peer.until(/^GOAWAY 0 PROTOCOL_ERROR/);
    t.equal(setup.stat('upstream_cx_protocol_error'), 1);
    await setup.settle();
  });
  await t.test('passes resets on and keeps the connection', async (t) => {
    const setup = await Setup.start(t);
    const [first, second] = setup.calls(2);
    const peer = await setup.upstream.peer();
    await peer.until(/^HEADERS 3/);
    peer.send(reset(1, 2), ok(3));
    await done([first!, second!]);
    t.strictSame([first!.heard, second!.heard], ['reset remote reset', '200']);
    t.equal(setup.stat('http2.rx_reset'), 1);
    await setup.settle();
  });
  await t.test('resets a stream that is given up, not its connection', async (t) => {
    const setup = await Setup.start(t);
    const [first, second] = setup.calls(2);
    const peer = await setup.upstream.peer();
    await peer.until(/^HEADERS 3/);
    first!.encoder!.resetStream(StreamResetReason.LocalReset);
    await peer.until(/^RST 1 INTERNAL_ERROR/);
    peer.send(headers(1, [[':status', '200']], END_HEADERS), data(1, 'late', 1), ok(3));
    await done([second!]);
    t.equal(second!.heard, '200');
    t.equal(first!.heard, '');
    await setup.settle();
  });
  await t.test('refuses beyond the breaker of requests', async (t) => {
    const setup = await Setup.start(t, { breakers: { maxRequests: 1 } });
    const [first, second] = setup.calls(2);
    await eventually('one was refused', () => second!.heard !== '');
    t.equal(second!.heard, 'failed overflow');
    t.equal(setup.stat('upstream_rq_active_overflow'), 1);
    const peer = await setup.upstream.peer();
    await peer.until(/^HEADERS 1/);
    peer.send(ok(1));
    await done([first!]);
    await setup.settle();
  });
  await t.test('refuses beyond the breaker of waiters', async (t) => {
    const setup = await Setup.start(t, { breakers: { maxPendingRequests: 1 } });
    const callers = setup.calls(2);
    t.equal(callers[1]!.heard, 'failed overflow');
    t.equal(setup.stat('upstream_rq_pending_overflow'), 1);
    const peer = await setup.upstream.peer();
    await peer.until(/^HEADERS 1/);
    peer.send(ok(1));
    await done(callers);
    await setup.settle();
  });
  await t.test('fails all who wait when there is no server', async (t) => {
    const setup = await Setup.start(t, { port: await freePort() });
    const callers = setup.calls(2);
    await done(callers);
    t.ok(callers.every(({ heard }) => heard.startsWith('failed remote connection failure')));
    t.equal(setup.stat('upstream_rq_pending_failure_eject'), 2);
    await setup.settle();
  });
  await t.test('forgets one who no longer wants to wait', async (t) => {
    const setup = await Setup.start(t);
    const caller = setup.call();
    caller.ticket!.cancel();
    t.equal(setup.stat('upstream_rq_cancelled'), 1);
    await setup.upstream.peer();
    await setup.settle();
    t.equal(caller.heard, '');
  });
  await t.test('closes a connection that nobody used for long', async (t) => {
    const setup = await Setup.start(t, { http: { idleTimeoutMs: 50 } });
    const caller = setup.call();
    const peer = await setup.upstream.peer();
    await peer.until(/^HEADERS 1/);
    peer.send(ok(1));
    await done([caller]);
    await eventually('it is closed', () => peer.ended);
    t.equal(setup.stat('upstream_cx_idle_timeout'), 1);
    await setup.settle();
  });
  await t.test('drains: streams end in order, then the connection does', async (t) => {
    const setup = await Setup.start(t);
    const caller = setup.call();
    const peer = await setup.upstream.peer();
    await peer.until(/^HEADERS 1/);
    setup.pool.drain();
    await new Promise((resolve) => setTimeout(resolve, 20));
    t.equal(peer.ended, false);
    peer.send(ok(1));
    await done([caller]);
    await eventually('it is closed', () => peer.ended);
    t.equal(caller.heard, '200');
    await setup.settle();
  });
  t.end();
});
