// [w] What all TLS contexts of one worker share.
import type { StatsStore } from '../stats/store.ts';
import type { CertificateCache } from './certificate-cache.ts';
import type { CompileStringTest } from './san-matcher.ts';
import type { SecretStore } from './secret-store.ts';

export interface TlsEnvironment {
  readonly secrets: SecretStore;
  readonly store: StatsStore;
  readonly certificates: CertificateCache;
  readonly compileStringTest: CompileStringTest;
  /** Of this process, the same in all its workers: ticket keys are made of it. */
  readonly ticketSecret: Uint8Array;
  wallMs(): number;
}
