// gRPC streams for the bench, a program of two parts: `serve PORT` echoes messages; `load HOST:PORT MS STREAMS` keeps a few messages of
// 1 KB on their way on each of so many calls, and prints what came back as JSON.
//
// On plain sockets, with no more of HTTP/2 than this needs: on a whole library generator and server cost several times what the proxies
// between them do, and it is them who would be measured.
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import process from 'node:process';

import { LatencyHistogram } from './latency-histogram.ts';
import type { LoadResult } from './load-generator.ts';

/** With its prefix of 5 bytes. */
const MESSAGE_BYTES = 1_024 + 5;
/** Messages on their way on each stream. */
const IN_FLIGHT = 4;

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const HEAD_BYTES = 9;
const DEFAULT_WINDOW_BYTES = 65_535;
const CONNECTION_WINDOW_BYTES = 1_048_576;
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  payload.copy(bytes, HEAD_BYTES);
  return bytes;
}

function windowUpdate(stream: number, byteCount: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(byteCount);
  return frame(WINDOW_UPDATE, 0, stream, payload);
}

/** HPACK without tables: a name of the static table, or one spelled out, and a value of less than 127 bytes. */
function field(name: number | string, value: string): Buffer {
  const words = [Buffer.from([value.length]), Buffer.from(value)];
  if (typeof name === 'string')
    return Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), ...words]);
  return Buffer.concat([Buffer.from(name < 15 ? [name] : [15, name - 15]), ...words]);
}

const CONTENT_TYPE = field(31, 'application/grpc');
const REQUEST_HEAD = Buffer.concat([
  Buffer.from([0x83, 0x86]),
  field(4, '/bench.Echo/Chat'),
  field(1, 'bench'),
  CONTENT_TYPE,
  field('te', 'trailers'),
]);
const RESPONSE_HEAD = Buffer.concat([Buffer.from([0x88]), CONTENT_TYPE]);

interface StreamEvents {
  onOpened(stream: number): void;
  /** `bytes` are valid during the call. */
  onBytes(stream: number, bytes: Buffer): void;
  /** Of one stream, or of all: 0. */
  onEnd(stream: number): void;
}

/** One connection. What an event of its socket brings is answered by one write. */
class Link {
  readonly #socket: Socket;
  readonly #events: StreamEvents;
  readonly #credits = new Map<number, number>();
  #skip: number;
  #rest: Buffer = Buffer.alloc(0);
  #out: Buffer[] = [];

  constructor(socket: Socket, events: StreamEvents, isServer: boolean) {
    this.#socket = socket;
    this.#events = events;
    this.#skip = isServer ? PREFACE.length : 0;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', () => {});
    socket.on('close', () => events.onEnd(0));
    if (!isServer) this.#out.push(Buffer.from(PREFACE));
    this.send(frame(SETTINGS, 0, 0, Buffer.alloc(0)));
    this.send(windowUpdate(0, CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES));
    this.flush();
  }

  send(bytes: Buffer): void {
    this.#out.push(bytes);
  }

  flush(): void {
    if (this.#out.length === 0) return;
    this.#socket.write(this.#out.length === 1 ? this.#out[0]! : Buffer.concat(this.#out));
    this.#out = [];
  }

  #onData(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (this.#skip > 0) {
      const skipped = Math.min(this.#skip, bytes.length);
      this.#skip -= skipped;
      bytes = bytes.subarray(skipped);
    }
    let at = 0;
    while (at + HEAD_BYTES <= bytes.length) {
      const end = at + HEAD_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.#onFrame(bytes, at, end);
      at = end;
    }
    this.#rest = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
    this.flush();
  }

