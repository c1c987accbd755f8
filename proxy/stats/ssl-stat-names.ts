// [b] Rows of the table of stats: TLS of listeners and of clusters, and its secrets (envoy-behaviour §9.6).
import { SECRET_STAT_GROUPS } from './secret-stat-names.ts';
import { counters, gauges } from './stat-rows.ts';
import type { StatGroup, StatRow } from './stat-rows.ts';

const SSL_ROWS: readonly StatRow[] = [
  ...counters(`
    connection_error: handshakes that failed for another reason than the peer's certificate
    handshake: handshakes that ended well
    session_reused: of those, resumed ones
    no_certificate: of those, without a certificate of the peer
    fail_verify_no_cert: peers kept out because they showed no certificate
    fail_verify_error: peers kept out because their chain did not verify
    fail_verify_san: peers kept out because of their names
    fail_verify_cert_hash: peers kept out because of their certificate's hash or key
    ciphers.<name>: handshakes by cipher suite
    versions.<name>: handshakes by protocol version
    curves.<name>: handshakes by key exchange group
    sigalgs.<name>: handshakes by the algorithm the peer signed with
    ocsp_staple_failed: registered as in Envoy, and never counted
    ocsp_staple_omitted: registered as in Envoy, and never counted
    ocsp_staple_requests: registered as in Envoy, and never counted
    ocsp_staple_responses: registered as in Envoy, and never counted
    was_key_usage_invalid: registered as in Envoy, and never counted
  `),
  ...gauges(`
    certificate.<name>.expiration_unix_time_seconds [s]: when the first certificate of a chain or bundle expires
  `),
];

export const TLS_STAT_GROUPS: readonly StatGroup[] = [
  ...SECRET_STAT_GROUPS,
  { title: 'TLS of clients', prefix: 'listener.<stat_prefix>.ssl.', rows: SSL_ROWS },
  { title: 'TLS of upstreams', prefix: 'cluster.<name>.ssl.', rows: SSL_ROWS },
];
