// Certificates for tests, made on the spot: any names, times, purposes and issuers, also such as no authority would sign. A
// small DER writer over node:crypto; nothing is kept.
import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
};

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const text = (tag: number, value: string): Buffer => der(tag, Buffer.from(value, 'latin1'));
const octets = (bytes: Uint8Array): Buffer => der(0x04, bytes);
const TRUE = Buffer.of(1, 1, 0xff);

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const value of [first * 40 + second, ...rest]) {
    const groups = [value & 0x7f];
    for (let left = value >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

/** A GeneralName: its tag says what it is. `otherName` is of that type with a UTF8String. */
export interface AltName {
  readonly uri?: string;
  readonly dns?: string;
  readonly email?: string;
  readonly ip?: readonly number[];
  readonly otherName?: { readonly oid: string; readonly value: string };
}

function altName(name: AltName): Buffer {
  if (name.uri !== undefined) return text(0x86, name.uri);
  if (name.dns !== undefined) return text(0x82, name.dns);
  if (name.email !== undefined) return text(0x81, name.email);
  if (name.ip !== undefined) return der(0x87, Buffer.from(name.ip));
  const other = name.otherName!;
  return der(0xa0, oid(other.oid), der(0xa0, text(0x0c, other.value)));
}

const PURPOSES = {
  server: '1.3.6.1.5.5.7.3.1',
  client: '1.3.6.1.5.5.7.3.2',
  code: '1.3.6.1.5.5.7.3.3',
};

export interface CertificateRequest {
  readonly commonName?: string;
  /** DER of a whole Name in its place. */
  readonly subject?: Uint8Array;
  readonly names?: readonly AltName[];
  /** Default: server and client. */
  readonly purposes?: readonly (keyof typeof PURPOSES)[];
  /** Default: an hour ago. */
  readonly notBefore?: Date;
  /** Default: in a day. */
  readonly notAfter?: Date;
  readonly ca?: boolean;
  readonly pathLength?: number;
  /** Default P-256. */
  readonly key?: 'P-256' | 'P-384' | 'rsa';
}

const HOUR = 3_600_000;
const SIGNATURES = { ecdsa: '1.2.840.10045.4.3.2', rsa: '1.2.840.113549.1.1.11' };

const algorithm = (key: KeyObject): Buffer =>
  key.asymmetricKeyType === 'rsa'
    ? sequence(oid(SIGNATURES.rsa), Buffer.of(5, 0))
    : sequence(oid(SIGNATURES.ecdsa));

const nameOf = (commonName: string): Buffer =>
  sequence(
    der(0x31, sequence(oid('2.5.4.10'), text(0x0c, 'org'))),
    der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName, 'utf8')))),
  );

const timeOf = (date: Date): Buffer =>
  text(0x18, `${date.toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`);

const extension = (id: string, value: Uint8Array, critical = false): Buffer =>
  critical ? sequence(oid(id), TRUE, octets(value)) : sequence(oid(id), octets(value));

const pemOf = (label: string, bytes: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(bytes).toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd()}\n-----END ${label}-----\n`;

/** The DER's signature around a body that is to be signed. */
const signed = (body: Buffer, key: KeyObject): Buffer =>
  sequence(body, algorithm(key), der(0x03, Buffer.of(0), sign('sha256', body, key)));

export class TestCertificate {
  readonly der: Buffer;
  readonly pem: string;
  readonly keyPem: string;
  readonly commonName: string;
  readonly serial: Buffer;
  readonly #key: KeyObject;

  private constructor(request: CertificateRequest, issuer: TestCertificate | null) {
    const { publicKey, privateKey } = newKey(request.key ?? 'P-256');
    this.#key = privateKey;
    this.commonName = request.commonName ?? 'leaf';
    this.serial = Buffer.concat([Buffer.of(0x40), randomBytes(8)]);
    const signer = issuer === null ? privateKey : issuer.#key;
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const now = Date.now();
    const body = sequence(
      der(0xa0, Buffer.of(2, 1, 2)),
      der(0x02, this.serial),
      algorithm(signer),
      nameOf(issuer === null ? this.commonName : issuer.commonName),
      sequence(
        timeOf(request.notBefore ?? new Date(now - HOUR)),
        timeOf(request.notAfter ?? new Date(now + 24 * HOUR)),
      ),
      request.subject ?? nameOf(this.commonName),
      spki,
      der(0xa3, sequence(...extensionsOf(request))),
    );
    this.der = signed(body, signer);
    this.pem = pemOf('CERTIFICATE', this.der);
    this.keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  }

  /** Signed by itself. */
  static root(request: CertificateRequest = {}): TestCertificate {
    return new TestCertificate({ ca: true, commonName: 'root', ...request }, null);
  }

  issue(request: CertificateRequest): TestCertificate {
    return new TestCertificate(request, this);
  }

  /** Base64 of the key's SHA-256, for `verify_certificate_spki`. */
  get spkiPin(): string {
    const spki = createPublicKey(this.#key).export({ type: 'spki', format: 'der' });
    return createHash('sha256').update(spki).digest('base64');
  }

  get fingerprint(): string {
    return createHash('sha256').update(this.der).digest('hex');
  }

  /** A revocation list of this authority. */
  revoke(...certificates: readonly TestCertificate[]): string {
    const now = Date.now();
    const entries = certificates.map(({ serial }) =>
      sequence(der(0x02, serial), timeOf(new Date(now - HOUR))),
    );
    const body = sequence(
      Buffer.of(2, 1, 1),
      algorithm(this.#key),
      nameOf(this.commonName),
      timeOf(new Date(now - HOUR)),
      timeOf(new Date(now + 24 * HOUR)),
      ...(entries.length === 0 ? [] : [sequence(...entries)]),
    );
    return pemOf('X509 CRL', signed(body, this.#key));
  }
}

function newKey(kind: NonNullable<CertificateRequest['key']>): {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
} {
  return kind === 'rsa'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : generateKeyPairSync('ec', { namedCurve: kind });
}

function extensionsOf(request: CertificateRequest): readonly Buffer[] {
  const { ca = false, names = [], pathLength } = request;
  const extensions: Buffer[] = [];
  const constraint = pathLength === undefined ? [] : [Buffer.of(2, 1, pathLength)];
  extensions.push(extension('2.5.29.19', ca ? sequence(TRUE, ...constraint) : sequence(), true));
  // keyCertSign and cRLSign, or digitalSignature.
  extensions.push(
    extension('2.5.29.15', der(0x03, ca ? Buffer.of(1, 6) : Buffer.of(7, 0x80)), true),
  );
  if (!ca) {
    const purposes = request.purposes ?? ['server', 'client'];
    if (purposes.length > 0)
      extensions.push(
        extension('2.5.29.37', sequence(...purposes.map((purpose) => oid(PURPOSES[purpose])))),
      );
  }
  if (names.length > 0) extensions.push(extension('2.5.29.17', sequence(...names.map(altName))));
  return extensions;
}
