// [w] Numbers of TLS by name (IANA registry "TLS Supported Groups"; RFC 8446 §4.2.3), and what a server chose of them: OpenSSL
// tells a client, not a server, so the server's choice is made again from the hello.
import type { ClientHello } from './client-hello.ts';

const GROUPS: ReadonlyMap<string, number> = new Map([
  ['P-256', 23],
  ['P-384', 24],
  ['P-521', 25],
  ['X25519', 29],
  ['X25519MLKEM768', 0x11ec],
]);

/** OpenSSL's name of a group → BoringSSL's. */
const OPENSSL_GROUPS: ReadonlyMap<string, string> = new Map([
  ['prime256v1', 'P-256'],
  ['secp384r1', 'P-384'],
  ['secp521r1', 'P-521'],
]);

export const groupName = (openssl: string): string => OPENSSL_GROUPS.get(openssl) ?? openssl;

/** `ours`: configured names, in order of preference. '' where none is known. */
export function chosenGroup(hello: ClientHello, ours: readonly string[], version: string): string {
  const shared = ours.filter((name) => hello.groups.includes(GROUPS.get(name) ?? -1));
  if (version !== 'TLSv1.3') return shared.find((name) => name !== 'X25519MLKEM768') ?? '';
  // A share that is there saves the client a round trip.
  return shared.find((name) => hello.keyShares.includes(GROUPS.get(name)!)) ?? shared[0] ?? '';
}

const ECDSA_P256_SHA256 = 0x0403;
const TLS_1_3 = 0x0304;
const P256 = 23;

/** TLS 1.2: a suite with ECDSA is offered; TLS 1.3: the scheme is. Both: for our curve. */
export function takesEcdsa(hello: ClientHello): boolean {
  if (!hello.groups.includes(P256)) return false;
  if (hello.versions.includes(TLS_1_3)) return hello.signatureSchemes.includes(ECDSA_P256_SHA256);
  return hello.cipherSuites.some((suite) => ECDSA_SUITES.has(suite));
}

/** TLS_ECDHE_ECDSA_WITH_… up to TLS 1.2 */
const ECDSA_SUITES: ReadonlySet<number> = new Set([
  0xc009, 0xc00a, 0xc023, 0xc024, 0xc02b, 0xc02c, 0xcca9,
]);
