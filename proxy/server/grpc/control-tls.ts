// [m] ControlTls: TLS of main's own connections to gRPC services, built like the workers' and of the same secrets.
import type { TimeSource } from '../../base/clock.ts';
import { lazyPart } from '../../base/lazy-part.ts';
import type { Logger } from '../../base/logger.ts';
import type { SecretConfig } from '../../config/secret-config.ts';
import type { StatsStore } from '../../stats/store.ts';
import { SecretStore } from '../../tls/secret-store.ts';
import type { UpstreamTransports } from '../../upstream/upstream-transports.ts';
import type { SecretSink } from '../../xds/secret-manager.ts';

const threadTls = lazyPart<typeof import('../thread-tls.ts')>('server/thread-tls');

export interface ControlTlsDeps {
  readonly time: TimeSource;
  readonly stats: StatsStore;
  readonly log: Logger;
  readonly ticketSecret: Uint8Array;
  readonly workers: () => SecretSink;
}

export class ControlTls implements SecretSink {
  readonly #deps: ControlTlsDeps;
  readonly #secrets = new SecretStore();
  #transports: UpstreamTransports | null = null;

  constructor(deps: ControlTlsDeps) {
    this.#deps = deps;
  }

  /** Made with the first connection that needs it. */
  get transports(): UpstreamTransports {
    const { time, stats, log, ticketSecret } = this.#deps;
    const secrets = this.#secrets;
    this.#transports ??= new (threadTls().ThreadTls)({
      time,
      stats,
      secrets,
      log,
      ticketSecret,
    }).transports;
    return this.#transports;
  }

  // === SecretSink: what workers get, main gets, too.

  publishSecret(key: string, secret: SecretConfig): void {
    this.#secrets.apply([{ key, secret }]);
    this.#deps.workers().publishSecret(key, secret);
  }

  removeSecret(key: string): void {
    this.#secrets.apply([{ key, secret: undefined }]);
    this.#deps.workers().removeSecret(key);
  }
}
