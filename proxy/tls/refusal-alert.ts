// [w] The alert for a client whose certificate is refused (RFC 8446 §6.2, RFC 5246 §7.2.2), which Node cannot send: OpenSSL takes the
// handshake for done by then, and closing it says close_notify. So the record is made here: in TLS 1.2 it is plaintext, as our side
// has not changed to its keys on the wire; in TLS 1.3 it is the first under the server's application keys, before any ticket.
//
// A nonce must never serve twice. OpenSSL may have sealed tickets under the same number, but these never leave: the socket is closed
// before OpenSSL's output is flushed (tls-attacks.test.ts holds that), and without the socket nobody sees a second text.
import { crypto } from '../base/node-builtins.ts';
import type { TrustFailure } from './peer-trust.ts';

const FATAL = 2;
const ALERT = 21;
const APPLICATION_DATA = 23;
const TAG_BYTES = 16;
const IV_BYTES = 12;

/** Of a line of OpenSSL's key log: label, client random and secret, in hexadecimal. */
const LABEL = 'SERVER_TRAFFIC_SECRET_0 ';

/** Null: another secret. */
export function trafficSecretOf(line: Buffer): Buffer | null {
  if (line[0] !== LABEL.charCodeAt(0) || line.latin1Slice(0, LABEL.length) !== LABEL) return null;
  const at = line.indexOf(' ', LABEL.length);
  return at < 0 ? null : Buffer.from(line.latin1Slice(at + 1, line.length), 'hex');
}

const BAD_CERTIFICATE_HASH_VALUE = 114;
const CERTIFICATE_UNKNOWN = 46;

/** By what is told of the chain, as BoringSSL has it; names and identities that do not match are unknown certificates. */
const CODES: readonly (readonly [words: string, code: number])[] = [
  ['certificate has expired', 45],
  ['certificate is not yet valid', 45],
  ['certificate revoked', 44],
  ['certificate purpose', 43],
  ['X509_verify_cert', 48],
];

export function alertOf({ stat, detail, bySpiffe }: TrustFailure): number {
  if (bySpiffe === true) return CERTIFICATE_UNKNOWN;
  if (stat === 'failVerifyCertHash') return BAD_CERTIFICATE_HASH_VALUE;
  return CODES.find(([words]) => detail.includes(words))?.[1] ?? CERTIFICATE_UNKNOWN;
}

interface Suite {
  readonly cipher: 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305';
  readonly hash: 'sha256' | 'sha384';
  readonly keyBytes: number;
}

const SUITES: ReadonlyMap<string, Suite> = new Map([
  ['TLS_AES_128_GCM_SHA256', { cipher: 'aes-128-gcm', hash: 'sha256', keyBytes: 16 }],
  ['TLS_AES_256_GCM_SHA384', { cipher: 'aes-256-gcm', hash: 'sha384', keyBytes: 32 }],
  ['TLS_CHACHA20_POLY1305_SHA256', { cipher: 'chacha20-poly1305', hash: 'sha256', keyBytes: 32 }],
]);

/** For TLS 1.2. */
export const plainAlert = (code: number): Buffer => Buffer.of(ALERT, 3, 3, 0, 2, FATAL, code);

/** For TLS 1.3, the first record under `secret`; null: a suite that is not known. */
export function sealedAlert(code: number, cipherName: string, secret: Buffer): Buffer | null {
  const suite = SUITES.get(cipherName);
  if (suite === undefined) return null;
  const { cipher, hash, keyBytes } = suite;
  const text = Buffer.of(FATAL, code, ALERT);
  const header = Buffer.of(APPLICATION_DATA, 3, 3, 0, text.length + TAG_BYTES);
  const key = expand(hash, secret, 'key', keyBytes);
  // The record's number is 0, so the IV is the nonce.
  const nonce = expand(hash, secret, 'iv', IV_BYTES);
  const seal = crypto().createCipheriv(cipher as 'aes-128-gcm', key, nonce, {
    authTagLength: TAG_BYTES,
  });
  seal.setAAD(header);
  const sealed = [seal.update(text), seal.final()];
  return Buffer.concat([header, ...sealed, seal.getAuthTag()]);
}

/** HKDF-Expand-Label without a context (RFC 8446 §7.1), of no more than one block. */
function expand(hash: Suite['hash'], secret: Buffer, label: string, byteCount: number): Buffer {
  const name = `tls13 ${label}`;
  const info = Buffer.from(`\0${String.fromCharCode(byteCount, name.length)}${name}\0`, 'latin1');
  const block = crypto().createHmac(hash, secret).update(info).update(Buffer.of(1)).digest();
  return block.subarray(0, byteCount);
}
