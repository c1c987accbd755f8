// [b] All TLS of one thread: of a worker, and of connections that main opens itself (control planes, active checks). Made, and loaded, with
// the first context that a connection needs.
import type { Logger } from '../base/logger.ts';
import type { TimeSource } from '../base/clock.ts';
import type { StringMatchConfig } from '../config/matcher-config.ts';
import { StringMatcher } from '../router/string-matcher.ts';
import type { StatsStore } from '../stats/store.ts';
import { CertificateCache } from '../tls/certificate-cache.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { TlsContexts } from '../tls/tls-contexts.ts';
import { TlsTransports } from './tls-transports.ts';

export interface ThreadTlsParts {
  readonly secrets: SecretStore;
  readonly stats: StatsStore;
  readonly ticketSecret: Uint8Array;
  readonly time: TimeSource;
  readonly log: Logger;
}

export class ThreadTls {
  /** Of filter chains, and of clusters. */
  readonly contexts: TlsContexts;
  readonly transports: TlsTransports;

  constructor({ secrets, stats, ticketSecret, time, log }: ThreadTlsParts) {
    const environment = {
      secrets,
      store: stats,
      certificates: new CertificateCache(),
      compileStringTest: (config: StringMatchConfig, place: string) =>
        new StringMatcher(config, place),
      ticketSecret,
      wallMs: () => time.wallMs(),
    };
    this.contexts = new TlsContexts(environment, log);
    this.transports = new TlsTransports(this.contexts);
  }
}
