// [b] A certificate as its DER says it (RFC 5280): names, validity, key. Texts are made when asked for: most connections
// are never asked.
import { crypto } from '../base/node-builtins.ts';
import type { PeerCertificateFacts, SubjectAltNames } from '../stream-info/tls-facts.ts';
import { DerError, DerReader, Tag, contextTag } from './der-reader.ts';
import { printName } from './distinguished-name.ts';
import { printIp } from '../network/address.ts';

/** Larger ones are not read: no real certificate is (attack checklist 66). */
export const MAX_CERTIFICATE_BYTES = 65536;
const MAX_ALT_NAMES = 1024;

const SUBJECT_ALT_NAME = '2.5.29.17';
const BASIC_CONSTRAINTS = '2.5.29.19';
const EXTENDED_KEY_USAGE = '2.5.29.37';

export interface OtherName {
  readonly oid: string;
  readonly value: string;
}

export interface AltNames extends SubjectAltNames {
  readonly otherNames: readonly OtherName[];
}

export type KeyType = 'rsa' | 'ecdsa' | 'ed25519' | 'other';

const KEY_TYPES: ReadonlyMap<string, KeyType> = new Map([
  ['1.2.840.113549.1.1.1', 'rsa'],
  ['1.2.840.10045.2.1', 'ecdsa'],
  ['1.3.101.112', 'ed25519'],
]);

const CURVES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.10045.3.1.7', 'P-256'],
  ['1.3.132.0.34', 'P-384'],
  ['1.3.132.0.35', 'P-521'],
]);

export class Certificate {
  readonly der: Uint8Array;
  readonly serial: string;
  readonly validFromMs: number;
  readonly validToMs: number;
  readonly names: AltNames;
  readonly keyType: KeyType;
  /** `P-256` …; '' for keys of other kinds. */
  readonly curve: string;
  readonly isCa: boolean;
  /** Object identifiers; null: for any purpose. */
  readonly extendedKeyUsage: readonly string[] | null;
  readonly issuerDer: Uint8Array;
  readonly subjectDer: Uint8Array;
  readonly #spki: Uint8Array;
  #fingerprint256 = '';
  #subject: string | null = null;

