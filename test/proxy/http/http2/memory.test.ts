// Memory of a downstream HTTP/2 connection in the states a client can bring it to, measured over many of them, against the
// arithmetic in endpoint.ts. The socket is a stand-in that takes every byte and keeps none.
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';

import { realTime } from '../../../../proxy/base/clock.ts';
import { SeededRandom } from '../../../../proxy/base/random.ts';
import { DEFAULT_HTTP2 } from '../../../../proxy/config/http2-config.ts';
import type { RequestDecoder } from '../../../../proxy/http/codec.ts';
import { ResponseHeaders } from '../../../../proxy/http/header-map.ts';
import { Http2Stats } from '../../../../proxy/http/http2/http2-stats.ts';
import { Http2ServerConnection } from '../../../../proxy/http/http2/server-connection.ts';
import type { Http2ServerStream } from '../../../../proxy/http/http2/server-connection.ts';
import { Connection } from '../../../../proxy/network/connection.ts';
import { IoThread } from '../../../../proxy/network/io-thread.ts';
import type { SocketHandle } from '../../../../proxy/network/socket-binding.ts';
import { StatsStore } from '../../../../proxy/stats/store.ts';
import {
  END_HEADERS,
  GET,
  POST,
  PREFACE,
  block,
  continuation,
  headers,
  reset,
  settings,
  settingsAck,
} from '../../../support/http2-frames.ts';

const CONNECTIONS = 40;
const KIB = 1024;
const BUFFER_LIMIT = 32 * KIB;
const HEADER_LIMIT = 60 * KIB;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const io = new IoThread(realTime);
const stats = new Http2Stats(new StatsStore(), '');
const socket = {
  owner: null,
  fd: -1,
  writeQueueSize: 0,
  onread: () => undefined,
  useUserBuffer: () => {},
  readStart: () => 0,
  readStop: () => 0,
  close: () => {},
  writeLatin1String: () => 0,
  writeBuffer: () => 0,
};

class User implements RequestDecoder {
  readonly stream: Http2ServerStream;
  readonly #answer: Buffer | null;

  constructor(stream: Http2ServerStream, answer: Buffer | null) {
    this.stream = stream;
    this.#answer = answer;
  }
  decodeHeaders(): void {
    if (this.#answer === null) return;
    const head = new ResponseHeaders();
    head.status = 200;
    this.stream.encodeHeaders(head, false);
    this.stream.encodeData(this.#answer, true);
  }
  decodeData(): void {}
  decodeTrailers(): void {}
}

function connect(answer: Buffer | null): Http2ServerConnection {
  const connection = new Connection(io, { ...socket } as unknown as SocketHandle);
  connection.bufferLimitBytes = BUFFER_LIMIT;
  const codec = new Http2ServerConnection(
    connection,
    {
      newStream: (stream) => new User(stream, answer),
      onStreamClosed: () => {},
      onSessionError: () => {},
    },
    {
      http2: DEFAULT_HTTP2,
      stats,
      random: new SeededRandom(1),
      flushTimeoutMs: 0,
      limits: { maxBytes: HEADER_LIMIT, maxCount: 100, underscores: 'ALLOW' },
    },
  );
  return codec;
}

function used(): number {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Bytes a connection keeps after it got `frames`. */
function kept(frames: readonly Buffer[], answer: Buffer | null): number {
  const bytes = Buffer.concat([Buffer.from(PREFACE), settings(), settingsAck(), ...frames]);
  const codecs: Http2ServerConnection[] = [];
  const dispatch = (codec: Http2ServerConnection): void => {
    io.enter();
    // As sockets bring them, in a buffer that is used again.
    for (let at = 0; at < bytes.length; at += 65_536)
      codec.dispatch(Buffer.from(bytes.subarray(at, at + 65_536)));
    io.leave();
  };
  dispatch(connect(answer));
  const before = used();
  for (let i = 0; i < CONNECTIONS; i++) codecs.push(connect(answer));
  codecs.forEach(dispatch);
  const after = used();
  for (const codec of codecs) codec.stop();
  return (after - before) / CONNECTIONS;
}

const repeat = (count: number, make: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
/** One line a block, indexed, with a name and a value of its own. */
const indexed = (i: number): Buffer =>
  Buffer.concat([
    Buffer.from([0x40, 6]),
    Buffer.from(String(100_000 + i)),
    Buffer.from([100]),
    Buffer.alloc(100, 'v'),
  ]);
const small = Buffer.from('hello');

/** What an empty connection costs; all others stand on it. */
const IDLE = 8 * KIB;
/** Once it has answered: HPACK's tables. */
const SERVED = IDLE + 12 * KIB;

const rows: readonly [
  what: string,
  limit: number,
  frames: readonly Buffer[],
  answer: Buffer | null,
][] = [
  ['nothing was asked yet', IDLE, [], null],
  ['a request was answered', SERVED, [headers(1, GET)], small],
  ['500 requests were answered', SERVED, [repeat(500, (i) => headers(2 * i + 1, GET))], small],
  [
    'a frame was cut',
    IDLE + 17 * KIB,
    [headers(1, Buffer.alloc(16_000)).subarray(0, 15_900)],
    null,
  ],
  [
    'a header block does not end',
    IDLE + 2 * (2 * HEADER_LIMIT + 64 * KIB),
    [
      headers(1, Buffer.alloc(16_384), 0),
      repeat(10, () => continuation(1, Buffer.alloc(16_384), 0)),
    ],
    null,
  ],
  [
    "the client's HPACK table was filled again and again",
    SERVED + 12 * KIB,
    [repeat(200, (i) => headers(2 * i + 1, Buffer.concat([block(GET), indexed(i)])))],
    small,
  ],
  [
    '500 requests were reset',
    SERVED + 8 * KIB,
    [repeat(500, (i) => Buffer.concat([headers(2 * i + 1, POST, END_HEADERS), reset(2 * i + 1)]))],
    null,
  ],
  [
    '100 answers wait for a window',
    SERVED + 100 * (BUFFER_LIMIT + 64 * KIB),
    [settings(4, 0), repeat(100, (i) => headers(2 * i + 1, GET))],
    Buffer.alloc(64 * KIB),
  ],
  [
    '500 answers that waited for a window were reset',
    SERVED + 40 * KIB,
    [
      // The connection's window is used up by the first; streams have windows of their own.
      headers(1, GET),
      headers(3, GET),
      repeat(500, (i) => Buffer.concat([headers(2 * i + 5, GET), reset(2 * i + 5)])),
    ],
    Buffer.alloc(40 * KIB),
  ],
  [
    '1024 requests wait for their answers',
    SERVED + 1024 * 2 * KIB,
    [repeat(1024, (i) => headers(2 * i + 1, GET))],
    null,
  ],
  [
    'more requests than that were refused',
    SERVED + 1024 * 2 * KIB + 8 * KIB,
    [repeat(1500, (i) => headers(2 * i + 1, GET))],
    null,
  ],
];

t.test('An HTTP/2 connection', (t) => {
  kept([], null);
  for (const [what, limit, frames, answer] of rows) {
    t.test(`keeps at most ${Math.round(limit / KIB)} KiB when ${what}`, (t) => {
      const bytes = kept(frames, answer);
      t.comment(`${(bytes / KIB).toFixed(1)} KiB`);
      t.ok(bytes <= limit, `${(bytes / KIB).toFixed(1)} KiB`);
      t.end();
    });
  }
  io.timers.close();
  t.end();
});
