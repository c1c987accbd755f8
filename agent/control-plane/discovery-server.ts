// [m] DiscoveryServer: gives every connected proxy its resources, at first and whenever the configuration changes. Istio: pilot/pkg/xds/discovery.go.
import { randomUUID } from 'node:crypto';

import type { TimeSource } from '../../proxy/base/clock.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import { statusCode } from '../../xds-protos/ads-stream.ts';
import type {
  AdsServerStream,
  DeltaServerStream,
  SotwServerStream,
} from '../../xds-protos/ads-stream.ts';
import { DeltaSession } from './delta-session.ts';
import { ProxySession, RequestError } from './proxy-session.ts';
import type { ProvedIdentity, ProxyStatus, PushSource } from './proxy-session.ts';
import type { PushContext } from './push-context.ts';
import { SotwSession } from './sotw-session.ts';

interface Connection {
  readonly session: ProxySession;
  push(): void;
}

export class DiscoveryServer implements PushSource {
  readonly #logger: Logger;
  readonly #time: TimeSource;
  readonly #connections = new Set<Connection>();
  #push: PushContext;
  #count = 1;
  #version: string;

  constructor(push: PushContext, logger: Logger, time: TimeSource) {
    this.#push = push;
    this.#logger = logger;
    this.#time = time;
    this.#version = this.#nextVersion();
  }

  get push(): PushContext {
    return this.#push;
  }

  get version(): string {
    return this.#version;
  }

  nonce(): string {
    return `${this.#version}${randomUUID()}`;
  }

  #nextVersion(): string {
    const seconds = new Date(this.#time.wallMs()).toISOString().replace(/\.[0-9]+Z$/, 'Z');
    return `${seconds}/${this.#count}`;
  }

  /** Puts a configuration in force; proxies get what of theirs it changes. */
  update(push: PushContext): void {
    this.#push = push;
    this.#count++;
    this.#version = this.#nextVersion();
    for (const connection of this.#connections) this.#pushTo(connection);
  }

  /** One proxy's trouble must not keep the others from their push. */
  #pushTo(connection: Connection): void {
    try {
      connection.push();
    } catch (error) {
      this.#logger.error(
        `push to ${connection.session.id} failed: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  /** The handler of DeltaAggregatedResources. */
  delta(stream: DeltaServerStream, proved?: ProvedIdentity): void {
    const session = new ProxySession(this, this.#logger, proved);
    const delta = new DeltaSession(stream, session);
    this.#attach(stream, { session, push: () => delta.push() }, (request) =>
      delta.onRequest(request),
    );
  }

  /** The handler of StreamAggregatedResources. */
  sotw(stream: SotwServerStream, proved?: ProvedIdentity): void {
    const session = new ProxySession(this, this.#logger, proved);
    const sotw = new SotwSession(stream, session);
    this.#attach(stream, { session, push: () => sotw.push() }, (request) =>
      sotw.onRequest(request),
    );
  }

  #attach<Sent, Received>(
    stream: AdsServerStream<Sent, Received>,
    connection: Connection,
    onRequest: (request: Received) => void,
  ): void {
    this.#connections.add(connection);
    stream.onEnd(({ reason }) => {
      this.#connections.delete(connection);
      this.#logger.info(`ADS: ${connection.session.id} ended the connection`, { reason });
    });
    stream.onMessage((request) => {
      try {
        onRequest(request);
      } catch (error) {
        this.#connections.delete(connection);
        const refused = error instanceof RequestError;
        const reason = error instanceof Error ? error.message : String(error);
        this.#logger.error(`ADS: request of ${connection.session.id} failed: ${reason}`);
        stream.end({
          code: refused ? error.code : statusCode.internal,
          reason: refused ? reason : 'internal error',
        });
      }
    });
  }

  /** All connected proxies: what istiod answers on /debug/syncz. */
  status(): ProxyStatus[] {
    return [...this.#connections].map(({ session }) => session.status());
  }
}
