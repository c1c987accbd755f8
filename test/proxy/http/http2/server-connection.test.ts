// Http2ServerConnection, a raw client on a real socket: what each sequence of frames makes the user hear and the client
// get; flow control both ways; floods; drains. Sequences without a pause are also cut at every byte.
/* oxlint-disable eslint/max-lines -- a table, one row per behaviour */
import t from 'tap';

import { IoThread } from '../../../../proxy/network/io-thread.ts';
import { StreamResetReason } from '../../../../proxy/http/codec.ts';
import { HeaderMap } from '../../../../proxy/http/header-map.ts';
import { headerName } from '../../../../proxy/http/headers.ts';
import { eventually } from '../../../support/eventually.ts';
import {
  END_HEADERS,
  END_STREAM,
  GET,
  PADDED,
  POST,
  PREFACE,
  PRIORITY,
  block,
  continuation,
  data,
  frame,
  goAway,
  headers,
  ping,
  priority,
  reset,
  settings,
  windowUpdate,
  word,
} from '../../../support/http2-frames.ts';
import type { Lines } from '../../../support/http2-frames.ts';
import { ServerSide } from '../../../support/http2-server-side.ts';
import type { Exchange, ServerOptions } from '../../../support/http2-server-side.ts';
import { SimulatedTime } from '../../../support/simulated-time.ts';

t.setTimeout(60_000);

