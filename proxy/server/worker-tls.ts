// [w] All TLS of one worker; made, and loaded, with the first context that a connection needs.
import type { Logger } from '../base/logger.ts';
import type { TimeSource } from '../base/clock.ts';
import type { StringMatchConfig } from '../config/matcher-config.ts';
import { StringMatcher } from '../router/string-matcher.ts';
import type { StatsStore } from '../stats/store.ts';
import { CertificateCache } from '../tls/certificate-cache.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { TlsContexts } from '../tls/tls-contexts.ts';
import { TlsTransports } from './tls-transports.ts';

export interface WorkerTlsParts {
  readonly secrets: SecretStore;
  readonly store: StatsStore;
  readonly ticketSecret: Uint8Array;
  readonly time: TimeSource;
  readonly log: Logger;
}

export class WorkerTls {
  /** Of filter chains, and of clusters. */
  readonly contexts: TlsContexts;
  readonly transports: TlsTransports;

  constructor({ secrets, store, ticketSecret, time, log }: WorkerTlsParts) {
    const environment = {
      secrets,
      store,
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
