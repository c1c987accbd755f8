// Http2ServerConnection on a real socket, with users (decoders) that write down what they are told; the client is raw bytes.
import { SeededRandom } from '../../proxy/base/random.ts';
import { DEFAULT_HTTP2 } from '../../proxy/config/http2-config.ts';
import type { Http2Config } from '../../proxy/config/http2-config.ts';
import type { RequestDecoder, StreamCallbacks } from '../../proxy/http/codec.ts';
import type { HeaderMap, RequestHeaders } from '../../proxy/http/header-map.ts';
import { ResponseHeaders } from '../../proxy/http/header-map.ts';
import { headerName } from '../../proxy/http/headers.ts';
import type { MessageLimits } from '../../proxy/http/http2/message-rules.ts';
import { Http2Stats } from '../../proxy/http/http2/http2-stats.ts';
import { Http2ServerConnection } from '../../proxy/http/http2/server-connection.ts';
import type {
  Http2ServerCallbacks,
  Http2ServerStream,
} from '../../proxy/http/http2/server-connection.ts';
import type { IoThread } from '../../proxy/network/io-thread.ts';
import { StatsStore } from '../../proxy/stats/store.ts';
import { FrameLog, PREFACE, settings, settingsAck } from './http2-frames.ts';
import type { Lines } from './http2-frames.ts';
import { acceptedPair } from './loopback.ts';
import type { Pair } from './loopback.ts';

interface Teardowns {
  teardown(fn: () => void | Promise<void>): void;
}

/** A request as its user sees it. */
export class Exchange implements RequestDecoder, StreamCallbacks {
  readonly stream: Http2ServerStream;
  readonly events: string[];
  keepBodies = true;

  constructor(stream: Http2ServerStream, events: string[]) {
    this.stream = stream;
    this.events = events;
    stream.setCallbacks(this);
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    const lines = Array.from(
      { length: headers.size },
      (_, i) => ` ${headers.nameAt(i).text}=${headers.valueAt(i)}`,
    );
    this.#say(`${headers.method} ${headers.path}${lines.join('')}${endStream ? ' end' : ''}`);
  }
  /** Pieces of a body that follow each other are one line: TCP may cut anywhere. */
  decodeData(chunk: Buffer, endStream: boolean): void {
    const end = endStream ? ' end' : '';
    if (!this.keepBodies) {
      this.#say(`data ${chunk.length}${end}`);
      return;
    }
    const text = chunk.toString('latin1');
    const start = `${this.stream.id} data '`;
    const last = this.events.at(-1);
    if (last?.startsWith(start) && last.endsWith("'") && text !== '')
      this.events[this.events.length - 1] = `${last.slice(0, -1)}${text}'${end}`;
    else this.#say(`data '${text}'${end}`);
  }
  decodeTrailers(trailers: HeaderMap): void {
    this.#say(`trailers ${trailers.size}`);
  }
  onResetStream(reason: string, details: string): void {
    this.#say(`reset: ${reason}, ${details}`);
  }
  onAboveWriteBufferHighWatermark(): void {
    this.#say('above');
  }
  onBelowWriteBufferLowWatermark(): void {
    this.#say('below');
  }

  answer(status: number, endStream: boolean, lines: Lines = []): void {
    const headers = new ResponseHeaders();
    headers.status = status;
    for (const [name, value] of lines) headers.push(headerName(name), value);
    if (status < 200 && status !== 101) this.stream.encode1xxHeaders(headers);
    else this.stream.encodeHeaders(headers, endStream);
  }

  #say(text: string): void {
    this.events.push(`${this.stream.id} ${text}`);
  }
}

export interface ServerOptions {
  readonly http2?: Partial<Http2Config>;
  readonly limits?: Partial<MessageLimits>;
  readonly flushTimeoutMs?: number;
  readonly bufferLimitBytes?: number;
  readonly io?: IoThread;
}

