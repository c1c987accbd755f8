// Frames off the wire, and a whole exchange on a server's connection: HEADERS in, HEADERS and DATA out, to a socket that
// takes everything and does nothing. Run: node bench/micro/http2-frames.bench.ts
import { realTime } from '../../proxy/base/clock.ts';
import { realRandom } from '../../proxy/base/random.ts';
import { DEFAULT_HTTP2 } from '../../proxy/config/http2-config.ts';
import type { RequestDecoder } from '../../proxy/http/codec.ts';
import { ResponseHeaders } from '../../proxy/http/header-map.ts';
import { headerName } from '../../proxy/http/headers.ts';
import { FrameReader } from '../../proxy/http/http2/frame-reader.ts';
import { Http2Stats } from '../../proxy/http/http2/http2-stats.ts';
import { PREFACE } from '../../proxy/http/http2/protocol.ts';
import { Http2ServerConnection } from '../../proxy/http/http2/server-connection.ts';
import type { Http2ServerStream } from '../../proxy/http/http2/server-connection.ts';
import { Connection } from '../../proxy/network/connection.ts';
import { IoThread } from '../../proxy/network/io-thread.ts';
import type { SocketHandle } from '../../proxy/network/socket-binding.ts';
import { StatsStore } from '../../proxy/stats/store.ts';
import { bench } from './micro-bench.ts';

function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

let seen = 0;
const reader = new FrameReader({
  onDataHead: () => void seen++,
  onDataBytes: (chunk) => (seen += chunk.length),
  onFrame: (_bytes, start, end) => (seen += end - start),
  onFrameError: (_code, details) => {
    throw new Error(details);
  },
  onStreamSizeError: () => {},
});
const window = frame(8, 0, 0, Buffer.from([0, 0, 1, 0]));
const many = Buffer.concat(Array.from({ length: 100 }, () => window));
bench('read: 100 frames of 4 bytes', () => {
  reader.dispatch(many);
  return seen;
});
const body = frame(0, 0, 1, Buffer.alloc(16_384));
bench('read: DATA of 16 KiB', () => {
  reader.dispatch(body);
  return seen;
});
const half = body.subarray(0, 8000);
const rest = body.subarray(8000);
bench('read: DATA of 16 KiB, cut in two', () => {
  reader.dispatch(half);
  reader.dispatch(rest);
  return seen;
});

const io = new IoThread(realTime);
let written = 0;
const socket = {
  owner: null,
  fd: -1,
  writeQueueSize: 0,
  onread: () => undefined,
  useUserBuffer: () => {},
  readStart: () => 0,
  readStop: () => 0,
  close: () => {},
  writeLatin1String: (_request: unknown, text: string) => ((written += text.length), 0),
  writeBuffer: (_request: unknown, bytes: Uint8Array) => ((written += bytes.length), 0),
};
const connection = new Connection(io, socket as unknown as SocketHandle);

const names = ['server', 'content-type', 'date'].map(headerName);
const values = ['envoy', 'text/plain', 'Wed, 21 Oct 2026 07:28:00 GMT'];
const answerBody = Buffer.alloc(100, 'x');

class Answer implements RequestDecoder {
  readonly #stream: Http2ServerStream;

  constructor(stream: Http2ServerStream) {
    this.#stream = stream;
  }

  decodeHeaders(): void {
    const headers = new ResponseHeaders();
    headers.status = 200;
    for (let i = 0; i < names.length; i++) headers.push(names[i]!, values[i]!);
    this.#stream.encodeHeaders(headers, false);
    this.#stream.encodeData(answerBody, true);
  }
  decodeData(): void {}
  decodeTrailers(): void {}
}

const codec = new Http2ServerConnection(
  connection,
  {
    newStream: (stream) => new Answer(stream),
    onStreamClosed: () => {},
    onSessionError: (details) => {
      throw new Error(details);
    },
  },
  {
    http2: DEFAULT_HTTP2,
    stats: new Http2Stats(new StatsStore(), ''),
    random: realRandom,
    flushTimeoutMs: 0,
    limits: { maxBytes: 61_440, maxCount: 100, underscores: 'ALLOW' },
  },
);
codec.dispatch(
  Buffer.concat([PREFACE, frame(4, 0, 0, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]))]),
);
codec.dispatch(frame(8, 0, 0, Buffer.from([0, 0x20, 0, 0])));
// GET http / of authority `h`, which enters the table: the second request is four bytes.
codec.dispatch(frame(1, 5, 1, Buffer.from('828684410168', 'hex')));
const request = frame(1, 5, 0, Buffer.from('828684be', 'hex'));
let streamId = 3;
const windowOnce = frame(8, 0, 0, Buffer.from([0, 0x10, 0, 0]));
bench('exchange: HEADERS in, HEADERS and DATA of 100 bytes out', () => {
  request.writeUInt32BE(streamId, 5);
  streamId += 2;
  io.enter();
  codec.dispatch(request);
  // Window for the next ten thousand answers, which is a MiB.
  if ((streamId >>> 1) % 10_000 === 0) codec.dispatch(windowOnce);
  io.leave();
  return written;
});
codec.stop();
io.timers.close();