  /** Throws DerError. */
  constructor(der: Uint8Array) {
    if (der.length > MAX_CERTIFICATE_BYTES) throw new DerError('certificate too large');
    this.der = der;
    const outer = new DerReader(der);
    const certificate = outer.expect(Tag.Sequence);
    if (!outer.done) throw new DerError('bytes behind the certificate');
    const body = certificate.expect(Tag.Sequence);
    body.optional(contextTag(0, true));
    this.serial = serialText(body.expect(Tag.Integer).rest());
    body.expect(Tag.Sequence);
    this.issuerDer = body.whole();
    const validity = body.expect(Tag.Sequence);
    this.validFromMs = readTime(validity);
    this.validToMs = readTime(validity);
    this.subjectDer = body.whole();
    this.#spki = body.whole();
    const algorithm = new DerReader(this.#spki).expect(Tag.Sequence).expect(Tag.Sequence);
    this.keyType = KEY_TYPES.get(algorithm.expect(Tag.ObjectId).objectId()) ?? 'other';
    const named = this.keyType === 'ecdsa' ? algorithm.optional(Tag.ObjectId) : null;
    this.curve = named === null ? '' : (CURVES.get(named.objectId()) ?? '');
    body.optional(contextTag(1, false));
    body.optional(contextTag(2, false));
    const extensions = readExtensions(body.optional(contextTag(3, true)));
    this.names = readAltNames(extensions.get(SUBJECT_ALT_NAME));
    this.isCa = readIsCa(extensions.get(BASIC_CONSTRAINTS));
    this.extendedKeyUsage = readKeyUsages(extensions.get(EXTENDED_KEY_USAGE));
  }

  get fingerprint256(): string {
    if (this.#fingerprint256 === '') this.#fingerprint256 = crypto().hash('sha256', this.der);
    return this.#fingerprint256;
  }

  get fingerprint1(): string {
    return crypto().hash('sha1', this.der);
  }

  /** Base64 of the SHA-256 of the key. */
  get spkiPin(): string {
    return crypto().hash('sha256', this.#spki, 'base64');
  }

  get subject(): string {
    return (this.#subject ??= nameText(this.subjectDer));
  }

  get issuer(): string {
    return nameText(this.issuerDer);
  }

  get pem(): string {
    return toPem(this.der);
  }
}

export function toPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** As Envoy puts PEM into headers and logs. */
export const urlEncodedPem = (pem: string): string =>
  pem
    .replaceAll('\n', '%0A')
    .replaceAll(' ', '%20')
    .replaceAll('+', '%2B')
    .replaceAll('/', '%2F')
    .replaceAll('=', '%3D');

/** All certificates of a PEM text, in order. Throws DerError where one cannot be read. */
export function certificatesOf(pem: string): readonly Certificate[] {
  return pemBlocks(pem, 'CERTIFICATE').map((der) => new Certificate(der));
}

export function pemBlocks(pem: string, label: string): readonly Uint8Array[] {
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const blocks: Uint8Array[] = [];
  for (let at = pem.indexOf(begin); at >= 0; at = pem.indexOf(begin, at)) {
    const stop = pem.indexOf(end, at);
    if (stop < 0) throw new DerError(`PEM block of ${label} without an end`);
    blocks.push(Buffer.from(pem.slice(at + begin.length, stop), 'base64'));
    at = stop;
  }
  return blocks;
}

/** Facts for logs of a peer that showed `chain`, leaf first. */
export class PeerFacts implements PeerCertificateFacts {
  readonly certificate: Certificate;
  readonly #chain: () => readonly Certificate[];

  constructor(certificate: Certificate, chain: () => readonly Certificate[]) {
    this.certificate = certificate;
    this.#chain = chain;
  }

  /** As the peer sent it, leaf first. */
  get chain(): readonly Certificate[] {
    return this.#chain();
  }

  get subject(): string {
    return this.certificate.subject;
  }

  get issuer(): string {
    return this.certificate.issuer;
  }

  get serial(): string {
    return this.certificate.serial;
  }

  get fingerprint256(): string {
    return this.certificate.fingerprint256;
  }

  get fingerprint1(): string {
    return this.certificate.fingerprint1;
  }

  get names(): AltNames {
    return this.certificate.names;
  }

  get validFromMs(): number {
    return this.certificate.validFromMs;
  }

  get validToMs(): number {
    return this.certificate.validToMs;
  }

  get pem(): string {
    return urlEncodedPem(this.certificate.pem);
  }

  get chainPem(): string {
    return urlEncodedPem(
      this.#chain()
        .map((certificate) => certificate.pem)
        .join(''),
    );
  }

  get chainFingerprints256(): readonly string[] {
    return this.#chain().map((certificate) => certificate.fingerprint256);
  }

  get chainFingerprints1(): readonly string[] {
    return this.#chain().map((certificate) => certificate.fingerprint1);
  }

  get chainSerials(): readonly string[] {
    return this.#chain().map((certificate) => certificate.serial);
  }
}

/** OpenSSL reads names that are no strict DER: logs and headers ask for them, and get nothing. */
function nameText(der: Uint8Array): string {
  try {
    return printName(new DerReader(der).expect(Tag.Sequence));
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return '';
  }
}

function serialText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  const start = hex.startsWith('00') && hex.length > 2 ? 2 : 0;
  return hex.slice(start);
}

/** UTCTime or GeneralizedTime, in the one form that RFC 5280 §4.1.2.5 allows. */
function readTime(reader: DerReader): number {
  const generalized = reader.peekTag() === Tag.GeneralizedTime;
  const text = reader.expect(generalized ? Tag.GeneralizedTime : Tag.UtcTime).text();
  if (!(generalized ? /^\d{14}Z$/ : /^\d{12}Z$/).test(text)) throw new DerError('bad time');
  const years = generalized ? 4 : 2;
  const two = (at: number): number => Number(text.slice(years + at, years + at + 2));
  let year = Number(text.slice(0, years));
  if (!generalized) year += year < 50 ? 2000 : 1900;
  const date = new Date(0);
  date.setUTCFullYear(year, two(0) - 1, two(2));
  date.setUTCHours(two(4), two(6), two(8), 0);
  return date.getTime();
}

function readExtensions(field: DerReader | null): ReadonlyMap<string, DerReader> {
  const found = new Map<string, DerReader>();
  if (field === null) return found;
  const list = field.expect(Tag.Sequence);
  while (!list.done) {
    const extension = list.expect(Tag.Sequence);
    const oid = extension.expect(Tag.ObjectId).objectId();
    extension.optional(Tag.Boolean);
    // RFC 5280 §4.2: an extension that is there twice could be read either way.
    if (found.has(oid)) throw new DerError(`extension ${oid} is there twice`);
    found.set(oid, extension.expect(Tag.OctetString));
  }
  return found;
}

function readIsCa(extension: DerReader | undefined): boolean {
  const ca = extension?.expect(Tag.Sequence).optional(Tag.Boolean);
  return ca !== undefined && ca !== null && ca.rest()[0] === 0xff;
}

function readKeyUsages(extension: DerReader | undefined): readonly string[] | null {
  if (extension === undefined) return null;
  const list = extension.expect(Tag.Sequence);
  const usages: string[] = [];
  while (!list.done) usages.push(list.expect(Tag.ObjectId).objectId());
  return usages;
}

const EMAIL = contextTag(1, false);
const DNS = contextTag(2, false);
const URI = contextTag(6, false);
const IP = contextTag(7, false);
const OTHER = contextTag(0, true);

function readAltNames(extension: DerReader | undefined): AltNames {
  const ip: string[] = [];
  const dns: string[] = [];
  const uri: string[] = [];
  const email: string[] = [];
  const otherNames: OtherName[] = [];
  const list = extension?.expect(Tag.Sequence);
  for (let count = 0; list !== undefined && !list.done; count++) {
    if (count >= MAX_ALT_NAMES) throw new DerError('too many subject alternative names');
    const tag = list.peekTag();
    const value = list.next();
    if (tag === DNS) dns.push(value.text());
    else if (tag === URI) uri.push(value.text());
    else if (tag === EMAIL) email.push(value.text());
    else if (tag === IP) ip.push(addressText(value.rest()));
    else if (tag === OTHER) otherNames.push(readOtherName(value));
  }
  const otherName = otherNames.map(({ value }) => value);
  return { ip, dns, uri, email, otherName, otherNames };
}

function readOtherName(value: DerReader): OtherName {
  const oid = value.expect(Tag.ObjectId).objectId();
  const wrapped = value.expect(contextTag(0, true));
  return { oid, value: wrapped.next().text() };
}

/** What is no address has no text that could match one. */
const addressText = (bytes: Uint8Array): string =>
  bytes.length === 4 || bytes.length === 16 ? printIp(bytes) : '';