export class ServerSide implements Http2ServerCallbacks {
  readonly pair: Pair;
  readonly codec: Http2ServerConnection;
  readonly store = new StatsStore();
  readonly log = new FrameLog();
  readonly events: string[] = [];
  readonly exchanges: Exchange[] = [];
  /** Called for each new request, before it is decoded. */
  onExchange: (exchange: Exchange) => void = () => {};
  /** The connection is lost by the client's mistake. */
  onLost: () => void = () => {};
  readonly #sleepers: (() => void)[] = [];
  #pings = 0;

  private constructor(pair: Pair, options: ServerOptions) {
    this.pair = pair;
    pair.connection.setCallbacks({
      onData: (chunk) => {
        this.codec.dispatch(chunk);
        this.#wake();
      },
      onClose: () => {
        this.codec.stop();
        this.#wake();
      },
      onAboveWriteBufferHighWatermark: () => this.codec.onAboveWriteBufferHighWatermark(),
      onBelowWriteBufferLowWatermark: () => this.codec.onBelowWriteBufferLowWatermark(),
    });
    pair.connection.bufferLimitBytes = options.bufferLimitBytes ?? 1 << 20;
    this.codec = new Http2ServerConnection(pair.connection, this, {
      http2: { ...DEFAULT_HTTP2, ...options.http2 },
      stats: new Http2Stats(this.store, ''),
      random: new SeededRandom(1),
      flushTimeoutMs: options.flushTimeoutMs ?? 0,
      limits: { maxBytes: 61_440, maxCount: 100, underscores: 'ALLOW', ...options.limits },
    });
    pair.peer.on('data', (chunk: Buffer) => {
      this.log.push(chunk);
      this.#wake();
    });
  }

  static async start(t: Teardowns, options: ServerOptions = {}): Promise<ServerSide> {
    return new ServerSide(await acceptedPair(t, options.io), options);
  }

  /** Preface and SETTINGS, then these. */
  async open(...frames: readonly Buffer[]): Promise<void> {
    await this.send(Buffer.from(PREFACE), settings(), settingsAck(), ...frames);
  }

  /** Returns when all was read and everything written before has arrived. */
  async send(...frames: readonly Buffer[]): Promise<void> {
    const bytes = Buffer.concat(frames);
    const { connection, peer } = this.pair;
    const wanted = connection.bytesRead + bytes.length;
    peer.write(bytes);
    await this.#until(() => connection.bytesRead >= wanted || !connection.open);
    await this.settled();
  }

  /** Work of ours, as in one event. */
  async run(work: () => void): Promise<void> {
    this.pair.io.enter();
    work();
    this.pair.io.leave();
    await this.settled();
  }

  /** As a timer does it: not within a socket event. */
  async outside(work: () => void): Promise<void> {
    work();
    await this.settled();
  }

  /** What was written until now has arrived. */
  async settled(): Promise<void> {
    const { connection } = this.pair;
    if (!connection.open || connection.aboveHighWatermark || this.pair.peer.isPaused()) return;
    const marker = `mark${String(++this.#pings).padStart(4, '0')}`;
    connection.writeText(`\0\0\x08\x06\0\0\0\0\0${marker}`);
    await this.#until(() => this.log.lines.includes(`PING ${marker}`));
    this.log.lines.splice(this.log.lines.indexOf(`PING ${marker}`), 1);
  }

  stat(name: string): number {
    return this.store.value(this.store.counter(`http2.${name}`));
  }

  newStream(stream: Http2ServerStream): RequestDecoder {
    const exchange = new Exchange(stream, this.events);
    this.exchanges.push(exchange);
    this.onExchange(exchange);
    return exchange;
  }

  onStreamClosed(): void {}

  /** Woken by bytes in either direction: hundreds of rows must not poll. */
  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#sleepers.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#sleepers.splice(0)) resolve();
  }

  onSessionError(details: string, silent: boolean): void {
    this.events.push(`connection: ${details}${silent ? ' (silent)' : ''}`);
    this.onLost();
  }
}
