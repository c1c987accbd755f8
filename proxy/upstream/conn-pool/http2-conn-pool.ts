// [w] HTTP/2 pool: many streams a connection, as many as configuration and server allow. One that the server or our own
// settings bring to its end (GOAWAY, age, number of requests) takes no further stream and closes after its last.
import type { RequestEncoder, ResponseDecoder } from '../../http/codec.ts';
import { StreamResetReason } from '../../http/codec.ts';
import { Http2ClientConnection } from '../../http/http2/client-connection.ts';
import type { Http2ClientCallbacks } from '../../http/http2/client-connection.ts';
import { Http2Stats } from '../../http/http2/http2-stats.ts';
import type { SessionSettings } from '../../http/http2/endpoint.ts';
import type { Connection } from '../../network/connection.ts';
import { CloseType } from '../../network/transport.ts';
import type { CloseEvent } from '../../network/transport.ts';
import type { Host } from '../host.ts';
import { HttpConnPoolBase } from './http-conn-pool.ts';
import type { PoolKind } from './http-conn-pool.ts';
import type { PoolContext } from './pool-context.ts';
import { PooledClient } from './pooled-client.ts';
import type { MadeConnection } from './version-chooser.ts';

/** Envoy's client takes 60 KiB of headers on HTTP/2 (envoy-behaviour §1.14). */
const MAX_HEADER_BYTES = 60 * 1024;

class Http2Client extends PooledClient implements Http2ClientCallbacks {
  protected readonly protocol = 'HTTP/2';
  readonly #pool: Http2ConnPool;
  #codec: Http2ClientConnection | null = null;

  constructor(pool: Http2ConnPool, made?: MadeConnection) {
    super(pool, made);
    this.#pool = pool;
  }

  get busy(): boolean {
    return this.#codec !== null && this.#codec.activeStreams > 0;
  }

  get activeStreams(): number {
    return this.#codec?.activeStreams ?? 0;
  }

  get freeStreams(): number {
    return this.acceptsStream ? this.#codec!.maxConcurrentStreams - this.activeStreams : 0;
  }

  get acceptsStream(): boolean {
    return this.#codec !== null && !this.draining && !this.closed && this.#codec.acceptsStream;
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#codec?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#codec?.onBelowWriteBufferLowWatermark();
  }

  override drain(): void {
    this.#pool.retire(this);
    super.drain();
  }

  override close(type: CloseType): void {
    this.#codec?.flush();
    super.close(type);
  }

  // === Http2ClientCallbacks

  onStreamReset(reason: StreamResetReason): void {
    const { stats } = this.context;
    switch (reason) {
      case StreamResetReason.RemoteReset:
        stats.store.inc(stats.upstreamRqRxReset);
        break;
      case StreamResetReason.LocalReset:
      case StreamResetReason.ProtocolError:
        stats.store.inc(stats.upstreamRqTxReset);
        break;
      case StreamResetReason.ConnectionTermination:
        stats.store.inc(stats.upstreamRqPendingFailureEject);
        break;
      default:
    }
  }

  onStreamComplete(): void {
    const { stats } = this.context;
    stats.store.dec(stats.upstreamRqActive);
    this.#pool.onStreamOver();
    if (this.closed || !this.connection!.open) return;
    if (this.#codec!.exhausted) this.drain();
    else if (this.draining) {
      if (!this.busy) this.close(CloseType.FlushWrite);
    } else {
      if (!this.busy) this.armIdle();
      this.#pool.serve(this);
    }
  }

  onGoAway(): void {
    const { stats } = this.context;
    if (!this.draining) stats.store.inc(stats.upstreamCxCloseNotify);
    this.markStale();
    this.drain();
    this.#pool.onRetired();
  }

  onMaxStreams(): void {
    if (this.acceptsStream) this.#pool.serve(this);
    else this.#pool.retire(this);
  }

  onSessionError(details: string, silent: boolean): void {
    const { stats } = this.context;
    const codec = this.#codec!;
    this.#pool.retire(this);
    this.draining = true;
    if (silent) codec.killStreams(StreamResetReason.ConnectionTermination, details);
    else {
      stats.store.inc(stats.upstreamCxProtocolError);
      codec.killStreams(StreamResetReason.ProtocolError, details);
    }
    super.close(silent ? CloseType.NoFlush : CloseType.FlushWrite);
  }

  protected startCodec(connection: Connection): void {
    const { stats } = this.context;
    if (this.#pool.chooser !== null) stats.store.inc(stats.upstreamCxHttp2Total);
    this.#codec = new Http2ClientConnection(connection, this, this.#pool.settings);
  }

  protected openStream(decoder: ResponseDecoder): RequestEncoder {
    const encoder = this.#codec!.newStream(decoder);
    this.checkRequestLimit();
    if (!this.acceptsStream) this.#pool.retire(this);
    return encoder;
  }

  protected dispatch(chunk: Buffer): void {
    this.#codec?.dispatch(chunk);
  }

  protected onSocketClosed(_event: CloseEvent): boolean {
    const cut = this.busy;
    this.#codec?.onConnectionClosed();
    return cut;
  }
}

export class Http2ConnPool extends HttpConnPoolBase<Http2Client> {
  readonly settings: SessionSettings;
  protected readonly streamsPerDial: number;
  /** Connections with room for a stream, the oldest first. */
  readonly #ready: Http2Client[] = [];

  constructor(context: PoolContext, host: Host, kind?: PoolKind) {
    super(context, host, kind);
    const { http } = context.config;
    this.streamsPerDial = http.http2.maxConcurrentStreams;
    this.settings = {
      http2: http.http2,
      stats: new Http2Stats(context.stats.store, context.stats.prefix),
      random: context.random,
      flushTimeoutMs: 0,
      limits: {
        maxBytes: MAX_HEADER_BYTES,
        maxCount: http.maxHeadersCount,
        underscores: 'ALLOW',
      },
    };
  }

  /** The connection takes no stream for now. */
  retire(client: Http2Client): void {
    const index = this.#ready.indexOf(client);
    if (index >= 0) this.#ready.splice(index, 1);
  }

  /** A connection went out of use while others wait. */
  onRetired(): void {
    this.openForPending();
  }

  protected takeReady(): Http2Client | null {
    for (;;) {
      const client = this.#ready[0];
      if (client === undefined) return null;
      if (client.busy || client.checkAlive()) return client;
    }
  }

  protected onReady(client: Http2Client): void {
    if (!this.#ready.includes(client)) this.#ready.push(client);
  }

  protected onGone(client: Http2Client): void {
    this.retire(client);
  }

  protected createClient(made?: MadeConnection): Http2Client {
    const { stats } = this.context;
    // Of a pool that chooses, counted when it is known what the connection speaks.
    if (this.chooser === null) stats.store.inc(stats.upstreamCxHttp2Total);
    return new Http2Client(this, made);
  }
}
