// The clocks of one downstream connection, over a real socket and simulated time (envoy-behaviour §1.9, §1.10).
import t from 'tap';
import type { Test } from 'tap';

import { realRandom } from '../../../proxy/base/random.ts';
import type { HttpConnectionManagerConfig } from '../../../proxy/config/http-connection-manager-config.ts';
import type { AccessLogEntry } from '../../../proxy/http/conn-manager-context.ts';
import { ConnManagerSlot } from '../../../proxy/http/conn-manager-slot.ts';
import { ConnManager } from '../../../proxy/http/conn-manager.ts';
import { ConnManagerStats } from '../../../proxy/http/conn-manager-stats.ts';
import { RequestMutator } from '../../../proxy/http/conn-manager-utility.ts';
import { DateHeader } from '../../../proxy/http/date-header.ts';
import { ResponseHeaders } from '../../../proxy/http/header-map.ts';
import { H } from '../../../proxy/http/headers.ts';
import { FilterStatus, PassThroughFilter } from '../../../proxy/http/http-filter.ts';
import type { FilterCallbacks } from '../../../proxy/http/http-filter.ts';
import { IoThread } from '../../../proxy/network/io-thread.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { sampleHcm } from '../../support/config-samples.ts';
import { eventually } from '../../support/eventually.ts';
import { acceptedPair } from '../../support/loopback.ts';
import { streamInfo } from '../../support/route-samples.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

type Config = HttpConnectionManagerConfig;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const GET = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n';
const OK = /^HTTP\/1\.1 200 OK\r\n/;

const settings = (() => {
  const filter = sampleHcm({ kind: 'rds', name: 'none' });
  if (filter.kind !== 'http_connection_manager') throw new Error('not a connection manager');
  return filter.settings;
})();

/** Answers everything with 200, or only what has `?answer` in its path. */
class Answering extends PassThroughFilter {
  readonly #callbacks: FilterCallbacks;
  readonly #always: boolean;

  constructor(callbacks: FilterCallbacks, always: boolean) {
    super();
    this.#callbacks = callbacks;
    this.#always = always;
  }

  override decodeHeaders(): FilterStatus {
    if (this.#always) this.answer();
    return FilterStatus.StopIteration;
  }

  answer(): void {
    const headers = new ResponseHeaders();
    headers.status = 200;
    headers.set(H.contentLength, '0');
    this.#callbacks.encodeHeaders(headers, true);
  }
}

class Client {
  readonly time = new SimulatedTime();
  readonly store = new StatsStore();
  readonly log: string[] = [];
  text = '';
  done = false;
  #send: (text: string) => void = () => {};
  #end: () => void = () => {};
  timers: () => number = () => 0;
  #bytesRead: () => number = () => 0;
  #sent = 0;
  #drains = false;
  /** The filter of the newest request. */
  filter: Answering | undefined;

  static async connect(
    t: Test,
    changes: Partial<Config>,
    answers = true,
    drains = false,
  ): Promise<Client> {
    const client = new Client();
    client.#drains = drains;
    await client.#start(t, { ...settings, generateRequestId: false, ...changes }, answers);
    return client;
  }

  async #start(t: Test, config: Config, answers: boolean): Promise<void> {
    const { time, store } = this;
    const io = new IoThread(time);
    const { connection, peer } = await acceptedPair(t, io);
    const manager = new ConnManager(
      new ConnManagerSlot({
        config,
        stats: new ConnManagerStats(store, 'p', 'l'),
        mutator: new RequestMutator(config, { ip: '192.0.2.1', cluster: 'c', id: 'n' }, null),
        routes: { current: () => null },
        filterFactories: [
          {
            name: 'answering',
            createFilter: (callbacks) => (this.filter = new Answering(callbacks, answers)),
          },
        ],
        accessLogs: [{ needsMeter: false, log: (entry) => this.log.push(line(entry)) }],
        metersStreams: false,
        localReply: null,
        ignoredUpgrades: null,
        proxyStatus: null,
        tracer: null,
        clusterConfig: () => null,
        date: new DateHeader(time),
        time,
        random: realRandom,
        drain: { drainClose: () => this.#drains },
        http2: () => {
          throw new Error('HTTP/1 only');
        },
      }),
      connection,
      streamInfo().connection,
      { onConnectionDone: () => (this.done = true) },
    );
    connection.setCallbacks(manager);
    peer.on('data', (chunk: Buffer) => (this.text += chunk.toString('latin1')));
    this.#send = (text) => peer.write(text);
    this.#end = () => peer.end();
    this.timers = () => io.timers.size;
    this.#bytesRead = () => connection.bytesRead;
  }

