// [m] Pieces that certificate requests and certificates share: extensions, names, signatures (RFC 5280, RFC 2986).

import type { KeyObject } from 'node:crypto';

import { isIpv4, isIpv6 } from '../../proxy/base/ip-text.ts';
import { crypto } from '../../proxy/base/node-builtins.ts';
import { bool, nothing, objectIdentifier, octetString, primitive, sequence } from './der-writer.ts';

export type { KeyObject };

export const OID = {
  subjectAltName: '2.5.29.17',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  basicConstraints: '2.5.29.19',
  subjectKeyIdentifier: '2.5.29.14',
  authorityKeyIdentifier: '2.5.29.35',
  extensionRequest: '1.2.840.113549.1.9.14',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  organization: '2.5.4.10',
  commonName: '2.5.4.3',
  sha256WithRsa: '1.2.840.113549.1.1.11',
  sha256WithEcdsa: '1.2.840.10045.4.3.2',
  sha384WithEcdsa: '1.2.840.10045.4.3.3',
} as const;

export function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  const parts = [objectIdentifier(id), octetString(value)];
  if (critical) parts.splice(1, 0, bool(true));
  return sequence(...parts);
}

export type SubjectName =
  | { readonly kind: 'uri'; readonly value: string }
  | { readonly kind: 'dns'; readonly value: string }
  | { readonly kind: 'ip'; readonly value: string };

/** Critical: nothing else names the subject (RFC 5280 §4.2.1.6). */
export function subjectAltName(names: readonly SubjectName[]): Uint8Array {
  const general = names.map(({ kind, value }) => {
    if (kind === 'ip') return primitive(7, addressBytes(value));
    return primitive(kind === 'uri' ? 6 : 2, Buffer.from(value, 'latin1'));
  });
  return extension(OID.subjectAltName, true, sequence(...general));
}

function addressBytes(text: string): Uint8Array {
  if (isIpv4(text)) return Uint8Array.from(text.split('.').map(Number));
  if (!isIpv6(text)) throw new Error(`${text} is no IP address`);
  // URL writes every group in hex, also those that were written as IPv4.
  const [head = '', tail = ''] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::', 2);
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number(`0x${group}`));
  const [before, after] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return Uint8Array.from(
    [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 255]),
  );
}

interface Signing {
  readonly hash: string;
  /** AlgorithmIdentifier. */
  readonly algorithm: Uint8Array;
}

function signingOf(key: KeyObject): Signing {
  if (key.asymmetricKeyType === 'rsa')
    return { hash: 'sha256', algorithm: sequence(objectIdentifier(OID.sha256WithRsa), nothing) };
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1'
    ? { hash: 'sha384', algorithm: sequence(objectIdentifier(OID.sha384WithEcdsa)) }
    : { hash: 'sha256', algorithm: sequence(objectIdentifier(OID.sha256WithEcdsa)) };
}

export const signatureAlgorithm = (key: KeyObject): Uint8Array => signingOf(key).algorithm;

export const signBytes = (bytes: Uint8Array, key: KeyObject): Uint8Array =>
  crypto().sign(signingOf(key).hash, bytes, key);
