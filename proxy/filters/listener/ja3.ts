// [w] JA3 and JA4 fingerprints of client hellos, for logs: what a client offers, in its order, hashed (ja3: salesforce/ja3;
// ja4: FoxIO's JA4 for TLS over TCP). Taken only where the TLS inspector is told to.
import { crypto } from '../../base/node-builtins.ts';

import type { ClientHello } from '../../tls/client-hello.ts';

/** RFC 8701: values that mean nothing. */
const isGrease = (value: number): boolean =>
  (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);

const plain = (values: readonly number[]): number[] => values.filter((value) => !isGrease(value));

const list = (values: readonly number[]): string => plain(values).join('-');

export function ja3(hello: ClientHello): string {
  const text = [
    hello.legacyVersion,
    list(hello.cipherSuites),
    list(hello.extensions),
    // As in Envoy, which leaves the others out of all lists but this one.
    hello.groups.join('-'),
    hello.pointFormats.join('-'),
  ].join(',');
  return crypto().createHash('md5').update(text).digest('hex');
}

const VERSIONS: ReadonlyMap<number, string> = new Map([
  [0x0304, '13'],
  [0x0303, '12'],
  [0x0302, '11'],
  [0x0301, '10'],
  [0x0300, 's3'],
]);

const SERVER_NAME = 0;
const ALPN = 16;
const HASH_CHARACTERS = 12;

const hex = (value: number): string => value.toString(16).padStart(4, '0');
const count = (values: readonly number[]): string =>
  String(Math.min(99, values.length)).padStart(2, '0');

export function ja4(hello: ClientHello): string {
  const suites = plain(hello.cipherSuites);
  const extensions = plain(hello.extensions);
  const version = Math.max(0, ...plain(hello.versions));
  const protocol = hello.applicationProtocols[0] ?? '';
  const head =
    `t${VERSIONS.get(version) ?? '00'}${extensions.includes(SERVER_NAME) ? 'd' : 'i'}` +
    `${count(suites)}${count(extensions)}${ends(protocol)}`;
  const sorted = extensions.filter((type) => type !== SERVER_NAME && type !== ALPN);
  const schemes = plain(hello.signatureSchemes).map(hex).join(',');
  const tail = sorted.map(hex).sort().join(',') + (schemes === '' ? '' : `_${schemes}`);
  return `${head}_${short(suites.map(hex).sort().join(','))}_${short(sorted.length === 0 ? '' : tail)}`;
}

/** First and last character of the first protocol. */
function ends(protocol: string): string {
  if (protocol === '') return '00';
  return protocol[0]! + protocol.at(-1)!;
}

const short = (text: string): string =>
  text === ''
    ? '0'.repeat(HASH_CHARACTERS)
    : crypto().createHash('sha256').update(text).digest('hex').slice(0, HASH_CHARACTERS);
