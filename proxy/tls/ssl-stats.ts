// [w] `ssl.*` of a listener or a cluster (envoy-behaviour §9.6). Names with ciphers, versions and groups come with the first
// connection that has them: the library's lists bound them, not the peer.
import type { KeyType } from './certificate.ts';
import type { StatId, StatsStore } from '../stats/store.ts';

export class SslStats {
  readonly store: StatsStore;
  readonly connectionError: StatId;
  readonly handshake: StatId;
  readonly sessionReused: StatId;
  readonly noCertificate: StatId;
  readonly failVerifyNoCert: StatId;
  readonly failVerifyError: StatId;
  readonly failVerifySan: StatId;
  readonly failVerifyCertHash: StatId;
  readonly #scope: string;
  readonly #prefix: string;
  readonly #named = new Map<string, StatId>();

  /** `scope`: `listener.<stat_prefix>` or `cluster.<name>`. */
  constructor(store: StatsStore, scope: string) {
    const prefix = `${scope}.ssl.`;
    this.store = store;
    this.#scope = scope;
    this.#prefix = prefix;
    this.connectionError = store.counter(`${prefix}connection_error`);
    this.handshake = store.counter(`${prefix}handshake`);
    this.sessionReused = store.counter(`${prefix}session_reused`);
    this.noCertificate = store.counter(`${prefix}no_certificate`);
    this.failVerifyNoCert = store.counter(`${prefix}fail_verify_no_cert`);
    this.failVerifyError = store.counter(`${prefix}fail_verify_error`);
    this.failVerifySan = store.counter(`${prefix}fail_verify_san`);
    this.failVerifyCertHash = store.counter(`${prefix}fail_verify_cert_hash`);
    for (const name of UNCOUNTED) store.counter(prefix + name);
  }

  /** A connection that could not begin, as a secret has not come. */
  onSecretMissing(side: 'upstream' | 'downstream'): void {
    const factory = side === 'upstream' ? 'client_ssl_socket_factory' : 'server_ssl_socket_factory';
    const name = `${this.#scope}.${factory}.${side}_context_secrets_not_ready`;
    this.store.inc(this.store.counter(name));
  }

  /** `versions`, `ciphers`, `curves`, `sigalgs`. */
  count(kind: 'versions' | 'ciphers' | 'curves' | 'sigalgs', name: string): void {
    if (name === '') return;
    const key = `${kind}.${name}`;
    let id = this.#named.get(key);
    if (id === undefined) {
      id = this.store.counter(this.#prefix + key);
      this.#named.set(key, id);
    }
    this.store.inc(id);
  }

  /** By the key of the peer's certificate, which leaves one algorithm or is what all of today choose of several. */
  countSignature({ keyType, curve }: { readonly keyType: KeyType; readonly curve: string }): void {
    this.count(
      'sigalgs',
      keyType === 'ecdsa' ? (ECDSA.get(curve) ?? '') : (OTHERS.get(keyType) ?? ''),
    );
  }

  /** `secretName` '': what Envoy calls what has no name. The certificate that ends first counts. */
  setExpiration(
    kind: 'cert' | 'ca_cert',
    secretName: string,
    chain: readonly { readonly validToMs: number }[],
  ): void {
    const soonestMs = Math.min(...chain.map(({ validToMs }) => validToMs));
    if (!Number.isFinite(soonestMs)) return;
    const name = secretName === '' ? `unnamed_${kind}_e3b0c442` : secretName;
    const stat = `${this.#prefix}certificate.${name}.expiration_unix_time_seconds`;
    this.store.set(this.store.gauge(stat), Math.trunc(soonestMs / 1000));
  }
}

const ECDSA: ReadonlyMap<string, string> = new Map([
  ['P-256', 'ecdsa_secp256r1_sha256'],
  ['P-384', 'ecdsa_secp384r1_sha384'],
  ['P-521', 'ecdsa_secp521r1_sha512'],
]);

const OTHERS: ReadonlyMap<KeyType, string> = new Map([
  ['rsa', 'rsa_pss_rsae_sha256'],
  ['ed25519', 'ed25519'],
]);

/** Names that Envoy shows and that nothing counts. */
const UNCOUNTED: readonly string[] = [
  'ocsp_staple_failed',
  'ocsp_staple_omitted',
  'ocsp_staple_requests',
  'ocsp_staple_responses',
  'was_key_usage_invalid',
];
