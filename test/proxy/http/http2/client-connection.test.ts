// Http2ClientConnection against a raw server on a real socket: what each answer makes its user hear and what we say back.
import t from 'tap';

import { SeededRandom } from '../../../../proxy/base/random.ts';
import { DEFAULT_HTTP2 } from '../../../../proxy/config/http2-config.ts';
import type { Http2Config } from '../../../../proxy/config/http2-config.ts';
import { StreamResetReason } from '../../../../proxy/http/codec.ts';
import type {
  RequestEncoder,
  ResponseDecoder,
  StreamCallbacks,
} from '../../../../proxy/http/codec.ts';
import { HeaderMap, RequestHeaders } from '../../../../proxy/http/header-map.ts';
import type { ResponseHeaders } from '../../../../proxy/http/header-map.ts';
import { headerName } from '../../../../proxy/http/headers.ts';
import { Http2ClientConnection } from '../../../../proxy/http/http2/client-connection.ts';
import type { Http2ClientCallbacks } from '../../../../proxy/http/http2/client-connection.ts';
import { Http2Stats } from '../../../../proxy/http/http2/http2-stats.ts';
import { IoThread } from '../../../../proxy/network/io-thread.ts';
import { StatsStore } from '../../../../proxy/stats/store.ts';
import { eventually } from '../../../support/eventually.ts';
import {
  END_HEADERS,
  END_STREAM,
  FrameLog,
  PREFACE,
  data,
  frame,
  goAway,
  headers,
  ping,
  reset,
  settings,
  settingsAck,
  windowUpdate,
} from '../../../support/http2-frames.ts';
import type { Lines } from '../../../support/http2-frames.ts';
import { dialledPair } from '../../../support/loopback.ts';
import type { Pair } from '../../../support/loopback.ts';
import { SimulatedTime } from '../../../support/simulated-time.ts';

t.setTimeout(60_000);

class Call implements ResponseDecoder, StreamCallbacks {
  readonly name: string;
  readonly events: string[];
  readonly encoder: RequestEncoder;

  constructor(name: string, events: string[], codec: Http2ClientConnection) {
    this.name = name;
    this.events = events;
    this.encoder = codec.newStream(this);
    this.encoder.setCallbacks(this);
  }

  send(lines: Lines = [], endStream = true, method = 'GET'): this {
    const head = new RequestHeaders();
    head.method = method;
    head.path = method === 'CONNECT' ? '' : '/';
    head.authority = 'h';
    head.scheme = 'http';
    for (const [name, value] of lines) head.push(headerName(name), value);
    this.encoder.encodeHeaders(head, endStream);
    return this;
  }
  decode1xxHeaders(got: ResponseHeaders): void {
    this.#say(`${got.status}`);
  }
  decodeHeaders(got: ResponseHeaders, endStream: boolean): void {
    const lines = Array.from(
      { length: got.size },
      (_, i) => ` ${got.nameAt(i).text}=${got.valueAt(i)}`,
    );
    this.#say(`${got.status}${lines.join('')}${endStream ? ' end' : ''}`);
  }
  decodeData(chunk: Buffer, endStream: boolean): void {
    this.#say(`'${chunk.toString('latin1')}'${endStream ? ' end' : ''}`);
  }
  decodeTrailers(trailers: HeaderMap): void {
    this.#say(`trailers ${trailers.size}`);
  }
  onResetStream(reason: string, details: string): void {
    this.#say(`reset: ${reason}${details === '' ? '' : `, ${details}`}`);
  }
  onAboveWriteBufferHighWatermark(): void {
    this.#say('above');
  }
  onBelowWriteBufferLowWatermark(): void {
    this.#say('below');
  }
  #say(text: string): void {
    this.events.push(`${this.name} ${text}`);
  }
}

class ClientSide implements Http2ClientCallbacks {
  readonly pair: Pair;
  readonly codec: Http2ClientConnection;
  readonly log = new FrameLog(PREFACE.length);
  readonly events: string[] = [];
  readonly store = new StatsStore();
  complete = 0;
  #calls = 0;

