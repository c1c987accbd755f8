// [m] ControlTls: TLS of main's own connections to gRPC services, built like the workers' and of the same secrets.
import type { TimeSource } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { SecretConfig } from '../../config/secret-config.ts';
import { StringMatcher } from '../../router/string-matcher.ts';
import type { StatsStore } from '../../stats/store.ts';
import { CertificateCache } from '../../tls/certificate-cache.ts';
import { SecretStore } from '../../tls/secret-store.ts';
import { TlsContexts } from '../../tls/tls-contexts.ts';
import type { UpstreamTransports } from '../../upstream/upstream-transports.ts';
import type { SecretSink } from '../../xds/secret-manager.ts';
import { TlsTransports } from '../tls-transports.ts';

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
    this.#transports ??= this.#create();
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

  #create(): UpstreamTransports {
    const { time, stats, log, ticketSecret } = this.#deps;
    const environment = {
      secrets: this.#secrets,
      store: stats,
      certificates: new CertificateCache(),
      compileStringTest: (...config: ConstructorParameters<typeof StringMatcher>) =>
        new StringMatcher(...config),
      ticketSecret,
      wallMs: () => time.wallMs(),
    };
    return new TlsTransports(new TlsContexts(environment, log));
  }
}
