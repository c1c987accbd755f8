// [m] ControlPlaneConnection: the agent's way to the control plane: in plaintext, or over TLS with roots, identity and token as their files
// are when a stream opens (istio-contract §1.1, §10.1).
import type { Closable } from '../../proxy/base/lifetime.ts';
import { statusCode } from '../../xds-protos/ads-stream.ts';
import type { AdsStream } from '../../xds-protos/ads-stream.ts';
import type { GrpcThread } from '../../proxy/grpc/grpc-thread.ts';
import { openChannel } from '../../proxy/grpc/open-channel.ts';
import { adsConnection } from '../../xds-protos/channel-services.ts';
import { maxMessageBytes } from '../../xds-protos/codec.ts';
import type { ClientTls } from '../../xds-protos/grpc-channel.ts';
import type { AdsConnection } from '../../xds-protos/services.ts';
import type { ControlPlaneOptions } from '../control-plane-options.ts';
import { loadClientTls, nothingShown, readAuthorization } from '../security/server-trust.ts';
import type { Upstream, UpstreamEvents } from './relay.ts';

export type OpenStream<Request, Response> = (
  connection: AdsConnection,
  headers: ReadonlyMap<string, string>,
) => AdsStream<Request, Response>;

export class ControlPlaneConnection implements Closable {
  readonly #options: ControlPlaneOptions;
  readonly #grpc: GrpcThread;
  #connection: AdsConnection | undefined;
  #tls: ClientTls | undefined;

  constructor(options: ControlPlaneOptions, grpc: GrpcThread) {
    this.#options = options;
    this.#grpc = grpc;
  }

  dial<Request, Response>(
    open: OpenStream<Request, Response>,
    events: UpstreamEvents<Response>,
  ): Upstream<Request> {
    return new PreparedStream(this.#prepare(), open, events);
  }

  close(): void {
    this.#connection?.close();
  }

  async #prepare(): Promise<Prepared> {
    const { trust, token, headers } = this.#options;
    if (trust === undefined)
      return { connection: this.#connectionBy(undefined), headers, unknownAs: '' };
    const loaded = loadClientTls(trust);
    if (!loaded.ok) throw new Error(loaded.reason);
    const authorization = await readAuthorization(token);
    const all = new Map(headers);
    if (authorization !== undefined) all.set('authorization', authorization);
    const unknownAs = nothingShown(authorization, loaded.tls, token);
    return { connection: this.#connectionBy(loaded.tls), headers: all, unknownAs };
  }

  /** The one there is, unless what it was made with is not what it would be made with now. */
  #connectionBy(tls: ClientTls | undefined): AdsConnection {
    const before = this.#connection;
    if (before !== undefined && JSON.stringify(this.#tls) === JSON.stringify(tls)) return before;
    const address = { target: this.#options.address, tls, maxMessageBytes };
    const made = adsConnection(openChannel(this.#grpc, address));
    before?.close();
    this.#tls = tls;
    this.#connection = made;
    return made;
  }
}

interface Prepared {
  readonly connection: AdsConnection;
  readonly headers: ReadonlyMap<string, string>;
  /** Goes behind `unauthenticated`. */
  readonly unknownAs: string;
}

/** Keeps what is sent before the connection is prepared. */
class PreparedStream<Request, Response> implements Upstream<Request> {
  readonly #waiting: Request[] = [];
  #stream: AdsStream<Request, Response> | undefined;
  #cancelled = false;

  constructor(
    prepared: Promise<Prepared>,
    open: OpenStream<Request, Response>,
    events: UpstreamEvents<Response>,
  ) {
    prepared.then(
      ({ connection, headers, unknownAs }) => {
        if (this.#cancelled) return;
        const stream = open(connection, headers);
        stream.onMessage((response) => events.onResponse(response));
        stream.onEnd(({ code, reason }) => {
          const why = code === statusCode.unauthenticated ? unknownAs : '';
          events.onEnd(`grpc status ${code}${reason === '' ? '' : `: ${reason}`}${why}`);
        });
        this.#stream = stream;
        for (const request of this.#waiting.splice(0)) stream.send(request);
      },
      (error: unknown) => {
        if (!this.#cancelled) events.onEnd((error as Error).message);
      },
    );
  }

  send(request: Request): void {
    if (this.#stream === undefined) this.#waiting.push(request);
    else this.#stream.send(request);
  }

  cancel(): void {
    this.#cancelled = true;
    this.#stream?.cancel();
  }
}
