// [w] What HTTP pools have in common: a connection that is ready, else a place in the queue and, where the breakers
// allow, a new connection (envoy-behaviour §7.2, §7.3).
import type { ResponseDecoder } from '../../http/codec.ts';
import type { Host } from '../host.ts';
import type { TransportOverrides } from '../upstream-transports.ts';
import type {
  HttpPoolCallbacks,
  ManagedPool,
  PoolFailureReason,
  PoolLoad,
  PoolTicket,
} from './conn-pool.ts';
import type { MadeConnection, VersionChooser } from './version-chooser.ts';
import { diallingOf } from './pool-context.ts';
import type { PoolContext, PoolDialling } from './pool-context.ts';
import type { ClientPool, PooledClient } from './pooled-client.ts';

export interface PoolKind {
  /** Of all its streams. */
  readonly overrides: TransportOverrides | null;
  /** Goes when it is idle: who would ask for it again is unknown. */
  readonly special: boolean;
}

/** Connections dialled at once beyond what waits. */
const MAX_AHEAD = 3;
const USUAL: PoolKind = { overrides: null, special: false };

interface Queue {
  cancelPending(stream: PendingStream): void;
}

export class PendingStream implements PoolTicket {
  readonly decoder: ResponseDecoder;
  readonly callbacks: HttpPoolCallbacks;
  /** In which it waits. */
  queue: Queue;

  constructor(queue: Queue, decoder: ResponseDecoder, callbacks: HttpPoolCallbacks) {
    this.queue = queue;
    this.decoder = decoder;
    this.callbacks = callbacks;
  }

  cancel(): void {
    this.queue.cancelPending(this);
  }
}

