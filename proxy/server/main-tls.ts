// [m] The TLS of connections that main opens itself (control planes, active checks), built like the workers'. Loaded for the first.
import type { Logger } from '../base/logger.ts';
import type { TimeSource } from '../base/clock.ts';
import type { StringMatchConfig } from '../config/matcher-config.ts';
import { StringMatcher } from '../router/string-matcher.ts';
import type { StatsStore } from '../stats/store.ts';
import { CertificateCache } from '../tls/certificate-cache.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { TlsContexts } from '../tls/tls-contexts.ts';
import { TlsTransports } from './tls-transports.ts';

export interface MainTlsParts {
  readonly time: TimeSource;
  readonly stats: StatsStore;
  readonly secrets: SecretStore;
  readonly log: Logger;
  readonly ticketSecret: Uint8Array;
}

export function mainTls({ time, stats, secrets, log, ticketSecret }: MainTlsParts): TlsTransports {
  const environment = {
    secrets,
    store: stats,
    certificates: new CertificateCache(),
    compileStringTest: (config: StringMatchConfig, place: string) =>
      new StringMatcher(config, place),
    ticketSecret,
    wallMs: () => time.wallMs(),
  };
  return new TlsTransports(new TlsContexts(environment, log));
}
