// [w] HTTP/1 pool: one stream a connection; of those that are ready the one used last comes first.
import type { RequestEncoder, ResponseDecoder } from '../../http/codec.ts';
import { Http1ClientConnection } from '../../http/http1/client-connection.ts';
import type { ClientConnectionCallbacks } from '../../http/http1/client-connection.ts';
import type { Connection } from '../../network/connection.ts';
import { CloseType } from '../../network/transport.ts';
import type { CloseEvent } from '../../network/transport.ts';
import { HttpConnPoolBase } from './http-conn-pool.ts';
import { PooledClient } from './pooled-client.ts';
import type { MadeConnection } from './version-chooser.ts';

class Http1Client extends PooledClient implements ClientConnectionCallbacks {
  protected readonly protocol = 'HTTP/1.1';
  readonly #pool: Http1ConnPool;
  #codec: Http1ClientConnection | null = null;
  /** The last stream did not come to its end. */
  #streamCut = false;

  constructor(pool: Http1ConnPool, made?: MadeConnection) {
    super(pool, made);
    this.#pool = pool;
  }

  get busy(): boolean {
    return this.#codec !== null && this.#codec.busy;
  }

  override drain(): void {
    this.#pool.retire(this);
    super.drain();
  }

  get activeStreams(): number {
    return this.busy ? 1 : 0;
  }

  get freeStreams(): number {
    return this.acceptsStream ? 1 : 0;
  }

  get acceptsStream(): boolean {
    return this.#codec !== null && !this.#codec.busy && !this.closed;
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#codec?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#codec?.onBelowWriteBufferLowWatermark();
  }

  // === ClientConnectionCallbacks

  onStreamReset(): void {
    this.#streamCut = true;
  }

  onStreamComplete(reusable: boolean): void {
    const { stats } = this.context;
    stats.store.dec(stats.upstreamRqActive);
    this.#pool.onStreamOver();
    if (this.closed || !this.connection!.open) return;
    this.checkRequestLimit();
    if (!reusable || this.draining) {
      this.connection!.close(CloseType.NoFlush);
      return;
    }
    this.armIdle();
    this.#pool.serve(this);
  }

  onCloseAsked(): void {
    const { stats } = this.context;
    stats.store.inc(stats.upstreamCxCloseNotify);
  }

  onKeepAliveTimeout(seconds: number): void {
    this.idleLimit().onAnnounced(seconds);
  }

  onProtocolError(): void {
    const { stats } = this.context;
    stats.store.inc(stats.upstreamCxProtocolError);
    this.connection?.close(CloseType.NoFlush);
  }

  protected startCodec(connection: Connection): void {
    const { stats } = this.context;
    if (this.#pool.chooser !== null) stats.store.inc(stats.upstreamCxHttp1Total);
    this.#codec = new Http1ClientConnection(connection, this, this.context.config.http);
  }

  protected openStream(decoder: ResponseDecoder): RequestEncoder {
    return this.#codec!.newStream(decoder);
  }

  protected dispatch(chunk: Buffer, endStream: boolean): void {
    this.#codec?.dispatch(chunk, endStream);
  }

  protected onSocketClosed(event: CloseEvent): boolean {
    this.#codec?.onConnectionClosed(event);
    return this.#streamCut;
  }
}

export class Http1ConnPool extends HttpConnPoolBase<Http1Client> {
  protected readonly streamsPerDial = 1;
  readonly #idle: Http1Client[] = [];

  protected takeReady(): Http1Client | null {
    for (;;) {
      const client = this.#idle.pop();
      if (client === undefined) return null;
      if (client.checkAlive()) return client;
    }
  }

  protected onReady(client: Http1Client): void {
    this.#idle.push(client);
  }

  protected onGone(client: Http1Client): void {
    this.retire(client);
  }

  /** The connection takes no further stream. */
  retire(client: Http1Client): void {
    const index = this.#idle.indexOf(client);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  protected createClient(made?: MadeConnection): Http1Client {
    const { stats } = this.context;
    // Of a pool that chooses, counted when it is known what the connection speaks.
    if (this.chooser === null) stats.store.inc(stats.upstreamCxHttp1Total);
    return new Http1Client(this, made);
  }
}