const repeat = (count: number, make: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
const post = (id: number, lines: Lines = POST): Buffer => headers(id, lines, END_HEADERS);
const CONNECT: Lines = [
  [':method', 'CONNECT'],
  [':authority', 'h:1'],
];

interface Row {
  readonly what: string;
  readonly frames: readonly Buffer[];
  readonly events: readonly string[];
  readonly answers?: readonly string[];
  readonly options?: ServerOptions;
}

const dead = (id: number, code: string): readonly string[] => [`GOAWAY ${id} ${code}`];
const broken = 'protocol error, ';

/** Nobody answers; what is read, and what that alone makes us say. */
const rows: readonly Row[] = [
  { what: 'a request', frames: [headers(1, GET)], events: ['1 GET / end'] },
  {
    what: 'a request with a body',
    frames: [post(1), data(1, 'ab'), data(1, 'c', END_STREAM)],
    events: ['1 POST /', "1 data 'abc' end"],
  },
  {
    what: 'a body that ends with an empty frame',
    frames: [post(1), data(1, 'ab'), data(1, '', END_STREAM)],
    events: ['1 POST /', "1 data 'ab'", "1 data '' end"],
  },
  {
    what: 'trailers',
    frames: [post(1), data(1, 'ab'), headers(1, [['a', 'b']])],
    events: ['1 POST /', "1 data 'ab'", '1 trailers 1'],
  },
  {
    what: 'empty trailers as the end of the body',
    frames: [post(1), headers(1, [])],
    events: ['1 POST /', "1 data '' end"],
  },
  {
    what: 'requests that interleave',
    frames: [post(1), post(3), data(3, 'x', END_STREAM), data(1, 'y', END_STREAM)],
    events: ['1 POST /', '3 POST /', "3 data 'x' end", "1 data 'y' end"],
  },
  {
    what: 'padded HEADERS with a priority',
    frames: [
      frame(
        1,
        END_STREAM | END_HEADERS | PADDED | PRIORITY,
        1,
        Buffer.concat([Buffer.from([2]), word(0), Buffer.from([9]), block(GET), Buffer.from('..')]),
      ),
    ],
    events: ['1 GET / end'],
  },
  {
    what: 'a header block in three frames, and the end of the stream on the first',
    frames: [
      headers(1, block(GET).subarray(0, 5), END_STREAM),
      continuation(1, block(GET).subarray(5, 6), 0),
      continuation(1, block(GET).subarray(6)),
    ],
    events: ['1 GET / end'],
  },
  {
    what: 'an extended CONNECT as an upgrade',
    frames: [
      headers(
        1,
        [[':protocol', 'websocket'], [':method', 'CONNECT'], ...GET.slice(1)],
        END_HEADERS,
      ),
    ],
    events: ['1 GET / connection=upgrade upgrade=websocket'],
    options: { http2: { allowConnect: true } },
  },
  { what: 'CONNECT', frames: [headers(1, CONNECT, END_HEADERS)], events: ['1 CONNECT '] },
  {
    what: 'a body as long as content-length says',
    frames: [post(1, [...POST, ['content-length', '3']]), data(1, 'ab'), data(1, 'c', END_STREAM)],
    events: ['1 POST / content-length=3', "1 data 'abc' end"],
  },
  {
    what: 'frames of unknown types and PRIORITY, ignored',
    frames: [frame(0x4d, 4, 1, 'metadata'), priority(7), priority(1, 7), headers(1, GET)],
    events: ['1 GET / end'],
  },
  { what: 'PING', frames: [ping('abcdefgh')], events: [], answers: ['PING ack abcdefgh'] },
  {
    what: "a client's GOAWAY, ignored",
    frames: [goAway(0), headers(1, GET)],
    events: ['1 GET / end'],
  },
  {
    what: 'a reset',
    frames: [post(1), reset(1)],
    events: ['1 POST /', '1 reset: remote reset, http2.remote_reset'],
  },
  {
    what: 'a reset that refuses',
    frames: [post(1), reset(1, 7)],
    events: ['1 POST /', '1 reset: remote refused stream reset, http2.remote_refuse'],
  },
  {
    what: 'a window of a stream that is gone, ignored',
    frames: [post(1), reset(1), windowUpdate(1, 5), reset(1)],
    events: ['1 POST /', '1 reset: remote reset, http2.remote_reset'],
  },
  // Costs the stream.
  {
    what: 'a shorter body than content-length says',
    frames: [post(1, [...POST, ['content-length', '3']]), data(1, '', END_STREAM)],
    events: ['1 POST / content-length=3', `1 reset: ${broken}http2.violation.of.messaging.rule`],
    answers: ['RST 1 PROTOCOL_ERROR'],
  },
  {
    what: 'a longer body than content-length says',
    frames: [post(1, [...POST, ['content-length', '1']]), data(1, 'a'), data(1, 'b', END_STREAM)],
    events: [
      '1 POST / content-length=1',
      "1 data 'a'",
      `1 reset: ${broken}http2.violation.of.messaging.rule`,
    ],
    answers: ['RST 1 PROTOCOL_ERROR'],
  },
  {
    what: 'DATA behind the end',
    frames: [headers(1, GET), data(1, 'x')],
    events: ['1 GET / end', `1 reset: ${broken}http2.stream_state`],
    answers: ['RST 1 STREAM_CLOSED'],
  },
  {
    what: 'HEADERS behind the end',
    frames: [headers(1, GET), headers(1, [['a', 'b']])],
    events: ['1 GET / end', `1 reset: ${broken}http2.stream_state`],
    answers: ['RST 1 STREAM_CLOSED'],
  },
  {
    what: "DATA behind the client's own reset",
    frames: [post(1), reset(1), data(1, 'x')],
    events: ['1 POST /', '1 reset: remote reset, http2.remote_reset'],
    answers: ['RST 1 STREAM_CLOSED'],
  },
  {
    what: 'a window update of 0 on a stream',
    frames: [post(1), windowUpdate(1, 0)],
    events: ['1 POST /', `1 reset: ${broken}http2.window_update_of_zero`],
    answers: ['RST 1 PROTOCOL_ERROR'],
  },
  {
    what: "a stream's window beyond 2^31 - 1",
    frames: [post(1), windowUpdate(1, 0x7fff_ffff)],
    events: ['1 POST /', `1 reset: ${broken}http2.window_overflow`],
    answers: ['RST 1 FLOW_CONTROL_ERROR'],
  },
  {
    what: 'too many header lines, and the next request',
    frames: [headers(1, [...GET, ['a', 'b'], ['c', 'd']]), headers(3, GET)],
    events: ['1 reset: local reset, http2.too_many_headers', '3 GET / end'],
    answers: ['RST 1 INTERNAL_ERROR'],
    options: { limits: { maxCount: 5 } },
  },
  {
    what: 'too large a header list, and the next request',
    frames: [headers(1, [...GET, ['a', 'b'.repeat(200)]]), headers(3, GET)],
    events: ['1 reset: local reset, http2.header_list_size_too_large', '3 GET / end'],
    answers: ['RST 1 INTERNAL_ERROR'],
    options: { limits: { maxBytes: 100 } },
  },
  {
    what: 'an invalid field, where that costs the stream only',
    frames: [headers(1, [...GET, ['connection', 'close']]), headers(3, GET)],
    events: [`1 reset: ${broken}http2.invalid.header.field`, '3 GET / end'],
    answers: ['RST 1 PROTOCOL_ERROR'],
    options: { http2: { streamErrorOnInvalidMessage: true } },
  },
  {
    what: 'a stream beyond the limit, its headers decoded all the same',
    frames: [
      post(1),
      // Refused; its literal enters the table and is used by the next request.
      headers(3, Buffer.concat([block(GET), Buffer.from('\x40\x01x\x01y', 'latin1')])),
      reset(1),
      headers(5, Buffer.concat([block(GET), Buffer.from([0xbe])])),
    ],
    events: ['1 POST /', '1 reset: remote reset, http2.remote_reset', '5 GET / x=y end'],
    answers: ['RST 3 REFUSED_STREAM'],
    options: { http2: { maxConcurrentStreams: 1 } },
  },
  // Costs the connection.
  {
    what: 'an invalid field',
    frames: [post(1), headers(3, [...GET, ['connection', 'close']]), headers(5, GET)],
    events: [
      '1 POST /',
      `3 reset: ${broken}http2.invalid.header.field`,
      'connection: http2.invalid.header.field',
    ],
    answers: ['RST 3 PROTOCOL_ERROR', ...dead(3, 'PROTOCOL_ERROR')],
  },
  {
    what: 'trailers without the end of the stream',
    frames: [post(1), headers(1, [['a', 'b']], END_HEADERS)],
    events: [
      '1 POST /',
      `1 reset: ${broken}http2.violation.of.messaging.rule`,
      'connection: http2.violation.of.messaging.rule',
    ],
    answers: ['RST 1 PROTOCOL_ERROR', ...dead(1, 'PROTOCOL_ERROR')],
  },
  ...(
    [
      ['an even stream', [headers(2, GET)], 'PROTOCOL_ERROR', 'http2.stream_id', 0],
      [
        'a stream below the last',
        [headers(5, GET), headers(3, GET)],
        'PROTOCOL_ERROR',
        'http2.stream_id',
        5,
      ],
      [
        'HEADERS on a stream that ended',
        [post(1), reset(1), headers(1, GET)],
        'STREAM_CLOSED',
        'http2.stream_id',
        1,
      ],
      ['DATA on an idle stream', [data(1, 'x')], 'PROTOCOL_ERROR', 'http2.data_on_idle_stream', 0],
      [
        'RST_STREAM on an idle stream',
        [reset(1)],
        'PROTOCOL_ERROR',
        'http2.reset_of_idle_stream',
        0,
      ],
      [
        'WINDOW_UPDATE on an idle stream',
        [windowUpdate(1, 1)],
        'PROTOCOL_ERROR',
        'http2.window_of_idle_stream',
        0,
      ],
      [
        'a window update of 0',
        [windowUpdate(0, 0)],
        'PROTOCOL_ERROR',
        'http2.window_update_of_zero',
        0,
      ],
      [
        'a window beyond 2^31 - 1',
        [windowUpdate(0, 0x7fff_ffff)],
        'FLOW_CONTROL_ERROR',
        'http2.window_overflow',
        0,
      ],
      [
        'an undecodable header block',
        [headers(1, Buffer.from([0x80]))],
        'COMPRESSION_ERROR',
        'http2.compression',
        1,
      ],
      [
        'undecodable trailers',
        [post(1), headers(1, Buffer.from([0x80]))],
        'COMPRESSION_ERROR',
        'http2.compression',
        1,
      ],
      [
        'a stream that depends on itself',
        [priority(3, 3)],
        'PROTOCOL_ERROR',
        'http2.priority_on_itself',
        0,
      ],
      [
        'padding longer than HEADERS',
        [frame(1, PADDED | END_HEADERS, 1, Buffer.from([9, 1]))],
        'PROTOCOL_ERROR',
        'http2.padding',
        0,
      ],
      ['ENABLE_PUSH of 2', [settings(2, 2)], 'PROTOCOL_ERROR', 'http2.bad_setting', 0],
      [
        'INITIAL_WINDOW_SIZE of 2^31',
        [settings(4, 0x8000_0000)],
        'FLOW_CONTROL_ERROR',
        'http2.bad_setting',
        0,
      ],
      ['MAX_FRAME_SIZE of 16383', [settings(5, 16_383)], 'PROTOCOL_ERROR', 'http2.bad_setting', 0],
      ['MAX_FRAME_SIZE of 2^24', [settings(5, 1 << 24)], 'PROTOCOL_ERROR', 'http2.bad_setting', 0],
      ['ENABLE_CONNECT_PROTOCOL of 2', [settings(8, 2)], 'PROTOCOL_ERROR', 'http2.bad_setting', 0],
      ['PUSH_PROMISE', [frame(5, 4, 1, 'abcd')], 'PROTOCOL_ERROR', 'http2.push_promise', 0],
    ] as const
  ).map(([what, frames, code, details, last]) => ({
    what,
    frames: [...frames, ping('notreadx')],
    events: [`connection: ${details}`],
    answers: dead(last, code),
  })),
];

t.test('Http2ServerConnection', async (t) => {
  for (const row of rows) {
    await t.test(`reads ${row.what}`, async (t) => {
      const bytes = Buffer.concat([Buffer.from(PREFACE), settings(), ...row.frames]);
      const large = bytes.length > 2000;
      const play = async (chunks: readonly Buffer[]): Promise<void> => {
        const side = await ServerSide.start(t, row.options);
        if (large) side.onExchange = (exchange) => (exchange.keepBodies = false);
        await side.run(() => {
          for (const chunk of chunks) side.codec.dispatch(chunk);
        });
        const answers = side.log.answers.join('\n');
        const own = side.events.filter(
          (event) =>
            event.startsWith('connection:') || row.events.some((e) => !e.startsWith('connection:')),
        );
        const wanted = row.events.join('\n');
        if (own.join('\n') !== wanted) t.equal(own.join('\n'), wanted, `${chunks.length} chunks`);
        if (answers !== (row.answers ?? []).join('\n'))
          t.equal(answers, (row.answers ?? []).join('\n'), `${chunks.length} chunks`);
      };
      await play([bytes]);
      if (large) return;
      await play(Array.from(bytes, (byte) => Buffer.from([byte])));
      // In one place each: before, inside and behind every frame's head.
      for (let cut = PREFACE.length + 7; cut < bytes.length; cut += 5)
        await play([bytes.subarray(0, cut), bytes.subarray(cut)]);
    });
  }
  t.end();
});

t.test('The connection begins', async (t) => {
  await t.test('with our SETTINGS and window, as Envoy has them', async (t) => {
    const side = await ServerSide.start(t);
    await side.open();
    t.strictSame(side.log.lines, [
      'SETTINGS 1=4096 8=0 3=1024 4=16777216',
      'WINDOW 0 25100289',
      'SETTINGS ack',
    ]);
  });
  for (const [what, bytes, details] of [
    ['another preface', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'http2.bad_preface'],
    [
      'another frame than SETTINGS',
      Buffer.concat([Buffer.from(PREFACE), ping()]),
      'http2.settings_expected',
    ],
    ['DATA', Buffer.concat([Buffer.from(PREFACE), data(1, 'x')]), 'http2.settings_expected'],
    [
      'an acknowledgement',
      Buffer.concat([Buffer.from(PREFACE), frame(4, 1, 0)]),
      'http2.settings_expected',
    ],
  ] as const) {
    await t.test(`not with ${what}`, async (t) => {
      const side = await ServerSide.start(t);
      await side.send(bytes);
      t.strictSame(side.events, [`connection: ${details}`]);
      t.strictSame(side.log.answers, dead(0, 'PROTOCOL_ERROR'));
    });
  }
  await t.test('and ends when our SETTINGS are never acknowledged', async (t) => {
    const time = new SimulatedTime();
    const io = new IoThread(time);
    const side = await ServerSide.start(t, { io });
    await side.send(Buffer.from(PREFACE), settings());
    await side.outside(() => time.advance(59_000));
    t.strictSame(side.events, []);
    await side.outside(() => time.advance(2000));
    t.strictSame(side.events, ['connection: http2.settings_timeout']);
    t.strictSame(side.log.answers, dead(0, 'SETTINGS_TIMEOUT'));
    const other = await ServerSide.start(t, { io });
    await other.open();
    await other.outside(() => time.advance(120_000));
    t.strictSame(other.events, []);
  });
  t.end();
});

t.test('Answers', async (t) => {
  const asked = async (
    t: Parameters<typeof ServerSide.start>[0],
    frames: readonly Buffer[],
    options?: ServerOptions,
  ): Promise<[ServerSide, Exchange]> => {
    const side = await ServerSide.start(t, options);
    await side.open(...frames);
    return [side, side.exchanges[0]!];
  };
  await t.test('go out as HEADERS, DATA and trailers', async (t) => {
    const [side, exchange] = await asked(t, [headers(1, GET)]);
    const trailers = new HeaderMap();
    trailers.push(headerName('grpc-status'), '0');
    await side.run(() => {
      exchange.answer(200, false, [['a', 'b']]);
      exchange.stream.encodeData(Buffer.from('hello'), false);
      exchange.stream.encodeTrailers(trailers);
    });
    t.strictSame(side.log.answers, [
      'HEADERS 1 :status=200 a=b',
      'DATA 1 5',
      'HEADERS 1 grpc-status=0 end',
    ]);
    t.equal(side.codec.streamCount, 0);
    t.equal(side.stat('trailers'), 1);
  });
  await t.test('end with empty DATA where trailers are empty', async (t) => {
    const [side, exchange] = await asked(t, [headers(1, GET)]);
    await side.run(() => {
      exchange.answer(200, false);
      exchange.stream.encodeTrailers(new HeaderMap());
    });
    t.strictSame(side.log.answers, ['HEADERS 1 :status=200', 'DATA 1 0 end']);
  });
  await t.test('may have interim ones before', async (t) => {
    const [side, exchange] = await asked(t, [headers(1, GET)]);
    await side.run(() => {
      exchange.answer(100, false);
      exchange.answer(103, false, [['link', 'x']]);
      exchange.answer(404, true);
    });
    t.strictSame(side.log.answers, [
      'HEADERS 1 :status=100',
      'HEADERS 1 :status=103 link=x',
      'HEADERS 1 :status=404 end',
    ]);
  });
  await t.test('with a header list of several frames go out with CONTINUATION', async (t) => {
    const [side, exchange] = await asked(t, [headers(1, GET)]);
    await side.run(() => exchange.answer(200, true, [['set-cookie', 'c'.repeat(40_000)]]));
    t.match(side.log.answers[0], /^HEADERS 1 undecodable end/);
    t.strictSame(side.log.answers.slice(1), ['FRAME 9 1 16384', 'FRAME 9 1 7239']);
  });
  await t.test('101 to an extended CONNECT is 200', async (t) => {
    const [side, exchange] = await asked(
      t,
      [
        headers(
          1,
          [[':protocol', 'websocket'], [':method', 'CONNECT'], ...GET.slice(1)],
          END_HEADERS,
        ),
      ],
      { http2: { allowConnect: true } },
    );
    t.equal(exchange.stream.isUpgrade, true);
    await side.run(() =>
      exchange.answer(101, false, [
        ['upgrade', 'websocket'],
        ['connection', 'upgrade'],
        ['a', 'b'],
      ]),
    );
    t.strictSame(side.log.answers, ['HEADERS 1 :status=200 a=b']);
  });
  await t.test('that come before the request ended are followed by a reset in peace', async (t) => {
    const [side, exchange] = await asked(t, [post(1)]);
    await side.run(() => {
      exchange.answer(413, true);
      exchange.stream.forget();
      exchange.stream.resetWhenFlushed();
    });
    await side.send(data(1, 'late'), headers(1, [['a', 'b']]), ping('still123'));
    t.strictSame(side.log.answers, [
      'HEADERS 1 :status=413 end',
      'RST 1 NO_ERROR',
      'PING ack still123',
    ]);
    t.strictSame(side.events, ['1 POST /']);
  });
  await t.test('may be given up', async (t) => {
    const [side, exchange] = await asked(t, [headers(1, GET)]);
    await side.run(() => {
      exchange.answer(200, false);
      exchange.stream.resetStream(StreamResetReason.LocalReset);
      exchange.stream.encodeData(Buffer.from('ignored'), true);
    });
    t.strictSame(side.log.answers, ['HEADERS 1 :status=200', 'RST 1 INTERNAL_ERROR']);
    t.equal(side.stat('tx_reset'), 1);
  });
  await t.test('of large bodies are cut into frames', async (t) => {
    const [side, exchange] = await asked(t, [
      settings(4, 1 << 20),
      windowUpdate(0, 1 << 20),
      headers(1, GET),
    ]);
    await side.run(() => {
      exchange.answer(200, false);
      exchange.stream.encodeData(Buffer.alloc(40_000), true);
    });
    t.strictSame(side.log.answers, [
      'HEADERS 1 :status=200',
      'DATA 1 16384',
      'DATA 1 16384',
      'DATA 1 7232 end',
    ]);
  });
  t.end();
});

t.test('Flow control', async (t) => {
  await t.test('holds an answer back until its stream has window', async (t) => {
    const side = await ServerSide.start(t);
    await side.open(settings(4, 10), headers(1, GET));
    const exchange = side.exchanges[0]!;
    await side.run(() => {
      exchange.answer(200, false);
      exchange.stream.encodeData(Buffer.from('0123456789abcdef'), true);
    });
    t.strictSame(side.log.answers, ['HEADERS 1 :status=200', 'DATA 1 10']);
    await side.send(windowUpdate(1, 3));
    await side.send(settings(4, 14));
    await side.send(windowUpdate(1, 100));
    t.strictSame(side.log.answers.slice(2), ['DATA 1 3', 'DATA 1 3 end'].slice(0, 2));
    t.equal(side.codec.streamCount, 0);
  });
  await t.test('lets streams take turns when the connection has window again', async (t) => {
    const side = await ServerSide.start(t, { bufferLimitBytes: 1 << 24 });
    await side.open(settings(4, 1 << 20), headers(1, GET), headers(3, GET), headers(5, GET));
    await side.run(() => {
      for (const exchange of side.exchanges) {
        exchange.answer(200, false);
        exchange.stream.encodeData(Buffer.alloc(60_000), true);
      }
    });
    const order = (): string =>
      side.log.answers
        .flatMap((line) => (line.startsWith('DATA') ? [line.split(' ')[1]!] : []))
        .join('');
    t.equal(order(), '11113', 'the first got nearly all of 65535');
    await side.send(windowUpdate(0, 70_000), windowUpdate(0, 1 << 20));
    t.match(order(), /^11113(35){4}5?$|^11113(35)+/);
    t.equal(side.codec.streamCount, 0);
  });
  await t.test('tells the source to stop and to go on', async (t) => {
    const side = await ServerSide.start(t, { bufferLimitBytes: 1000 });
    await side.open(settings(4, 0), headers(1, GET));
    const exchange = side.exchanges[0]!;
    await side.run(() => {
      exchange.answer(200, false);
      exchange.stream.encodeData(Buffer.alloc(800), false);
      exchange.stream.encodeData(Buffer.alloc(800), false);
      exchange.stream.encodeData(Buffer.alloc(800), false);
    });
    t.strictSame(side.events.slice(1), ['1 above']);
    await side.send(windowUpdate(1, 1500));
    t.strictSame(side.events.slice(1), ['1 above']);
    await side.send(windowUpdate(1, 500));
    t.strictSame(side.events.slice(1), ['1 above', '1 below']);
    t.equal(side.store.value(side.store.gauge('http2.pending_send_bytes')), 400);
  });
  await t.test('gives the window back as the body is taken', async (t) => {
    const side = await ServerSide.start(t, {
      http2: { initialStreamWindowBytes: 65_535, initialConnectionWindowBytes: 65_535 },
    });
    await side.open(post(1), data(1, 'x'.repeat(16_000)), data(1, 'x'.repeat(16_000)));
    t.notOk(side.log.lines.some((line) => line.startsWith('WINDOW')));
    await side.send(data(1, 'x'.repeat(16_000)));
    t.strictSame(
      side.log.lines.filter((line) => line.startsWith('WINDOW')),
      ['WINDOW 0 48000', 'WINDOW 1 48000'],
    );
  });
  await t.test(
    'keeps the window closed while nobody reads, and counts padding as taken',
    async (t) => {
      const side = await ServerSide.start(t, {
        http2: { initialStreamWindowBytes: 65_535, initialConnectionWindowBytes: 65_535 },
      });
      side.onExchange = (exchange) => exchange.stream.readDisable(true);
      await side.open(
        post(1),
        repeat(3, () => data(1, 'x'.repeat(16_000))),
      );
      t.notOk(side.log.lines.some((line) => line.startsWith('WINDOW')));
      await side.run(() => side.exchanges[0]!.stream.readDisable(false));
      t.ok(side.log.lines.includes('WINDOW 1 48000'));
      const padding = Buffer.concat([Buffer.from([200]), Buffer.from('a'), Buffer.alloc(200)]);
      await side.send(repeat(165, () => frame(0, PADDED, 1, padding)));
      t.ok(side.log.lines.filter((line) => line.startsWith('WINDOW 1')).length > 1);
    },
  );
  await t.test(
    "returns to the connection's window what a stream that died had not taken",
    async (t) => {
      const side = await ServerSide.start(t, {
        http2: { initialStreamWindowBytes: 65_535, initialConnectionWindowBytes: 65_535 },
      });
      side.onExchange = (exchange) => exchange.stream.readDisable(true);
      await side.open(
        post(1),
        repeat(3, () => data(1, 'x'.repeat(16_000))),
        reset(1),
      );
      t.ok(side.log.lines.includes('WINDOW 0 48000'));
    },
  );
  await t.test('charges what comes for streams that are gone', async (t) => {
    const side = await ServerSide.start(t, { http2: { initialConnectionWindowBytes: 65_535 } });
    await side.open(post(1));
    await side.run(() => side.exchanges[0]!.stream.resetStream(StreamResetReason.LocalReset));
    await side.send(repeat(3, () => data(1, 'x'.repeat(16_000))));
    t.ok(side.log.lines.includes('WINDOW 0 48000'), 'nobody has to take it');
  });
  await t.test('ends a connection that sends more than its window', async (t) => {
    const side = await ServerSide.start(t, { http2: { initialConnectionWindowBytes: 65_535 } });
    side.onExchange = (exchange) => {
      exchange.keepBodies = false;
      exchange.stream.readDisable(true);
    };
    await side.open(
      post(1),
      repeat(4, () => data(1, 'x'.repeat(16_384))),
    );
    t.ok(side.events.includes('connection: http2.connection_window'));
  });
  await t.test('ends a stream that sends more than its window', async (t) => {
    const side = await ServerSide.start(t, { http2: { initialStreamWindowBytes: 65_535 } });
    side.onExchange = (exchange) => {
      exchange.keepBodies = false;
      exchange.stream.readDisable(true);
    };
    await side.open(
      post(1),
      repeat(4, () => data(1, 'x'.repeat(16_384))),
      ping('goes on.'),
    );
    t.strictSame(side.log.answers, ['RST 1 FLOW_CONTROL_ERROR', 'PING ack goes on.']);
    t.equal(side.events.at(-1), `1 reset: ${broken}http2.window`);
  });
  await t.test('gives up a stream whose client opens no window', async (t) => {
    const time = new SimulatedTime();
    const side = await ServerSide.start(t, { io: new IoThread(time), flushTimeoutMs: 1000 });
    await side.open(settings(4, 1), headers(1, GET));
    await side.run(() => {
      side.exchanges[0]!.answer(200, false);
      side.exchanges[0]!.stream.encodeData(Buffer.from('abc'), true);
    });
    await side.outside(() => time.advance(900));
    await side.send(windowUpdate(1, 1));
    await side.outside(() => time.advance(900));
    t.equal(side.stat('tx_flush_timeout'), 0, 'a byte went out meanwhile');
    await side.outside(() => time.advance(200));
    t.equal(side.stat('tx_flush_timeout'), 1);
    t.equal(side.log.answers.at(-1), 'RST 1 INTERNAL_ERROR');
    t.equal(side.codec.streamCount, 0);
  });
  await t.test('stops all streams while the socket takes nothing', async (t) => {
    const side = await ServerSide.start(t, { bufferLimitBytes: 65_536 });
    await side.open(
      settings(4, 0x7fff_ffff),
      windowUpdate(0, 0x7fff_0000),
      headers(1, GET),
      headers(3, GET),
    );
    side.pair.peer.pause();
    const [first, second] = [side.exchanges[0]!, side.exchanges[1]!];
    await side.run(() => first.answer(200, false));
    let sent = 0;
    while (!side.events.includes('3 above')) {
      await side.run(() => first.stream.encodeData(Buffer.alloc(65_536), false));
      sent += 65_536;
    }
    t.ok(side.events.includes('1 above'));
    const buffered = side.pair.connection.bufferedBytes;
    await side.run(() => {
      second.answer(200, false);
      second.stream.encodeData(Buffer.alloc(50_000), true);
    });
    t.ok(side.pair.connection.bufferedBytes < buffered + 1000, 'its body waits in the stream');
    side.pair.peer.resume();
    await eventually('all arrives', () => side.codec.streamCount === 1);
    t.ok(side.events.includes('1 below'));
    const got = (): number =>
      side.log.lines.reduce(
        (sum, line) => sum + (line.startsWith('DATA 1') ? Number(line.split(' ')[2]) : 0),
        0,
      );
    await eventually(`${sent} bytes arrive`, () => got() === sent);
  });
  t.end();
});

t.test('Floods', async (t) => {
  const floods: readonly [
    what: string,
    stat: string,
    code: string,
    frames: readonly Buffer[],
    options?: ServerOptions,
  ][] = [
    [
      'empty DATA',
      'inbound_empty_frames_flood',
      'ENHANCE_YOUR_CALM',
      [post(1), data(1, ''), data(1, '')],
    ],
    [
      'empty HEADERS and CONTINUATION',
      'inbound_empty_frames_flood',
      'ENHANCE_YOUR_CALM',
      [headers(1, Buffer.alloc(0), 0), continuation(1, Buffer.alloc(0), 0)],
    ],
    [
      'PRIORITY',
      'inbound_priority_frames_flood',
      'ENHANCE_YOUR_CALM',
      [repeat(101, () => priority(3))],
    ],
    [
      'WINDOW_UPDATE',
      'inbound_window_update_frames_flood',
      'ENHANCE_YOUR_CALM',
      [post(1), repeat(8, () => windowUpdate(1, 1))],
    ],
  ];
  for (const [what, stat, code, frames, options] of floods) {
    await t.test(`of ${what} end the connection`, async (t) => {
      const side = await ServerSide.start(t, options);
      await side.open(...frames);
      t.equal(side.stat(stat), 1);
      t.match(side.log.answers.at(-1), new RegExp(`^GOAWAY \\d+ ${code}`));
      t.ok(side.events.at(-1)!.startsWith('connection: http2.'));
    });
  }
  const harmless: readonly [what: string, frames: readonly Buffer[]][] = [
    [
      'one empty frame now and then',
      [post(1), ...Array.from({ length: 50 }, () => Buffer.concat([data(1, ''), data(1, 'x')]))],
    ],
    ['an empty frame that ends its stream', [post(1), data(1, ''), data(1, '', END_STREAM)]],
    ['100 PRIORITY frames a stream', [post(1), repeat(200, () => priority(3))]],
    [
      'WINDOW_UPDATE for streams that answered',
      [repeat(40, (i) => headers(2 * i + 1, GET)), repeat(80, () => windowUpdate(0, 1))],
    ],
    ['5000 PINGs of a client that reads', [repeat(5000, () => ping())]],
    [
      '128 CONTINUATION frames',
      [
        headers(1, block(GET), 0),
        ...Array.from({ length: 90 }, (_, i) =>
          continuation(1, block([[`a${i}`, 'b']]), i === 89 ? END_HEADERS : 0),
        ),
      ],
    ],
  ];
  for (const [what, frames] of harmless) {
    await t.test(`are not ${what}`, async (t) => {
      const side = await ServerSide.start(t);
      await side.open(...frames);
      t.notOk(side.events.some((event) => event.startsWith('connection')));
    });
  }
  await t.test(
    'of CONTINUATION frames, or a header block without end, cost the connection',
    async (t) => {
      const many = await ServerSide.start(t);
      await many.open(
        headers(1, block(GET), 0),
        repeat(200, () => continuation(1, block([['a', 'b']]), 0)),
      );
      t.strictSame(many.events, ['connection: http2.header_block_too_large']);
      const large = await ServerSide.start(t);
      await large.open(
        headers(1, block(GET), 0),
        repeat(20, () => continuation(1, Buffer.alloc(16_384), 0)),
      );
      t.strictSame(large.events, ['connection: http2.header_block_too_large']);
    },
  );
  await t.test(
    'are not ten thousand answers to a client that is always a little behind',
    async (t) => {
      const { FloodGuard } = await import('../../../../proxy/http/http2/flood-guard.ts');
      const { Http2Stats } = await import('../../../../proxy/http/http2/http2-stats.ts');
      const { DEFAULT_HTTP2 } = await import('../../../../proxy/config/http2-config.ts');
      const { StatsStore } = await import('../../../../proxy/stats/store.ts');
      const behind = (frames: number) => {
        const queue = { writtenBytes: 0, takenBytes: 0 };
        const guard = new FloodGuard(DEFAULT_HTTP2, new Http2Stats(new StatsStore(), ''), queue);
        for (let i = 0; i < 100_000; i++) {
          queue.writtenBytes += 17;
          queue.takenBytes = Math.max(0, queue.writtenBytes - frames * 17);
          if (!guard.onControlSent()) return i;
        }
        return 'never';
      };
      t.equal(behind(0), 'never');
      t.equal(behind(1), 'never');
      t.equal(behind(400), 'never');
      t.equal(behind(1_000_000), 1000, 'one that reads nothing');
    },
  );
  for (const [what, make] of [
    ['PINGs', () => ping()],
    ['SETTINGS', () => settings()],
  ] as const) {
    await t.test(`of ${what} by a client that reads nothing end the connection`, async (t) => {
      const side = await ServerSide.start(t);
      await side.open();
      side.pair.peer.pause();
      const flood = repeat(3000, make);
      for (let i = 0; i < 4000 && side.events.length === 0 && side.pair.connection.open; i++) {
        side.pair.peer.write(flood);
        await new Promise((resolve) => setImmediate(resolve));
        await new Promise((resolve) =>
          side.pair.peer.writableNeedDrain ? setTimeout(resolve, 1) : resolve(null),
        );
      }
      t.strictSame(side.events, ['connection: http2.outbound_frames_flood (silent)']);
      t.equal(side.stat('outbound_control_flood'), 1);
      t.ok(side.pair.connection.bufferedBytes < 200_000);
    });
  }
  await t.test("of resets are told from an honest client by Envoy's arithmetic", async (t) => {
    const { FloodGuard } = await import('../../../../proxy/http/http2/flood-guard.ts');
    const { Http2Stats } = await import('../../../../proxy/http/http2/http2-stats.ts');
    const { DEFAULT_HTTP2 } = await import('../../../../proxy/config/http2-config.ts');
    const { StatsStore } = await import('../../../../proxy/stats/store.ts');
    const guard = () =>
      new FloodGuard(DEFAULT_HTTP2, new Http2Stats(new StatsStore(), ''), {
        writtenBytes: 0,
        takenBytes: 0,
      });
    const rapid = guard();
    for (let i = 1; i < 250; i++) t.equal(rapid.onStreamClosed(1, false), true);
    t.equal(rapid.onStreamClosed(1, false), false, 'the 250th');
    const half = guard();
    for (let i = 0; i < 5000; i++) {
      if (
        !half.onStreamClosed(1, false) ||
        !half.onStreamClosed(1, true) ||
        !half.onStreamClosed(1, true)
      )
        t.fail(`${i}`);
    }
    const late = guard();
    for (let i = 0; i < 1000; i++) if (!late.onStreamClosed(2000, false)) t.fail('old streams');
  });
  t.end();
});

t.test('Ends', async (t) => {
  await t.test('in two steps', async (t) => {
    const side = await ServerSide.start(t);
    await side.open(post(1));
    await side.run(() => side.codec.shutdownNotice());
    await side.send(post(3));
    await side.run(() => {
      side.codec.goAway();
      side.codec.goAway();
    });
    // Too late, and not counted against the client; its headers still move the table.
    await side.send(
      headers(5, Buffer.concat([block(GET), Buffer.from('\x40\x01x\x01y', 'latin1')])),
      data(3, 'x', END_STREAM),
      ping('goes on.'),
    );
    t.strictSame(side.log.answers, [
      'GOAWAY 2147483647 NO_ERROR',
      'GOAWAY 3 NO_ERROR',
      'PING ack goes on.',
    ]);
    t.strictSame(side.events, ['1 POST /', '3 POST /', "3 data 'x' end"]);
    t.equal(side.stat('goaway_sent'), 2);
  });
  await t.test('with PINGs that nobody answers', async (t) => {
    const time = new SimulatedTime();
    const side = await ServerSide.start(t, {
      io: new IoThread(time),
      http2: {
        keepalive: {
          intervalMs: 10_000,
          timeoutMs: 2000,
          jitterPercent: 0,
          connectionIdleIntervalMs: 0,
        },
      },
    });
    await side.open();
    await side.outside(() => time.advance(10_100));
    t.strictSame(side.log.answers, ['PING outriggr']);
    await side.send(ping('outriggr', 1));
    await side.outside(() => time.advance(10_000));
    t.strictSame(side.log.answers, ['PING outriggr', 'PING outriggr']);
    await side.outside(() => time.advance(1700));
    // Anything shows that the peer lives.
    await side.send(windowUpdate(0, 1));
    await side.outside(() => time.advance(1900));
    t.strictSame(side.events, []);
    await side.outside(() => time.advance(200));
    t.strictSame(side.events, ['connection: http2_ping_timeout (silent)']);
    t.equal(side.stat('keepalive_timeout'), 1);
  });
  await t.test('for all streams when they are killed, and none is told twice', async (t) => {
    const side = await ServerSide.start(t);
    await side.open(post(1), post(3));
    await side.run(() => {
      side.codec.killStreams(StreamResetReason.ConnectionTermination, 'gone');
      side.codec.killStreams(StreamResetReason.ConnectionTermination, 'again');
    });
    t.strictSame(side.events.slice(2), [
      '1 reset: connection termination, gone',
      '3 reset: connection termination, gone',
    ]);
    t.equal(side.store.value(side.store.gauge('http2.streams_active')), 0);
  });
  t.end();
});
