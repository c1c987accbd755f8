// Http1ConnPool against a scripted upstream on loopback: reuse, queue, breakers, failures, draining.
import assert from 'node:assert/strict';
import t from 'tap';

import { realTime } from '../../../../proxy/base/clock.ts';
import type { TimeSource, TimerHandle } from '../../../../proxy/base/clock.ts';
import { SeededRandom } from '../../../../proxy/base/random.ts';
import type { CircuitBreakerConfig } from '../../../../proxy/config/cluster-config.ts';
import { RequestHeaders } from '../../../../proxy/http/header-map.ts';
import type { HeaderMap, ResponseHeaders } from '../../../../proxy/http/header-map.ts';
import { StreamResetReason } from '../../../../proxy/http/codec.ts';
import type {
  RequestEncoder,
  ResponseDecoder,
  StreamCallbacks,
} from '../../../../proxy/http/codec.ts';
import { PLAIN_DIAL } from '../../../../proxy/network/dial-options.ts';
import { IoThread } from '../../../../proxy/network/io-thread.ts';
import { StatsStore } from '../../../../proxy/stats/store.ts';
import type { UpstreamConnectionFacts } from '../../../../proxy/stream-info/upstream-facts.ts';
import { ClusterStats } from '../../../../proxy/upstream/cluster-stats.ts';
import type {
  HttpPoolCallbacks,
  PoolTicket,
} from '../../../../proxy/upstream/conn-pool/conn-pool.ts';
import { Http1ConnPool } from '../../../../proxy/upstream/conn-pool/http1-conn-pool.ts';
import { Host } from '../../../../proxy/upstream/host.ts';
import {
  BreakerCounts,
  INTS_PER_SLOT,
  ResourceManager,
} from '../../../../proxy/upstream/resource-manager.ts';
import { sampleCluster, sampleEndpoint } from '../../../support/config-samples.ts';
import { eventually } from '../../../support/eventually.ts';
import { RawUpstream, answerEach } from '../../../support/raw-peers.ts';
import type { UpstreamScript } from '../../../support/raw-peers.ts';
import { freePort } from '../../../support/free-port.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** One request of the test: sends a GET as soon as it can, writes down what it hears. */
class Caller implements ResponseDecoder, HttpPoolCallbacks, StreamCallbacks {
  readonly heard: string[] = [];
  encoder: RequestEncoder | null = null;
  ticket: PoolTicket | null = null;
  method = 'GET';

  start(pool: Http1ConnPool): this {
    this.ticket = pool.newStream(this, this);
    return this;
  }
  facts: UpstreamConnectionFacts | null = null;
  onPoolReady(encoder: RequestEncoder, _host: Host, facts: UpstreamConnectionFacts): void {
    this.encoder = encoder;
    this.facts = facts;
    encoder.setCallbacks(this);
    const headers = new RequestHeaders();
    headers.method = this.method;
    headers.path = '/';
    headers.authority = 'h';
    encoder.encodeHeaders(headers, this.method === 'GET');
  }
  onPoolFailure(reason: string, detail: string): void {
    this.heard.push(`failed ${reason} ${detail}`.trimEnd());
  }
  onResetStream(reason: StreamResetReason): void {
    this.heard.push(`reset ${reason}`);
  }
  decode1xxHeaders(): void {}
  decodeHeaders(headers: ResponseHeaders, end: boolean): void {
    this.heard.push(`${headers.status}${end ? '.' : ''}`);
  }
  decodeData(chunk: Buffer, end: boolean): void {
    this.heard.push(`${chunk.toString()}${end ? '.' : ''}`);
  }
  decodeTrailers(_trailers: HeaderMap): void {
    this.heard.push('trailers.');
  }
  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
  get done(): boolean {
    return this.heard.some(
      (line) => line.endsWith('.') || line.startsWith('failed') || line.startsWith('reset'),
    );
  }
}

/** Real time, some of which the test has skipped. */
class ShiftedTime implements TimeSource {
  shiftMs = 0;
  monotonicMs(): number {
    return realTime.monotonicMs() + this.shiftMs;
  }
  wallMs(): number {
    return realTime.wallMs();
  }
  processMs(): number {
    return realTime.processMs();
  }
  setTimer(callback: () => void, delayMs: number): TimerHandle {
    return realTime.setTimer(callback, delayMs);
  }
}