export abstract class HttpConnPoolBase<Client extends PooledClient>
  implements ManagedPool, ClientPool, Queue
{
  readonly host: Host;
  readonly context: PoolContext;
  readonly dialling: PoolDialling;
  /** Null: all connections speak what this pool does. */
  chooser: VersionChooser | null = null;
  protected draining = false;
  readonly #clients = new Set<Client>();
  #connecting = 0;
  #pending: PendingStream[] = [];
  readonly #special: boolean;
  /** Has a place among the cluster's pools: from the first connection or waiter until there is none. */
  #counted = false;

  constructor(context: PoolContext, host: Host, kind: PoolKind = USUAL) {
    this.context = context;
    this.host = host;
    this.#special = kind.special;
    this.dialling = diallingOf(context, host, kind.overrides);
  }

  /** A connection for one more stream. */
  protected abstract takeReady(): Client | null;
  /** A connection takes streams (again), and nobody waits. */
  protected abstract onReady(client: Client): void;
  /** It takes none any more. */
  protected abstract onGone(client: Client): void;
  /** Dials, unless a connection is given, and counts. */
  protected abstract createClient(made?: MadeConnection): Client;
  /** Streams that a connection being dialled is good for. */
  protected abstract readonly streamsPerDial: number;

  newStream(
    decoder: ResponseDecoder,
    callbacks: HttpPoolCallbacks,
    fresh = false,
  ): PoolTicket | null {
    const { resources, stats } = this.context;
    const client = fresh ? null : this.takeReady();
    if (client !== null) {
      if (!this.#attach(client, decoder, callbacks)) this.onReady(client);
      if (this.#ratio > 1) this.#openIfNeeded();
      return null;
    }
    const { unsupported } = this.dialling;
    if (unsupported !== '') {
      callbacks.onPoolFailure('local connection failure', unsupported, this.host);
      return null;
    }
    if (!resources.pendingRequests.canCreate()) {
      stats.store.inc(stats.upstreamRqPendingOverflow);
      callbacks.onPoolFailure('overflow', '', this.host);
      return null;
    }
    this.#enter();
    resources.pendingRequests.inc();
    stats.store.inc(stats.upstreamRqPendingTotal);
    stats.store.inc(stats.upstreamRqPendingActive);
    this.host.counts.rqPendingActive++;
    const stream = new PendingStream(this, decoder, callbacks);
    this.#pending.push(stream);
    this.#openIfNeeded();
    return stream;
  }

  cancelPending(stream: PendingStream): void {
    const index = this.#pending.indexOf(stream);
    if (index < 0) return;
    this.#pending.splice(index, 1);
    this.#notPending();
    const { stats } = this.context;
    stats.store.inc(stats.upstreamRqCancelled);
    this.#checkIdle();
  }

  drainConnections(): void {
    for (const client of [...this.#clients]) if (!client.connecting) client.drain();
  }

  drain(): void {
    this.draining = true;
    for (const client of [...this.#clients]) {
      // Those who wait are served by the connections dialled for them.
      if (!client.connecting || this.#pending.length === 0) client.drain();
    }
    this.#checkIdle();
  }

  /** Has streams on their way, or some that wait. */
  get active(): boolean {
    if (this.#pending.length > 0) return true;
    for (const client of this.#clients) if (client.busy || client.connecting) return true;
    return false;
  }

  get inUse(): boolean {
    return this.#clients.size > 0 || this.#pending.length > 0;
  }

  /** The connection speaks another version: it is no longer this pool's, and neither are those who wait. */
  release(client: PooledClient): readonly PendingStream[] {
    this.#connecting--;
    this.#clients.delete(client as Client);
    const waiting = this.#pending;
    this.#pending = [];
    if (!this.inUse && this.#counted) {
      this.context.resources.pools.dec();
      this.#counted = false;
    }
    return waiting;
  }

  /** Its counterpart. The connection and those who wait are counted already. */
  adopt(made: MadeConnection, waiting: readonly PendingStream[]): void {
    this.#enter();
    for (const stream of waiting) stream.queue = this;
    this.#pending.push(...waiting);
    this.#connecting++;
    const client = this.createClient(made);
    this.#clients.add(client);
    client.onConnected(made.connection, made.transport);
  }

  // === ClientPool

  takesElsewhere(client: PooledClient, made: MadeConnection): boolean {
    return this.chooser !== null && this.chooser.redirect(this, client, made);
  }

  onClientConnected(client: Client): void {
    this.#connecting--;
    this.serve(client);
  }

  /** Connect failure fails all who wait, each by its own retry policy (envoy-behaviour §7.2). */
  onClientFailed(client: Client, reason: PoolFailureReason, detail: string): void {
    this.#connecting--;
    const { stats } = this.context;
    stats.store.inc(stats.upstreamCxConnectFail);
    this.host.counts.cxConnectFail++;
    this.#forget(client);
    const waiting = this.#pending;
    this.#pending = [];
    for (const stream of waiting) {
      this.#notPending();
      stats.store.inc(stats.upstreamRqPendingFailureEject);
      stream.callbacks.onPoolFailure(reason, detail, this.host);
    }
    this.#checkIdle();
  }

  onDialCancelled(client: Client): void {
    this.#connecting--;
    this.#forget(client);
    this.#checkIdle();
  }

  onClientGone(client: Client): void {
    this.onGone(client);
    this.#forget(client);
    if (this.#pending.length > 0) this.#openIfNeeded();
    this.#checkIdle();
  }

  /** A stream was attached and is over, whatever its end. */
  onStreamOver(): void {
    this.context.resources.requests.dec();
    this.host.counts.rqActive--;
  }

  /** Gives those who wait to a connection that takes streams. */
  serve(client: Client): void {
    while (client.acceptsStream) {
      const stream = this.#pending.shift();
      if (stream === undefined) {
        if (this.draining) client.drain();
        else this.onReady(client);
        return;
      }
      this.#notPending();
      this.#attach(client, stream.decoder, stream.callbacks);
    }
    this.openForPending();
  }

  /** A connection takes no further stream although some wait. */
  protected openForPending(): void {
    if (this.#pending.length > 0) this.#openIfNeeded();
  }

  /** False: refused by the request breaker; the caller has been told. */
  #attach(client: Client, decoder: ResponseDecoder, callbacks: HttpPoolCallbacks): boolean {
    const { resources, stats } = this.context;
    if (!resources.requests.canCreate()) {
      stats.store.inc(stats.upstreamRqActiveOverflow);
      callbacks.onPoolFailure('overflow', '', this.host);
      return false;
    }
    resources.requests.inc();
    const counts = this.host.counts;
    counts.rqTotal++;
    counts.rqActive++;
    client.attach(decoder, callbacks);
    return true;
  }

  /** Connections wanted for each stream: more than one are dialled ahead, to hosts that are well. */
  get #ratio(): number {
    const ratio = this.context.config.preconnectRatio;
    return ratio === undefined || !this.host.healthy ? 1 : ratio;
  }

  get #wantsConnection(): boolean {
    const dialled = this.#connecting * this.streamsPerDial;
    const ratio = this.#ratio;
    if (ratio === 1) return dialled < this.#pending.length;
    const { pending, active, free } = this.load;
    return (pending + active) * ratio > free + active;
  }

  get load(): PoolLoad {
    let active = 0;
    let free = this.#connecting * this.streamsPerDial;
    for (const client of this.#clients) {
      active += client.activeStreams;
      free += client.freeStreams;
    }
    return { pending: this.#pending.length, active, free };
  }

  preconnect(ratio: number): boolean {
    const { pending, active, free } = this.load;
    const wanted = (pending + active + 1) * ratio > free + active;
    if (!wanted || !this.host.healthy || this.dialling.unsupported !== '') return false;
    this.#enter();
    return this.#open();
  }

  #enter(): void {
    if (this.#counted) return;
    this.#counted = true;
    this.context.resources.pools.inc();
  }

  /** A pool may always open its first connection, limit or not. */
  #openIfNeeded(): void {
    for (let dialled = 0; this.#wantsConnection; dialled++) {
      // What is dialled ahead comes little by little.
      if (dialled >= MAX_AHEAD && this.#connecting * this.streamsPerDial >= this.#pending.length)
        return;
      if (!this.#open()) return;
    }
  }

  /** False: the limit is reached. */
  #open(): boolean {
    const { resources, stats } = this.context;
    if (!resources.canConnect(this.host)) {
      stats.store.inc(stats.upstreamCxOverflow);
      if (this.#clients.size > 0) return false;
    }
    resources.connections.inc();
    stats.store.inc(stats.upstreamCxTotal);
    stats.store.inc(stats.upstreamCxActive);
    this.host.onConnectionMade();
    this.#connecting++;
    this.#clients.add(this.createClient());
    return true;
  }

  #forget(client: Client): void {
    if (!this.#clients.delete(client)) return;
    const { resources, stats } = this.context;
    resources.connections.dec();
    stats.store.dec(stats.upstreamCxActive);
    this.host.onConnectionGone();
  }

  #notPending(): void {
    const { resources, stats } = this.context;
    resources.pendingRequests.dec();
    stats.store.dec(stats.upstreamRqPendingActive);
    this.host.counts.rqPendingActive--;
  }

  #checkIdle(): void {
    if (this.inUse) return;
    if (this.#counted) this.context.resources.pools.dec();
    this.#counted = false;
    if (this.draining || this.#special) this.context.onPoolIdle(this);
  }
}
