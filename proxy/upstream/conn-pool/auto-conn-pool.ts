// [w] AutoConnPool: speaks what each connection's TLS agreed on (ALPN). Until the first one is there HTTP/1 is taken for granted; a
// connection that turns out to speak the other version goes over to the other pool, and those who wait with it.
import type { ResponseDecoder } from '../../http/codec.ts';
import type { Host } from '../host.ts';
import type { HttpPoolCallbacks, ManagedPool, PoolLoad, PoolTicket } from './conn-pool.ts';
import type { HttpConnPoolBase, PoolKind } from './http-conn-pool.ts';
import { Http1ConnPool } from './http1-conn-pool.ts';
import { Http2ConnPool } from './http2-conn-pool.ts';
import type { PoolContext } from './pool-context.ts';
import type { PooledClient } from './pooled-client.ts';
import type { MadeConnection, VersionChooser } from './version-chooser.ts';

export class AutoConnPool implements ManagedPool, VersionChooser {
  readonly host: Host;
  readonly #http1: Http1ConnPool;
  readonly #http2: Http2ConnPool;
  /** What the last connection spoke. */
  #speaksHttp2 = false;

  constructor(context: PoolContext, host: Host, kind?: PoolKind) {
    this.host = host;
    const inner: PoolContext = {
      ...context,
      onPoolIdle: () => {
        if (!this.inUse) context.onPoolIdle(this);
      },
    };
    this.#http1 = new Http1ConnPool(inner, host, kind);
    this.#http2 = new Http2ConnPool(inner, host, kind);
    this.#http1.chooser = this;
    this.#http2.chooser = this;
  }

  newStream(
    decoder: ResponseDecoder,
    callbacks: HttpPoolCallbacks,
    fresh?: boolean,
  ): PoolTicket | null {
    return (this.#speaksHttp2 ? this.#http2 : this.#http1).newStream(decoder, callbacks, fresh);
  }

  get load(): PoolLoad {
    const [a, b] = [this.#http1.load, this.#http2.load];
    const { pending, active, free } = b;
    return { pending: a.pending + pending, active: a.active + active, free: a.free + free };
  }

  preconnect(ratio: number): boolean {
    return (this.#speaksHttp2 ? this.#http2 : this.#http1).preconnect(ratio);
  }

  get inUse(): boolean {
    return this.#http1.inUse || this.#http2.inUse;
  }

  get active(): boolean {
    return this.#http1.active || this.#http2.active;
  }

  drain(): void {
    this.#http1.drain();
    this.#http2.drain();
  }

  drainConnections(): void {
    this.#http1.drainConnections();
    this.#http2.drainConnections();
  }

  // === VersionChooser

  redirect(from: object, client: PooledClient, made: MadeConnection): boolean {
    this.#speaksHttp2 = made.transport.alpn === 'h2';
    const isHttp2 = from === this.#http2;
    if (isHttp2 === this.#speaksHttp2) return false;
    if (isHttp2) hand(this.#http2, this.#http1, client, made);
    else hand(this.#http1, this.#http2, client, made);
    return true;
  }
}

function hand<From extends PooledClient, To extends PooledClient>(
  from: HttpConnPoolBase<From>,
  to: HttpConnPoolBase<To>,
  client: PooledClient,
  made: MadeConnection,
): void {
  const waiting = from.release(client);
  to.adopt(made, waiting);
}