  private constructor(pair: Pair, http2: Partial<Http2Config>) {
    this.pair = pair;
    pair.peer.on('data', (chunk: Buffer) => this.log.push(chunk));
    this.codec = new Http2ClientConnection(pair.connection, this, {
      http2: { ...DEFAULT_HTTP2, ...http2 },
      stats: new Http2Stats(this.store, 'cluster.c.'),
      random: new SeededRandom(1),
      flushTimeoutMs: 0,
      limits: { maxBytes: 2000, maxCount: 10, underscores: 'ALLOW' },
    });
    pair.connection.setCallbacks({
      onData: (chunk) => this.codec.dispatch(chunk),
      onClose: () => this.codec.onConnectionClosed(),
      onAboveWriteBufferHighWatermark: () => this.codec.onAboveWriteBufferHighWatermark(),
      onBelowWriteBufferLowWatermark: () => this.codec.onBelowWriteBufferLowWatermark(),
    });
  }

  static async start(
    t: Parameters<typeof dialledPair>[0],
    http2: Partial<Http2Config> = {},
    io?: IoThread,
  ): Promise<ClientSide> {
    return new ClientSide(await dialledPair(t, io), http2);
  }

  call(): Call {
    return new Call(String.fromCharCode(97 + this.#calls++), this.events, this.codec);
  }

  async run(work: () => void): Promise<void> {
    this.pair.io.enter();
    work();
    this.pair.io.leave();
    await this.settled();
  }

  async send(...frames: readonly Buffer[]): Promise<void> {
    const { connection, peer } = this.pair;
    const bytes = Buffer.concat(frames);
    const wanted = connection.bytesRead + bytes.length;
    peer.write(bytes);
    await eventually('all is read', () => connection.bytesRead >= wanted || !connection.open);
    await this.settled();
  }

  async settled(): Promise<void> {
    const { connection } = this.pair;
    if (!connection.open) return;
    const before = connection.bytesWritten;
    await eventually('all has arrived', () => this.pair.peer.bytesRead >= before);
  }

  onStreamReset(): void {}

  onStreamComplete(): void {
    this.complete++;
  }
  onGoAway(): void {
    this.events.push('goaway');
  }
  onMaxStreams(): void {
    this.events.push('settings');
  }
  onSessionError(details: string, silent: boolean): void {
    this.events.push(`connection: ${details}${silent ? ' (silent)' : ''}`);
  }
}

const head = (id: number, lines: Lines, flags = END_HEADERS): Buffer => headers(id, lines, flags);
const OK: Lines = [[':status', '200']];
const with3 = (...more: Lines): Lines => [...OK, ...more];

interface Row {
  readonly what: string;
  readonly frames: readonly Buffer[];
  readonly events: readonly string[];
  readonly answers?: readonly string[];
  readonly method?: string;
}

const broken = 'a reset: protocol error';
const messaging = 'http2.violation.of.messaging.rule';

/** Call `a` sent a GET on stream 1. */
const rows: readonly Row[] = [
  { what: 'an answer without a body', frames: [head(1, OK, 5)], events: ['a 200 end'] },
  {
    what: 'an answer with a body',
    frames: [head(1, with3(['a', 'b'])), data(1, 'xy'), data(1, 'z', END_STREAM)],
    events: ['a 200 a=b', "a 'xy'", "a 'z' end"],
  },
  {
    what: 'trailers',
    frames: [head(1, OK), data(1, 'x'), head(1, [['grpc-status', '0']], 5)],
    events: ['a 200', "a 'x'", 'a trailers 1'],
  },
  { what: 'empty trailers', frames: [head(1, OK), head(1, [], 5)], events: ['a 200', "a '' end"] },
  {
    what: 'interim answers',
    frames: [
      head(1, [[':status', '100']]),
      head(1, [
        [':status', '103'],
        ['link', 'x'],
      ]),
      head(1, OK, 5),
    ],
    events: ['a 100', 'a 103', 'a 200 end'],
  },
  {
    what: 'a length that holds',
    frames: [head(1, with3(['content-length', '2'])), data(1, 'xy', END_STREAM)],
    events: ['a 200 content-length=2', "a 'xy' end"],
  },
  {
    what: 'a length without a body, to HEAD',
    frames: [head(1, with3(['content-length', '2']), 5)],
    events: ['a 200 content-length=2 end'],
    method: 'HEAD',
  },
  {
    what: 'a length without a body, with 304',
    frames: [
      head(
        1,
        [
          [':status', '304'],
          ['content-length', '2'],
        ],
        5,
      ),
    ],
    events: ['a 304 content-length=2 end'],
  },
  { what: 'a reset', frames: [reset(1, 2)], events: ['a reset: remote reset'] },
  {
    what: 'a refusal',
    frames: [reset(1, 7)],
    events: ['a reset: remote refused stream reset'],
  },
  {
    what: 'GOAWAY below the stream: it may be sent again',
    frames: [goAway(0)],
    events: ['goaway', 'a reset: remote refused stream reset'],
  },
  {
    what: 'GOAWAY at the stream: it goes on',
    frames: [goAway(1), head(1, OK, 5)],
    events: ['goaway', 'a 200 end'],
  },
  {
    what: 'METADATA, ignored',
    frames: [frame(0x4d, 4, 1, 'x'), head(1, OK, 5)],
    events: ['a 200 end'],
  },
  { what: 'PING', frames: [ping('abcdefgh')], events: [], answers: ['PING ack abcdefgh'] },
  // Broken.
  {
    what: 'too large a head, which costs the stream',
    frames: [head(1, with3(['a', 'b'.repeat(2000)])), ping('goes on.')],
    events: [broken],
    answers: ['RST 1 PROTOCOL_ERROR', 'PING ack goes on.'],
  },
  {
    what: 'too many lines, which cost the stream',
    frames: [
      head(1, with3(...Array.from({ length: 10 }, (_, i) => [`a${i}`, 'b'] as const))),
      ping('goes on.'),
    ],
    events: [broken],
    answers: ['RST 1 PROTOCOL_ERROR', 'PING ack goes on.'],
  },
  ...(
    [
      ['an interim answer as the last', [head(1, [[':status', '100']], 5)], messaging],
      ['101', [head(1, [[':status', '101']])], 'http2.invalid.header.field'],
      ['no status', [head(1, [['a', 'b']])], messaging],
      [
        'connection in an answer',
        [head(1, with3(['connection', 'close']))],
        'http2.invalid.header.field',
      ],
      ['a length and no body', [head(1, with3(['content-length', '2']), 5)], messaging],
      [
        'interim answers without end',
        Array.from({ length: 17 }, () => head(1, [[':status', '102']])),
        messaging,
      ],
    ] as const
  ).map(([what, frames, details]) => ({
    what,
    frames,
    events: [
      ...(what.includes('without end') ? Array.from({ length: 16 }, () => 'a 102') : []),
      broken,
      `connection: ${details}`,
    ],
    answers: ['RST 1 PROTOCOL_ERROR', 'GOAWAY 0 PROTOCOL_ERROR'],
  })),
  {
    what: 'trailers that do not end',
    frames: [head(1, OK), head(1, [['a', 'b']])],
    events: ['a 200', broken, `connection: ${messaging}`],
    answers: ['RST 1 PROTOCOL_ERROR', 'GOAWAY 0 PROTOCOL_ERROR'],
  },
  {
    what: 'a body that is too short',
    frames: [head(1, with3(['content-length', '2'])), data(1, 'x', END_STREAM)],
    events: ['a 200 content-length=2', broken, `connection: ${messaging}`],
    answers: ['RST 1 PROTOCOL_ERROR', 'GOAWAY 0 PROTOCOL_ERROR'],
  },
  ...(
    [
      [
        'HEADERS on a stream that we did not open',
        [head(3, OK)],
        'PROTOCOL_ERROR',
        'http2.stream_id',
      ],
      ['HEADERS on a stream of its own', [head(2, OK)], 'PROTOCOL_ERROR', 'http2.stream_id'],
      [
        'DATA on a stream that we did not open',
        [data(3, 'x')],
        'PROTOCOL_ERROR',
        'http2.data_on_idle_stream',
      ],
      ['a push', [frame(5, 4, 1, 'abcd')], 'PROTOCOL_ERROR', 'http2.push_promise'],
      ['DATA on the connection', [data(0, 'x')], 'PROTOCOL_ERROR', 'http2.data_on_connection'],
      [
        'what is no header block',
        [head(1, [] as Lines), headers(1, Buffer.from([0x80]), 4)].slice(1),
        'COMPRESSION_ERROR',
        'http2.compression',
      ],
    ] as const
  ).map(([what, frames, code, details]) => ({
    what,
    frames,
    events: [`connection: ${details}`],
    answers: [`GOAWAY 0 ${code}`],
  })),
];

t.test('Http2ClientConnection', async (t) => {
  await t.test('begins with the preface and our SETTINGS, as Envoy has them', async (t) => {
    const side = await ClientSide.start(t);
    await side.run(() => side.call().send());
    t.strictSame(side.log.lines, [
      'SETTINGS 1=4096 2=0 8=0 3=1024 4=16777216',
      'WINDOW 0 25100289',
      'HEADERS 1 :method=GET :scheme=http :path=/ :authority=h end',
    ]);
  });
  for (const row of rows) {
    await t.test(`reads ${row.what}`, async (t) => {
      const side = await ClientSide.start(t);
      await side.run(() => side.call().send([], true, row.method));
      side.log.lines.length = 0;
      await side.send(settings(), settingsAck(), ...row.frames);
      t.strictSame(
        side.events.filter((event) => event !== 'settings'),
        row.events,
      );
      t.strictSame(side.log.answers, row.answers ?? []);
      // A stream that is over was told to be, once.
      const over = row.events.some((event) => / end$|trailers|reset/.test(event));
      t.equal(side.complete, over ? 1 : 0);
    });
  }
  await t.test('reads the same whatever way it is cut', async (t) => {
    const bytes = Buffer.concat([
      settings(),
      head(1, with3(['a', 'b'])),
      data(1, 'xy'),
      head(3, OK, 5),
      data(1, '', END_STREAM),
    ]);
    const side = await ClientSide.start(t);
    await side.run(() => {
      side.call().send();
      side.call().send();
      for (const byte of bytes) side.codec.dispatch(Buffer.from([byte]));
    });
    t.strictSame(
      side.events.join(' | '),
      "settings | a 200 a=b | a 'x' | a 'y' | b 200 end | a '' end",
    );
  });
  await t.test('numbers streams as their headers go out, not as they were asked for', async (t) => {
    const side = await ClientSide.start(t);
    const [first, second] = [side.call(), side.call()];
    t.equal(side.codec.activeStreams, 2);
    await side.run(() => second.send());
    await side.run(() => first.send());
    await side.send(settings(), head(1, OK, 5));
    t.ok(side.events.includes('b 200 end'));
  });
  await t.test('gives up a stream before and behind its headers', async (t) => {
    const side = await ClientSide.start(t);
    const [first, second] = [side.call(), side.call()];
    await side.run(() => {
      first.encoder.resetStream(StreamResetReason.LocalReset);
      second.send();
    });
    t.equal(side.complete, 1);
    await side.run(() => second.encoder.resetStream(StreamResetReason.LocalReset));
    // Its answer was on the way: no mistake of the server.
    await side.send(
      settings(),
      settingsAck(),
      head(1, OK),
      data(1, 'x', END_STREAM),
      ping('goes on.'),
    );
    t.strictSame(side.log.answers.slice(1), ['RST 1 INTERNAL_ERROR', 'PING ack goes on.']);
    t.equal(side.complete, 2);
    t.equal(side.codec.activeStreams, 0);
  });
  await t.test('ends in peace a request that was answered early', async (t) => {
    const side = await ClientSide.start(t);
    const call = side.call();
    await side.run(() => call.send([], false, 'POST'));
    await side.send(settings(), settingsAck(), head(1, OK, 5));
    t.equal(side.complete, 0);
    await side.run(() => call.encoder.resetStream(StreamResetReason.LocalReset));
    t.strictSame(side.log.answers.slice(1), ['RST 1 NO_ERROR']);
    const other = side.call();
    await side.run(() => other.send([], false, 'POST'));
    await side.send(head(3, OK, 5), reset(3, 0));
    t.strictSame(side.events.slice(-1), ['b 200 end'], 'RST_STREAM(NO_ERROR) spoils nothing');
    t.equal(side.complete, 2);
  });
  await t.test('sends bodies and trailers', async (t) => {
    const side = await ClientSide.start(t);
    const call = side.call();
    const trailers = new HeaderMap();
    trailers.push(headerName('x-t'), 'v');
    await side.run(() => {
      call.send([['te', 'trailers']], false, 'POST');
      call.encoder.encodeData(Buffer.from('hello'), false);
      call.encoder.encodeTrailers(trailers);
    });
    t.strictSame(side.log.answers, [
      'HEADERS 1 :method=POST :scheme=http :path=/ :authority=h te=trailers',
      'DATA 1 5',
      'HEADERS 1 x-t=v end',
    ]);
  });
  await t.test('waits for windows', async (t) => {
    const side = await ClientSide.start(t);
    await side.send(settings(4, 3), settingsAck());
    const call = side.call();
    await side.run(() => {
      call.send([], false, 'POST');
      call.encoder.encodeData(Buffer.from('hello'), true);
    });
    t.equal(side.log.answers.at(-1), 'DATA 1 3');
    await side.send(windowUpdate(1, 10));
    t.equal(side.log.answers.at(-1), 'DATA 1 2 end');
  });
  await t.test('makes an extended CONNECT of an upgrade, and 101 of its 200', async (t) => {
    const side = await ClientSide.start(t);
    const call = side.call();
    await side.run(() =>
      call.send(
        [
          ['connection', 'Upgrade'],
          ['upgrade', 'websocket'],
          ['a', 'b'],
        ],
        false,
      ),
    );
    t.strictSame(side.log.answers, [
      'HEADERS 1 :method=CONNECT :scheme=http :path=/ :authority=h :protocol=websocket a=b',
    ]);
    await side.send(settings(), settingsAck(), head(1, OK), data(1, 'x'));
    t.strictSame(side.events.slice(1), ['a 101 connection=upgrade upgrade=websocket', "a 'x'"]);
    await side.run(() => call.encoder.encodeData(Buffer.from('yes'), false));
    t.equal(side.log.answers.at(-1), 'DATA 1 3');
  });
  await t.test('sends CONNECT without scheme and path', async (t) => {
    const side = await ClientSide.start(t);
    await side.run(() => side.call().send([], false, 'CONNECT'));
    t.strictSame(side.log.answers, ['HEADERS 1 :method=CONNECT :authority=h']);
  });
  await t.test('takes as many streams as both sides say, and none behind GOAWAY', async (t) => {
    const side = await ClientSide.start(t, { maxConcurrentStreams: 3 });
    t.equal(side.codec.maxConcurrentStreams, 3);
    await side.send(settings(3, 2), settingsAck());
    t.equal(side.codec.maxConcurrentStreams, 2);
    await side.run(() => side.call().send());
    t.equal(side.codec.acceptsStream, true);
    const waiting = side.call();
    t.equal(side.codec.acceptsStream, false);
    await side.send(settings(3, 0));
    t.equal(side.codec.maxConcurrentStreams, 0);
    await side.send(goAway(1));
    t.equal(side.codec.acceptsStream, false);
    await side.run(() => waiting.send());
    t.equal(side.events.at(-1), 'b reset: remote refused stream reset', 'nothing of it went out');
    await side.send(head(1, OK, 5));
    t.equal(side.events.at(-1), 'a 200 end');
    t.equal(side.codec.activeStreams, 0);
  });
  await t.test('opens no more than 100 streams before the server spoke', async (t) => {
    const side = await ClientSide.start(t);
    t.equal(side.codec.maxConcurrentStreams, 100);
    await side.send(settings(), settingsAck());
    t.equal(side.codec.maxConcurrentStreams, 1024);
    await side.send(settings(3, 7));
    t.equal(side.codec.maxConcurrentStreams, 7);
    await side.send(settings(4, 7));
    t.equal(side.codec.maxConcurrentStreams, 7, 'what is not repeated stays');
  });
  await t.test('tells all streams when the socket goes', async (t) => {
    const side = await ClientSide.start(t);
    await side.run(() => {
      side.call().send();
      side.call();
    });
    side.pair.peer.resetAndDestroy();
    await eventually('both heard', () => side.complete === 2);
    t.strictSame(side.events, [
      'a reset: connection termination',
      'b reset: connection termination',
    ]);
  });
  await t.test('asks a connection that was idle long before it uses it', async (t) => {
    const time = new SimulatedTime();
    const side = await ClientSide.start(
      t,
      {
        keepalive: {
          intervalMs: 0,
          timeoutMs: 1000,
          jitterPercent: 0,
          connectionIdleIntervalMs: 5000,
        },
      },
      new IoThread(time),
    );
    await side.send(settings(), settingsAck());
    await side.run(() => side.call().send());
    t.notOk(side.log.lines.some((line) => line.startsWith('PING')));
    time.advance(6000);
    await side.settled();
    await side.run(() => side.call().send());
    t.ok(side.log.lines.includes('PING outriggr'));
    time.advance(1100);
    await side.settled();
    t.equal(side.events.at(-1), 'connection: http2_ping_timeout (silent)');
  });
  t.end();
});