class Setup {
  readonly store = new StatsStore();
  readonly stats = new ClusterStats(this.store, 'c');
  readonly clock = new ShiftedTime();
  readonly io = new IoThread(this.clock);
  readonly #buffer = new SharedArrayBuffer(INTS_PER_SLOT * 4);
  readonly counts = new Int32Array(this.#buffer);
  readonly host: Host;
  readonly pool: Http1ConnPool;
  readonly idle: unknown[] = [];

  constructor(port: number, breakers: Partial<CircuitBreakerConfig> = {}, connectTimeoutMs = 5000) {
    const config = sampleCluster('c', { connectTimeoutMs });
    this.host = new Host(sampleEndpoint('127.0.0.1', port), 0);
    this.pool = new Http1ConnPool(
      {
        io: this.io,
        config,
        stats: this.stats,
        resources: new ResourceManager(new BreakerCounts(this.#buffer, 0, 1), 0, 'DEFAULT', {
          ...config.circuitBreakers.default,
          ...breakers,
        }),
        random: new SeededRandom(1),
        dialOptions: PLAIN_DIAL,
        transports: null,
        onPoolIdle: (pool) => this.idle.push(pool),
      },
      this.host,
    );
  }

  call(method = 'GET'): Caller {
    const caller = new Caller();
    caller.method = method;
    return caller.start(this.pool);
  }

  stat(name: string): number {
    return this.store.value(this.store.counter(`cluster.c.${name}`));
  }

  /** Closes what is open and sees that nothing is still counted. */
  async settle(): Promise<void> {
    this.pool.drain();
    await eventually('nothing is counted', () => this.counts.every((count) => count === 0));
    assert.equal(this.io.timers.size, 0, 'no timer is left');
    const { cxActive, rqActive } = this.host.counts;
    assert.deepEqual([cxActive, rqActive], [0, 0]);
  }
}

interface Teardowns {
  teardown(fn: () => void | Promise<void>): void;
}

async function setup(
  t: Teardowns,
  script: UpstreamScript,
  breakers: Partial<CircuitBreakerConfig> = {},
): Promise<[Setup, RawUpstream]> {
  const upstream = await RawUpstream.start(t, script);
  return [new Setup(upstream.port, breakers), upstream];
}

const all = (...callers: Caller[]): Promise<void> =>
  eventually('all are done', () => callers.every((caller) => caller.done));

t.test('Http1ConnPool', async (t) => {
  await t.test('uses a connection again', async (t) => {
    const [it, upstream] = await setup(t, answerEach(OK));
    for (let i = 0; i < 5; i++) await all(it.call());
    t.equal(upstream.connections.length, 1);
    t.equal(it.stat('upstream_rq_total'), 5);
    await it.settle();
  });

  await t.test(
    'opens one connection for each that waits, and pairs answers with requests',
    async (t) => {
      const [it, upstream] = await setup(t, answerEach(OK));
      const callers = Array.from({ length: 10 }, () => it.call());
      t.equal(it.counts[1], 10);
      await all(...callers);
      t.equal(upstream.connections.length, 10);
      for (const caller of callers) t.same(caller.heard, ['200', 'ok.']);
      await it.settle();
    },
  );

  await t.test('does not use a connection again when it must not', async (t) => {
    const rows: readonly (readonly [string, UpstreamScript])[] = [
      [
        'connection: close',
        answerEach('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'),
      ],
      ['HTTP/1.0', answerEach('HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok')],
      ['bytes behind a body', answerEach(`${OK}HTTP/1.1 200 OK\r\n`)],
      ['bytes behind a head', answerEach('HTTP/1.1 304 Not Modified\r\n\r\nX')],
      [
        'bytes behind chunks',
        answerEach('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nX'),
      ],
    ];
    for (const [name, script] of rows) {
      const [it, upstream] = await setup(t, script, { maxConnections: 1 });
      // The second waits for the first's connection: it must get one of its own, never the poisoned one.
      const callers = [it.call(), it.call()];
      await all(...callers);
      t.equal(upstream.connections.length, 2, name);
      for (const caller of callers)
        t.notOk(
          caller.heard.some((line) => line.startsWith('reset')),
          name,
        );
      await it.settle();
    }
  });

  await t.test('closes an idle connection on which the upstream speaks', async (t) => {
    const [it, upstream] = await setup(t, answerEach(OK));
    await all(it.call());
    upstream.connections[0]!.send('HTTP/1.1 408 Request Timeout\r\n\r\n');
    await eventually('closed', () => it.counts[0] === 0);
    t.equal(it.stat('upstream_cx_protocol_error'), 1);
    await it.settle();
  });

  await t.test('answered before the request was complete: the connection goes', async (t) => {
    const [it, upstream] = await setup(t, answerEach(OK));
    await all(it.call('POST'));
    await eventually('closed', () => upstream.connections[0]!.ending !== 'open');
    t.equal(it.stat('upstream_cx_destroy_with_active_rq'), 1);
    await it.settle();
  });

  await t.test('limits the queue, the connections and the requests', async (t) => {
    const [it] = await setup(t, () => {}, { maxConnections: 1, maxPendingRequests: 2 });
    const callers = [1, 2, 3].map(() => it.call());
    t.same(
      callers.map((caller) => caller.heard),
      [[], [], ['failed overflow']],
    );
    await eventually('first is sent', () => callers[0]!.encoder !== null);
    t.equal(it.stat('upstream_rq_pending_overflow'), 1);
    t.equal(it.counts[0], 1);
    callers[1]!.ticket!.cancel();
    callers[1]!.ticket!.cancel();
    t.equal(it.counts[1], 0);
    callers[0]!.encoder!.resetStream(StreamResetReason.LocalReset);
    callers[0]!.encoder!.resetStream(StreamResetReason.LocalReset);
    await it.settle();

    const [other] = await setup(t, () => {}, { maxRequests: 1 });
    const one = other.call();
    const two = other.call();
    await eventually('second is refused', () => two.done || one.done);
    t.equal(other.stat('upstream_rq_active_overflow'), 1);
    for (const caller of [one, two]) caller.encoder?.resetStream(StreamResetReason.LocalReset);
    await other.settle();
  });

  await t.test('a failed connect fails all who wait', async (t) => {
    const it = new Setup(await freePort());
    const callers = [1, 2, 3].map(() => it.call());
    await all(...callers);
    for (const caller of callers)
      t.same(caller.heard, [
        'failed remote connection failure delayed connect error: Connection refused',
      ]);
    t.equal(it.stat('upstream_rq_pending_failure_eject'), 3);
    await it.settle();
  });

  await t.test('a lost connection fails its stream and serves the queue on another', async (t) => {
    const [it, upstream] = await setup(
      t,
      (connection) => connection.socket.once('data', () => connection.socket.end()),
      { maxConnections: 1 },
    );
    const callers = [it.call(), it.call()];
    await all(...callers);
    for (const caller of callers) t.same(caller.heard, ['reset connection termination']);
    t.equal(upstream.connections.length, 2);
    await it.settle();
  });

  await t.test('draining lets streams and waiters finish, then says idle', async (t) => {
    const [it, upstream] = await setup(t, answerEach(OK));
    await all(it.call());
    const waiting = [it.call(), it.call(), it.call()];
    it.pool.drain();
    await all(...waiting);
    for (const caller of waiting) t.same(caller.heard, ['200', 'ok.']);
    await eventually('idle', () => it.idle.length > 0);
    t.ok(it.idle.every((pool) => pool === it.pool));
    await eventually('closed', () =>
      upstream.connections.every((connection) => connection.ending !== 'open'),
    );
    await it.settle();
  });

  await t.test('draining without waiters gives dials up', async (t) => {
    const [it] = await setup(t, answerEach(OK));
    const caller = it.call();
    caller.ticket!.cancel();
    it.pool.drain();
    t.equal(it.counts[0], 0);
    t.ok(it.idle.length > 0);
    await it.settle();
  });

  await t.test('does not use a connection whose end nobody has told it of', async (t) => {
    const [it, upstream] = await setup(t, answerEach(OK));
    await all(it.call());
    it.clock.shiftMs += 1000;
    // The FIN is with our kernel before the event loop turns.
    upstream.connections[0]!.socket.destroy();
    await all(it.call('POST'));
    t.equal(upstream.connections.length, 2);
    t.equal(it.stat('upstream_cx_destroy_remote'), 1);
    t.equal(it.stat('upstream_cx_destroy_with_active_rq'), 1, 'the POST is not complete');
    await it.settle();
  });

  await t.test('says of a request that the connection was dead', async (t) => {
    const rows: readonly (readonly [name: string, script: UpstreamScript, stale: boolean])[] = [
      [
        'the second request is not answered',
        (connection) =>
          connection.socket.on('data', () => {
            if (connection.text.split('GET').length > 2) connection.socket.destroy();
            else connection.send(OK);
          }),
        true,
      ],
      [
        'its answer begins',
        (connection) =>
          connection.socket.on('data', () => {
            if (connection.text.split('GET').length > 2) connection.socket.end('HTTP');
            else connection.send(OK);
          }),
        false,
      ],
    ];
    for (const [name, script, stale] of rows) {
      const [it] = await setup(t, script);
      await all(it.call());
      const second = it.call();
      await all(second);
      t.match(second.heard, [/^reset/], name);
      t.equal(second.facts!.stale, stale, name);
      t.equal(second.facts!.requestCount, 2, name);
      await it.settle();
    }
    const [it] = await setup(t, (connection) =>
      connection.socket.on('data', () => connection.reset()),
    );
    const first = it.call();
    await all(first);
    t.equal(first.facts!.stale, false, 'the first request of a connection');
    await it.settle();
  });

  await t.test('closes idle connections before the server does', async (t) => {
    const [it, upstream] = await setup(t, answerEach(OK));
    for (let i = 0; i < 2; i++) {
      await all(it.call());
      it.clock.shiftMs += 5000;
      upstream.connections[i]!.socket.end();
      await eventually('closed', () => it.counts[0] === 0);
    }
    await all(it.call());
    it.clock.shiftMs += 4600;
    await all(it.call());
    t.equal(upstream.connections.length, 4, 'not used after 4600 ms of 5000');
    t.equal(it.stat('upstream_cx_retired_before_peer'), 1);
    it.clock.shiftMs += 4000;
    await all(it.call());
    t.equal(upstream.connections.length, 4, 'used after 4000 ms');
    await it.settle();
  });

  await t.test('believes what the server announces', async (t) => {
    const announced = OK.replace('OK\r\n', 'OK\r\nkeep-alive: timeout=2\r\n');
    const [it, upstream] = await setup(t, answerEach(announced));
    await all(it.call());
    it.clock.shiftMs += 1900;
    await all(it.call());
    t.equal(upstream.connections.length, 2);
    await it.settle();
  });

  await t.test('gives a fresh connection to who asks for one', async (t) => {
    const [it, upstream] = await setup(t, answerEach(OK));
    await all(it.call());
    const caller = new Caller();
    caller.ticket = it.pool.newStream(caller, caller, true);
    await all(caller);
    t.equal(upstream.connections.length, 2);
    await it.settle();
  });

  await t.test('a connection that found nobody waiting is idle, too', async (t) => {
    const script: UpstreamScript = (connection) =>
      connection.socket.on('data', () => {
        if (connection.text.includes('GET')) connection.socket.destroy();
        else connection.send(OK);
      });
    const [it, upstream] = await setup(t, script);
    const given = it.call();
    given.ticket!.cancel();
    await eventually(
      'connected',
      () => it.stat('upstream_cx_total') === 1 && it.io.timers.size === 1,
    );
    await eventually('accepted', () => upstream.connections.length === 1);
    it.clock.shiftMs += 3000;
    const caller = it.call();
    await all(caller);
    t.equal(upstream.connections.length, 1);
    t.equal(caller.facts!.stale, true);
    await it.settle();
  });

  await t.test('drains its connections and goes on', async (t) => {
    const script: UpstreamScript = (connection) =>
      connection.socket.on('data', () => {
        if (!connection.text.includes('/slow')) connection.send(OK);
      });
    const [it, upstream] = await setup(t, script);
    await all(it.call());
    it.pool.drainConnections();
    await eventually('the idle one is closed', () => it.counts[0] === 0);
    t.equal(it.idle.length, 0, 'the pool stays');
    await all(it.call());
    t.equal(upstream.connections.length, 2);
    await it.settle();
  });

  await t.test('counts bytes while connections live', async (t) => {
    const [it, upstream] = await setup(t, answerEach(OK));
    await all(it.call());
    const bytes = (): number[] => {
      it.stats.bytes.refresh();
      return [it.stat('upstream_cx_rx_bytes_total'), it.stat('upstream_cx_tx_bytes_total')];
    };
    const [peer] = upstream.connections;
    t.same(bytes(), [OK.length, peer!.byteCount]);
    await all(it.call());
    t.same(bytes(), [2 * OK.length, peer!.byteCount]);
    await it.settle();
    t.same(bytes(), [2 * OK.length, peer!.byteCount]);
  });
});