  /** What is written leaves the process, and what waits for that is told. */
  async pass(ms: number): Promise<void> {
    this.time.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Until the manager has seen the bytes. */
  async send(text: string): Promise<void> {
    this.#sent += text.length;
    this.#send(text);
    await eventually('the bytes arrive', () => this.#bytesRead() >= this.#sent);
  }

  end(): void {
    this.#end();
  }

  async receives(what: RegExp): Promise<void> {
    await eventually(`receives ${String(what)}, has ${JSON.stringify(this.text)}`, () =>
      what.test(this.text),
    );
    this.text = '';
  }

  stat(name: string): number {
    const full = `http.p.downstream_${name}`;
    for (let id = 0; id < this.store.size; id++)
      if (this.store.definition(id).name === full) return this.store.value(id);
    throw new Error(`no stat ${full}`);
  }
}

const line = ({ info }: AccessLogEntry): string =>
  `${info.responseCode} ${info.flags} ${info.responseCodeDetails} ${info.endMs - info.startMs}`;

const common = { idleTimeoutMs: HOUR, drainTimeoutMs: 5 * SECOND, delayedCloseTimeoutMs: SECOND };

t.test('an idle connection', async (t) => {
  await t.test('that never spoke is closed at once', async (t) => {
    const client = await Client.connect(t, common);
    await client.pass(HOUR - SECOND);
    t.notOk(client.done);
    await client.pass(2 * SECOND);
    t.ok(client.done);
    t.equal(client.stat('cx_idle_timeout'), 1);
    t.equal(client.stat('cx_http1_total'), 0, 'it had no codec');
  });

  await t.test(
    'is drained for drain_timeout, then has the delayed close time-out to go',
    async (t) => {
      const client = await Client.connect(t, common);
      await client.send(GET);
      await client.receives(OK);
      await client.pass(HOUR + 4 * SECOND);
      t.notOk(client.done, 'drains');
      await client.pass(1.5 * SECOND);
      t.notOk(client.done, 'waits for the client');
      await client.pass(SECOND);
      t.ok(client.done);
      t.equal(client.stat('cx_delayed_close_timeout'), 1);
    },
  );

  await t.test('answers while it drains and says that it ends', async (t) => {
    const client = await Client.connect(t, common);
    await client.send(GET);
    await client.receives(OK);
    await client.pass(HOUR + SECOND);
    await client.send(GET);
    await client.receives(/connection: close\r\n/);
    t.notOk(client.done);
    await client.pass(5 * SECOND);
    client.end();
    await eventually('closed', () => client.done);
    t.equal(client.stat('cx_destroy_remote'), 1);
  });

  await t.test('may be drained longer, by chance', async (t) => {
    const client = await Client.connect(t, { ...common, drainTimeoutJitterPercent: 100 });
    await client.send(GET);
    await client.receives(OK);
    await client.pass(HOUR + 4.9 * SECOND);
    t.notOk(client.done);
    await client.pass(5 * SECOND + 200);
    await client.pass(SECOND);
    t.ok(client.done, 'within twice the time');
  });

  await t.test('every request starts its hour anew', async (t) => {
    const client = await Client.connect(t, common);
    for (let i = 0; i < 3; i++) {
      await client.pass(HOUR - SECOND);
      await client.send(GET);
      await client.receives(OK);
    }
    t.equal(client.stat('cx_idle_timeout'), 0);
  });
});

t.test('a connection of a listener that drains', async (t) => {
  const client = await Client.connect(t, common, true, true);
  await client.send(GET);
  await client.receives(/connection: close\r\n/);
  t.equal(client.stat('cx_drain_close'), 1);
  t.notOk(client.done, 'a client that goes on is answered');
  await client.send(GET);
  await client.receives(/connection: close\r\n/);
  t.equal(client.stat('cx_drain_close'), 1, 'counted once');
  await client.pass(5.1 * SECOND);
  await client.pass(SECOND);
  t.ok(client.done);
});

t.test('an old connection', async (t) => {
  const old = { ...common, maxConnectionDurationMs: MINUTE };

  await t.test('finishes the request it has', async (t) => {
    const client = await Client.connect(t, old, false);
    await client.send(GET);
    await client.pass(2 * MINUTE);
    t.notOk(client.done);
    client.filter!.answer();
    await client.receives(/connection: close\r\n/);
    await client.pass(1.5 * SECOND);
    t.ok(client.done);
    t.equal(client.stat('cx_max_duration_reached'), 1);
  });

  await t.test('in safe mode stays until its next request', async (t) => {
    const client = await Client.connect(t, { ...old, http1SafeMaxConnectionDuration: true });
    await client.send(GET);
    await client.receives(OK);
    await client.pass(10 * MINUTE);
    t.notOk(client.done);
    t.equal(client.stat('cx_http1_soft_drain'), 1);
    await client.send(GET);
    await client.receives(/connection: close\r\n/);
    await eventually('closed, without a delay', () => client.done);
    t.equal(client.stat('cx_http1_soft_drain'), 0);
  });
});

t.test('a stream', async (t) => {
  const rows: readonly {
    readonly name: string;
    readonly config: Partial<Config>;
    readonly bytes: string;
    readonly afterMs: number;
    readonly log: string;
    readonly stat: string;
  }[] = [
    {
      name: 'that stands still for five minutes',
      config: { streamIdleTimeoutMs: 5 * MINUTE },
      bytes: GET,
      afterMs: 5 * MINUTE,
      log: '504 SI stream_idle_timeout',
      stat: 'rq_idle_timeout',
    },
    {
      name: 'whose head stands still',
      config: { streamIdleTimeoutMs: 5 * MINUTE },
      bytes: 'GET / HT',
      afterMs: 5 * MINUTE,
      log: '408 SI stream_idle_timeout',
      stat: 'rq_idle_timeout',
    },
    {
      name: 'whose head takes too long',
      config: { requestHeadersTimeoutMs: 10 * SECOND },
      bytes: 'GET / HTTP/1.1\r\nhost: h\r\n',
      afterMs: 10 * SECOND,
      log: '408 - request_header_timeout',
      stat: 'rq_header_timeout',
    },
    {
      name: 'whose body takes too long',
      config: { requestTimeoutMs: 30 * SECOND },
      bytes: 'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\na',
      afterMs: 30 * SECOND,
      log: '408 - request_overall_timeout',
      stat: 'rq_timeout',
    },
    {
      name: 'that lasts too long',
      config: { maxStreamDurationMs: MINUTE },
      bytes: GET,
      afterMs: MINUTE,
      log: '504 - max_duration_timeout',
      stat: 'rq_max_duration_reached',
    },
  ];
  for (const { name, config, bytes, afterMs, log, stat } of rows) {
    await t.test(name, async (t) => {
      const client = await Client.connect(t, { ...common, ...config }, false);
      await client.send(bytes);
      await client.pass(afterMs - SECOND);
      t.same(client.log, []);
      await client.pass(SECOND + 100);
      t.equal(client.log.length, 1);
      t.match(client.log[0], `${log} `);
      t.equal(client.stat(stat), 1);
      t.equal(client.stat('rq_active'), 0);
    });
  }

  await t.test('that moves does not stand still', async (t) => {
    const client = await Client.connect(t, { ...common, streamIdleTimeoutMs: MINUTE }, false);
    await client.send('POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\n');
    for (const byte of 'abcde') {
      await client.pass(50 * SECOND);
      await client.send(byte);
    }
    t.same(client.log, []);
  });

  await t.test('that is complete has no request time-out', async (t) => {
    const client = await Client.connect(t, { ...common, requestTimeoutMs: SECOND }, false);
    await client.send(GET);
    await client.pass(MINUTE);
    t.same(client.log, []);
  });

  await t.test('leaves no timer behind', async (t) => {
    const client = await Client.connect(t, {
      ...common,
      requestTimeoutMs: SECOND,
      maxStreamDurationMs: MINUTE,
      requestHeadersTimeoutMs: SECOND,
      maxConnectionDurationMs: HOUR,
    });
    await client.send(GET);
    await client.receives(OK);
    client.end();
    await eventually('closed', () => client.done);
    t.equal(client.timers(), 0);
  });
});