  #onFrame(bytes: Buffer, at: number, end: number): void {
    const flags = bytes[at + 4]!;
    const stream = bytes.readUInt32BE(at + 5);
    switch (bytes[at + 3]) {
      case DATA:
        this.#events.onBytes(stream, bytes.subarray(at + HEAD_BYTES, end));
        this.#giveBack(0, end - at - HEAD_BYTES, CONNECTION_WINDOW_BYTES);
        this.#giveBack(stream, end - at - HEAD_BYTES, DEFAULT_WINDOW_BYTES);
        if ((flags & END_STREAM) !== 0) this.#events.onEnd(stream);
        break;
      case HEADERS:
        if ((flags & END_STREAM) !== 0) this.#events.onEnd(stream);
        else this.#events.onOpened(stream);
        break;
      case RST_STREAM:
      case GOAWAY:
        this.#events.onEnd(stream);
        break;
      case SETTINGS:
        if ((flags & ACK) === 0) this.send(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
        break;
      case PING:
        if ((flags & ACK) === 0)
          this.send(frame(PING, ACK, 0, bytes.subarray(at + HEAD_BYTES, end)));
        break;
      default:
    }
  }

  /** The peer's windows need no count here: what is on its way is far below the least of them. */
  #giveBack(stream: number, byteCount: number, windowBytes: number): void {
    const credit = (this.#credits.get(stream) ?? 0) + byteCount;
    this.#credits.set(stream, credit * 2 < windowBytes ? credit : 0);
    if (credit * 2 >= windowBytes) this.send(windowUpdate(stream, credit));
  }
}

function serve(port: string): void {
  createServer((socket) => {
    const link: Link = new Link(
      socket,
      {
        onOpened: (stream) => link.send(frame(HEADERS, END_HEADERS, stream, RESPONSE_HEAD)),
        onBytes: (stream, bytes) => link.send(frame(DATA, 0, stream, bytes)),
        onEnd: () => {},
      },
      true,
    );
  }).listen(Number(port), '127.0.0.1');
}

interface Call {
  /** Of the message that is coming in. */
  receivedBytes: number;
  readonly message: Buffer;
  readonly sentMs: number[];
}

function load(target: string, durationMs: number, streams: number): void {
  const [host = '', port = ''] = target.split(':');
  const latencies = new LatencyHistogram();
  const calls = new Map<number, Call>();
  const startedMs = performance.now();
  let requests = 0;
  let failures = 0;
  let over = false;
  const send = (call: Call): void => {
    call.sentMs.push(performance.now());
    link.send(call.message);
  };
  const onMessage = (call: Call): void => {
    latencies.record((performance.now() - call.sentMs.shift()!) * 1_000);
    requests++;
    if (!over) send(call);
  };
  const events: StreamEvents = {
    onOpened: () => {},
    onBytes: (stream, bytes) => {
      const call = calls.get(stream)!;
      call.receivedBytes += bytes.length;
      for (; call.receivedBytes >= MESSAGE_BYTES; call.receivedBytes -= MESSAGE_BYTES)
        onMessage(call);
    },
    onEnd: () => {
      if (!over) failures++;
    },
  };
  const link = new Link(connect({ host, port: Number(port) }), events, false);
  const prefixed = Buffer.alloc(MESSAGE_BYTES, 'x');
  prefixed[0] = 0;
  prefixed.writeUInt32BE(MESSAGE_BYTES - 5, 1);
  for (let i = 0; i < streams; i++) {
    const stream = 2 * i + 1;
    const call = { receivedBytes: 0, message: frame(DATA, 0, stream, prefixed), sentMs: [] };
    calls.set(stream, call);
    link.send(frame(HEADERS, END_HEADERS, stream, REQUEST_HEAD));
    for (let k = 0; k < IN_FLIGHT; k++) send(call);
  }
  link.flush();
  setTimeout(() => {
    over = true;
    const result: LoadResult = {
      requests,
      elapsedMs: performance.now() - startedMs,
      failures,
      p50Us: latencies.quantileUs(0.5),
      p99Us: latencies.quantileUs(0.99),
    };
    process.stdout.write(JSON.stringify(result), () => process.exit(0));
  }, durationMs);
}

const [part, target = '', durationMs, streams] = process.argv.slice(2);
if (part === 'serve') serve(target);
else load(target, Number(durationMs), Number(streams));
